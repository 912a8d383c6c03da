"""`squidie dead …`, `squidie queues` and `squidie workers`: tables at 80 columns, documents, exit codes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.support.flows import Diamond, Patient, Single
from tests.support.lab import NOON, all_facts, change, claim, completion, end_lease, settle, work_off
from tests.support.steering_flows import Charging, Parking

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture
def squidie(make, bells):
    return make(Single, Diamond, Patient, Parking, Charging, delivery=bells)


@pytest.fixture
def told(call):
    """Call `squidie dead …` at 80 columns; the result's text, once its exit code was seen."""

    def told(*arguments, code=0, given=None):
        result = call("dead", *arguments, columns=80, given=given)
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return told


def failed(squidie, workflow=Single, step="only", word="raise:no luck"):
    run = squidie.start(workflow, {"plan": {step: [word]}})
    work_off(squidie)
    return run


def short(run):
    return run.id.hex[-6:]


# ---------------------------------------------------------------- looking
def test_without_letters_it_says_what_would_be_here(told):
    """UX 4.5"""
    assert told("ls").startswith("No dead letters. Attempts that run out of tries")
    assert told("groups").startswith("No dead letters.")


def test_a_list_of_letters_at_80_columns(squidie, call, clock):
    """UX 4.5: newest first, with what failed and since when."""
    clock(NOON)
    one = failed(squidie, word="raise:the card was declined by a bank that gives its reasons at length")
    clock(NOON + HOUR)
    two = failed(squidie, Diamond, "d", "fail")
    clock(NOON + HOUR + 5 * SECOND)

    shown = call("dead", "ls", columns=80)

    assert shown.stdout == (
        "RUN     WHERE        TRY  ERROR                                              AGE\n"
        f"{short(two)}  Diamond.d      1  declined: Fail: for good                            5s\n"
        f"{short(one)}  Single.only    1  ValueError: the card was declined by a bank that…   1h\n"
    )
    assert shown.stderr == "2 of 2\n"
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())


def test_a_query_narrows_a_list(squidie, told, clock):
    clock(NOON)
    one, two = failed(squidie), failed(squidie, Diamond, "d", "fail")
    squidie.discard(two.id, "d", reason="x", actor="ann")
    clock(NOON + HOUR)

    assert short(one) in told("ls", "workflow:Single")
    assert short(one) in told("ls", "Single", "--step", "only", "--reason", "step_raised", "--since", "2h")
    assert told("ls", "since:10m").startswith("No dead letters")
    closed = told("ls", "--closed")
    assert short(two) in closed
    assert "discarded" in closed
    assert short(one) not in closed
    assert all(short(run) in told("ls", "--all", "--limit", "0") for run in (one, two))


def test_groups_say_what_failed_the_same_way(squidie, told, clock):
    """UX 4.5"""
    for number in range(3):
        clock(NOON + number * HOUR)
        failed(squidie, word=f"raise:order {number} has no parcel")
    print_ = squidie.dead_letters.groups().groups[0].fingerprint

    assert told("groups") == (
        "GROUP   COUNT  FIRST  LAST  WHERE        ERROR\n"
        f"{print_[:6]}      3     2h   0ms  Single.only  ValueError: order <n> has no parcel\n"
    )


def test_one_letter_is_shown_in_full(squidie, told, clock):
    """B23"""
    clock(NOON)
    run = squidie.start(Single, {"plan": {"only": ["raise:password=canary"]}})
    (row,) = claim(squidie, owner="box:7:boot")
    clock(NOON + HOUR)
    end_lease(squidie, row)
    work_off(squidie)

    text = told("show", short(run))

    assert text.splitlines()[0] == f"Single.only  {short(run)}"
    assert "error     ValueError: password=***" in text
    assert f"tries     1, 2 claims, the last by {squidie.owner}" in text
    assert "failing   since 13:00:00, given up 13:00:00 UTC" in text
    assert "requeue   starts a new run that goes on at the step" in text
    assert str(run.id) in text
    assert "flows.py" in text
    squidie.discard(run.id, "only", reason="hopeless", actor="ann")
    assert "closed    discarded 13:00:00 UTC by ann: hopeless" in told("show", f"{short(run)}:only")


# ---------------------------------------------------------------- taking in hand
def test_a_letter_is_requeued_by_its_run(squidie, told):
    """5.6: whoever does it is named, and the new run as well."""
    run = failed(squidie)

    said = told("requeue", short(run), "--reason", "mended", "--as", "ada")

    new = squidie.list_runs(limit=1).runs[0]
    assert said == f"✓ {short(run)}:only requeued → run {new.short_id}\n"
    letter = squidie.dead_letters.show(run.id, "only")
    assert (letter.closed_by["actor"], letter.closed_by["source"], letter.closed_why) == ("ada", "cli", "mended")


