"""Batches of outcomes (SEMANTICS 2.7, 4.12; G01 to G03, G12): one commit; a bad member harms only itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import msgspec
import pytest
from sqlalchemy import event, text

from squidie import step, wait
from squidie.engine import settle as settling
from squidie.testing import eventually
from tests.support.flows import CALLS, HOOKS, Chain, Diamond, Planned, Single, Wide, act
from tests.support.lab import (
    change,
    claim,
    completion,
    failure,
    held,
    kinds,
    query,
    rows,
    scalar,
    settle,
    steps_done,
    waits_for_a_lock,
    work_off,
)


class Timed(Planned):
    """A wait for a time that one of two steps brings."""

    a = step(act)
    b = step(act)
    hold = wait(until="a.at")
    flow = [a, b] >> hold


def claimed(squidie, number, workflow=Single):
    squidie.start_many(workflow, [{} for _ in range(number)])
    return claim(squidie, number)


def commits(squidie):
    """How many transactions this engine has committed, from now on."""
    counted = []
    event.listen(squidie.engine, "commit", lambda _: counted.append(1))
    return counted


def test_a_batch_of_outcomes_is_one_commit(squidie):
    """2.7: outcomes, successors and ends."""
    held_rows = claimed(squidie, 32, Chain)
    counted = commits(squidie)

    assert settle(squidie, *map(completion, held_rows)) == [None] * 32

    assert len(counted) == 1
    assert [row.step for row in rows(squidie)] == ["b"] * 32


def test_one_stale_claim_does_not_split_the_batch(squidie):
    """G01"""
    held_rows = claimed(squidie, 16)
    change(squidie, "update {s}.attempts set claim_id = gen_random_uuid() where run_id = :id", id=held_rows[5].run_id)
    counted = commits(squidie)

    errors = settle(squidie, *map(completion, held_rows))

    assert [error.code for error in errors if error is not None] == ["stale_claim"]
    assert errors[5].details["claim_id"] == str(held_rows[5].lease.claim_id)
    assert len(counted) == 1
    assert scalar(squidie, "select count(*) from {s}.runs where status = 'completed'") == 15


@pytest.mark.parametrize("size", [1, 3])
def test_a_claim_that_changes_between_the_look_and_the_write_is_not_settled(squidie, size):
    """L06: the write asks for every claim once more and counts its rows; the mates of the batch lose nothing."""
    held_rows = claimed(squidie, size)
    stolen = held_rows[-1]
    thefts = []

    def steal(_connection, _cursor, statement, *_):
        if "as freed" in statement and not thefts:
            theft = "update {s}.attempts set claim_id = gen_random_uuid() where run_id = :id"
            thefts.append(change(squidie, theft, id=stolen.run_id))

    event.listen(squidie.engine, "before_cursor_execute", steal)
    verdicts = settling.settle(
        squidie._parts, [completion(row) for row in held_rows], handover=None, give_up=lambda: True
    )

    assert thefts == [1]
    assert [getattr(each.error, "code", "taken") for each in verdicts] == ["taken"] * (size - 1) + ["stale_claim"]
    assert kinds(squidie, stolen.run_id) == ["run_started"]
    assert [(row.step, row.held) for row in rows(squidie)] == [("only", True)]


def test_a_poisonous_member_harms_only_itself(squidie):
    """G02: a constraint of the database that one of 16 breaks; no step runs again."""
    change(squidie, "alter table {s}.facts add constraint no_poison check (body::text not like '%poison%')")
    runs = squidie.start_many(Single, [{} for _ in range(15)])
    bad = squidie.start(Single)
    held_rows = sorted(claim(squidie, 16), key=lambda row: row.run_id == bad.id)
    *others, poison = [completion(row, "poison" if row.run_id == bad.id else "done") for row in held_rows]

    errors = settle(squidie, *others[:7], poison, *others[7:])

    assert [error is None for error in errors].count(True) == 15
    assert "no_poison" in str(errors[7])
    assert [run.result(1) for run in runs] == ["done"] * 15
    assert kinds(squidie, bad) == ["run_started"]
    assert [row.held for row in rows(squidie)] == [True]


def test_a_poisonous_outcome_alone_does_not_end_the_turn(squidie):
    """G02: its error is its own; the worker goes on with the next."""
    change(squidie, "alter table {s}.facts add constraint no_poison check (body::text not like '%xxxx%')")
    bad = squidie.start(Single, {"plan": {"only": ["big:8"]}}, priority=1)
    good = squidie.start(Single)

    work_off(squidie)

    assert good.result(1) == "only1"
    assert kinds(squidie, bad) == ["run_started"]


@pytest.mark.parametrize("size", [3, 16])
def test_outcomes_survive_backends_that_are_terminated(squidie, size):
    """G03, P01, 2.9: the batch is nobody's fault; it is tried again whole, and each outcome is recorded once."""
    held_rows = claimed(squidie, size, Chain)
    shots = []

    def shoot(connection, _cursor, statement, *_):
        if "as freed" in statement and len(shots) < 2:
            shots.append(1)
            pid = connection.connection.driver_connection.info.backend_pid
            with squidie.engine.connect() as other:
                other.execute(text("select pg_terminate_backend(:pid, 2000)"), {"pid": pid})

    event.listen(squidie.engine, "after_cursor_execute", shoot)
    errors = settle_patiently(squidie, *map(completion, held_rows))

    assert errors == [None] * size
    assert len(shots) == 2
    assert scalar(squidie, "select count(*) from {s}.facts where kind = 'attempt_completed'") == size


def settle_patiently(squidie, *commands):
    verdicts = settling.settle(squidie._parts, commands, handover=None, give_up=lambda: False)
    assert len(verdicts) == len(commands)
    return [verdict.error for verdict in verdicts]


