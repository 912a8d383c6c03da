"""What a worker cannot run (SEMANTICS 4.9, RELIABILITY B27, G37, X7): given back later and later, and never lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie import step
from tests.support.flows import CALLS, Chain, Numbers, Single, Started, Sums
from tests.support.lab import NOON, all_facts, kinds, query, rows, scalar

SECOND = timedelta(seconds=1)


def older(number: int) -> int:
    return number


def newer(number: int, currency: str) -> str:
    """Today's code under the name of yesterday's."""
    return f"{number} {currency}"


def double_of(pay: int) -> int:
    return 2 * pay


class Paying(Started):
    """Its graph gives what `older` takes."""

    payload = Numbers
    pay = step(older)


class Two(Started):
    """A rolling deploy may bring the code of the first step alone."""

    payload = Numbers
    pay = step(older)
    then = step(double_of)
    flow = pay >> then


def claims(squidie):
    ended = ("attempt_released", "attempt_completed", "attempt_failed", "attempt_expired")
    return scalar(squidie, "select count(*) from {s}.facts where kind = any(:ended)", ended=list(ended))


@pytest.fixture
def lacking(make, squidie):
    """Two workers that believe to have a callable which has vanished from them."""
    made = [make(Sums), make(Sums)]
    for each in made:
        each._parts.served = squidie.registry.served
    return made


def test_workers_without_the_callable_do_not_toss_it_back_and_forth(squidie, lacking, clock):
    """B27: under ten claims in a minute of the database's time, then it runs where it can; no retry, no loss."""
    clock(NOON)
    run = squidie.start(Single)
    for second in range(61):
        clock(NOON + second * SECOND)
        for each in lacking:
            each.engine.dispose()
            each.execute_next()

    assert 3 <= claims(squidie) < 10
    delays = [
        fact.due_at - fact.claim.claimed_at for fact in all_facts(squidie, run) if fact.kind == "attempt_released"
    ]
    assert delays == sorted(delays)
    assert delays[0] < delays[1] < delays[2]
    assert [tuple(row) for row in rows(squidie)] == [("only", 1, False, 0)]
    clock(NOON + 121 * SECOND)
    squidie.execute_next()
    assert run.result(1) == "only1"
    assert CALLS[-1][1] == 1


def test_a_callable_that_vanished_is_said_to_be_unserved(squidie, lacking, clock):
    """4.9"""
    clock(NOON)
    run = squidie.start(Single)

    lacking[0].execute_next()

    released = all_facts(squidie, run)[-1]
    assert (released.kind, released.reason, released.due_at) == ("attempt_released", "unserved", NOON + 5 * SECOND)


def test_a_callable_that_takes_something_else_is_unserved_too(make):
    """4.9: cannot bind: the run's graph is older than the code. The code that it was made for runs it."""
    old = make(Paying)
    run = old.start(Paying, {"number": 7})
    new = make(Sums, actions={older.__module__ + ":older": newer})

    new.execute_next()

    assert kinds(old, run) == ["run_started", "attempt_released"]
    assert all_facts(old, run)[-1].reason == "unserved"
    assert [tuple(row) for row in rows(old)] == [("pay", 1, False, 0)]
    old.retry_now(run.id, "pay")
    old.execute_next()
    assert run.result(1) == 7


def test_nothing_that_nobody_serves_is_touched_or_deleted(make, squidie, clock):
    """X7: however long it lies, and whatever else is worked on beside it."""
    clock(NOON)
    run = squidie.start(Chain)
    others = make(Sums)
    for day in range(5):
        clock(NOON + timedelta(days=day))
        others.engine.dispose()
        others.start(Sums, {"number": day})
        others.turn(["default"])
        others.sweep(["default"])

    assert kinds(squidie, run) == ["run_started"]
    assert query(squidie, "select 1 from {s}.attempts where step = 'a' and claim_id is null")
    assert squidie.queues()[0].due == 1


def test_a_successor_that_this_worker_lacks_is_left_to_one_that_has_it(make):
    """G37: it is not handed over to the turn that made it due."""
    whole, first_only = make(Two), make(Paying)
    run = whole.start(Two, {"number": 3})

    first_only.turn(["default"])

    assert [tuple(row) for row in rows(whole)] == [("then", 1, False, 0)]
    whole.turn(["default"])
    assert run.result(1) == 6
