"""What a step's code meets.

The context it may ask for, what it may raise to steer, and what it is told when it should stop.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidArgument
from squidie.workflow.durations import Duration, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

log = logging.getLogger("squidie.step")


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


class Defer(StepControl):
    """Not yet: call this step again `until` a time, or `after` a while, as the same attempt. Nothing has failed.

    The wish is judged when the step has ended with it: a time that is past, negative or without bounds fails the step.
    """

    def __init__(
        self, *, until: datetime | None = None, after: Duration | None = None, reason: str | None = None
    ) -> None:
        super().__init__(reason or "asked to be called again later")
        self.until = until
        self.after = after
        self.reason = reason

    def wanted(self) -> datetime | float:
        """The aware time, or the seconds from now. Raises `ValueError` with the reason for what is neither."""
        if (self.until is None) is (self.after is None):
            raise ValueError("a step is deferred until= a time or after= a duration: one of them")
        if self.after is not None:
            return seconds(self.after)
        if not isinstance(self.until, datetime) or self.until.utcoffset() is None:
            raise ValueError("the time of a deferral is a datetime with a time zone")
        return self.until

    def __reduce__(self) -> tuple[Any, ...]:
        return _defer, (self.until, self.after, self.reason)


def _defer(until: datetime | None, after: Duration | None, reason: str | None) -> Defer:
    """Keyword-only arguments do not survive pickling by themselves."""
    return Defer(until=until, after=after, reason=reason)


class StepInterrupted(BaseException):
    """Told to a step through its context. No `Exception`, so that a broad `except` in the step does not swallow it."""


class Cancelled(StepInterrupted):
    """The run was cancelled or is about to be undone; what the step returns is not taken any further."""


class LeaseLost(StepInterrupted):
    """Another worker has taken this attempt over; what the step returns is not taken."""


class TimedOut(StepInterrupted):
    """The step has used up its time.

    It counts as an exception under a retry policy; what the step still returns within its grace is taken.
    """


class Signals:
    """What the engine knows of a running attempt; set from the thread that renews the leases, read by the step.

    `late` says, whenever it is asked, that its claim has not been renewed for too long.
    `progress` goes the other way, as does `afterwards`: what to call with `completed`, `retried` or `failed` once the
    outcome was taken.
    """

    __slots__ = ("afterwards", "asked", "cancelled", "late", "lost", "progress", "timed_out")

    def __init__(self) -> None:
        self.cancelled = False
        self.asked = False
        self.lost = False
        self.late: Callable[[], bool] = lambda: False
        self.timed_out = False
        self.progress: tuple[float | None, str] | None = None
        self.afterwards: list[Callable[[str], None]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Where a step stands.

    `idempotency_key` is the same for every attempt of this step in this run: give it to whatever must happen once.
    `base` attempts were made before the step was last requeued. `deadline` is until when this attempt should end, by
    the database's clock. `error` is what the step is there to handle. `session` belongs to transactional steps.
    `trace` has the attempt's `traceparent`, to be sent along with requests.
    """

    run_id: UUID
    workflow: str
    step: str
    attempt: int
    idempotency_key: str
    max_attempts: int = 1
    base: int = 0
    item: Any = None
    index: int | None = None
    claim_id: UUID | None = None
    queue: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    parent: Mapping[str, Any] | None = None
    trace: Mapping[str, str] | None = None
    deadline: datetime | None = None
    timeout: float | None = None
    session: Any = field(default=None, repr=False, compare=False)
    signals: Signals = field(default_factory=Signals, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """The run was cancelled while this step ran, or is about to be undone: the step should end."""
        return self.signals.cancelled or self.signals.asked

    @property
    def lease_lost(self) -> bool:
        """The claim was ended by somebody else, or soon may be: this worker could not renew it.

        The latter is taken back when it can again.
        """
        return self.signals.lost or self.signals.late()

    def check(self) -> None:
        """Stop here if the result is no longer wanted: raises `Cancelled`, `LeaseLost` or `TimedOut`.

        Long steps call it between pieces of work. A claim that ended with a deadline, or with the time that a run has
        to drain, is a lost one.
        """
        if self.cancelled:
            raise Cancelled
        if self.signals.lost:
            raise LeaseLost
        if self.signals.timed_out:
            raise TimedOut

    def progress(self, fraction: float | None = None, note: str = "") -> None:
        """Say how far this attempt is: kept in this process while it runs, and logged at debug level.

        The journal does not hear of it.
        """
        self.signals.progress = (fraction, note)
        about = {"run_id": str(self.run_id), "workflow": self.workflow, "step": self.step, "attempt": self.attempt}
        log.debug("%s of run %s is at %s %s", self.step, self.run_id, fraction, note, extra=about)
