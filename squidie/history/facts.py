"""All the journal can say: one frozen struct for each kind of fact.

A fact is past tense and carries its consequences: which edges were taken (`moved`), what work it opened (`opens`),
which claims it ended (`ends`). Folding a history therefore never decides anything again, and a later version of the
library cannot reinterpret the past. `seq`, `at`, `kind` and `hash` belong to the row; the stored `kind` is the class
name in snake case. `output` and `payload` are canonical JSON, kept as the bytes they came in.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from squidie.history.canonical import NULL


class FailureCode(StrEnum):
    """Why a step or a run failed, as recorded."""

    STEP_RAISED = "step_raised"
    STEP_FAILED = "step_failed"
    CLAIMS_EXHAUSTED = "claims_exhausted"
    INVALID_INPUT = "invalid_input"
    MISSING_INPUT_PATH = "missing_input_path"
    INVALID_OUTPUT = "invalid_output"


class Disposition(StrEnum):
    """What came of a failed attempt: tried again, handled by an error edge, or the end of the run."""

    RETRIED = "retried"
    ROUTED = "routed"
    FATAL = "fatal"


class ReleaseReason(StrEnum):
    """Why a claim was given back without an outcome. A dead child counts as a loss, the others do not."""

    DRAINED = "drained"
    GIVEN_BACK = "given_back"
    UNSERVED = "unserved"
    CHILD_DIED = "child_died"


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a fact's body; what has its default is left out of the stored text."""


class Receipt(_Part, frozen=True, kw_only=True):
    """Who caused a fact, and by which request; `digest` identifies the request under its key."""

    verb: str
    digest: str
    request_id: str
    key: str | None = None
    actor: Any = None
    comment: str | None = None
    metadata: Any = None


class Claim(_Part, frozen=True, kw_only=True):
    """The claim that a fact ended: `n` counts the claims made on the attempt, the lease stands as last renewed."""

    id: str
    n: int
    owner: str
    claimed_at: datetime
    lease_until: datetime


class ErrorRecord(_Part, frozen=True, kw_only=True):
    """A failure, fit to be kept: cut and redacted, without local variables."""

    kind: FailureCode
    type: str
    message: str
    code: str = ""
    details: Any = None
    origin: str | None = None
    frames: tuple[str, ...] = ()
    retryable: bool = False
    attempt: int = 1


class Opening(_Part, frozen=True, kw_only=True):
    """Work made due: an attempt row appears with it, in the same commit."""

    step: str
    attempt: int
    queue: str
    due_at: datetime
    priority: int = 100
    kind: str = "step"


class Ended(_Part, frozen=True, kw_only=True):
    """A claim that was ended without settling its attempt."""

    step: str
    attempt: int
    claim: Claim


class Moved(_Part, frozen=True, kw_only=True):
    """How the graph moved: edges by their ids, steps by their names."""

    taken: tuple[str, ...] = ()
    skipped_edges: tuple[str, ...] = ()
    skipped_steps: tuple[str, ...] = ()


VERSION = 1
"""The version of the bodies written here."""

NOTHING_MOVED = Moved()
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


class Recorded(_Part, frozen=True, kw_only=True):
    """What every fact has.

    `by` stands on the first fact of a command only, `clock` only where `at` was lifted above it; `v` is the body's
    version.
    """

    kind: ClassVar[str] = ""

    by: Receipt | None = None
    clock: datetime | None = None
    opens: tuple[Opening, ...] = ()
    ends: tuple[Ended, ...] = ()
    v: int = VERSION

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = _HUMP.sub("_", cls.__name__).lower()


class RunStarted(Recorded, frozen=True, kw_only=True):
    """A run exists: its workflow, the definition it keeps, what it was given, and its first work."""

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
    attributes: Any = None


class RunCompleted(Recorded, frozen=True, kw_only=True):
    """Every path has ended.

    `output` is the leaf's output, or an object of the leaves' outputs by name; where that would be too large to say
    twice, `leaves` names the outputs, which stand in the facts of their steps.
    """

    output: msgspec.Raw = NULL
    leaves: tuple[str, ...] = ()


class RunFailed(Recorded, frozen=True, kw_only=True):
    """A step failed and nothing handled it."""

    error: ErrorRecord
    step: str | None = None


class RunCancelled(Recorded, frozen=True, kw_only=True):
    """Somebody ended the run."""

    reason: str


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


class AttemptReleased(Recorded, frozen=True, kw_only=True):
    """A claim was given back; the attempt is due again under the same number."""

    step: str
    attempt: int
    claim: Claim
    due_at: datetime
    reason: ReleaseReason


class AttemptExpired(Recorded, frozen=True, kw_only=True):
    """A claim's lease had ended and a sweeper ended the claim; `lost` counts such losses of the attempt."""

    step: str
    attempt: int
    claim: Claim
    due_at: datetime
    lost: int


Fact = (
    RunStarted
    | RunCompleted
    | RunFailed
    | RunCancelled
    | AttemptCompleted
    | AttemptFailed
    | AttemptDeadLettered
    | AttemptReleased
    | AttemptExpired
)
KINDS: dict[str, type[Fact]] = {fact.kind: fact for fact in Fact.__args__}
TERMINAL = (RunCompleted, RunFailed, RunCancelled)


def counts_as_lost(fact: Fact) -> bool:
    """Whether the claim that this fact ended was lost, not given back."""
    return isinstance(fact, AttemptExpired) or (
        isinstance(fact, AttemptReleased) and fact.reason is ReleaseReason.CHILD_DIED
    )
