"""What can be asked of a run: imperative, frozen, complete.

A command carries everything its decision needs but the run, its rows and the time.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.history.attempts import AttemptKey, OpenAttempt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from squidie.history.bodies import Carried, Decision, ErrorRecord, Moved, Origin, Receipt, ReleaseReason
    from squidie.history.run import Run
    from squidie.workflow.spec import Spec

NONE_LARGE: Mapping[str, msgspec.Raw] = MappingProxyType({})


class Limits(msgspec.Struct, frozen=True):
    """What the settings bound: lost claims of an attempt, seconds of a drain, early events of a name."""

    max_claims: int = 5
    drain: float = 60.0
    buffer: int = 100


LIMITS = Limits()


class Situation(msgspec.Struct, frozen=True):
    """What a decision looks at.

    `rows` holds the open attempts that were read under the head's lock; `large` what the state only refers to: outputs
    by the names of their steps, `payload`, and early events as `event:<seq>`.
    """

    run: Run
    spec: Spec
    now: datetime
    rows: Mapping[AttemptKey, OpenAttempt]
    large: Mapping[str, msgspec.Raw] = NONE_LARGE
    limits: Limits = LIMITS

    @property
    def moment(self) -> datetime:
        """The time that facts will carry: within a run it never goes back."""
        return self.now if self.run.at is None else max(self.now, self.run.at)


class Start(msgspec.Struct, frozen=True):
    """Begin a run. `at` delays its first steps, not its existence."""

    run_id: UUID
    spec: Spec
    definition: str
    trigger: str
    payload: msgspec.Raw
    queue: str
    by: Receipt
    priority: int = 100
    at: datetime | None = None
    key: str | None = None
    partition: str | None = None
    window: str | None = None
    schedule: Any = None
    attributes: Mapping[str, Any] | None = None
    replay_of: UUID | None = None
    fork: Fork | None = None
    trace: str | None = None


class Fork(msgspec.Struct, frozen=True):
    """What a new run takes over from another: ended steps, settled edges, and which steps begin."""

    origin: Origin
    carried: tuple[Carried, ...]
    moved: Moved
    begins: tuple[str, ...]


class _Held(msgspec.Struct, frozen=True, gc=False):
    """A command of the holder of a claim: the fence is the claim's id and the hash of its token."""

    run_id: UUID
    step: str
    attempt: int
    claim_id: UUID
    token_hash: bytes

    @property
    def key(self) -> AttemptKey:
        """The attempt it is about."""
        return (self.run_id, self.step, self.attempt)


class Complete(_Held, frozen=True):
    """The step ended well; `output` has passed the gate.

    `row` is the attempt as its holder claimed it: of a claimed row only the lease's end can have moved since, so the
    rest need not be read again.
    """

    output: msgspec.Raw
    row: OpenAttempt | None = None


class Fail(_Held, frozen=True):
    """The step ended badly.

    `retryable`: its policy may try again; `after` (seconds) is the step's own wish for the delay; `dice` is drawn in
    [0, 1).
    """

    error: ErrorRecord
    retryable: bool
    dice: float
    after: float | None = None


class Defer(_Held, frozen=True):
    """The step asks to be called again at `due_at`, or after that many seconds; nothing failed."""

    due_at: datetime | None = None
    after: float | None = None
    reason: str | None = None


class Release(_Held, frozen=True):
    """Give the claim back without an outcome; the attempt is due again after `delay` seconds."""

    reason: ReleaseReason
    delay: float = 0.0


class Expire(msgspec.Struct, frozen=True):
    """End a claim because its lease is over; `delay` seconds until the attempt is due again, drawn by whoever asks."""

    run_id: UUID
    step: str
    attempt: int
    claim_id: UUID
    delay: float = 0.0

    @property
    def key(self) -> AttemptKey:
        """The attempt it is about."""
        return (self.run_id, self.step, self.attempt)


class Elapse(msgspec.Struct, frozen=True):
    """A timer is due."""

    run_id: UUID
    step: str
    attempt: int

    @property
    def key(self) -> AttemptKey:
        """The row of the timer."""
        return (self.run_id, self.step, self.attempt)


class _Asked(msgspec.Struct, frozen=True):
    """A command that somebody gave; `by` says who."""

    run_id: UUID
    by: Receipt


class Cancel(_Asked, frozen=True):
    """End the run now, or undo what it did first (`compensate`); `abandon_undo` ends one that is being undone."""

    reason: str
    compensate: bool = False
    abandon_undo: bool = False


class Review(_Asked, frozen=True):
    """Answer a pause (`resumed`) or an approval (`approved`, `rejected`).

    Without `step` there must be exactly one that is open. `expect` is the revision that the person saw.
    """

    decision: Decision
    step: str | None = None
    data: Any = None
    expect: int | None = None


class Delegate(_Asked, frozen=True):
    """Ask others instead; `due` (seconds from now) replaces how long they have."""

    role: str
    step: str | None = None
    due: float | None = None


class Deliver(_Asked, frozen=True):
    """An event has happened."""

    event: str
    payload: msgspec.Raw
    correlation: str | None = None


class Hasten(_Asked, frozen=True):
    """Make a scheduled attempt due now."""

    step: str


class Requeue(_Asked, frozen=True):
    """Try a parked step again."""

    step: str
    reason: str


class Discard(_Asked, frozen=True):
    """Give a parked step up: its failure takes its course."""

    step: str
    reason: str


class SetAttributes(_Asked, frozen=True):
    """Change what the run is found by; None takes a value away."""

    changes: Mapping[str, Any]


class Archive(_Asked, frozen=True):
    """Put an ended run away."""

    reason: str


class Unarchive(_Asked, frozen=True):
    """Show an archived run again."""


Settling = Complete | Fail | Defer | Release
OnAttempt = Complete | Fail | Defer | Release | Expire
Asked = Cancel | Review | Delegate | Deliver | Hasten | Requeue | Discard | SetAttributes | Archive | Unarchive
OnRun = (
    Complete
    | Fail
    | Defer
    | Release
    | Expire
    | Elapse
    | Cancel
    | Review
    | Delegate
    | Deliver
    | Hasten
    | Requeue
    | Discard
    | SetAttributes
    | Archive
    | Unarchive
)
Command = Start | OnRun


def needs_all_rows(command: OnRun, run: Run, spec: Spec) -> bool:
    """Whether the decision may end or withdraw something else than what it is about.

    Then all of the run's rows are read, so that the facts can name their claims.
    """
    return not isinstance(command, Complete) or bool(run.timers) or run.undo is not None or spec.decides_on_data