def test_without_a_name_whoever_is_logged_in_does_it(squidie, told, monkeypatch):
    monkeypatch.setenv("LOGNAME", "grace")
    run = failed(squidie)

    told("discard", f"{short(run)}:only", "--reason", "hopeless")

    assert squidie.dead_letters.show(run.id, "only").closed_by["actor"].startswith("grace@")


def test_a_parked_step_goes_on_in_its_run(squidie, told):
    run = failed(squidie, Parking, "b", "fail")

    assert told("requeue", short(run), "--reason", "mended") == f"✓ {short(run)}:b requeued\n"
    assert "step_requeued" in [fact.kind for fact in all_facts(squidie, run)]


def test_a_query_is_counted_and_asks_first(squidie, told, call):
    """UX 8.4: --dry-run counts, --yes goes on, and where nobody can be asked it is needed."""
    for _ in range(3):
        failed(squidie)

    assert told("requeue", "workflow:Single", "--reason", "x", "--dry-run") == "3 dead letters match.\n"
    assert "--yes" in told("discard", "workflow:Single", "--reason", "x", code=2)
    assert squidie.dead_letters.count() == 3
    canary = call("dead", "requeue", "workflow:Single", "--reason", "x", "--canary", "1", "--yes")
    assert (canary.stdout.count("requeued"), canary.stderr) == (1, "2 more match and were left as they are\n")
    group = squidie.dead_letters.groups().groups[0].fingerprint
    assert told("discard", f"group:{group[:6]}", "--reason", "x", "--yes").count("discarded") == 2
    assert told("discard", "workflow:Single", "--reason", "x", "--yes") == "No dead letter matches.\n"


def test_refusals_are_told_one_by_one_and_give_the_exit_code(squidie, call, clock):
    """UX 8.4: the others are done all the same."""
    clock(now := NOON)
    charged = squidie.start(Charging)
    squidie.execute_next()
    for _ in range(5):
        (row,) = claim(squidie)
        clock(now := now + HOUR)
        end_lease(squidie, row)
    plain = failed(squidie)

    result = call("dead", "requeue", short(charged), short(plain), "--reason", "x")

    assert result.exit_code == 5
    assert f"✓ {short(plain)}:only requeued" in result.stdout
    assert f"✕ {short(charged)}:charge" in result.stderr
    allowed = ("--allow-irreversible", "charge")
    assert call("dead", "requeue", short(charged), "--reason", "x", *allowed).exit_code == 0


def test_a_run_with_several_letters_asks_which(squidie, told):
    run = squidie.start(Diamond, {"plan": {"b": ["fail"]}})
    work_off(squidie)
    change(
        squidie,
        "insert into {s}.dead_letters select run_id, 'c', attempt, seq, workflow, queue, partition, reason, code, "
        "fingerprint, disposition, error, claims, owner, first_failed_at, at from {s}.dead_letters",
    )

    assert f"{short(run)}:b, {short(run)}:c" in told("show", short(run), code=2)
    assert "Diamond.c" in told("show", f"{short(run)}:c")


