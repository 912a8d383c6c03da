"""What step code meets, and what retry policies make of its exceptions (1.23)."""

import pickle
from dataclasses import FrozenInstanceError
from datetime import timedelta
from uuid import UUID

import pytest

from squidie.errors import InvalidArgument
from squidie.workflow import Cancelled, Fail, LeaseLost, Retry, RetryLater, StepContext, TimedOut
from squidie.workflow.retry import catches, exception_names
from squidie.workflow.steps import StepControl, StepInterrupted


def context():
    return StepContext(run_id=UUID(int=1), workflow="W", step="charge", attempt=1, idempotency_key="k")


def test_the_context_hears_of_a_cancellation_while_the_step_runs():
    """1.23: `cancelled`, and `check()`."""
    ctx = context()
    ctx.check()

    ctx.signals.cancelled = True

    assert ctx.cancelled
    with pytest.raises(Cancelled):
        ctx.check()


def test_the_context_hears_of_a_lost_lease():
    """1.23: `lease_lost`."""
    ctx = context()
    ctx.signals.late = lambda: True
    assert ctx.lease_lost
    ctx.check()  # it may still be renewed

    ctx.signals.lost = True

    assert ctx.lease_lost
    with pytest.raises(LeaseLost):
        ctx.check()


def test_the_context_cannot_be_changed_and_knows_no_token():
    """1.23: never the claim token."""
    with pytest.raises(FrozenInstanceError):
        context().attempt = 2
    assert not [name for name in dir(context()) if "token" in name]


@pytest.mark.parametrize("told", [Cancelled, LeaseLost, TimedOut])
def test_an_interruption_is_not_swallowed_by_except_exception(told):
    assert issubclass(told, StepInterrupted)
    assert not issubclass(told, Exception)


@pytest.mark.parametrize(("after", "seconds"), [("2m", 120.0), (5, 5.0), (0, 0.0), (timedelta(seconds=3), 3.0)])
def test_retry_later_takes_any_duration(after, seconds):
    assert RetryLater(after=after).after == seconds


def test_retry_later_refuses_what_is_no_duration():
    with pytest.raises(InvalidArgument):
        RetryLater(after="soon")


@pytest.mark.parametrize("word", [Fail("no", code="declined", details={"a": 1}), RetryLater(after=5, message="busy")])
def test_what_a_step_raises_survives_pickling(word):
    copy = pickle.loads(pickle.dumps(word))

    assert isinstance(copy, StepControl)
    assert (str(copy), vars(copy)) == (str(word), vars(word))


class Declined(ValueError):
    pass


@pytest.mark.parametrize(
    ("policy", "again"),
    [
        (Retry(3), True),
        (Retry(3, on=ValueError), True),
        (Retry(3, on=[Declined]), True),
        (Retry(3, on=(KeyError,)), False),
        (Retry(3, never=(ValueError,)), False),
        (Retry(3, on=ValueError, never="ValueError"), False),
        (Retry(3, on=f"{__name__}:Declined"), True),
    ],
)
def test_a_policy_catches_by_class_and_base(policy, again):
    assert catches(policy, exception_names(Declined())) is again


def test_a_policy_without_names_does_not_catch_what_is_no_exception():
    assert not catches(Retry(3), exception_names(KeyboardInterrupt()))
