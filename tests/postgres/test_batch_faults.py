"""What turns, bells and batches add to what may go wrong (RELIABILITY 6.6), where Postgres alone can show it."""

from __future__ import annotations

import ctypes
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from squidie import Workflow, cron, pause, step
from squidie.engine.sweep import child_died
from squidie.errors import Unavailable
from squidie.testing import eventually
from tests.support.cron_flows import tell
from tests.support.flows import CALLS, HOOKS, Chain, Planned, Single, act
from tests.support.lab import (
    NOON,
    at_once,
    claim,
    completion,
    kinds,
    no_deadlock,
    query,
    rows,
    scalar,
    settle,
    under_locks,
    waits_for_a_lock,
    work_off,
)

MINUTE = timedelta(minutes=1)


class Beside(Planned):
    """A step beside a pause: nothing follows when it is over."""

    work = step(act)
    hold = pause()
    flow = (work, hold)


class Crowded(Workflow):
    """Five windows a minute, none left out."""

    triggers = tuple(cron(f"every{number}", "* * * * *", catchup="all") for number in range(5))
    tell = step(tell)


# ---------------------------------------------------------------- bells
@pytest.mark.parametrize(("share", "takes"), [(60.0, 0.0), (1.0, 1.1)], ids=["in time", "beyond its share"])
def test_what_became_due_while_every_slot_was_busy_needs_no_bell_of_its_own(make, bells, share, takes):
    """G22: its bell has expired; the turn that ends looks once more, or rings where its share of time is used."""
    squidie, mute = make(delivery=bells, settings={"turn_share": share}), make()
    late = []

    def busy(_):
        late.append(mute.start(Chain))
        until = monotonic() + takes
        eventually(lambda: monotonic() >= until)
        bells.rung.clear()

    HOOKS["only"] = busy
    squidie.start(Single)

    report = squidie.turn(["default"])

    if takes:
        assert (report.claimed, report.left, bells.rung) == (1, True, ["default"])
    else:
        assert (report.claimed, report.left) == (4, False)


def test_a_start_that_its_host_keeps_to_itself_is_taken_at_once_after_the_commit(squidie, bells):
    """G17: not rung and not seen before; afterwards claimed first, though much else was claimed meanwhile."""
    with squidie.engine.connect() as host:
        run = squidie.start(Single, connection=host)
        squidie.start_many(Single, [{} for _ in range(40)])
        work_off(squidie)
        squidie.start(Single)
        bells.rung.clear()
        assert run.id not in {row.run_id for row in query(squidie, "select run_id from {s}.attempts")}

        host.commit()
        eventually(lambda: bells.rung, why="nobody rang after the commit")

    assert [row.run_id for row in claim(squidie)] == [run.id]


def test_a_sibling_that_a_command_on_the_whole_run_hid_from_a_bell_is_rung_for_again(make, bells):
    """G39: answered in that very instant the bell finds nothing; the next one comes with the commit."""
    squidie = make(Beside, delivery=bells)
    run = squidie.start(Beside)
    bells.rung.clear()
    with squidie.engine.begin() as host:
        squidie.resume(run.id, connection=host)
        assert claim(squidie) == []
        assert bells.rung == []

    eventually(lambda: bells.rung, why="nobody rang for the sibling")
    assert bells.rung == ["default"]
    assert sorted(row.step for row in claim(squidie, 2)) == ["work"]


# ---------------------------------------------------------------- batches and deaths
def test_a_parent_that_waited_behind_its_dead_childs_commit_finds_nothing_to_release(squidie):
    """G40: Postgres was still serving that COMMIT when the child had died; its outcome counts, and no fact follows."""
    run = squidie.start(Chain)
    host, _, boot = squidie.owner.split(":")
    (row,) = claim(squidie, owner=f"{host}:4242:{boot}")
    with ThreadPoolExecutor(2) as pool:
        releasing = []

        def while_it_commits(_):
            if not releasing:
                releasing.append(pool.submit(child_died, squidie._parts, 4242))
                waits_for_a_lock(squidie)

        event.listen(squidie.engine, "commit", while_it_commits)
        assert pool.submit(settle, squidie, completion(row)).result(20) is None
        assert releasing[0].result(20) == 0

    assert kinds(squidie, run) == ["run_started", "attempt_completed"]
    assert [tuple(each) for each in rows(squidie)] == [("b", 1, False, 0)]


def test_beats_and_sweepers_open_many_windows_in_any_order_without_a_deadlock(make, scratch, clock):
    """G32: two beats and eight sweepers at the same moment, five hundred windows, one run each."""
    squidie, others = make(Crowded), [make(Crowded) for _ in range(10)]
    clock(NOON)
    squidie.tick()
    before = scalar(squidie, "select count(*) from {s}.runs")
    clock(NOON + 100 * MINUTE)
    for each in (squidie, *others):
        each.engine.dispose()

    with no_deadlock(squidie, scratch):
        looks = [other.tick for other in others[:2]] + [other.sweep for other in others[2:]]
        for _ in range(40):
            found = at_once(*looks)
            assert not [each for each in found if isinstance(each, Exception) and not isinstance(each, Unavailable)]
        for other in others:
            other.engine.dispose()

    opened = scalar(squidie, "select count(*) from {s}.runs") - before
    assert opened == 500


