"""Failpoints (RELIABILITY 6.0, S-20): inert without the switch, named exactly, counted over forks, and logged."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from squidie import failpoints
from squidie.errors import InvalidConfig

ROOT = Path(__file__).parents[2]
POINTS = (
    "bell.received, claim.before_commit, claim.committed, step.before, step.after, settle.locked, "
    "settle.before_commit, settle.committed, ring.before, ring.after, renew.before, sweep.before_expire, turn.between, "
    "child.died, host.committed, tick.before_commit"
)
HIT = "from squidie.failpoints import hit; "


def python(code, words, switch="1", log=None):
    """What a process does that has these words in its environment."""
    env = {**os.environ, "SQUIDIE_TEST": switch, "SQUIDIE_FAILPOINTS": words}
    env |= {"SQUIDIE_FAILPOINTS_LOG": str(log)} if log else {}
    return subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def armed(words, log=None):
    env = {"SQUIDIE_TEST": "1", "SQUIDIE_FAILPOINTS": words}
    return failpoints.from_environment(env | ({"SQUIDIE_FAILPOINTS_LOG": str(log)} if log else {}))


def test_the_points_are_those_of_the_design():
    assert set(failpoints.POINTS) == set(POINTS.split(", "))


def test_each_point_is_hit_somewhere_and_nothing_else_is():
    sources = [path for part in ("squidie", "backends") for path in (ROOT / part).rglob("*.py")]
    placed = {
        name
        for path in sources
        for name in re.findall(r"(?:failpoints\.hit|journal\.committed)\(\"([a-z_.]+)\"\)", path.read_text("utf-8"))
    }

    assert placed == set(failpoints.POINTS)


@pytest.mark.parametrize("switch", ["", "0", "yes"])
def test_without_the_switch_nothing_happens_and_nothing_is_read(switch):
    """S-20"""
    done = python(HIT + "hit('step.before'); print('alive')", "step.before=kill,nonsense", switch)

    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_with_the_switch_it_happens():
    assert python(HIT + "hit('step.before')", "step.before=kill").returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("step.before", "'step.before' is not of the form point=action"),
        ("step.before=kill@0", "'step.before=kill@0' is not of the form"),
        ("step.begin=kill", "'step.begin=kill' names no point"),
        ("step.before=die", "'step.before=die' names no action"),
        ("step.before=sleep", "'step.before=sleep' needs its seconds"),
        ("step.before=kill:2", "'step.before=kill:2' takes no seconds"),
        ("step.before=drop", "'step.before=drop' cannot be"),
        ("ring.before=lost_reply", "'ring.before=lost_reply' cannot be"),
    ],
)
def test_a_word_that_is_wrong_is_named_at_import(word, said):
    done = python("import squidie.failpoints", f"step.after=raise,{word}")

    assert done.returncode == 1
    assert "InvalidConfig: SQUIDIE_FAILPOINTS: " + said in done.stderr
    with pytest.raises(InvalidConfig):
        failpoints.parse(word)


def test_a_worker_does_not_come_up_with_a_word_that_is_wrong():
    env = {"SQUIDIE_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/no", "SQUIDIE_REDIS_URL": "redis://nowhere"}
    code = f"import os; os.environ.update({env!r}); import celery_app"

    assert "InvalidConfig: SQUIDIE_FAILPOINTS: 'x=y' names no point" in python(code, "x=y").stderr


def test_the_first_hit_is_meant_unless_a_number_or_every_one_is_said():
    plans = failpoints.parse(" step.before=kill, step.after=sleep:0.5@3 ,ring.before=drop@*,")

    assert plans == (
        ("step.before", "kill", 0.0, 1),
        ("step.after", "sleep", 0.5, 3),
        ("ring.before", "drop", 0.0, None),
    )


def test_hits_are_counted_and_the_planned_one_acts():
    planned = armed("ring.before=drop@2,renew.before=drop@*")

    assert [planned.hit("ring.before") for _ in range(3)] == [False, True, False]
    assert [planned.hit("renew.before") for _ in range(2)] == [True, True]
    assert not planned.hit("step.before")


def test_two_words_may_be_about_one_point():
    planned = armed("step.after=raise@2,step.after=exit@3")

    assert not planned.hit("step.after")
    with pytest.raises(failpoints.PlannedError):
        planned.hit("step.after")
    with pytest.raises(SystemExit):
        planned.hit("step.after")


def test_a_lost_reply_is_what_a_cut_connection_raises():
    """M13: no SQLSTATE, and the connection is given up."""
    with pytest.raises(OperationalError) as raised:
        armed("settle.committed=lost_reply").hit("settle.committed")

    assert raised.value.connection_invalidated
    assert raised.value.orig.sqlstate is None


def test_forks_count_together_so_that_a_replaced_child_lives(tmp_path):
    log = tmp_path / "log"
    code = HIT + (
        "import os\n"
        "def child():\n"
        "    pid = os.fork()\n"
        "    if pid == 0: hit('step.before'); os._exit(0)\n"
        "    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
        "print([child() for _ in range(4)])"
    )

    done = python(code, "step.before=kill@2", log=log)

    assert done.stdout == "[0, -9, 0, 0]\n"
    assert [line.split()[:3] for line in log.read_text("ascii").splitlines()] == [["step.before", "kill", "2"]]


def test_threads_count_together_too():
    planned, dropped = armed("ring.before=drop@500"), []
    threads = [
        threading.Thread(target=lambda: dropped.extend(planned.hit("ring.before") for _ in range(250)))
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert dropped.count(True) == 1


def test_each_action_is_logged_before_it_acts(tmp_path):
    log = tmp_path / "log"
    planned = armed("step.after=raise@*", log)

    for _ in range(2):
        with pytest.raises(failpoints.PlannedError):
            planned.hit("step.after")

    point, action, number, pid, at = log.read_text("ascii").splitlines()[1].split()
    assert (point, action, number, pid) == ("step.after", "raise", "2", str(os.getpid()))
    assert float(at) > 0


def test_a_thread_may_end_and_its_process_live():
    code = (
        HIT
        + "import threading; t = threading.Thread(target=hit, args=('renew.before',)); t.start(); t.join(); print(1)"
    )

    assert python(code, "renew.before=exit").stdout == "1\n"


def test_a_process_may_be_stopped_and_go_on():
    env = {**os.environ, "SQUIDIE_TEST": "1", "SQUIDIE_FAILPOINTS": "step.before=stop"}
    child = subprocess.Popen([sys.executable, "-c", HIT + "hit('step.before')"], env=env, cwd=ROOT)
    stopped, status = os.waitpid(child.pid, os.WUNTRACED)

    assert (stopped, os.WIFSTOPPED(status)) == (child.pid, True)
    os.kill(child.pid, signal.SIGCONT)
    assert child.wait(10) == 0
