"""What facts about attempts do to a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from squidie.history.bodies import Disposition, FailureCode
from squidie.history.canonical import NULL
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptDeferred,
    AttemptExpired,
    AttemptFailed,
    AttemptHastened,
    AttemptReleased,
    StepDiscarded,
    StepRequeued,
    counts_as_lost,
)
from squidie.history.run import INLINE_EACH, INLINE_SUM, NodeRun, NodeStatus, Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.history.bodies import Carried, ErrorRecord, Moved

_AFTER = {
    Disposition.ROUTED: NodeStatus.FAILED,
    Disposition.FATAL: NodeStatus.FAILED,
    Disposition.TOLERATED: NodeStatus.TOLERATED,
    Disposition.PARKED: NodeStatus.PARKED,
}


def anomaly(run: Run, what: str) -> None:
    """Note what cannot be."""
    run.anomalies = (*run.anomalies, f"seq {run.revision}: {what}")


def keep(run: Run, node: NodeRun, result: msgspec.Raw) -> None:
    """Keep a result with the state where it is small enough; otherwise it stays in its fact. Null takes no room."""
    size = 0 if result == NULL else len(result)
    if size <= INLINE_EACH and run.inline + size <= INLINE_SUM:
        node.kept, node.result = True, result
        run.inline += size


def settle(run: Run, step: str, attempt: int, status: NodeStatus, *, claims: int = 1) -> NodeRun | None:
    """The node has ended; `claims` tells how many claims ended with it."""
    if not is_open(run, step, attempt):
        anomaly(run, f"{step} ended while not open")
        return None
    before = run.nodes[step]
    node = NodeRun(status, attempt, before.lost, before.claims + claims, run.revision, past=before.past)
    run.nodes[step] = node
    return node


def is_open(run: Run, step: str, attempt: int) -> bool:
    """Whether this very attempt is open."""
    node = run.nodes.get(step)
    return node is not None and node.status is NodeStatus.OPEN and node.attempt == attempt


def mark_unsure(run: Run, step: str) -> None:
    """A claim on it has ended without an outcome: nobody knows whether it took effect."""
    node = run.nodes.get(step)
    if node is not None:
        run.nodes[step] = msgspec.structs.replace(node, past=msgspec.structs.replace(node.history, unsure=True))


def move(run: Run, moved: Moved) -> None:
    """Edges are taken or skipped, steps are skipped."""
    for edges, taken in ((moved.taken, True), (moved.skipped_edges, False)):
        for edge in edges:
            if edge in run.edges:
                anomaly(run, f"the edge {edge} was settled twice")
            run.edges[edge] = taken
    for step in moved.skipped_steps:
        if step in run.nodes:
            anomaly(run, f"{step} was skipped after it had been reached")
        run.nodes[step] = NodeRun(NodeStatus.SKIPPED, seq=run.revision)


def carry(run: Run, carried: Carried) -> None:
    """A step that another run has ended."""
    status = NodeStatus.DONE
    if carried.error is not None:
        status = NodeStatus.FAILED
    elif carried.tolerated:
        status = NodeStatus.TOLERATED
    node = run.nodes[carried.step] = NodeRun(status, seq=run.revision)
    keep(run, node, carried.output if carried.error is None else encoded(carried.error))


def encoded(error: ErrorRecord) -> msgspec.Raw:
    """An error as those see it who handle it."""
    return msgspec.Raw(msgspec.json.encode(error))


def _complete(run: Run, fact: AttemptCompleted) -> None:
    node = settle(run, fact.step, fact.attempt, NodeStatus.DONE)
    if node is not None and not fact.unread:
        keep(run, node, fact.output)
    move(run, fact.moved)


def _fail(run: Run, fact: AttemptFailed) -> None:
    if fact.disposition is Disposition.RETRIED:
        if not is_open(run, fact.step, fact.attempt):
            anomaly(run, f"{fact.step} failed while not open")
    else:
        _give_up(run, fact, claims=1)
    if fact.error.kind is FailureCode.TIMED_OUT:
        mark_unsure(run, fact.step)


def _dead(run: Run, fact: AttemptDeadLettered) -> None:
    _give_up(run, fact, claims=0)


def _give_up(run: Run, fact: AttemptFailed | AttemptDeadLettered, *, claims: int) -> None:
    node = settle(run, fact.step, fact.attempt, _AFTER.get(fact.disposition, NodeStatus.FAILED), claims=claims)
    if node is not None and fact.disposition is Disposition.TOLERATED:
        keep(run, node, NULL)
    elif node is not None:
        keep(run, node, encoded(fact.error))
    move(run, fact.moved)


def _unclaim(run: Run, fact: AttemptReleased | AttemptExpired) -> None:
    if not is_open(run, fact.step, fact.attempt):
        anomaly(run, f"a claim on {fact.step} ended while it was not open")
        return
    node, lost = run.nodes[fact.step], counts_as_lost(fact)
    run.nodes[fact.step] = msgspec.structs.replace(node, claims=node.claims + 1, lost=node.lost + lost)
    if lost:
        mark_unsure(run, fact.step)


def _defer(run: Run, fact: AttemptDeferred) -> None:
    if not is_open(run, fact.step, fact.attempt):
        anomaly(run, f"{fact.step} was deferred while not open")
        return
    node = run.nodes[fact.step]
    past = msgspec.structs.replace(node.history, deferred=fact.n)
    run.nodes[fact.step] = msgspec.structs.replace(node, claims=node.claims + 1, past=past)


def _hasten(run: Run, fact: AttemptHastened) -> None:
    if not is_open(run, fact.step, fact.attempt):
        anomaly(run, f"{fact.step} was hastened while not open")


def _requeue(run: Run, fact: StepRequeued) -> None:
    """The next attempt is opened by the same fact, and its budget counts from here."""
    node = _parked(run, fact.step)
    if node is not None:
        past = msgspec.structs.replace(node.history, base=node.attempt, deferred=0)
        run.inline -= len(node.result) if node.kept else 0
        run.nodes[fact.step] = msgspec.structs.replace(node, first_due_at=None, kept=False, result=NULL, past=past)


def _discard(run: Run, fact: StepDiscarded) -> None:
    node = _parked(run, fact.step)
    if node is not None:
        run.nodes[fact.step] = msgspec.structs.replace(node, status=NodeStatus.FAILED, seq=run.revision)


def _parked(run: Run, step: str) -> NodeRun | None:
    node = run.nodes.get(step)
    if node is None or node.status is not NodeStatus.PARKED:
        anomaly(run, f"{step} was taken up while not parked")
        return None
    return node


EVOLVE: dict[type, Callable[[Run, Any], None]] = {
    AttemptCompleted: _complete,
    AttemptFailed: _fail,
    AttemptDeadLettered: _dead,
    AttemptReleased: _unclaim,
    AttemptExpired: _unclaim,
    AttemptDeferred: _defer,
    AttemptHastened: _hasten,
    StepRequeued: _requeue,
    StepDiscarded: _discard,
}
