"""Facts of what waits for no worker: a time, a person, an event, a deadline, and an undo as a whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from squidie.history.bodies import (
    NOTHING_MOVED,
    Cause,
    Decision,
    ErrorRecord,
    Moved,
    Recorded,
    Vote,
)
from squidie.history.canonical import NULL
from squidie.workflow.options import Escalation, PayloadField
from squidie.workflow.vocabulary import Lapse, NodeKind, Overdue


class WaitStarted(Recorded, frozen=True, kw_only=True):
    """A wait for a time began; its timer is opened with it."""

    step: str
    until: datetime


class WaitElapsed(Recorded, frozen=True, kw_only=True):
    """The time has come; or there was none to wait for, and `error` is what its error edges see."""

    step: str
    error: ErrorRecord | None = None
    moved: Moved = NOTHING_MOVED


class PauseOpened(Recorded, frozen=True, kw_only=True):
    """A person is asked. Everything the answer depends on is frozen here."""

    step: str
    pause: NodeKind
    routes: dict[str, tuple[str, ...]]
    role: str | None = None
    quorum: int = 1
    due_at: datetime | None = None
    then: Lapse | None = None
    escalate: Escalation | None = None
    form: tuple[PayloadField, ...] | None = None
    exclude: tuple[str, ...] = ()


class VoteCast(Recorded, frozen=True, kw_only=True):
    """One of several who must agree has said so; who, says `by`."""

    step: str
    decision: Decision
    data: Any = None


class ReviewDelegated(Recorded, frozen=True, kw_only=True):
    """Others are asked now: somebody handed it on, or nobody answered in time.

    `then` is what happens when these do not answer either.
    """

    step: str
    role: str
    due_at: datetime | None = None
    then: Lapse | None = None


class PauseResolved(Recorded, frozen=True, kw_only=True):
    """A pause or an approval has ended, once. `error` is what its error edges see."""

    step: str
    decision: Decision
    output: msgspec.Raw = NULL
    votes: tuple[Vote, ...] = ()
    error: ErrorRecord | None = None
    moved: Moved = NOTHING_MOVED


class EventAwaited(Recorded, frozen=True, kw_only=True):
    """An event is waited for; without a correlation any of that name will do."""

    step: str
    event: str
    correlation: str | None = None
    due_at: datetime | None = None


class EventBuffered(Recorded, frozen=True, kw_only=True):
    """An event came before anybody waited for it."""

    event: str
    correlation: str | None = None
    payload: msgspec.Raw = NULL


class EventReceived(Recorded, frozen=True, kw_only=True):
    """The event that was waited for; `buffered` is the seq of the fact that kept it where it had come early."""

    step: str
    event: str
    correlation: str | None = None
    payload: msgspec.Raw = NULL
    buffered: int | None = None
    moved: Moved = NOTHING_MOVED


class EventLapsed(Recorded, frozen=True, kw_only=True):
    """The event did not come in time."""

    step: str
    event: str
    error: ErrorRecord
    moved: Moved = NOTHING_MOVED


class DeadlinePassed(Recorded, frozen=True, kw_only=True):
    """A deadline was missed. `step` is the timer, `deadline:charge`; `bounds` is the step, or None for the run."""

    step: str
    bounds: str | None = None
    due_at: datetime
    action: Overdue
    error: ErrorRecord | None = None
    moved: Moved = NOTHING_MOVED


class DrainStarted(Recorded, frozen=True, kw_only=True):
    """The run will be undone; what is still running is given time to end.

    Nothing new begins: `closes` names what was taken away. `step` and `error` are those of the failure.
    """

    cause: Cause
    reason: str | None = None
    step: str | None = None
    error: ErrorRecord | None = None


class CompensationStarted(Recorded, frozen=True, kw_only=True):
    """Completed steps are undone, in this order, one at a time."""

    cause: Cause
    order: tuple[str, ...]
    reason: str | None = None
    step: str | None = None
    error: ErrorRecord | None = None


class CompensationStuck(Recorded, frozen=True, kw_only=True):
    """An undo has given up."""

    step: str
    error: ErrorRecord
