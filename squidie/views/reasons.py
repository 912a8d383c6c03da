"""Why something open stands where it does: the rules, in order.

A live lease is *running*; a lease that is over is *stalled*, whatever a label may say. The rules are a tuple: the first
that holds gives the state of a step and, while it is open, the reason; an open run shows the first of its reasons.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from squidie.history.run import NodeStatus
from squidie.views.states import State
from squidie.workflow.vocabulary import NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from squidie.history.run import NodeRun, Undo


class Reason(StrEnum):
    """Why something open stands where it does, the most pressing first."""

    ANOMALY = "anomaly"
    DEAD_LETTERED = "dead_lettered"
    COMPENSATION_STUCK = "compensation_stuck"
    NEEDS_APPROVAL = "needs_approval"
    NEEDS_RESUME = "needs_resume"
    NO_CONSUMER = "no_consumer"
    VERSION_MISMATCH = "version_mismatch"
    MISSING_CALLABLE = "missing_callable"
    QUEUE_PAUSED = "queue_paused"
    LEASE_EXPIRED = "lease_expired"
    BROKER_UNREACHABLE = "broker_unreachable"
    LATE_PICKUP = "late_pickup"
    DRAINING = "draining"
    COMPENSATING = "compensating"
    RUNNING_LONG = "running_long"
    RUNNING = "running"
    CONCURRENCY_LIMITED = "concurrency_limited"
    RATE_LIMITED = "rate_limited"
    QUEUED = "queued"
    RETRY_BACKOFF = "retry_backoff"
    DEFERRED = "deferred"
    WAITING_SIGNAL = "waiting_signal"
    WAITING_TIMER = "waiting_timer"

    @property
    def state(self) -> State:
        """The state in which it is shown."""
        return _STATES[self]


_STATES = {
    Reason.ANOMALY: State.STALLED,
    Reason.DEAD_LETTERED: State.STALLED,
    Reason.COMPENSATION_STUCK: State.STALLED,
    Reason.NEEDS_APPROVAL: State.PAUSED,
    Reason.NEEDS_RESUME: State.PAUSED,
    Reason.NO_CONSUMER: State.STALLED,
    Reason.VERSION_MISMATCH: State.STALLED,
    Reason.MISSING_CALLABLE: State.STALLED,
    Reason.QUEUE_PAUSED: State.STALLED,
    Reason.LEASE_EXPIRED: State.STALLED,
    Reason.BROKER_UNREACHABLE: State.QUEUED,
    Reason.LATE_PICKUP: State.QUEUED,
    Reason.DRAINING: State.RUNNING,
    Reason.COMPENSATING: State.RUNNING,
    Reason.RUNNING_LONG: State.RUNNING,
    Reason.RUNNING: State.RUNNING,
    Reason.CONCURRENCY_LIMITED: State.QUEUED,
    Reason.RATE_LIMITED: State.QUEUED,
    Reason.QUEUED: State.QUEUED,
    Reason.RETRY_BACKOFF: State.RETRYING,
    Reason.DEFERRED: State.WAITING,
    Reason.WAITING_SIGNAL: State.WAITING,
    Reason.WAITING_TIMER: State.WAITING,
}
RANK = {reason: rank for rank, reason in enumerate(Reason)}
"""The most pressing is the lowest."""


class Work(NamedTuple):
    """One open attempt as its row shows it.

    `unattended`: no living worker serves its queue. `unserved`: some do, and none anywhere has its callable;
    `elsewhere`: none of them has it, and others do. `paused`: nothing is claimed from its queue. `full`: its limit has
    no slot; `spent`: its rate has no token. `unrung`: the bells of all who serve it fail. `idle`: it has been due for
    longer than two sweeps, and somebody who could begin it has nothing to do.
    """

    due_at: datetime
    attempt: int = 1
    lost: int = 0
    lease_until: datetime | None = None
    unattended: bool = False
    unserved: bool = False
    elsewhere: bool = False
    paused: bool = False
    full: bool = False
    spent: bool = False
    unrung: bool = False
    idle: bool = False


class Standing(NamedTuple):
    """What the state of a step depends on.

    `node` is None where the graph has not reached it, `work` where no attempt is open. `is_undo`: it undoes another
    step; `undone`: it was undone itself; `is_long`: it takes longer than it should; `is_forgotten`: what it waited for
    is over, and no worker is alive to say so.
    """

    node: NodeRun | None
    work: Work | None
    run_is_open: bool
    now: datetime
    is_undo: bool = False
    undone: bool = False
    is_long: bool = False
    is_forgotten: bool = False


def state_of_step(standing: Standing) -> State:
    """The state that the first rule gives."""
    found = next(found for holds, found in RULES if holds(standing))
    return found.state if isinstance(found, Reason) else found


def reason_of_step(standing: Standing) -> Reason | None:
    """Why an open step stands where it does; None for one that is not open."""
    found = next(found for holds, found in RULES if holds(standing))
    return found if isinstance(found, Reason) else None


def reason_of_run(undo: Undo | None, reasons: Iterable[Reason | None]) -> Reason:
    """The most pressing reason of an open run. One that owes nothing contradicts itself."""
    found = {reason for reason in reasons if reason is not None}
    if undo is not None:
        found.add(Reason.DRAINING if undo.order is None else Reason.COMPENSATING)
    return min(found, key=RANK.__getitem__, default=Reason.ANOMALY)


def _not_reached(standing: Standing) -> bool:
    return standing.node is None


def _undone(standing: Standing) -> bool:
    return standing.undone


def _done(standing: Standing) -> bool:
    return _is(standing, NodeStatus.DONE)


def _failed(standing: Standing) -> bool:
    return _is(standing, NodeStatus.FAILED, NodeStatus.TOLERATED)


def _skipped(standing: Standing) -> bool:
    return _is(standing, NodeStatus.SKIPPED)


def _withdrawn(standing: Standing) -> bool:
    return not standing.run_is_open or _is(standing, NodeStatus.WITHDRAWN)


def _stuck(standing: Standing) -> bool:
    return standing.is_undo and _is(standing, NodeStatus.PARKED)


def _parked(standing: Standing) -> bool:
    return _is(standing, NodeStatus.PARKED)


def _asks(standing: Standing) -> bool:
    return _waits_as(standing, NodeKind.APPROVAL)


def _halts(standing: Standing) -> bool:
    return _waits_as(standing, NodeKind.PAUSE)


def _forgotten(standing: Standing) -> bool:
    return standing.is_forgotten and standing.node is not None and standing.node.waiting is not None


def _listens(standing: Standing) -> bool:
    return _waits_as(standing, NodeKind.EVENT)


def _sleeps(standing: Standing) -> bool:
    return _waits_as(standing, NodeKind.WAIT)


def _rowless(standing: Standing) -> bool:
    """An open step without a row: nobody is at it, and nobody ever will be."""
    return standing.work is None


def _held(standing: Standing) -> bool:
    work = standing.work
    return work is not None and work.lease_until is not None and work.lease_until > standing.now


def _held_long(standing: Standing) -> bool:
    return standing.is_long and _held(standing)


def _expired(standing: Standing) -> bool:
    """A lease that is over: nobody is at it, and a fact has yet to say so."""
    return standing.work is not None and standing.work.lease_until is not None


def _unattended(standing: Standing) -> bool:
    return _due(standing) and standing.work is not None and standing.work.unattended


def _unserved(standing: Standing) -> bool:
    return standing.work is not None and standing.work.unserved


def _elsewhere(standing: Standing) -> bool:
    return _due(standing) and standing.work is not None and standing.work.elsewhere


def _due(standing: Standing) -> bool:
    return standing.work is not None and standing.work.due_at <= standing.now


def _paused(standing: Standing) -> bool:
    return _due(standing) and standing.work is not None and standing.work.paused


def _full(standing: Standing) -> bool:
    return _due(standing) and standing.work is not None and standing.work.full


def _spent(standing: Standing) -> bool:
    return _due(standing) and standing.work is not None and standing.work.spent


def _unrung(standing: Standing) -> bool:
    return _due(standing) and standing.work is not None and standing.work.unrung


def _passed_over(standing: Standing) -> bool:
    return _due(standing) and standing.work is not None and standing.work.idle


def _put_off(standing: Standing) -> bool:
    """Its last claim ended because the step asked to be called later."""
    node = standing.node
    return node is not None and node.history.deferred > 0 and node.claims > node.lost


def _tried_before(standing: Standing) -> bool:
    return standing.work is not None and (standing.work.attempt > 1 or standing.work.lost > 0)


def _otherwise(_standing: Standing) -> bool:
    return True


def _is(standing: Standing, *statuses: NodeStatus) -> bool:
    return standing.node is not None and standing.node.status in statuses


def _waits_as(standing: Standing, kind: NodeKind) -> bool:
    return standing.node is not None and standing.node.waiting is not None and standing.node.waiting.kind is kind


RULES: tuple[tuple[Callable[[Standing], bool], State | Reason], ...] = (
    (_not_reached, State.NOT_STARTED),
    (_undone, State.COMPENSATED),
    (_done, State.COMPLETED),
    (_failed, State.FAILED),
    (_skipped, State.SKIPPED),
    (_withdrawn, State.CANCELLED),
    (_stuck, Reason.COMPENSATION_STUCK),
    (_parked, Reason.DEAD_LETTERED),
    (_asks, Reason.NEEDS_APPROVAL),
    (_halts, Reason.NEEDS_RESUME),
    (_forgotten, Reason.NO_CONSUMER),
    (_listens, Reason.WAITING_SIGNAL),
    (_sleeps, Reason.WAITING_TIMER),
    (_rowless, Reason.ANOMALY),
    (_held_long, Reason.RUNNING_LONG),
    (_held, Reason.RUNNING),
    (_expired, Reason.LEASE_EXPIRED),
    (_unattended, Reason.NO_CONSUMER),
    (_unserved, Reason.VERSION_MISMATCH),
    (_elsewhere, Reason.MISSING_CALLABLE),
    (_paused, Reason.QUEUE_PAUSED),
    (_full, Reason.CONCURRENCY_LIMITED),
    (_spent, Reason.RATE_LIMITED),
    (_unrung, Reason.BROKER_UNREACHABLE),
    (_passed_over, Reason.LATE_PICKUP),
    (_due, Reason.QUEUED),
    (_put_off, Reason.DEFERRED),
    (_tried_before, Reason.RETRY_BACKOFF),
    (_otherwise, Reason.WAITING_TIMER),
)
"""The first rule that holds says where a step stands: its state, or while it is open the reason."""
