"""A cancel against everything else that moves a run, 500 trials a pair: one order of the two, told to the loser."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie.errors import InvalidTransition, RunEnded
from tests.support.flows import Single
from tests.support.lab import (
    NOON,
    Trials,
    claim,
    completion,
    elapse,
    failure,
    no_deadlock,
    query,
    settle,
    timers,
)
from tests.support.race_flows import ABOUT, RACED, TRIALS, Asking, Hurried, Resting, Told, Undone, Winners


@pytest.fixture
def squidie(make, bells):
    return make(Single, *RACED, delivery=bells)


@pytest.fixture(autouse=True)
def nobody_was_ended_by_postgres(squidie, scratch):
    with no_deadlock(squidie, scratch):
        yield


def started(squidie, workflow):
    return squidie.start_many(workflow, [{} for _ in range(TRIALS)])


def claimed(squidie, workflow):
    started(squidie, workflow)
    return claim(squidie, TRIALS)


def statuses(squidie):
    return dict(query(squidie, "select status, count(*) from {s}.runs group by status"))


def cancelling(squidie, run_id, **options):
    return lambda: squidie.cancel(run_id, reason="race", **options)


def is_too_late(answer, status):
    return isinstance(answer, InvalidTransition) and answer.details["status"] == status


def test_against_a_completion(squidie):
    """7.1, V07: proved by; M18: one terminal fact, and the loser is told."""
    won = Winners()
    with Trials() as trials:
        for row in claimed(squidie, Single):
            error, ended = trials.race(
                lambda row=row: settle(squidie, completion(row)), cancelling(squidie, row.run_id)
            )
            if error is None:
                assert is_too_late(ended, "completed")
            else:
                assert isinstance(error, RunEnded)
                assert ended.id == row.run_id
            won["completed" if error is None else "cancelled"] += 1

    won.check("completed", "cancelled")
    assert statuses(squidie) == won


def test_against_a_claim(squidie):
    """7.1, 7.3, V08, B15: a claim that was made is named by the end of its run, and none is made after it."""
    runs = [squidie.start(Single, queue=f"q{number}") for number in range(TRIALS)]
    made = {}
    with Trials() as trials:
        for number, run in enumerate(runs):
            taken, ended = trials.race(lambda n=number: claim(squidie, queue=f"q{n}"), cancelling(squidie, run.id))
            assert not isinstance(ended, Exception)
            made[str(run.id)] = [str(row.lease.claim_id) for row in taken]

    Winners("claim" if each else "cancel" for each in made.values()).check("claim", "cancel")
    sql = "select run_id::text, body->'ends' from {s}.facts where kind = 'run_cancelled'"
    assert {run: [end["claim"]["id"] for end in ends or ()] for run, ends in query(squidie, sql)} == made
    assert query(squidie, "select * from {s}.attempts") == []


def test_against_a_failure_that_opens_the_next_attempt(squidie):
    """5.4, 7.1, V08: proved by: the next attempt was opened and withdrawn, or never opened."""
    won = Winners()
    with Trials() as trials:
        for row in claimed(squidie, Hurried):
            error, ended = trials.race(
                lambda row=row: settle(squidie, failure(row, retryable=True)), cancelling(squidie, row.run_id)
            )
            assert not isinstance(ended, Exception)
            assert error is None or isinstance(error, RunEnded)
            won["retried" if error is None else "refused"] += 1

    won.check("retried", "refused")
    facts = dict(query(squidie, "select kind, count(*) from {s}.facts group by kind"))
    assert (facts["attempt_failed"], facts["run_cancelled"]) == (won["retried"], TRIALS)
    assert query(squidie, "select * from {s}.attempts") == []


def test_against_an_approval(squidie):
    """6.2, 7.1, V08: proved by"""
    won = Winners()
    with Trials() as trials:
        for run in started(squidie, Asking):
            answer, ended = trials.race(
                lambda run=run: squidie.approve(run.id, actor="ann"), cancelling(squidie, run.id)
            )
            if isinstance(ended, Exception):
                assert is_too_late(ended, "completed")
            else:
                assert is_too_late(answer, "cancelled")
            won["completed" if isinstance(ended, Exception) else "cancelled"] += 1

    won.check("completed", "cancelled")
    assert statuses(squidie) == won


def test_against_an_event(squidie):
    """7.1, 18.4, V08: proved by"""
    won = Winners()
    with Trials() as trials:
        for run in started(squidie, Told):
            answer, ended = trials.race(
                lambda run=run: squidie.signal_run(run.id, **ABOUT), cancelling(squidie, run.id)
            )
            if isinstance(ended, Exception):
                assert is_too_late(ended, "completed")
            else:
                assert is_too_late(answer, "cancelled")
            won["completed" if isinstance(ended, Exception) else "cancelled"] += 1

    won.check("completed", "cancelled")
    assert statuses(squidie) == won


def test_against_a_timer(squidie, clock):
    """7.1, V08: proved by: a wait that is over."""
    clock(NOON)
    runs = started(squidie, Resting)
    due = timers(squidie, "rest")
    clock(NOON + timedelta(hours=1))
    won = Winners()
    with Trials() as trials:
        for run in runs:
            facts, ended = trials.race(lambda run=run: elapse(squidie, due[run.id]), cancelling(squidie, run.id))
            if facts:
                assert is_too_late(ended, "completed")
            else:
                assert ended.id == run.id
            won["completed" if facts else "cancelled"] += 1

    won.check("completed", "cancelled")
    assert statuses(squidie) == won
    assert query(squidie, "select * from {s}.attempts") == []


def test_against_the_last_step_of_an_undo(squidie):
    """7.2: proved by: the undo is finished and the run has failed, or the rest of it is left."""
    runs = squidie.start_many(Undone, [{"plan": {"b": ["fail"]}} for _ in range(TRIALS)])
    settle(squidie, *[completion(row) for row in claim(squidie, TRIALS)])
    settle(squidie, *[failure(row) for row in claim(squidie, TRIALS)])
    undoing = {row.run_id: row for row in claim(squidie, TRIALS)}
    assert {row.step for row in undoing.values()} == {"compensate:a"}
    won = Winners()
    with Trials() as trials:
        for run in runs:
            error, ended = trials.race(
                lambda run=run: settle(squidie, completion(undoing[run.id])),
                cancelling(squidie, run.id, abandon_undo=True),
            )
            if error is None:
                assert is_too_late(ended, "failed")
            else:
                assert isinstance(error, RunEnded)
                assert ended.id == run.id
            won["failed" if error is None else "cancelled"] += 1

    won.check("failed", "cancelled")
    assert statuses(squidie) == won


def test_with_an_undo_against_the_last_completion(squidie):
    """7.2, 5.11: the run has completed, or it drains: then the outcome counts, and what it did is undone as well."""
    started(squidie, Undone)
    settle(squidie, *[completion(row) for row in claim(squidie, TRIALS)])
    won = Winners()
    with Trials() as trials:
        for row in claim(squidie, TRIALS):
            error, ended = trials.race(
                lambda row=row: settle(squidie, completion(row)), cancelling(squidie, row.run_id, compensate=True)
            )
            assert error is None, "a run that drains takes outcomes"
            assert not isinstance(ended, Exception) or is_too_late(ended, "completed")
            won["completed" if isinstance(ended, Exception) else "compensating"] += 1

    won.check("completed", "compensating")
    assert statuses(squidie) == won
    settle(squidie, *[completion(row) for row in claim(squidie, TRIALS)])
    assert statuses(squidie) == {"completed": won["completed"], "cancelled": won["compensating"]}
