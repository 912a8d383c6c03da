"""Who wins: pairs of commands at the same moment, a few hundred trials each; exactly one, and the journal is sound."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Lock

from squidie.engine.lease import Hand, Holding
from squidie.errors import InvalidTransition, RunEnded, StaleClaim
from tests.support.flows import Diamond, Single
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    Trials,
    all_facts,
    change,
    claim,
    completion,
    end_lease,
    failure,
    held,
    kinds,
    query,
    renew,
    scalar,
    settle,
    waits_for_a_lock,
    work_off,
)

TRIALS = 200


def claimed(squidie, number=TRIALS):
    squidie.start_many(Single, [{} for _ in range(number)])
    return claim(squidie, number)


def test_settle_against_expiry(squidie, clock):
    """B20: the outcome was taken and the expiry wrote nothing, or the other way round."""
    clock(NOON)
    held = claimed(squidie)
    clock(NOON + AFTER_LEASE)
    won = {"settle": 0, "expiry": 0}

    with Trials() as trials:
        for number, row in enumerate(held):
            outcome = completion(row) if number % 2 else failure(row)
            error, facts = trials.race(
                lambda row=row, o=outcome: settle(squidie, o), lambda row=row: end_lease(squidie, row)
            )
            assert (error is None) is (facts == ())
            assert error is None or isinstance(error, StaleClaim)
            won["settle" if error is None else "expiry"] += 1

    ends = query(squidie, "select kind, count(*) from {s}.facts where kind like 'attempt%' group by kind")
    assert sum(count for _, count in ends) == TRIALS
    assert dict(ends).get("attempt_expired", 0) == won["expiry"]


def test_cancel_against_complete(squidie):
    """7, proved by; M18: one terminal fact, and the loser is told."""
    won = {"cancel": 0, "complete": 0}

    with Trials() as trials:
        for row in claimed(squidie):
            error, run = trials.race(
                lambda row=row: settle(squidie, completion(row)),
                lambda row=row: squidie.cancel(row.run_id, reason="race"),
            )
            if error is None:
                assert isinstance(run, InvalidTransition)
            else:
                assert isinstance(error, RunEnded)
                assert run.id == row.run_id
            won["complete" if error is None else "cancel"] += 1

    ended = dict(query(squidie, "select status, count(*) from {s}.runs group by status"))
    assert (ended.get("cancelled", 0), ended.get("completed", 0)) == (won["cancel"], won["complete"])


def test_renewal_against_expiry(squidie, clock):
    """B16: revived and no fact, or a fact and lost."""
    clock(NOON)
    held = claimed(squidie)
    clock(NOON + AFTER_LEASE)

    with Trials() as trials:
        for row in held:
            alive, facts = trials.race(lambda row=row: renew(squidie, row), lambda row=row: end_lease(squidie, row))
            still = scalar(squidie, "select count(*) from {s}.attempts where claim_id = :id", id=row.lease.claim_id)
            assert bool(still) is (facts == ())
            assert not (alive and facts), "a revived lease was ended"


def test_cancel_against_claim(squidie):
    """B15: every claim that was made is named by the end of its run."""
    runs = squidie.start_many(Single, [{} for _ in range(TRIALS)])
    made = set()

    with Trials() as trials:
        for run in runs:
            taken, ended = trials.race(lambda: claim(squidie), lambda run=run: squidie.cancel(run.id, reason="race"))
            assert not isinstance(ended, Exception)
            made |= {str(row.lease.claim_id) for row in taken}

    named = {
        end["claim"]["id"] for (ends,) in query(squidie, "select body->'ends' from {s}.facts") for end in ends or ()
    }
    assert named == made
    assert query(squidie, "select * from {s}.attempts") == []


def test_both_outcomes_of_one_claim(squidie):
    """4.6: the same claim, two answers: one is taken."""
    with Trials() as trials:
        for row in claimed(squidie):
            errors = trials.race(
                lambda row=row: settle(squidie, completion(row)), lambda row=row: settle(squidie, failure(row))
            )
            assert sorted(getattr(error, "code", "taken") for error in errors) == ["conflicting_outcome", "taken"]


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


def test_batches_over_the_same_runs_in_any_order_never_deadlock(squidie, make, clock):
    """G13: eight threads of turns, cancels, sweeps and expiries over the same runs."""
    runs = squidie.start_many(Diamond, [{} for _ in range(80)])
    guard, left = Lock(), list(runs[::4])
    before = scalar(squidie, "select deadlocks from pg_stat_database where datname = current_database()")

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
            change(
                squidie, "update {s}.attempts set lease_until = claimed_at + interval '1 us' where claim_id is not null"
            )
            squidie.sweep()

    with ThreadPoolExecutor(8) as pool:
        for job in [
            pool.submit(job) for job in [lambda: work_off(squidie)] * 4 + [cancel_some] * 2 + [expire_some] * 2
        ]:
            job.result(60)
    change(squidie, "update {s}.attempts set lease_until = claimed_at + interval '1 us' where claim_id is not null")
    squidie.sweep()
    clock(NOON + timedelta(days=3650))
    work_off(squidie)

    assert scalar(squidie, "select deadlocks from pg_stat_database where datname = current_database()") == before
    assert {status for (status,) in query(squidie, "select status from {s}.runs")} <= {
        "completed",
        "cancelled",
        "failed",
    }
