"""Outcomes and starts that are one statement, without a lock before it, and what they give way to.

What is decided so is what would have been decided under the lock, or nothing is written.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError

from squidie.decide.commands import Complete
from squidie.engine.claim import claim as claim_work
from squidie.engine.clocks import Clock
from squidie.engine.settle import settle as settle_all
from squidie.engine.tries import MOST_PASSED, Tries
from squidie.errors import KeyReused, RunRetired, SquidieError
from squidie.history.chain import link
from squidie.testing.clock import at_time
from squidie.testing.invariants import violations
from tests.support.flows import CALLS, HOOKS, Chain, Diamond, Elsewhere, Single, Sums, Wide
from tests.support.lab import (
    NOON,
    all_facts,
    at_once,
    change,
    fence,
    held,
    kinds,
    query,
    rows,
    scalar,
    under_locks,
    work_off,
)

ENDED = ["run_started", "attempt_completed", "run_completed"]


@pytest.fixture(autouse=True)
def sound(squidie):
    yield
    assert violations(squidie.engine) == []


@pytest.fixture
def warm(squidie):
    """A process that knows what time it is, and that the journal has its graphs."""
    for workflow in (Single, Chain, Wide, Elsewhere):
        squidie.start(workflow)
    squidie.start(Sums, {"number": 1})
    work_off(squidie)
    work_off(squidie, "other")
    CALLS.clear()
    return squidie


@contextmanager
def sent(squidie):
    """The statements of this process meanwhile, by what they do."""
    found = []

    def note(_connection, _cursor, statement, *_):
        if "held as materialized" in statement:
            found.append("settled at once")
        elif "with gone as" in statement:
            found.append("settled under locks")
        elif "with heads as" in statement:
            found.append("started at once" if "%(behind)s" in statement else "started")

    event.listen(squidie.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(squidie.engine, "before_cursor_execute", note)


def take(squidie, most=1):
    """Claims as a turn makes them, which knows from them how their runs stand."""
    return [each.holding.row for each in claim_work(squidie._parts, "default", most).work]


def completion(row):
    """As a worker makes it, with the row as it was claimed."""
    return Complete(*fence(row), output=msgspec.Raw(b'"done"'), row=row)


def settle(squidie, *commands):
    verdicts = settle_all(squidie._parts, commands, handover=None, give_up=lambda: True)
    found = {id(verdict.command): getattr(verdict.error, "code", None) for verdict in verdicts}
    return [found.get(id(command), "waits") for command in commands]


def times(squidie, run):
    return [row.at for row in query(squidie, "select at from {s}.facts where run_id = :id order by seq", id=run.id)]


def test_a_turn_settles_each_of_its_steps_by_one_statement(warm):
    """And its successors are handed over by it, too."""
    run = warm.start(Chain)

    with sent(warm) as statements:
        warm.turn(["default"])

    assert statements == ["settled at once"] * 3
    assert run.result(1) == "c1"


@pytest.mark.parametrize("workflow", [Single, Chain, Wide, Diamond, Elsewhere])
def test_the_history_is_the_one_that_is_written_under_locks(warm, workflow):
    def told(run):
        return [(fact.kind, [opened.step for opened in fact.opens], fact.closes) for fact in all_facts(warm, run)]

    quick = warm.start(workflow)
    work_off(warm, "default", "other")
    under_locks(warm)
    with sent(warm) as statements:
        slow = warm.start(workflow)
        work_off(warm, "default", "other")

    assert "settled at once" not in statements
    assert told(quick) == told(slow)


def test_what_was_cancelled_since_it_was_claimed_is_refused(warm):
    """G10: the head's hash is another one."""
    run = warm.start(Single)
    (row,) = take(warm)
    warm.cancel(run.id, reason="enough")

    with sent(warm) as statements:
        assert settle(warm, completion(row)) == ["run_ended"]

    assert statements == ["settled at once"]
    assert kinds(warm, run) == ["run_started", "run_cancelled"]


