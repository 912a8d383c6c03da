"""What the facts of a run add up to.

`fold(facts)` never raises and never decides: it applies what each fact says of its own consequences. Nonsense (which
only a damaged history can hold) is named in `anomalies`. The result is the cache `runs.state`; dropping it changes
nothing. State is as large as the graph, not as the data: an output above `INLINE_EACH`, or beyond `INLINE_SUM` in all,
is left in its fact and read from there.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

import msgspec

from squidie.history.canonical import NULL
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    Disposition,
    ErrorRecord,
    Fact,
    Moved,
    Opening,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
    counts_as_lost,
)
from squidie.history.lifecycle import RunEvent, RunStatus, after_run, is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLD = 1
"""The version of this fold: a cached state of another version is rebuilt from facts."""

INLINE_EACH = 8 * 1024
INLINE_SUM = 64 * 1024


class NodeStatus(StrEnum):
    """Where a node of the graph stands. A node without an entry has not been reached."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class NodeRun(msgspec.Struct, array_like=True, omit_defaults=True):
    """One node of a run: its open attempt, or how it ended.

    `seq` is the fact that settled it; `kept` says that its result is small enough to be here.
    """

    status: NodeStatus
    attempt: int = 1
    lost: int = 0
    claims: int = 0
    seq: int = 0
    first_due_at: datetime | None = None
    kept: bool = False
    result: msgspec.Raw = NULL

    @property
    def output(self) -> msgspec.Raw | None:
        """The result as canonical JSON, or None where it is only in its fact."""
        return self.result if self.kept else None


class Run(msgspec.Struct, array_like=True, kw_only=True):
    """A run as its facts leave it.

    `payload` is JSON null where it is too large to keep: then it is read from the first fact.
    """

    status: RunStatus = RunStatus.RUNNING
    revision: int = 0
    at: datetime | None = None
    nodes: dict[str, NodeRun] = {}
    edges: dict[str, bool] = {}
    inline: int = 0
    anomalies: tuple[str, ...] = ()
    output: msgspec.Raw = NULL
    error: ErrorRecord | None = None
    step: str | None = None
    reason: str | None = None
    # What never changes stands last: Postgres logs of an updated row only what differs between its common beginning and
    # end.
    workflow: str = ""
    definition: str = ""
    trigger: str = ""
    queue: str = ""
    priority: int = 100
    partition: str | None = None
    schedule: msgspec.Raw = NULL
    payload: msgspec.Raw = NULL

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return not is_terminal(self.status)

    @property
    def open_steps(self) -> list[str]:
        """The names of the nodes that have an open attempt."""
        return [name for name, node in self.nodes.items() if node.status is NodeStatus.OPEN]


def fold(facts: Iterable[tuple[datetime, Fact]], run: Run | None = None) -> Run:
    """The run after these facts, each with its `at`.

    They start from nothing, or from the run they follow, which is left as it was.
    """
    after = Run() if run is None else msgspec.structs.replace(run, nodes=dict(run.nodes), edges=dict(run.edges))
    for at, fact in facts:
        after.revision += 1
        after.at = at
        _evolve(after, fact)
    return after


def _evolve(run: Run, fact: Fact) -> None:
    """One more fact, in place on a copy of our own."""
    if run.revision > 1 and not run.is_open:
        _odd(run, f"{fact.kind} after the end")
        return
    if run.revision == 1 and not isinstance(fact, RunStarted):
        _odd(run, f"{fact.kind} before the start")
    match fact:
        case RunStarted():
            _start(run, fact)
        case AttemptCompleted():
            _complete(run, fact)
        case AttemptFailed():
            _fail(run, fact)
        case AttemptDeadLettered():
            _settle(run, fact.step, fact.attempt, NodeStatus.FAILED, claims=0)
            _move(run, fact.moved)
        case AttemptReleased() | AttemptExpired():
            _unclaim(run, fact)
        case RunCompleted() | RunFailed() | RunCancelled():
            _end(run, fact)
        case _:
            assert_never(fact)
    for opening in fact.opens:
        _open(run, opening)


