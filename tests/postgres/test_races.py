"""Who wins: pairs of claims, outcomes and timers at the same moment, 500 trials each; one wins, the other is told.

After each test the views of what must hold are empty, and Postgres has counted no deadlock.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Lock

import pytest

from squidie.engine import outcomes
from squidie.engine.lease import Hand, Holding
from squidie.errors import ConflictingOutcome, InvalidTransition, RunEnded, StaleClaim, StepNotFound
from tests.support.flows import ALL, Diamond, Single
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    Trials,
    all_facts,
    change,
    claim,
    completion,
    elapse,
    end_lease,
    failure,
    held,
    kinds,
    no_deadlock,
    query,
    renew,
    scalar,
    settle,
    timers,
    waits_for_a_lock,
    work_off,
)
from tests.support.race_flows import RACED, TRIALS, Bounded, Hurried, Timed, Winners


@pytest.fixture
def squidie(make, bells):
    return make(*ALL, *RACED, delivery=bells)


@pytest.fixture(autouse=True)
def nobody_was_ended_by_postgres(squidie, scratch):
    with no_deadlock(squidie, scratch):
        yield


def claimed(squidie, workflow=Single):
    squidie.start_many(workflow, [{} for _ in range(TRIALS)])
    return claim(squidie, TRIALS)


def count_of(squidie, kind):
    return scalar(squidie, "select count(*) from {s}.facts where kind = :kind", kind=kind)


def test_settle_against_expiry(squidie, clock):
    """B20: the outcome was taken and the expiry wrote nothing, or the other way round."""
    clock(NOON)
    held = claimed(squidie)
    clock(NOON + AFTER_LEASE)
    won = Winners()

    with Trials() as trials:
        for number, row in enumerate(held):
            outcome = completion(row) if number % 2 else failure(row)
            error, facts = trials.race(
                lambda row=row, o=outcome: settle(squidie, o), lambda row=row: end_lease(squidie, row)
            )
            assert (error is None) is (facts == ())
            assert error is None or isinstance(error, StaleClaim)
            won["settle" if error is None else "expiry"] += 1

    won.check("settle", "expiry")
    ends = dict(query(squidie, "select kind, count(*) from {s}.facts where kind like 'attempt%' group by kind"))
    assert sum(ends.values()) == TRIALS
    assert ends["attempt_expired"] == won["expiry"]


def test_renewal_against_expiry(squidie, clock):
    """B16: revived and no fact, or a fact and lost."""
    clock(NOON)
    held = claimed(squidie)
    clock(NOON + AFTER_LEASE)
    won = Winners()

    with Trials() as trials:
        for row in held:
            alive, facts = trials.race(lambda row=row: renew(squidie, row), lambda row=row: end_lease(squidie, row))
            still = scalar(squidie, "select count(*) from {s}.attempts where claim_id = :id", id=row.lease.claim_id)
            assert bool(still) is (facts == ())
            assert not (alive and facts), "a revived lease was ended"
            won["renewal" if still else "expiry"] += 1

    won.check("renewal", "expiry")


def test_both_outcomes_of_one_claim(squidie):
    """4.6: the same claim, two answers: one is taken."""
    won = Winners()
    with Trials() as trials:
        for row in claimed(squidie):
            errors = trials.race(
                lambda row=row: settle(squidie, completion(row)), lambda row=row: settle(squidie, failure(row))
            )
            assert sorted(getattr(error, "code", "taken") for error in errors) == ["conflicting_outcome", "taken"]
            won["completion" if errors[0] is None else "failure"] += 1

    won.check("completion", "failure")


def test_an_attempt_that_was_stopped_against_its_own_late_completion(squidie):
    """18.3, 4.6: a step did not end in time and is settled in its place, while it ends after all."""
    node = Timed.spec.by_name["only"]
    won = Winners()
    with Trials() as trials:
        for row in claimed(squidie, Timed):
            stopped = outcomes.stopped(squidie._parts, row, node)
            late, timeout = trials.race(
                lambda row=row: settle(squidie, completion(row)), lambda stopped=stopped: settle(squidie, stopped)
            )
            loser = late if timeout is None else timeout
            assert (late is None) is not (timeout is None)
            assert isinstance(loser, ConflictingOutcome)
            won["timeout" if timeout is None else "completion"] += 1

    won.check("timeout", "completion")
    assert count_of(squidie, "attempt_failed") == won["timeout"]
    assert count_of(squidie, "run_completed") == won["completion"]


def test_a_deadline_against_a_completion(squidie, clock):
    """18.3: proved by: the step has failed and its outcome is refused, or it has completed and the timer is gone."""
    clock(NOON)
    held = claimed(squidie, Bounded)
    due = timers(squidie, "deadline:only")
    clock(NOON + timedelta(minutes=1))
    won = Winners()
    with Trials() as trials:
        for row in held:
            error, facts = trials.race(
                lambda row=row: settle(squidie, completion(row)), lambda row=row: elapse(squidie, due[row.run_id])
            )
            assert (error is None) is (facts == ())
            assert error is None or isinstance(error, RunEnded)
            won["completion" if error is None else "deadline"] += 1

    won.check("completion", "deadline")
    assert count_of(squidie, "deadline_passed") == count_of(squidie, "run_failed") == won["deadline"]
    assert query(squidie, "select * from {s}.attempts") == []


def test_the_last_two_branches_before_a_join(squidie):
    """1.17, 2.7: what they join opens once, in the commit of whichever comes second."""
    squidie.start_many(Diamond, [{} for _ in range(TRIALS)])
    settle(squidie, *[completion(row) for row in claim(squidie, TRIALS)])
    branches = defaultdict(dict)
    for row in claim(squidie, 2 * TRIALS):
        branches[row.run_id][row.step] = row
    with Trials() as trials:
        for rows in branches.values():
            errors = trials.race(*[lambda row=row: settle(squidie, completion(row)) for row in rows.values()])
            assert errors == [None, None]

    sql = """
    select body->>'step', count(*) from {s}.facts, json_array_elements(body->'opens') as opened
    where opened->>'step' = 'd' group by 1
    """
    Winners(dict(query(squidie, sql))).check("b", "c")
    assert query(squidie, "select step, count(*) from {s}.attempts group by step") == [("d", TRIALS)]


def test_a_retry_that_is_made_due_against_a_claim(squidie, clock):
    """5.7: of a retry that has come due meanwhile the claim wins, or there is none to be hurried any more."""
    clock(NOON)
    runs = [squidie.start(Hurried, queue=f"q{number}") for number in range(TRIALS)]
    for number, _ in enumerate(runs):
        (row,) = claim(squidie, queue=f"q{number}")
        settle(squidie, failure(row, retryable=True))
    won = Winners()
    with Trials() as trials:
        for number, run in enumerate(runs):
            answer, taken = trials.race(
                lambda run=run: squidie.retry_now(run.id, "only"), lambda n=number: claim(squidie, queue=f"q{n}")
            )
            assert not isinstance(answer, Exception), "it was scheduled, and nobody could claim it before"
            again = taken or claim(squidie, queue=f"q{number}")
            assert [(row.step, row.attempt) for row in again] == [("only", 2)]
            with pytest.raises(StepNotFound):
                squidie.retry_now(run.id, "only")
            won["at once" if taken else "next"] += 1

    won.check("at once", "next")
    assert count_of(squidie, "attempt_hastened") == TRIALS


def test_give_back_against_begin():
    """G08: no member of a batch is both begun and given back, and none is neither."""
    with Trials() as trials:
        for _ in range(TRIALS):
            returned = []
            hand = Hand([Holding(number) for number in range(4)], returned.extend)
            begun, _ = trials.race(lambda hand=hand: [hand.begin(), hand.begin()], hand.give_back)
            rest = list(iter(hand.begin, None))
            members = [holding.row for holding in [*begun, *returned, *rest] if holding is not None]
            assert sorted(members) == [0, 1, 2, 3]


def test_a_claim_that_was_made_while_a_cancel_waited_is_named_in_its_fact(squidie):
    """G31, M28: the command decides on the rows as they are when it has the head."""
    run = squidie.start(Single)
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, run.id):
            cancelling = pool.submit(squidie.cancel, run.id, reason="slow")
            waits_for_a_lock(squidie)
            (row,) = claim(squidie)
        cancelling.result(10)

    assert [end.claim.id for end in all_facts(squidie, run)[-1].ends] == [str(row.lease.claim_id)]


def test_an_expiry_that_waited_leaves_a_renewed_claim_alone(squidie, clock):
    """G30: clock and row are read after the lock."""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, run.id):
            ending = pool.submit(end_lease, squidie, row)
            waits_for_a_lock(squidie)
            renew(squidie, row)
        assert ending.result(10) == ()

    assert kinds(squidie, run) == ["run_started"]


def test_an_expiry_that_waited_ends_a_claim_that_nobody_renewed(squidie, clock):
    """G30"""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, run.id):
            ending = pool.submit(end_lease, squidie, row)
            waits_for_a_lock(squidie)
        assert len(ending.result(10)) == 1

    assert kinds(squidie, run) == ["run_started", "attempt_expired"]


def test_a_decision_that_waited_carries_the_time_at_which_it_was_made(squidie):
    """G30, M27, L01: of two writers of a run the later one tells the later time, however long it has waited."""
    run = squidie.start(Single)
    (row,) = claim(squidie)
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, run.id):
            settling = pool.submit(settle, squidie, completion(row))
            waits_for_a_lock(squidie)
            freed = scalar(squidie, "select clock_timestamp()")
        assert settling.result(10) is None

    assert scalar(squidie, "select min(at) from {s}.facts where seq > 1") > freed


OVER = """
update {s}.attempts set lease_until = claimed_at + interval '1 us' where ctid = any(array(
    select ctid from {s}.attempts where claim_id is not null for update skip locked))
"""
"""Leases are over, but for those of rows that somebody holds: a test that waits for rows in no order could deadlock."""


def test_batches_over_the_same_runs_in_any_order_never_deadlock(squidie, make, clock):
    """G13: eight threads of turns, cancels, sweeps and expiries over the same runs."""
    runs = squidie.start_many(Diamond, [{} for _ in range(80)])
    guard, left = Lock(), list(runs[::4])

    def cancel_some():
        while True:
            with guard:
                if not left:
                    return
                run = left.pop()
            with suppress(InvalidTransition):
                squidie.cancel(run.id, reason="race")

    def expire_some():
        for _ in range(20):
            change(squidie, OVER)
            squidie.sweep()

    with ThreadPoolExecutor(8) as pool:
        for job in [
            pool.submit(job) for job in [lambda: work_off(squidie)] * 4 + [cancel_some] * 2 + [expire_some] * 2
        ]:
            job.result(60)
    change(squidie, OVER)
    squidie.sweep()
    clock(NOON + timedelta(days=3650))
    work_off(squidie)

    assert {status for (status,) in query(squidie, "select status from {s}.runs")} <= {
        "completed",
        "cancelled",
        "failed",
    }