def test_a_busy_head_delays_only_its_own_outcome(squidie):
    """G12, 4.12: 63 of 64 commit at once, the last one as soon as its run is free."""
    held_rows = claimed(squidie, 64)
    busy = held_rows[31]
    done = "select count(*) from {s}.runs where status = 'completed'"
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, busy.run_id):
            begun = monotonic()
            settling = pool.submit(settle_patiently, squidie, *map(completion, held_rows))
            eventually(lambda: scalar(squidie, done) == 63, every=0.005)
            assert monotonic() - begun < 1.0
            waits_for_a_lock(squidie)
            assert not settling.done()
        assert settling.result(10) == [None] * 64

    assert scalar(squidie, done) == 64


def test_an_outcome_waits_longer_than_the_lock_timeout(make):
    """4.12, P04: retried until it is taken; finished work is not thrown away."""
    squidie = make(settings={"lock_timeout": 0.05})
    (row,) = claimed(squidie, 1)
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, row.run_id):
            settling = pool.submit(settle_patiently, squidie, completion(row))
            for _ in range(3):
                waits_for_a_lock(squidie)
                eventually(lambda: not waiting(squidie), every=0.002, why="it does not come back from the lock")
        assert settling.result(10) == [None]


def waiting(squidie):
    locked = "wait_event_type = 'Lock' and datname = current_database()"
    return query(squidie, f"select 1 from pg_stat_activity where {locked}")


def test_large_outcomes_are_settled_in_shares(squidie):
    """L23, G34: at most 8 MiB in a commit."""
    held_rows = claimed(squidie, 20)
    counted = commits(squidie)

    assert settle(squidie, *(completion(row, "x" * 900_000) for row in held_rows)) == [None] * 20

    assert len(counted) == 3


def test_one_run_may_stand_in_a_batch_twice(squidie):
    """G11: a success and a failure of siblings, decided in order."""
    run = squidie.start(Diamond)
    squidie.execute_next()
    b, c = claim(squidie, 2)

    assert [getattr(e, "code", None) for e in settle(squidie, failure(b), completion(c))] == [None, "run_ended"]

    assert kinds(squidie, run)[-2:] == ["attempt_failed", "run_failed"]


@pytest.mark.parametrize("size", [1, 9_000])
def test_what_one_outcome_brings_the_next_of_its_batch_may_read(make, size):
    """2.7, 3.6: the output of a mate is in no fact yet, however large it is; the run ends with both of them."""
    squidie = make(Wide)
    run = squidie.start(Wide)
    x, y, z = claim(squidie, 3)

    assert settle(squidie, completion(x, "x" * size), completion(y, "y" * size), completion(z, "z")) == [None] * 3

    assert run.result(1) == {"x": "x" * size, "y": "y" * size, "z": "z"}


@pytest.mark.parametrize("size", [1, 9_000])
def test_a_wait_reads_its_time_from_an_outcome_of_the_batch_that_opens_it(make, size):
    """2.7, 3.6, 1.15: a path into a large output of the same batch is not missing."""
    squidie = make(Timed)
    run = squidie.start(Timed)
    a, b = claim(squidie, 2)
    answer = {"at": "2030-01-01T00:00:00+00:00", "of": "x" * size}

    assert settle(squidie, completion(a, answer), completion(b)) == [None] * 2

    assert kinds(squidie, run)[-1] == "wait_started"
    assert [(row.step, row.attempt) for row in rows(squidie)] == [("hold", 1)]


def test_the_same_outcome_twice_in_a_batch_is_taken_once(squidie):
    """4.6"""
    (row,) = claimed(squidie, 1)
    outcome = completion(row)

    assert settle(squidie, outcome, msgspec.structs.replace(outcome)) == [None, None]

    assert steps_done(squidie, row.run_id) == ["only"]


def test_a_turn_rings_for_what_it_leaves(squidie, bells, make):
    """B31: work beyond its share of time."""
    hurried = make(delivery=bells, settings={"turn_share": 0.000001})
    squidie.start_many(Single, [{} for _ in range(3)])
    bells.rung.clear()

    assert hurried.turn(["default"]).left is True
    assert bells.rung == ["default"]


def test_a_turn_that_cannot_ring_goes_on(make, bells):
    """L18, G23"""
    squidie = make(delivery=bells, settings={"turn_share": 0.000001})
    squidie.start_many(Chain, [{} for _ in range(5)])
    bells.reachable = False

    assert squidie.turn(["default"]).claimed == 15


@pytest.mark.parametrize("heard", [False, True], ids=["unanswered", "answered"])
def test_a_turn_goes_on_until_its_last_bell_was_answered(make, bells, heard):
    """L18: a carrier that has just been frozen is not known to be away yet."""
    squidie = make(delivery=bells, settings={"turn_share": 0.000001})
    squidie.start_many(Chain, [{} for _ in range(5)])
    bells.flush = lambda timeout: heard

    assert squidie.turn(["default"]).claimed == (0 if heard else 15)


def test_a_turn_takes_its_queues_in_turn(squidie):
    """L17: the queues it was given, whatever else is due."""
    for queue in ("one", "two", "three"):
        squidie.start(Single, queue=queue)

    squidie.turn(["one", "two"])

    assert [queue for (queue,) in query(squidie, "select queue from {s}.attempts")] == ["three"]


def test_no_claim_is_held_by_a_finished_turn(squidie):
    """K05: what a turn took over it has settled, or given back."""
    squidie.start_many(Diamond, [{} for _ in range(30)])
    HOOKS["b"] = lambda ctx: None

    squidie.turn(["default"])

    assert [row for row in rows(squidie) if row.held] == []
    assert len(set(CALLS)) == len(CALLS)
