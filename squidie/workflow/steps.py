"""What a step's code meets.

The context it may ask for, what it may raise to steer, and what it is told when it should stop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidArgument
from squidie.workflow.durations import Duration, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


class StepControl(Exception):
    """Raised by a step to say how it ended."""


class Fail(StepControl):
    """The step has failed for good: no retry, whatever its policy says."""

    def __init__(self, message: str, *, code: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = dict(details or {})


class RetryLater(StepControl):
    """Try this step again after the given time. Counts as a failed attempt, within the policy's `max_attempts`."""

    def __init__(self, *, after: Duration, message: str | None = None) -> None:
        super().__init__(message or "asked to be tried again later")
        self.message = str(self)
        try:
            self.after = seconds(after, allow_zero=True)
        except ValueError as error:
            raise InvalidArgument("after", str(error)) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _retry_later, (self.after, self.message)


def _retry_later(after: float, message: str) -> RetryLater:
    """Keyword-only arguments do not survive pickling by themselves."""
    return RetryLater(after=after, message=message)


class StepInterrupted(BaseException):
    """Told to a step through its context. No `Exception`, so that a broad `except` in the step does not swallow it."""


class Cancelled(StepInterrupted):
    """The run was cancelled; what the step returns is not taken."""


class LeaseLost(StepInterrupted):
    """Another worker has taken this attempt over; what the step returns is not taken."""


class TimedOut(StepInterrupted):
    """The step has used up its time."""


class Signals:
    """What the engine knows of a running attempt; set from the thread that renews the leases, read by the step."""

    __slots__ = ("cancelled", "lost", "warned")

    def __init__(self) -> None:
        self.cancelled = False
        self.lost = False
        self.warned = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Where a step stands.

    `idempotency_key` is the same for every attempt of this step in this run: give it to whatever must happen once.
    """

    run_id: UUID
    workflow: str
    step: str
    attempt: int
    idempotency_key: str
    max_attempts: int = 1
    claim_id: UUID | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    parent: Mapping[str, Any] | None = None
    trace: Mapping[str, str] | None = None
    signals: Signals = field(default_factory=Signals, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """The run was cancelled while this step ran."""
        return self.signals.cancelled

    @property
    def lease_lost(self) -> bool:
        """The claim was ended by somebody else, or soon may be: this worker could not renew it.

        The latter is taken back when it can again.
        """
        return self.signals.lost or self.signals.warned

    def check(self) -> None:
        """Stop here if the result is no longer wanted: raises `Cancelled` or `LeaseLost`.

        Long steps call it between pieces of work.
        """
        if self.signals.cancelled:
            raise Cancelled
        if self.signals.lost:
            raise LeaseLost
