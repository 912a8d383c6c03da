"""Processes that tests start: seen, stopped, killed with their children, waited for."""

import signal
import sys
from pathlib import Path

import pytest

from squidie.testing import Process, eventually
from squidie.testing.watchdog import is_running

PARENT = "import subprocess, sys; print('up'); subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); signal.pause()"


def python(code, **options):
    return Process([sys.executable, "-c", code], **options)


def test_a_kill_takes_the_children_too():
    with python(PARENT) as process:
        process.wait_for(lambda it: it.children())
        everyone = [process.pid, *process.children()]

        process.kill()

        eventually(lambda: not any(map(is_running, everyone)), why="a child lives on")
        assert process.exit_code == -signal.SIGKILL


def test_a_stop_asks_first():
    with python("import signal; print('up'); signal.pause()") as process:
        assert process.wait_for("up").stop() == -signal.SIGTERM


def test_a_stop_insists_when_it_was_not_heard():
    with python(STUBBORN) as process:
        assert process.wait_for("up").stop(timeout=0.1) == -signal.SIGKILL


def test_both_streams_are_in_the_log(tmp_path):
    with python("import sys; print('out'); print('err', file=sys.stderr)", log=tmp_path / "it.log") as process:
        assert process.wait() == 0
        assert sorted(process.log_text().split()) == ["err", "out"]


def test_waiting_for_what_never_comes_shows_the_log():
    with (
        python("print('no luck'); raise SystemExit(3)", name="one") as process,
        pytest.raises(AssertionError, match=r"one ended with 3 before that happened; its log ends:\nno luck"),
    ):
        process.wait_for("ready")


def test_the_environment_is_added_to_ours_and_the_temp_log_is_removed():
    with python("import os; print(os.environ['COLOUR'], 'PATH' in os.environ)", env={"COLOUR": "red"}) as process:
        process.wait()
        assert process.log_text() == "red True\n"

    assert not Path(process.log).parent.exists()


def test_eventually_gives_what_it_waited_for():
    seen = iter([None, 0, "there"])

    assert eventually(lambda: next(seen)) == "there"


def test_eventually_says_why_it_gave_up():
    with pytest.raises(AssertionError, match=r"the bell did not ring \(waited 0\.05 s\)"):
        eventually(lambda: False, within=0.05, why="the bell did not ring")
