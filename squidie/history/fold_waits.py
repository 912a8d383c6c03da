"""What facts about waits, people, events, deadlines and the undo do to a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from squidie.history.bodies import Vote
from squidie.history.canonical import NULL
from squidie.history.facts import (
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
from squidie.history.fold_attempts import anomaly, encoded, keep, move
from squidie.history.run import INLINE_EACH, INLINE_SUM, Buffered, NodeRun, NodeStatus, Run, Undo, Waiting
from squidie.workflow.vocabulary import Lapse, NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.history.facts import Recorded


def _begin(run: Run, step: str, waiting: Waiting) -> None:
    if step in run.nodes:
        anomaly(run, f"{step} began to wait after it had been reached")
    run.nodes[step] = NodeRun(NodeStatus.OPEN, waiting=waiting)


def _wait(run: Run, fact: WaitStarted) -> None:
    _begin(run, fact.step, Waiting(kind=NodeKind.WAIT, due_at=fact.until))


def _pause(run: Run, fact: PauseOpened) -> None:
    waiting = Waiting(
        kind=fact.pause,
        due_at=fact.due_at,
        role=fact.role,
        quorum=fact.quorum,
        then=fact.then,
        escalate=fact.escalate,
        form=fact.form,
        exclude=fact.exclude,
        touched=run.revision,
        at=run.at,
    )
    _begin(run, fact.step, waiting)


def _await(run: Run, fact: EventAwaited) -> None:
    waiting = Waiting(kind=NodeKind.EVENT, due_at=fact.due_at, event=fact.event, correlation=fact.correlation)
    _begin(run, fact.step, waiting)


def _vote(run: Run, fact: VoteCast) -> None:
    node = _waiting(run, fact.step)
    if node is not None and node.waiting is not None and fact.by is not None and run.at is not None:
        vote = Vote(actor=fact.by.actor, decision=fact.decision, at=run.at, comment=fact.by.comment)
        _touch(run, fact.step, node, fact, votes=(*node.waiting.votes, vote))


def _delegate(run: Run, fact: ReviewDelegated) -> None:
    """Who is asked next when these do not answer either is kept only where that is what happens then."""
    node = _waiting(run, fact.step)
    if node is not None and node.waiting is not None:
        escalate = node.waiting.escalate if fact.then is Lapse.ESCALATE else None
        _touch(run, fact.step, node, fact, role=fact.role, due_at=fact.due_at, then=fact.then, escalate=escalate)


def touched(run: Run, node: NodeRun, fact: Recorded) -> NodeRun:
    """The node after a fact that ended its wait without an answer: a later answer is told by whom, and when."""
    if node.waiting is None:
        return node
    by = fact.by.actor if fact.by is not None else None
    return msgspec.structs.replace(
        node, waiting=msgspec.structs.replace(node.waiting, touched=run.revision, by=by, at=run.at)
    )


def _touch(run: Run, step: str, node: NodeRun, fact: Recorded, **changes: Any) -> None:
    assert node.waiting is not None  # noqa: S101 - `_waiting` has looked
    by = fact.by.actor if fact.by is not None else None
    waiting = msgspec.structs.replace(node.waiting, touched=run.revision, by=by, at=run.at, **changes)
    run.nodes[step] = msgspec.structs.replace(node, waiting=waiting)


def _waiting(run: Run, step: str) -> NodeRun | None:
    node = run.nodes.get(step)
    if node is None or node.status is not NodeStatus.OPEN or node.waiting is None:
        anomaly(run, f"{step} was answered while it did not wait")
        return None
    return node


def _answer(run: Run, step: str, status: NodeStatus, result: msgspec.Raw) -> NodeRun | None:
    """It waits no more, and its own timer goes with it."""
    run.timers.pop(step, None)
    before = _waiting(run, step)
    if before is None:
        return None
    node = NodeRun(status, seq=run.revision, waiting=before.waiting)
    keep(run, node, result)
    run.nodes[step] = node
    return node


def _elapse(run: Run, fact: WaitElapsed) -> None:
    if fact.error is None:
        _answer(run, fact.step, NodeStatus.DONE, NULL)
    else:
        _answer(run, fact.step, NodeStatus.FAILED, encoded(fact.error))
    move(run, fact.moved)


def _resolve(run: Run, fact: PauseResolved) -> None:
    failed = fact.error is not None
    result = encoded(fact.error) if fact.error is not None else fact.output
    node = _answer(run, fact.step, NodeStatus.FAILED if failed else NodeStatus.DONE, result)
    if node is not None:
        _touch(run, fact.step, node, fact, decision=fact.decision)
    move(run, fact.moved)


def _receive(run: Run, fact: EventReceived) -> None:
    taken = [each for each in run.buffered if each.seq == fact.buffered]
    run.buffered = tuple(each for each in run.buffered if each.seq != fact.buffered)
    run.inline -= sum(len(each.payload) for each in taken if each.kept)
    _answer(run, fact.step, NodeStatus.DONE, fact.payload)
    move(run, fact.moved)


def _buffer(run: Run, fact: EventBuffered) -> None:
    size = len(fact.payload)
    kept = size <= INLINE_EACH and run.inline + size <= INLINE_SUM
    run.inline += size if kept else 0
    early = Buffered(run.revision, fact.event, fact.correlation, kept, fact.payload if kept else NULL)
    run.buffered = (*run.buffered, early)


def _lapse(run: Run, fact: EventLapsed) -> None:
    _answer(run, fact.step, NodeStatus.FAILED, encoded(fact.error))
    move(run, fact.moved)


def _overdue(run: Run, fact: DeadlinePassed) -> None:
    """Only where it was the end of its step is anything but the timer gone."""
    run.timers.pop(fact.step, None)
    node = run.nodes.get(fact.bounds) if fact.bounds is not None else None
    if fact.bounds is not None and node is not None and fact.error is not None:
        failed = msgspec.structs.replace(node, status=NodeStatus.FAILED, seq=run.revision)
        keep(run, failed, encoded(fact.error))
        run.nodes[fact.bounds] = failed
    move(run, fact.moved)


def _drain(run: Run, fact: DrainStarted) -> None:
    run.undo = Undo(cause=fact.cause, reason=fact.reason, step=fact.step, error=fact.error)


def _undo(run: Run, fact: CompensationStarted) -> None:
    run.undo = Undo(cause=fact.cause, reason=fact.reason, step=fact.step, error=fact.error, order=fact.order)


def _stick(run: Run, fact: CompensationStuck) -> None:
    if fact.step not in run.nodes:
        anomaly(run, f"{fact.step} was stuck and never begun")


EVOLVE: dict[type, Callable[[Run, Any], None]] = {
    WaitStarted: _wait,
    WaitElapsed: _elapse,
    PauseOpened: _pause,
    VoteCast: _vote,
    ReviewDelegated: _delegate,
    PauseResolved: _resolve,
    EventAwaited: _await,
    EventBuffered: _buffer,
    EventReceived: _receive,
    EventLapsed: _lapse,
    DeadlinePassed: _overdue,
    DrainStarted: _drain,
    CompensationStarted: _undo,
    CompensationStuck: _stick,
}