@pytest.mark.parametrize(
    ("when", "is_at_once"), [("before_cursor_execute", False), ("commit", False), ("before_cursor_execute", True)]
)
def test_a_worker_that_is_told_to_stop_during_a_settle_begins_nothing_more(squidie, when, is_at_once):
    """G36, B30: what follows is due, not handed over; or was, if the word came later, and is given back unbegun."""
    if not is_at_once:
        under_locks(squidie)
    run, told = squidie.start(Chain), []

    def tell(*_):
        if CALLS:
            told.append(1)

    event.listen(squidie.engine, when, tell)
    squidie.turn(["default"], draining=lambda: bool(told))

    given_back = ["attempt_released"] if when == "commit" or is_at_once else []
    assert kinds(squidie, run) == ["run_started", "attempt_completed", *given_back]
    assert [tuple(row) for row in rows(squidie)] == [("b", 1, False, 0)]
    assert [step for step, *_ in CALLS] == ["a"]


def test_a_step_that_holds_the_interpreter_is_not_taken_from_the_only_worker(make):
    """G09, L24: its sweeper was away with it and waits a beat; the next renewal revives the claim."""
    squidie = make(settings={"lease": 0.6, "beat": 0.2, "sweep": 0.05})
    sweeper = squidie.sweeper(lambda: ["default"])

    def hold(_):
        ctypes.PyDLL(None).usleep(1_500_000)
        looks = sweeper._looks
        eventually(lambda: sweeper._looks > looks + 2, why="nobody sweeps")

    HOOKS["only"] = hold
    run = squidie.start(Single)
    sweeper.start()
    eventually(lambda: sweeper._looks)

    squidie.turn(["default"])
    sweeper.stop()

    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]


# ---------------------------------------------------------------- a crash of the database
@pytest.fixture
def crash(services, squidie):
    """SIGKILL for one session, at which Postgres ends all of them and recovers from its log."""
    if not services.owns_postgres:
        pytest.skip("needs a server that may be crashed")
    victims = [squidie.engine.connect()]

    def crash():
        (victim,) = victims
        os.kill(victim.connection.driver_connection.info.backend_pid, signal.SIGKILL)
        with suppress(DBAPIError):
            victim.execute(text("select 1"))
        victim.close()
        squidie.engine.dispose()
        eventually(lambda: _answers(squidie), why="Postgres did not recover")
        victims[0] = squidie.engine.connect()

    yield crash
    victims[0].close()


def _answers(squidie):
    with suppress(DBAPIError):
        return scalar(squidie, "select 1")
    return None


def standing(squidie):
    return {row.claim_id for row in query(squidie, "select claim_id from {s}.attempts where claim_id is not null")}


def test_claims_that_a_crash_erased_are_due_again_and_their_holder_is_refused(squidie, crash):
    """G25: a batch of short steps is claimed without waiting for the disk; no fact, no loss, and it is counted."""
    for _ in range(10):  # until Postgres has not been about to write its log anyway
        runs = squidie.start_many(Single, [{} for _ in range(40)])
        held_rows = claim(squidie, 40)
        crash()
        erased = [row for row in held_rows if row.lease.claim_id not in standing(squidie)]
        if erased:
            break
        settle(squidie, *map(completion, held_rows))

    assert {settle(squidie, completion(row, "late")).code for row in erased} == {"stale_claim"}
    assert squidie.stats().erased == len(erased)
    assert {row.lost for row in rows(squidie)} == {0}
    again = claim(squidie, 40)
    assert {settle(squidie, completion(row, "late")).code for row in erased} == {"stale_claim"}
    for row in [*again, *(row for row in held_rows if row not in erased)]:
        assert settle(squidie, completion(row)) is None
    assert [kinds(squidie, run) for run in runs] == [["run_started", "attempt_completed", "run_completed"]] * 40


def test_a_settle_that_waits_for_the_disk_takes_the_claims_before_it_along(squidie, crash):
    """G26: what is in the log before a commit is on disk with it, so nothing is erased."""
    squidie.start_many(Single, [{} for _ in range(40)])
    first, *others = claim(squidie, 40)
    settle(squidie, completion(first))
    crash()

    assert standing(squidie) == {row.lease.claim_id for row in others}
    assert {settle(squidie, completion(row)) for row in others} == {None}


def test_no_start_that_was_answered_is_lost_in_a_crash(make, crash):
    """G27: on connections that claimed before without waiting for the disk; two hundred, one commit each."""
    squidie = make()
    squidie.start_many(Single, [{} for _ in range(40)])
    held_rows = claim(squidie, 40)
    started = [squidie.start(Chain).id for _ in range(200)]
    settled = settle(squidie, *map(completion, held_rows))
    crash()
    squidie.engine.dispose()

    kept = {row.run_id for row in query(squidie, "select run_id from {s}.runs where status = 'running'")}
    assert kept == set(started)
    assert settled == [None] * 40
    assert scalar(squidie, "select count(*) from {s}.runs where status = 'completed'") == 40
