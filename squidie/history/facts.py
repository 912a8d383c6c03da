"""All the journal can say: one frozen struct for each kind of fact.

A fact is past tense and carries its consequences: which edges were taken (`moved`), what work it opened (`opens`),
what it took away without settling it (`closes`), which claims it ended (`ends`). Folding a history therefore never
decides anything again, and a later version of the library cannot reinterpret the past. `seq`, `at`, `kind` and `hash`
belong to the row; the stored `kind` is the class name in snake case. `output` and `payload` are canonical JSON, kept as
the bytes they came in.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from squidie.history.bodies import (
    NOTHING_MOVED,
    VERSION,
    Carried,
    Cause,
    Claim,
    Closing,
    Decision,
    Disposition,
    Ended,
    ErrorRecord,
    FailureCode,
    Moved,
    Opening,
    OpenKind,
    Origin,
    Receipt,
    Recorded,
    ReleaseReason,
    Undoing,
    Vote,
)
from squidie.history.canonical import NULL
from squidie.history.notes import AttributesChanged, RunArchived, RunUnarchived
from squidie.history.waits import (
    CompensationStarted,
    CompensationStuck,
    DeadlinePassed,
    DrainStarted,
    EventAwaited,
    EventBuffered,
    EventLapsed,
    EventReceived,
    PauseOpened,
    PauseResolved,
    ReviewDelegated,
    VoteCast,
    WaitElapsed,
    WaitStarted,
)

__all__ = [
    "KINDS",
    "NOTHING_MOVED",
    "TERMINAL",
    "VERSION",
    "AttemptCompleted",
    "AttemptDeadLettered",
    "AttemptDeferred",
    "AttemptExpired",
    "AttemptFailed",
    "AttemptHastened",
    "AttemptReleased",
    "AttributesChanged",
    "Carried",
    "Cause",
    "Claim",
    "Closing",
    "CompensationStarted",
    "CompensationStuck",
    "DeadlinePassed",
    "Decision",
    "Disposition",
    "DrainStarted",
    "Ended",
    "ErrorRecord",
    "EventAwaited",
    "EventBuffered",
    "EventLapsed",
    "EventReceived",
    "Fact",
    "FailureCode",
    "Moved",
    "OpenKind",
    "Opening",
    "Origin",
    "PauseOpened",
    "PauseResolved",
    "Receipt",
    "Recorded",
    "ReleaseReason",
    "ReviewDelegated",
    "RunArchived",
    "RunCancelled",
    "RunCompleted",
    "RunFailed",
    "RunStarted",
    "RunUnarchived",
    "StepDiscarded",
    "StepRequeued",
    "Undoing",
    "Vote",
    "VoteCast",
    "WaitElapsed",
    "WaitStarted",
    "counts_as_lost",
]


class RunStarted(Recorded, frozen=True, kw_only=True):
    """A run exists: its workflow, the definition it keeps, what it was given, and its first work.

    `trace` is the `traceparent` of whoever started it, where that stood in a trace.
    """

    workflow: str
    definition: str
    trigger: str
    payload: msgspec.Raw
    queue: str
    priority: int = 100
    version: str | None = None
    key: str | None = None
    partition: str | None = None
    window: str | None = None
    schedule: Any = None
    attributes: dict[str, Any] | None = None
    replay_of: str | None = None
    forked_from: Origin | None = None
    carried: tuple[Carried, ...] = ()
    moved: Moved = NOTHING_MOVED
    trace: str | None = None


class RunCompleted(Recorded, frozen=True, kw_only=True):
    """Every path has ended.

    `output` is the leaf's output, or an object of the leaves' outputs by name; where that would be too large to say
    twice, `leaves` names the outputs, which stand in the facts of their steps.
    """

    output: msgspec.Raw = NULL
    leaves: tuple[str, ...] = ()


class RunFailed(Recorded, frozen=True, kw_only=True):
    """A step failed and nothing handled it. `compensation` says how the undo went, where there was one."""

    error: ErrorRecord
    step: str | None = None
    compensation: Undoing = Undoing.NONE


class RunCancelled(Recorded, frozen=True, kw_only=True):
    """Somebody ended the run. `compensation` says how the undo went, where one was asked for."""

    reason: str
    compensation: Undoing = Undoing.NONE


class AttemptCompleted(Recorded, frozen=True, kw_only=True):
    """A step ended well.

    `unread`: no later step reads its output and it is no leaf's, so the state need not keep it.
    """

    step: str
    attempt: int
    claim: Claim
    output: msgspec.Raw = NULL
    unread: bool = False
    moved: Moved = NOTHING_MOVED


class AttemptFailed(Recorded, frozen=True, kw_only=True):
    """A try of a step ended badly; `disposition` says what came of it.

    A retry opens the next attempt at the time that was drawn for it.
    """

    step: str
    attempt: int
    max_attempts: int
    error: ErrorRecord
    claim: Claim
    disposition: Disposition
    moved: Moved = NOTHING_MOVED


class AttemptDeadLettered(Recorded, frozen=True, kw_only=True):
    """An attempt was given up with no claim to settle it."""

    step: str
    attempt: int
    error: ErrorRecord
    disposition: Disposition
    reason: FailureCode = FailureCode.CLAIMS_EXHAUSTED
    moved: Moved = NOTHING_MOVED


class AttemptDeferred(Recorded, frozen=True, kw_only=True):
    """The step looked and asked to be called again: no failure, no retry, the same number. `n` counts how often."""

    step: str
    attempt: int
    claim: Claim
    due_at: datetime
    n: int
    reason: str | None = None


class AttemptHastened(Recorded, frozen=True, kw_only=True):
    """Somebody made a scheduled attempt due now."""

    step: str
    attempt: int
    due_at: datetime


class StepRequeued(Recorded, frozen=True, kw_only=True):
    """A parked step is tried again: the next attempt, with a fresh budget."""

    step: str
    reason: str


class StepDiscarded(Recorded, frozen=True, kw_only=True):
    """A parked step was given up; its failure takes its course."""

    step: str
    reason: str


class AttemptReleased(Recorded, frozen=True, kw_only=True):
    """A claim was given back; the attempt is due again under the same number.

    In a run that drains it is not: then `closes` names it and `due_at` is missing.
    """

    step: str
    attempt: int
    claim: Claim
    reason: ReleaseReason
    due_at: datetime | None = None


class AttemptExpired(Recorded, frozen=True, kw_only=True):
    """A claim's lease had ended and a sweeper ended the claim; `lost` counts such losses of the attempt.

    In a run that drains the attempt goes with it: then `closes` names it and `due_at` is missing.
    """

    step: str
    attempt: int
    claim: Claim
    lost: int
    due_at: datetime | None = None


Fact = (
    RunStarted
    | RunCompleted
    | RunFailed
    | RunCancelled
    | AttemptCompleted
    | AttemptFailed
    | AttemptDeadLettered
    | AttemptDeferred
    | AttemptHastened
    | AttemptReleased
    | AttemptExpired
    | StepRequeued
    | StepDiscarded
    | WaitStarted
    | WaitElapsed
    | PauseOpened
    | VoteCast
    | ReviewDelegated
    | PauseResolved
    | EventAwaited
    | EventBuffered
    | EventReceived
    | EventLapsed
    | DeadlinePassed
    | DrainStarted
    | CompensationStarted
    | CompensationStuck
    | AttributesChanged
    | RunArchived
    | RunUnarchived
)
KINDS: dict[str, type[Fact]] = {fact.kind: fact for fact in Fact.__args__}
TERMINAL = (RunCompleted, RunFailed, RunCancelled)


def counts_as_lost(fact: Fact) -> bool:
    """Whether the claim that this fact ended was lost, not given back."""
    return isinstance(fact, AttemptExpired) or (
        isinstance(fact, AttemptReleased) and fact.reason is ReleaseReason.CHILD_DIED
    )