def _start(run: Run, fact: RunStarted) -> None:
    if run.revision != 1:
        _odd(run, "a second start")
    run.workflow, run.definition, run.trigger = fact.workflow, fact.definition, fact.trigger
    run.queue, run.priority, run.partition = fact.queue, fact.priority, fact.partition
    if len(fact.payload) <= INLINE_SUM:
        run.payload = fact.payload
    if fact.schedule is not None:
        run.schedule = msgspec.Raw(msgspec.json.encode(fact.schedule))


def _complete(run: Run, fact: AttemptCompleted) -> None:
    node = _settle(run, fact.step, fact.attempt, NodeStatus.DONE)
    size = len(fact.output)
    if node is not None and not fact.unread and size <= INLINE_EACH and run.inline + size <= INLINE_SUM:
        node.kept, node.result = True, fact.output
        run.inline += size
    _move(run, fact.moved)


def _fail(run: Run, fact: AttemptFailed) -> None:
    if fact.disposition is Disposition.RETRIED:
        if not _is_open(run, fact.step, fact.attempt):
            _odd(run, f"{fact.step} failed while not open")
        return
    _settle(run, fact.step, fact.attempt, NodeStatus.FAILED)
    _move(run, fact.moved)


def _unclaim(run: Run, fact: AttemptReleased | AttemptExpired) -> None:
    if not _is_open(run, fact.step, fact.attempt):
        _odd(run, f"a claim on {fact.step} ended while it was not open")
        return
    node = run.nodes[fact.step]
    run.nodes[fact.step] = msgspec.structs.replace(node, claims=node.claims + 1, lost=node.lost + counts_as_lost(fact))


def _open(run: Run, opening: Opening) -> None:
    before = run.nodes.get(opening.step)
    if before is not None and before.status is not NodeStatus.OPEN:
        _odd(run, f"{opening.step} was opened after it had ended")
    elif opening.attempt != (before.attempt + 1 if before is not None else 1):
        _odd(run, f"{opening.step} was opened out of turn")
    first = before.first_due_at if before is not None else opening.due_at
    run.nodes[opening.step] = NodeRun(status=NodeStatus.OPEN, attempt=opening.attempt, first_due_at=first)


def _settle(run: Run, step: str, attempt: int, status: NodeStatus, *, claims: int = 1) -> NodeRun | None:
    """The node has ended; `claims` tells how many claims ended with it."""
    if not _is_open(run, step, attempt):
        _odd(run, f"{step} ended while not open")
        return None
    before = run.nodes[step]
    node = NodeRun(status=status, attempt=attempt, lost=before.lost, claims=before.claims + claims, seq=run.revision)
    run.nodes[step] = node
    return node


def _is_open(run: Run, step: str, attempt: int) -> bool:
    node = run.nodes.get(step)
    return node is not None and node.status is NodeStatus.OPEN and node.attempt == attempt


def _move(run: Run, moved: Moved) -> None:
    for edges, taken in ((moved.taken, True), (moved.skipped_edges, False)):
        for edge in edges:
            if edge in run.edges:
                _odd(run, f"the edge {edge} was settled twice")
            run.edges[edge] = taken
    for step in moved.skipped_steps:
        if step in run.nodes:
            _odd(run, f"{step} was skipped after it had been reached")
        run.nodes[step] = NodeRun(status=NodeStatus.SKIPPED, seq=run.revision)


def _end(run: Run, fact: RunCompleted | RunFailed | RunCancelled) -> None:
    """Of an open run only, which has every end before it."""
    match fact:
        case RunCompleted():
            if run.open_steps:
                _odd(run, f"completed with {', '.join(run.open_steps)} open")
            event, run.output = RunEvent.COMPLETE, fact.output
        case RunFailed():
            event, run.error, run.step = RunEvent.FAIL, fact.error, fact.step
        case RunCancelled():
            event, run.reason = RunEvent.CANCEL, fact.reason
        case _:
            assert_never(fact)
    run.status = after_run(run.status, event)


def _odd(run: Run, what: str) -> None:
    run.anomalies = (*run.anomalies, f"seq {run.revision}: {what}")