def test_programs_get_documents_about_letters(squidie, told):
    run = failed(squidie)
    other = failed(squidie)

    listed = json.loads(told("ls", "--json"))
    assert (listed["schema"], len(listed["letters"]), listed["next"]) == ("squidie.dead/1", 2, None)
    grouped = json.loads(told("groups", "--json"))
    assert (grouped["schema"], grouped["groups"][0]["count"]) == ("squidie.dead.groups/1", 2)
    shown = json.loads(told("show", short(run), "--json"))
    assert (shown["schema"], shown["run_id"], shown["error"]["type"]) == (
        "squidie.dead.letter/1",
        str(run.id),
        "ValueError",
    )
    taken = json.loads(told("discard", short(run), "--reason", "x", "--json"))
    assert taken["done"] == [{"run_id": str(run.id), "step": "only", "goes_on_in": str(run.id)}]
    counted = json.loads(told("requeue", "workflow:Single", "--reason", "x", "--dry-run", "--json"))
    assert (counted["schema"], counted["matched"]) == ("squidie.dead.taken/1", 1)
    assert squidie.dead_letters.show(other.id, "only").closed_at is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ls", "colour:red"), 2, "no filter 'colour'"),
        (("ls", "--reason", "bad luck"), 2, "no kind of failure"),
        (("ls", "since:yesterday"), 2, "neither a duration nor a time"),
        (("show", "abcdef"), 3, "abcdef"),
        (("requeue", "abcdef"), 2, "--reason"),
        (("requeue", "workflow:Single", "abcdef", "--reason", "x"), 2, "not both"),
        (("discard", "step:only", "--reason", "x", "--yes", "--limit", "0"), 2, "limit"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(squidie, told, arguments, code, said):
    failed(squidie)
    assert said in told(*arguments, code=code)


def test_a_run_without_letters_is_not_found(squidie, told):
    run = squidie.start(Single)
    assert "no dead letter" in told("show", short(run), code=3)
    assert "no dead letter" in told("requeue", f"{short(run)}", "--reason", "x", code=3)


def test_what_is_closed_already_is_a_conflict(squidie, told):
    run = failed(squidie)
    told("discard", short(run), "--reason", "x")
    assert "no dead letter" in told("discard", short(run), "--reason", "x", code=3)


# ---------------------------------------------------------------- queues and workers
WORKER = """
insert into {s}.workers (owner, host, pid, role, queues, actions, version, code_version, delivery, slots, started_at,
    seen_at, bell_ok_at)
values (:owner, 'box', :pid, 'worker', :queues, :actions, '0.1.0', '2026.03', 'celery', 4, :started, :seen, :seen)
"""


@pytest.fixture
def crew(squidie, clock):
    """One worker that lives, one that died an hour ago and one that left, as of `NOON + HOUR`."""
    clock(NOON)
    served = ["tests.support.flows:act"]
    for pid, queues, seen in ((1, ["default"], NOON + HOUR), (2, ["default", "slow"], NOON), (3, ["old"], NOON)):
        given = {"owner": f"box:{pid}:b{pid}", "pid": pid, "queues": queues, "actions": served, "seen": seen}
        change(squidie, WORKER, started=NOON - HOUR, **given)
    change(squidie, "update {s}.workers set left_at = seen_at where pid = 3")
    squidie.start(Single)
    squidie.start(Single, queue="slow", partition="north")
    squidie.start(Single, after="2h")
    clock(NOON + HOUR)


def test_queues_at_80_columns(squidie, call, crew):
    """UX 4.7: what is due, since when, and that nobody serves it."""
    (row,) = claim(squidie, owner="box:11:b1")
    failed_run = squidie.start(Single, {"plan": {"only": ["fail"]}})
    squidie.execute_next()

    shown = call("queues", columns=80)

    assert shown.stdout == (
        "QUEUE    DUE  OLDEST  LATER  HELD  PARKED  DEAD  SERVED BY\n"
        "default                   1     1             1  1 worker\n"
        "slow       1      1h                             ⚠ nobody, last 1h ago\n"
    )
    assert settle(squidie, completion(row)) is None
    assert failed_run.snapshot().status == "failed"
    assert "  north" in call("queues", "ls", "slow", "--partitions", columns=80).stdout


def test_callables_that_nobody_has_are_named(squidie, call, crew):
    """B27, UX 4.7"""
    change(squidie, "update {s}.workers set actions = '{}' where pid = 1")

    assert "default: no living worker has tests.support.flows:act" in call("queues").stderr


def test_workers_at_80_columns(squidie, call, crew):
    """4.10, UX 4.7: a killed one is lost, since when; one that stopped is shown on demand."""
    claim(squidie, owner="box:11:b1")

    assert call("workers", columns=80).stdout == (
        "WORKER  STATE    SEEN  UP  BUSY  BELL  VERSION  QUEUES\n"
        "box:1   ✓ alive   0ms  2h   1/4   0ms  2026.03  default\n"
        "box:2   ⚠ lost     1h  1h          1h  2026.03  default, slow\n"
    )
    assert "- left" in call("workers", "--all", columns=80).stdout


def test_programs_get_documents_about_queues_and_workers(call, crew):
    queues = json.loads(call("queues", "--json").stdout)
    assert (queues["schema"], [each["name"] for each in queues["queues"]]) == ("squidie.queues/1", ["default", "slow"])
    assert queues["queues"][1]["partitions"] == [
        {
            "partition": "north", "due": 1, "scheduled": 0, "claimed": 0, "expired": 0, "parked": 0, "dead": 0,
            "oldest_due_at": "2026-03-10T12:00:00Z",
        }
    ]  # fmt: skip
    assert queues["queues"][1]["last_consumer"]["owner"] == "box:2:b2"
    workers = json.loads(call("workers", "--json").stdout)
    assert (workers["schema"], [each["state"] for each in workers["workers"]]) == (
        "squidie.workers/1",
        ["alive", "lost"],
    )
    assert workers["workers"][0]["code_version"] == "2026.03"


def test_an_unknown_queue_is_not_found(call, crew):
    result = call("queues", "ls", "nothing")
    assert (result.exit_code, "no queue named 'nothing'" in result.stderr) == (3, True)


def test_nothing_is_said_plainly(call):
    assert call("queues").stdout == "No queue has open work, dead letters or a living consumer, and none is paused.\n"
    assert call("workers").stdout == "No worker is alive, and none was lost within a day.\n"
