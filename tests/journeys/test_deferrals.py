"""A step that is not ready yet: called again later, as the same attempt, and nothing has failed (18.1)."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypedDict

import pytest

from squidie import Defer, Retry, StepContext, Workflow, manual, step
from tests.support.lab import NOON, all_facts, kinds, rows

WISHES: list[Any] = []
SEEN: list[tuple[int, str]] = []


class Nothing(TypedDict, total=False):
    """It takes nothing."""


def wait(ctx: StepContext) -> int:
    SEEN.append((ctx.attempt, ctx.idempotency_key))
    if WISHES:
        raise WISHES.pop(0)
    return len(SEEN)


class Patient(Workflow):
    payload = Nothing
    triggers = (manual("go"),)
    only = step(wait, retry=Retry(3, min=0))


@pytest.fixture
def patient(make, database_url):
    WISHES.clear()
    SEEN.clear()
    return make(Patient)


@pytest.fixture
def at(patient):
    from squidie.testing.clock import set_clock

    def at(when):
        set_clock(patient.engine, when)

    at(NOON)
    return at


def deferrals(squidie, run):
    return [fact for fact in all_facts(squidie, run) if fact.kind == "attempt_deferred"]


def test_ten_deferrals_then_success_use_one_attempt(patient, at):
    """18.1, 5.10, B25: the same number, the same key."""
    WISHES.extend(Defer(after=1, reason="not yet") for _ in range(10))
    run = patient.start(Patient, {})

    for second in range(11):
        at(NOON + timedelta(seconds=second))
        patient.execute_next()

    assert run.result(1) == 11
    assert {attempt for attempt, _ in SEEN} == {1}
    assert len({key for _, key in SEEN}) == 1
    assert [fact.n for fact in deferrals(patient, run)] == list(range(1, 11))
    assert deferrals(patient, run)[0].reason == "not yet"


@pytest.mark.parametrize(
    "wish",
    [
        Defer(after=timedelta(seconds=3, microseconds=1)),
        Defer(after="3s1us"),
        Defer(until=NOON + timedelta(seconds=3, microseconds=1)),
        Defer(until=(NOON + timedelta(seconds=3, microseconds=1)).astimezone(timezone(timedelta(hours=5)))),
    ],
)
def test_due_to_the_microsecond(patient, at, wish):
    """18.1"""
    WISHES.append(wish)
    run = patient.start(Patient, {})

    patient.execute_next()

    assert deferrals(patient, run)[0].due_at == NOON + timedelta(seconds=3, microseconds=1)
    at(NOON + timedelta(seconds=3))
    assert patient.execute_next() is None
    at(NOON + timedelta(seconds=3, microseconds=1))
    patient.execute_next()
    assert run.snapshot().status == "completed"


@pytest.mark.parametrize(
    "wish",
    [
        Defer(),
        Defer(after=1, until=NOON + timedelta(hours=1)),
        Defer(after=-1),
        Defer(after=0),
        Defer(after=float("inf")),
        Defer(after=float("nan")),
        Defer(after="soon"),
        Defer(after=10**12),
        Defer(until=NOON - timedelta(microseconds=1)),
        Defer(until=NOON),
        Defer(until=datetime(2026, 3, 10, 13)),  # noqa: DTZ001 - that is what is wrong with it
        Defer(until="tomorrow"),
        Defer(until=datetime.max.replace(tzinfo=UTC)),
    ],
    ids=str,
)
def test_a_time_that_cannot_be_waited_for_fails_the_step(patient, at, wish):
    """18.1: a past, negative or boundless time is `invalid_output`, and not retried."""
    WISHES.append(wish)
    run = patient.start(Patient, {})

    patient.execute_next()

    assert kinds(patient, run) == ["run_started", "attempt_failed", "run_failed"]
    assert all_facts(patient, run)[1].error.kind == "invalid_output"


def test_a_deferral_is_no_retry(patient, at):
    """18.1: the budget of retries is untouched."""
    WISHES.extend([ValueError("once"), Defer(after=1), ValueError("twice")])
    run = patient.start(Patient, {})

    for second in range(4):
        at(NOON + timedelta(seconds=second))
        patient.execute_next()

    assert run.result(1) == 4
    assert [attempt for attempt, _ in SEEN] == [1, 2, 2, 3]


def test_a_deferred_step_is_open_and_unclaimed(patient, at):
    """4: a deferral keeps the row and makes it scheduled."""
    WISHES.append(Defer(after=60))
    run = patient.start(Patient, {})
    patient.execute_next()
    assert [tuple(row) for row in rows(patient, run)] == [("only", 1, False, 0)]
    assert run.snapshot().status == "running"


def test_the_wish_survives_pickling():
    """18.1"""
    copy = pickle.loads(pickle.dumps(Defer(after="5s", reason="why")))
    assert (copy.after, copy.reason, str(copy)) == ("5s", "why", "why")
