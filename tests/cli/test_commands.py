"""What commands do: starts, waits, cancels, migrations, and the exit code of each way to fail."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from squidie import failpoints
from squidie.delivery import Finding as Unwise
from squidie.engine import conditions
from squidie.testing import eventually
from tests.support.flows import Single
from tests.support.lab import NOON, Recorder, scalar, work_off


def only_run(squidie):
    (row,) = squidie.list_runs().runs
    return squidie.run(row.id).snapshot()


# ---------------------------------------------------------------- start
def test_a_start_reads_fields_as_its_contract_declares_them(squidie, call):
    started = call("start", "Sums:again", "-p", "number=7", "--key", "k", "--attr", "tenant=north", "--queue", "q2")

    run = only_run(squidie)
    assert started.exit_code == 0
    assert str(run.id) in started.stdout
    assert (run.payload, run.trigger, run.key, run.queue) == ({"number": 7}, "again", "k", "q2")
    assert run.attributes == {"tenant": "north"}


def test_json_is_given_with_a_colon(squidie, call):
    call("start", "Single", "-p", 'plan:={"only": ["fail"]}')

    assert only_run(squidie).payload == {"plan": {"only": ["fail"]}}


def test_the_same_key_finds_the_same_run(squidie, call):
    call("start", "Single", "--key", "k")
    again = call("start", "Single", "--key", "k")

    assert "exists already" in again.stdout
    assert only_run(squidie).key == "k"


def test_a_start_can_be_delayed(squidie, call, clock):
    clock(NOON)
    call("start", "Single", "--at", "2h")
    call("start", "Single", "--at", "2026-03-10T15:00+01:00")

    due = {run.steps[0].due_at for run in (squidie.run(row.id).snapshot() for row in squidie.list_runs().runs)}
    assert due == {NOON + timedelta(hours=2)}


def test_a_payload_comes_from_a_file_or_a_pipe(squidie, call, tmp_path):
    (tmp_path / "one.json").write_text('{"number": 1}', encoding="utf-8")

    assert call("start", "Sums", "--input", "@one.json").exit_code == 0
    assert call("start", "Sums", "--input", "-", given='{"number": 2}').exit_code == 0
    assert call("start", "Sums", "--input", "@one.json", "-p", "number=3").exit_code == 0

    assert sorted(squidie.run(row.id).snapshot().payload["number"] for row in squidie.list_runs().runs) == [1, 2, 3]


def test_a_file_of_lines_starts_a_run_for_each_and_a_bad_line_harms_only_itself(squidie, call, tmp_path):
    lines = ['{"number": 1}', "", '{"number": "two"}', '{"number": 3}']
    (tmp_path / "many.jsonl").write_text("\n".join(lines), encoding="utf-8")

    first = call("start", "Sums", "--input", "@many.jsonl", "--key-field", "number")
    again = call("start", "Sums", "--input", "@many.jsonl", "--key-field", "number", "--json")

    assert first.exit_code == 2
    assert len(first.stdout.split()) == 2
    assert "line 3: the payload does not fit its contract; number: is no integer" in first.stderr
    assert "2 started, 0 existed already, 1 refused" in first.stderr
    document = json.loads(again.stdout)
    assert (document["started"], len(document["existed"]), document["errors"][0]["line"]) == ([], 2, 3)
    assert scalar(squidie, "select count(*) from {s}.runs") == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["start", "Nope"], 3, "there is no workflow named 'Nope'"),
        (["start", "Sums"], 2, "missing: number"),
        (["start", "Sums", "-p", "number=x"], 2, "number: is no integer"),
        (["start", "Sums", "-p", "numbr=1"], 2, "unknown: numbr"),
        (["start", "Sums:nope", "-p", "number=1"], 2, "declared triggers: go, again"),
        (["start", "Single", "-p", "plan"], 2, "name=text or name:=json"),
        (["start", "Single", "-p", "plan:={"], 2, "is no JSON"),
        (["start", "Single", "--input", "file.json"], 2, "with @ in front"),
        (["start", "Single", "--input", "@nowhere.json"], 2, "cannot be read"),
        (["start", "Single", "--input", "@many.jsonl", "--key", "k"], 2, "--key-field"),
        (["start", "Single", "--at", "tomorrow"], 2, "neither a duration nor a time"),
        (["start", "Single", "--at", "2026-05-01T12:00"], 2, "says no time zone"),
        (["start", "Single", "--priority", "1000"], 2, "from 0 (most urgent) to 999"),
        (["start", "Single", "--queue", "no spaces"], 2, "queue: letters, digits"),
        (["ls", "colour:red"], 2, "there is no filter 'colour'"),
        (["ls", "status:open"], 2, "known: running, paused"),
        (["ls", "--after", "x"], 2, "it is none that a list gave"),
        (["show", "abc"], 2, "last four hex digits"),
        (["show", "abcdef"], 3, "there is no run abcdef"),
        (["cancel", "abcdef", "--reason", "x"], 3, "there is no run"),
        (["cancel", "abcdef"], 2, "Missing option '--reason'"),
        (["run", "Single", "--timeout", "soon"], 2, "--timeout: a duration"),
        (["doctor", "--only", "db.magic"], 2, "known: app.import"),
        (["migrate", "--to", "9999"], 2, "--to: this code cannot go there"),
        (["nope"], 2, "No such command 'nope'"),
    ],
)
def test_bad_input_is_a_line_that_says_what_to_do(squidie, call, arguments, exit_code, said):
    shown = call(*arguments)

    assert shown.exit_code == exit_code
    assert said in shown.stderr
    assert shown.stdout == ""
    assert len(shown.stderr.splitlines()) <= 2
    assert scalar(squidie, "select count(*) from {s}.runs") == 0


# ---------------------------------------------------------------- run
@pytest.fixture
def at_work(squidie):
    """Somebody takes turns meanwhile."""
    stop = threading.Event()

    def work():
        while not stop.wait(0.02):
            work_off(squidie)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_run_waits_and_prints_the_output(call, at_work):
    shown = call("run", "Sums", "-p", "number=7")

    assert shown.exit_code == 0
    assert json.loads(shown.stdout) == {"add": 21, "reach": [7, "default"]}
    assert "✓ completed    double" in shown.stderr


def test_run_of_a_failing_workflow_exits_with_10(call, at_work):
    shown = call("run", "Single", "-p", 'plan:={"only": ["raise:no luck"]}')

    assert (shown.exit_code, shown.stdout) == (10, "")
    assert "failed: no luck" in shown.stderr


def test_run_that_somebody_cancels_exits_with_11(squidie, call):
    def cancel():
        row = eventually(lambda: squidie.list_runs().runs)[0]
        squidie.cancel(row.id, reason="changed my mind")

    thread = threading.Thread(target=cancel)
    thread.start()
    shown = call("run", "Single")
    thread.join()

    assert (shown.exit_code, shown.stdout) == (11, "")
    assert "cancelled: changed my mind" in shown.stderr


def test_run_that_takes_too_long_exits_with_124_and_leaves_the_run(squidie, call):
    shown = call("run", "Single", "--timeout", "100ms", "--json")

    assert (shown.exit_code, shown.stdout) == (124, "")
    assert json.loads(shown.stderr)["error"]["code"] == "wait_timeout"
    assert only_run(squidie).status == "running"


# ---------------------------------------------------------------- cancel
def test_cancel_takes_several_runs_and_keeps_the_reason(squidie, call):
    runs = [squidie.start(Single) for _ in range(2)]

    shown = call("cancel", *[run.id.hex[-8:] for run in runs], "--reason", "wrong batch")

    assert shown.exit_code == 0
    assert [run.snapshot().headline.partition(": ")[2] for run in runs] == ["wrong batch"] * 2


def test_cancel_of_an_ended_run_is_a_conflict(squidie, call):
    run = squidie.start(Single)
    work_off(squidie)

    shown = call("cancel", str(run.id), "--reason", "too late")

    assert shown.exit_code == 4
    assert "completed" in shown.stderr


# ---------------------------------------------------------------- worker, doctor
def test_a_draining_worker_leaves_nothing_due(squidie, call):
    for _ in range(3):
        call("start", "Chain")

    assert call("worker", "--drain", "-l", "error").exit_code == 0
    assert {row.status for row in squidie.list_runs().runs} == {"completed"}


def test_doctor_names_what_is_wrong_and_what_mends_it(squidie, call):
    squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    squidie.start(Single)

    document = json.loads(call("doctor", "--json").stdout)
    found = {check["id"]: check for check in document["checks"]}

    assert found["app.import"]["severity"] == found["db.schema"]["severity"] == "ok"
    assert found["db.append_only"]["severity"] == "ok"
    assert found["workers.alive"]["severity"] == "error"
    assert "1 attempt due there" in found["queues.consumed"]["evidence"]
    assert found["queues.consumed"]["fix"].startswith("squidie worker -Q default")
    assert found["dead.count"]["severity"] == "warning"
    assert document["ok"] is False


def test_doctor_exits_with_0_1_or_8(squidie, call):
    assert call("doctor", "--only", "db.encoding", "--strict").exit_code == 0
    assert call("doctor", "--only", "workers.alive").exit_code == 1
    squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    assert call("doctor", "--only", "dead.count").exit_code == 0
    assert call("doctor", "--only", "dead.count", "--strict").exit_code == 8


def test_doctor_says_of_the_database_and_the_broker_what_a_worker_would(make, call, monkeypatch):
    """B36, R09: here the database is one for tests, and somebody has written garbage into the broker."""

    class Carrier(Recorder):
        name = "carrier"

        def findings(self):
            return [Unwise("maxmemory-policy", "it evicts", "noeviction", unsafe=True), Unwise("pool", "solo", "none")]

        def checked(self):
            return {"broker.eviction": "it does not evict"}

        def quarantined(self):
            return 3

    squidie = make(delivery=Carrier())
    monkeypatch.setattr(call, "squidie", squidie)

    found = {check["id"]: check for check in json.loads(call("doctor", "--json").stdout)["checks"]}

    assert (found["broker.settings"]["severity"], found["broker.quarantine"]["severity"]) == ("error", "warning")
    assert found["broker.settings"]["evidence"] == "maxmemory-policy: it evicts; pool: solo"
    assert found["broker.settings"]["fix"] == "noeviction; none"
    assert found["broker.eviction"]["evidence"] == "it does not evict"
    assert found["broker.quarantine"]["evidence"].startswith("3 items put aside")
    assert found["db.durability"]["severity"] == "error"
    assert "fsync: it is off" in found["db.durability"]["evidence"]
    assert found["db.role"]["severity"] == "warning"
    assert found["db.clock"]["severity"] == found["db.encoding"]["severity"] == "ok"


def test_doctor_names_a_transaction_that_was_forgotten(squidie, call, monkeypatch):
    """Of P18 what people see: who holds it, and how to end it; behind it settled attempts pile up."""
    only = ("doctor", "--only", "db.long_transactions")
    assert call(*only, "--strict").exit_code == 0
    monkeypatch.setattr(conditions, "LONGEST", 0.01)
    with squidie.engine.connect() as other, other.begin():
        other.execute(text("set local application_name to 'report.sh'"))
        pid = other.execute(text("select pg_backend_pid()")).scalar_one()
        eventually(lambda: call(*only, "--strict").exit_code == 8)

        (found,) = json.loads(call(*only, "--json").stdout)["checks"]

    assert f"held open by report.sh (pid {pid}, idle in transaction)" in found["evidence"]
    assert found["fix"].endswith(f"pg_terminate_backend({pid})")


def test_doctor_sees_what_is_meant_for_tests(squidie, call, clock, monkeypatch):
    """S-20: a clock that was set by hand, and failpoints that are armed."""
    assert call("doctor", "--only", "db.test_flags", "--strict").exit_code == 0
    clock(NOON)
    assert "the clock of this journal is that of tests" in call("doctor", "--only", "db.test_flags").stdout
    clock(None)
    monkeypatch.setattr(failpoints, "_armed", failpoints.Armed(failpoints.parse("tick.before_commit=kill"), None))

    shown = call("doctor", "--only", "db.test_flags", "--strict")

    assert "failpoints are armed: tick.before_commit=kill" in " ".join(shown.stdout.split())
    assert shown.exit_code == 8


@pytest.mark.tampered("its trigger was disabled")
def test_doctor_sees_that_facts_can_be_changed(squidie, call):
    from tests.support.lab import change

    change(squidie, "alter table {s}.facts disable trigger facts_are_insert_only")

    shown = call("doctor", "--only", "db.append_only")

    assert shown.exit_code == 1
    assert 'fix: alter table "squidie".facts enable trigger' in shown.stdout


@pytest.mark.parametrize("hook", [None, lambda *_: True])
def test_doctor_says_whether_anybody_decides_who_may_act(call, make, hook):
    """6.7: without a hook calls from Python are trusted, and doctor says so; that is no fault."""
    call.squidie = make(Single, authorize=hook)
    shown = call("doctor", "--only", "access.authorize", "--json", "--strict")

    (check,) = json.loads(shown.stdout)["checks"]
    assert (check["severity"], shown.exit_code) == ("ok", 0)
    assert ("is trusted" in check["evidence"]) is (hook is None)