def test_another_history_of_the_same_length_is_another_run(warm):
    """P12: after a failover that has lost commits, others may stand in their places."""
    run = warm.start(Single)
    (row,) = take(warm)
    (first,) = query(warm, "select kind, at, body::text from {s}.facts where run_id = :id", id=run.id)
    at = first.at - timedelta(seconds=1)
    given = {"id": run.id, "at": at, "hash": link(b"", run.id, 1, first.kind, at, first.body.encode())}
    with warm.engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))  # facts do not change otherwise
        connection.execute(text("update squidie.facts set at = :at, hash = :hash where run_id = :id"), given)
        connection.execute(text("update squidie.runs set state = null, head_hash = :hash where run_id = :id"), given)

    with sent(warm) as statements:
        settle(warm, completion(row))

    assert statements == ["settled at once", "settled under locks"]


def test_what_somebody_else_has_settled_meanwhile_is_decided_on_anew(warm, make):
    """Siblings of one run, in two processes: each outcome is taken, once, and the run ends once."""
    run, other = warm.start(Wide), make()
    mine, theirs = take(warm, 2), take(other)

    assert settle(other, *map(completion, theirs)) == [None]
    with sent(warm) as statements:
        assert settle(warm, *map(completion, mine)) == [None] * len(mine)
    work_off(warm)

    assert statements == ["settled at once", "settled under locks"]
    assert kinds(warm, run) == ["run_started", *["attempt_completed"] * 3, "run_completed"]


def test_a_run_that_is_held_delays_only_its_own_outcome(warm):
    """L04, 4.12: the others of its batch are taken while somebody holds it."""
    runs = [warm.start(Single) for _ in range(4)]
    batch = take(warm, 4)

    with held(warm, batch[2].run_id), sent(warm) as statements:
        verdicts = settle(warm, *map(completion, batch))

    assert verdicts == [None, None, "waits", None]
    assert statements == ["settled at once", "settled under locks"]
    assert settle(warm, completion(batch[2])) == [None]
    assert [kinds(warm, run) for run in runs] == [ENDED] * 4


def test_a_claim_that_a_crash_has_erased_is_refused_and_its_mates_are_taken(warm):
    """G25: the head knows nothing of it, so the statement itself finds that the row is held no more."""
    runs = [warm.start(Single) for _ in range(3)]
    batch = take(warm, 3)
    nobody = "claim_id = null, token_hash = null, owner = null, claimed_at = null, lease_until = null"
    change(warm, f"update {{s}}.attempts set {nobody} where run_id = :id", id=batch[1].run_id)

    with sent(warm) as statements:
        assert settle(warm, *map(completion, batch)) == [None, "stale_claim", None]
    work_off(warm)

    assert statements[0] == "settled at once"
    assert [kinds(warm, run) for run in runs] == [ENDED] * 3


def test_on_a_paused_queue_nothing_is_handed_over(warm):
    """B33: the outcome is taken, and what follows is due."""
    run = warm.start(Chain)
    HOOKS["a"] = lambda _: warm.pause_queue("default", reason="planned", actor="somebody")

    with sent(warm) as statements:
        warm.turn(["default"])

    assert statements == ["settled at once"]
    assert [tuple(row) for row in rows(warm, run)] == [("b", 1, False, 0)]
    assert [step for step, *_ in CALLS] == ["a"]


def test_a_lease_that_was_renewed_is_told_as_it_stands(warm):
    """The fact says until when the claim was good: only the row knows that now."""
    run = warm.start(Single)
    (row,) = take(warm)
    warm._parts.renewer._renew(dict(warm._parts.renewer._held))
    (until,) = query(warm, "select lease_until from {s}.attempts")

    with sent(warm) as statements:
        assert settle(warm, completion(row)) == [None]

    assert statements == ["settled under locks"]
    assert all_facts(warm, run)[1].claim.lease_until == until.lease_until > row.lease.lease_until


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(days=-3), timedelta(days=3)])
def test_the_time_of_every_fact_is_the_databases(warm, late):
    """Whoever was stopped for a second, or whose database has another clock now, asks it."""
    run, there = warm.start(Single), scalar(warm, "select {s}.clock()")
    (row,) = take(warm)
    if abs(late) > timedelta(hours=1):
        warm._parts.clock._read = there - late, warm._parts.clock._read[1]
    else:
        warm._parts.clock._read = warm._parts.clock._read[0] - late, warm._parts.clock._read[1]

    with sent(warm) as statements:
        assert settle(warm, completion(row)) == [None]

    ended = times(warm, run)[1]
    assert statements == ["settled at once", "settled under locks"]
    assert there <= ended <= scalar(warm, "select {s}.clock()")


