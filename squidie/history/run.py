"""What the facts of a run add up to, as data: the run, its nodes, what it waits for, and how its undo stands.

`squidie.history.fold` makes it. It is the cache `runs.state`; dropping it changes nothing. State is as large as the
graph, not as the data: an output above `INLINE_EACH`, or beyond `INLINE_SUM` in all, is left in its fact and read from
there.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from squidie.history.bodies import Cause, Decision, ErrorRecord, Vote
from squidie.history.canonical import NULL
from squidie.history.lifecycle import RunStatus, is_terminal
from squidie.workflow.options import Escalation, PayloadField
from squidie.workflow.vocabulary import MANUAL, Lapse, NodeKind

FOLD = 3
"""The version of this fold: a cached state of another version is rebuilt from facts."""

INLINE_EACH = 8 * 1024
INLINE_SUM = 64 * 1024


class NodeStatus(StrEnum):
    """Where a node of the graph stands. A node without an entry has not been reached."""

    OPEN = "open"
    PARKED = "parked"
    DONE = "done"
    TOLERATED = "tolerated"
    FAILED = "failed"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"


UNSETTLED = (NodeStatus.OPEN, NodeStatus.PARKED)
GOOD = (NodeStatus.DONE, NodeStatus.TOLERATED)
"""After these the ok edges were taken, and there is an output: that of a tolerated failure is null."""


class Waiting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a node that holds no worker waits for, or waited for.

    `touched` is the last fact about it, by whom and when; `decision` how it ended, where a person was asked.
    """

    kind: NodeKind
    due_at: datetime | None = None
    role: str | None = None
    quorum: int = 1
    then: Lapse | None = None
    escalate: Escalation | None = None
    form: tuple[PayloadField, ...] | None = None
    exclude: tuple[str, ...] = ()
    votes: tuple[Vote, ...] = ()
    event: str | None = None
    correlation: str | None = None
    touched: int = 0
    by: Any = None
    at: datetime | None = None
    decision: Decision | None = None


class Past(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is unusual about a node's past.

    `base` attempts were made before it was last requeued, `deferred` times it asked to be called later, and it is
    `unsure` whether one of its attempts took effect.
    """

    base: int = 0
    deferred: int = 0
    unsure: bool = False


NO_PAST = Past()


class NodeRun(msgspec.Struct, array_like=True, gc=False):
    """One node of a run: its open attempt, or how it ended.

    `seq` is the fact that settled it; `kept` says that its result (the error of a failure that an error edge handled)
    is small enough to be here.
    """

    status: NodeStatus
    attempt: int = 1
    lost: int = 0
    claims: int = 0
    seq: int = 0
    first_due_at: datetime | None = None
    kept: bool = False
    result: msgspec.Raw = NULL
    waiting: Waiting | None = None
    past: Past | None = None

    @property
    def output(self) -> msgspec.Raw | None:
        """The result as canonical JSON, or None where it is only in its fact."""
        return self.result if self.kept else None

    @property
    def history(self) -> Past:
        """What is unusual about its past."""
        return self.past or NO_PAST

    @property
    def is_open(self) -> bool:
        """Whether something of it is still to come."""
        return self.status in UNSETTLED

    @property
    def is_manual(self) -> bool:
        """Whether it goes on only by a person's decision."""
        if self.status is NodeStatus.PARKED:
            return True
        return self.status is NodeStatus.OPEN and self.waiting is not None and self.waiting.kind in MANUAL


class Buffered(msgspec.Struct, array_like=True, frozen=True):
    """An event that came before anybody waited; its payload is in the fact `seq` where it is not here."""

    seq: int
    event: str
    correlation: str | None = None
    kept: bool = False
    payload: msgspec.Raw = NULL


class Undo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why and how far a run is being undone. `order` is set once what was running has ended."""

    cause: Cause
    reason: str | None = None
    step: str | None = None
    error: ErrorRecord | None = None
    order: tuple[str, ...] | None = None


class Run(msgspec.Struct, array_like=True, kw_only=True):
    """A run as its facts leave it.

    `payload` is JSON null where it is too large to keep: then it is read from the first fact. `timers` are the open
    ones, each with its attempt number.
    """

    status: RunStatus = RunStatus.RUNNING
    revision: int = 0
    at: datetime | None = None
    edges: dict[str, bool] = {}
    nodes: dict[str, NodeRun] = {}
    inline: int = 0
    anomalies: tuple[str, ...] = ()
    output: msgspec.Raw = NULL
    error: ErrorRecord | None = None
    step: str | None = None
    reason: str | None = None
    timers: dict[str, int] = {}
    buffered: tuple[Buffered, ...] = ()
    undo: Undo | None = None
    # What never changes stands last: Postgres logs of an updated row only what differs between its common beginning and
    # end.
    workflow: str = ""
    definition: str = ""
    trigger: str = ""
    queue: str = ""
    priority: int = 100
    partition: str | None = None
    starter: Any = None
    archived: bool = False
    attributes: dict[str, Any] | None = None
    schedule: msgspec.Raw = NULL
    payload: msgspec.Raw = NULL
    trace: str | None = None
    started_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return not is_terminal(self.status)

    @property
    def open_steps(self) -> list[str]:
        """The names of the nodes of which something is still to come."""
        return [name for name, node in self.nodes.items() if node.is_open]
