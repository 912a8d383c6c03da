"""In a few words what an open step is at, for one cell of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from squidie.views.reasons import Reason
from squidie.views.words import first_line, many, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from squidie.history.run import NodeRun, Waiting


class Spot(NamedTuple):
    """An open step as a list knows it: its node in what is kept of the run, and its row."""

    name: str
    reason: Reason
    node: NodeRun
    row: Any


def whereabouts(spot: Spot, now: datetime) -> str:
    """The words for it."""
    return _WORDS[spot.reason](spot, now)


def _anomaly(_spot: Spot, _now: datetime) -> str:
    return "open, and nothing is due"


def _parked(spot: Spot, _now: datetime) -> str:
    """The error is kept with the node where it is small enough."""
    error = msgspec.json.decode(spot.node.result) if spot.node.kept else None
    return f"parked: {first_line(error)}" if error else f"parked after {many(spot.node.attempt, 'attempt')}"


def _asks(spot: Spot, now: datetime) -> str:
    wait = spot.node.waiting
    role = f"role {wait.role}" if wait is not None and wait.role else "needs approval"
    return f"{role}{_due(wait, now)}"


def _halts(spot: Spot, now: datetime) -> str:
    return f"paused{_due(spot.node.waiting, now)}"


def _due(wait: Waiting | None, now: datetime) -> str:
    return f" · due {moment(wait.due_at, now)}" if wait is not None and wait.due_at is not None else ""


def _mismatch(spot: Spot, _now: datetime) -> str:
    return f"no worker serves {spot.row.action}"


def _unattended(spot: Spot, _now: datetime) -> str:
    return f"no worker serves {spot.row.queue}" if spot.row is not None else "no worker is alive"


def _expired(spot: Spot, _now: datetime) -> str:
    return f"{spot.row.owner} stopped renewing"


def _running(spot: Spot, _now: datetime) -> str:
    return f"on {spot.row.owner}"


def _queued(spot: Spot, _now: datetime) -> str:
    return f"due on {spot.row.queue}"


def _retrying(spot: Spot, _now: datetime) -> str:
    return f"try {spot.row.attempt} at {spot.row.due_at:%H:%M:%S}"


def _deferred(spot: Spot, _now: datetime) -> str:
    return f"looks again at {spot.row.due_at:%H:%M:%S}"


def _listens(spot: Spot, now: datetime) -> str:
    wait = spot.node.waiting
    if wait is None:
        return "an event"
    which = f" {wait.correlation}" if wait.correlation else ""
    lapse = f" · lapses {moment(wait.due_at, now)}" if wait.due_at is not None else ""
    return f"event {wait.event}{which}{lapse}"


def _sleeps(spot: Spot, _now: datetime) -> str:
    due_at = spot.node.waiting.due_at if spot.node.waiting is not None else spot.row.due_at
    return f"due {due_at:%Y-%m-%d %H:%M:%S}"


_WORDS: Mapping[Reason, Callable[[Spot, datetime], str]] = {
    Reason.ANOMALY: _anomaly,
    Reason.DEAD_LETTERED: _parked,
    Reason.COMPENSATION_STUCK: _parked,
    Reason.NEEDS_APPROVAL: _asks,
    Reason.NEEDS_RESUME: _halts,
    Reason.VERSION_MISMATCH: _mismatch,
    Reason.NO_CONSUMER: _unattended,
    Reason.MISSING_CALLABLE: lambda spot, _now: f"workers on {spot.row.queue} lack {spot.row.action}",
    Reason.BROKER_UNREACHABLE: lambda spot, _now: f"due on {spot.row.queue}, and bells fail",
    Reason.LATE_PICKUP: lambda spot, _now: f"due on {spot.row.queue}, and a worker is idle",
    Reason.RUNNING_LONG: _running,
    Reason.LEASE_EXPIRED: _expired,
    Reason.RUNNING: _running,
    Reason.QUEUE_PAUSED: lambda spot, _now: f"queue {spot.row.queue} is paused",
    Reason.CONCURRENCY_LIMITED: lambda spot, _now: f"limit {spot.row.limit_key} is full",
    Reason.RATE_LIMITED: lambda spot, _now: f"rate {spot.row.rate_key} is used up",
    Reason.QUEUED: _queued,
    Reason.RETRY_BACKOFF: _retrying,
    Reason.DEFERRED: _deferred,
    Reason.WAITING_SIGNAL: _listens,
    Reason.WAITING_TIMER: _sleeps,
}
"""Draining and compensating are the run's own, and are told of it as a whole."""