def test_a_clock_that_was_set_is_the_one_that_counts(warm):
    """V01: starts and outcomes alike."""
    with at_time(warm.engine, NOON):
        run = warm.start(Single)
        work_off(warm)

    assert set(times(warm, run)) == {NOON}


def test_facts_never_carry_a_time_that_is_still_to_come(warm):
    """The time that is counted here lies behind the database's, by no more than an answer took."""
    for _ in range(50):
        warm.start(Single)
        work_off(warm)
        counted = warm._parts.clock.now()

        assert counted <= scalar(warm, "select clock_timestamp()")
    assert scalar(warm, "select max(at) <= clock_timestamp() from {s}.facts")


def test_a_start_is_one_statement(warm):
    with sent(warm) as statements:
        run = warm.start(Sums, {"number": 4})

    assert statements == ["started at once"]
    assert run.created
    assert kinds(warm, run) == ["run_started"]


def test_on_a_hosts_engine_everything_waits_for_locks_as_long_as_we_want(warm, make):
    """3.1: its sessions are not set up by us, so each of our transactions says so for itself."""
    engine = create_engine(warm.engine.url)
    hosted = make(database=engine)
    hosted.start(Single)

    with sent(hosted) as statements:
        hosted.start(Single)
        work_off(hosted)

    engine.dispose()
    assert statements[0] == "started"
    assert "settled at once" not in statements


def test_an_error_of_the_database_holds_no_values(warm):
    with warm.engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(text("select cast(:value as integer)"), {"value": "canary-7"})

    assert "parameters hidden" in str(raised.value)


def test_a_key_that_is_taken_is_answered_as_ever(warm):
    """2.2, 2.3"""
    run = warm.start(Sums, {"number": 4}, key="k")

    again = warm.start(Sums, {"number": 4}, key="k")
    with pytest.raises(KeyReused):
        warm.start(Sums, {"number": 5}, key="k")

    assert (again.id, again.created) == (run.id, False)
    assert kinds(warm, run) == ["run_started"]


def test_a_key_whose_run_was_removed_is_refused(warm):
    """B50"""
    run = warm.start(Single, key="k")
    work_off(warm)
    change(warm, "select {s}.retire(:id, interval '1 day')", id=run.id)

    with pytest.raises(RunRetired):
        warm.start(Single, key="k")


def test_twelve_threads_that_start_one_key_make_one_run(warm):
    found = at_once(*[lambda: warm.start(Single, key="one")] * 12)

    assert not [each for each in found if isinstance(each, SquidieError)]
    assert sum(each.created for each in found) == 1
    assert scalar(warm, "select count(*) from {s}.runs where key = 'one'") == 1


def test_where_others_are_at_the_same_runs_it_is_tried_ever_more_seldom():
    tries, tried = Tries(), []
    for number in range(200):
        if tries.are_due():
            tried.append(number)
            tries.ended(well=False)

    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps[:4] == [2, 4, 8, 16]
    assert max(gaps) == MOST_PASSED + 1

    while not tries.are_due():
        pass
    tries.ended(well=True)
    assert tries.are_due()


def test_a_reading_of_the_clock_goes_on_and_never_back(monkeypatch):
    beat = iter([10.0, 10.5, 10.5, 11.0, 12.0, 80.0])
    monkeypatch.setattr("squidie.engine.clocks.time.monotonic", lambda: next(beat))
    clock = Clock()

    assert clock.now() is None
    clock.heard(NOON)  # at 10
    assert clock.now() == NOON + timedelta(seconds=0.5)
    clock.heard(NOON + timedelta(seconds=0.1))  # at 10.5, of an answer that took its time
    assert clock.now() == NOON + timedelta(seconds=1.5)  # at 12, not at 11.1 since 11
    assert clock.now() is None  # at 80
    clock.forget()
    assert clock.now() is None
