"""What facts are made of: receipts, claims, errors, what is opened and closed, how the graph moved."""

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
    TIMED_OUT = "timed_out"
    DEADLINE_PASSED = "deadline_passed"
    CLAIMS_EXHAUSTED = "claims_exhausted"
    INVALID_INPUT = "invalid_input"
    MISSING_INPUT_PATH = "missing_input_path"
    INVALID_OUTPUT = "invalid_output"
    NO_MATCHING_EDGE = "no_matching_edge"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_LAPSED = "approval_lapsed"
    EVENT_LAPSED = "event_lapsed"
    STEP_DISCARDED = "step_discarded"


class Disposition(StrEnum):
    """What came of a failed attempt.

    Tried again, handled by an error edge, waiting for a person, passed over, or the end of the run.
    """

    RETRIED = "retried"
    ROUTED = "routed"
    PARKED = "parked"
    TOLERATED = "tolerated"
    FATAL = "fatal"


class ReleaseReason(StrEnum):
    """Why a claim was given back without an outcome. A dead child counts as a loss, the others do not."""

    DRAINED = "drained"
    GIVEN_BACK = "given_back"
    UNSERVED = "unserved"
    CHILD_DIED = "child_died"


class OpenKind(StrEnum):
    """What can be open in a run.

    Work for a worker, or a timer, which any worker settles without running code: these have rows. A wait for a person,
    a time or an event, and a parked step, are owed without one.
    """

    STEP = "step"
    COMPENSATION = "compensation"
    TIMER = "timer"
    WAIT = "wait"
    PARKED = "parked"


WITH_ROW = (OpenKind.STEP, OpenKind.COMPENSATION, OpenKind.TIMER)


class Decision(StrEnum):
    """How a pause or an approval ended."""

    RESUMED = "resumed"
    APPROVED = "approved"
    REJECTED = "rejected"
    LAPSED = "lapsed"


class Undoing(StrEnum):
    """How the undo of a run went, as the fact that ends it says."""

    NONE = "none"
    FINISHED = "finished"
    INCOMPLETE = "incomplete"


class Cause(StrEnum):
    """Why a run is undone."""

    FAILED = "failed"
    CANCELLED = "cancelled"


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A piece of a fact's body; what has its default is left out of the stored text.

    Plain data refers to nothing that refers back, so Python's collector need not look for that (`gc`).
    """


class Receipt(Part, frozen=True, kw_only=True):
    """Who caused a fact, and by which request; `digest` identifies the request under its key."""

    verb: str
    digest: str
    request_id: str
    key: str | None = None
    actor: Any = None
    comment: str | None = None
    metadata: Any = None
    source: str | None = None  # where it was asked: None for a call from Python


class Claim(Part, frozen=True, kw_only=True):
    """The claim that a fact ended: `n` counts the claims made on the attempt, the lease stands as last renewed."""

    id: str
    n: int
    owner: str
    claimed_at: datetime
    lease_until: datetime


class ErrorRecord(Part, frozen=True, kw_only=True):
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

    @property
    def as_seen(self) -> dict[str, Any]:
        """The record as those see it who handle it: every field there is, also those that have nothing to say."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {**found, "kind": self.kind.value, "code": self.code or self.kind.value, "frames": list(self.frames)}


class Opening(Part, frozen=True, kw_only=True):
    """Work or a timer: a row appears with it, in the same commit. `limit` and `rate` are the keys it counts under."""

    step: str
    attempt: int
    queue: str
    due_at: datetime
    priority: int = 100
    kind: OpenKind = OpenKind.STEP
    limit: str = ""
    rate: str = ""


class Closing(Part, frozen=True, kw_only=True):
    """Something open that was taken away without being settled: a row, or a debt without one."""

    step: str
    attempt: int | None = None
    kind: OpenKind = OpenKind.STEP


class Ended(Part, frozen=True, kw_only=True):
    """A claim that was ended without settling its attempt."""

    step: str
    attempt: int
    claim: Claim


class Moved(Part, frozen=True, kw_only=True):
    """How the graph moved: edges by their ids, steps by their names."""

    taken: tuple[str, ...] = ()
    skipped_edges: tuple[str, ...] = ()
    skipped_steps: tuple[str, ...] = ()


class Vote(Part, frozen=True, kw_only=True):
    """What one person said."""

    actor: Any
    decision: Decision
    at: datetime
    comment: str | None = None


class Carried(Part, frozen=True, kw_only=True):
    """A step whose end was taken over from another run and is not run again.

    `tolerated` has no output; `error` stands where the step had failed and an error edge went on.
    """

    step: str
    output: msgspec.Raw = NULL
    tolerated: bool = False
    error: ErrorRecord | None = None


class Origin(Part, frozen=True, kw_only=True):
    """The run, and the step in it, from which another was forked; `seq` is how far its history was read."""

    run: str
    step: str
    seq: int


VERSION = 1
"""The version of the bodies written here."""

NOTHING_MOVED = Moved()
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


class Recorded(Part, frozen=True, kw_only=True):
    """What every fact has.

    `by` stands on the first fact of a command only, `clock` only where `at` was lifted above it; `v` is the body's
    version.
    """

    kind: ClassVar[str] = ""

    by: Receipt | None = None
    clock: datetime | None = None
    opens: tuple[Opening, ...] = ()
    closes: tuple[Closing, ...] = ()
    ends: tuple[Ended, ...] = ()
    v: int = VERSION

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = _HUMP.sub("_", cls.__name__).lower()
