"""A step of a run in one cell of a table, and in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.cli.render import stamp
from squidie.views.outside import PHRASES
from squidie.views.reasons import Reason
from squidie.views.states import State
from squidie.views.words import first_line, many, moment, span, until, who

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from squidie.views.deadlines import DeadlineView
    from squidie.views.steps import StepView, WaitView

PRESSING = ("due_soon", "overdue", "escalated")


def what(step: StepView, now: datetime, *, outside: bool = False) -> str:
    """What it is at, or how it ended, in a few words; to people outside in words that others have not written."""
    said = _settled(step) if step.reason is None else _open(step, step.reason, now, outside=outside)
    late = step.deadline is not None and step.settled_at is None and step.deadline.status in PRESSING
    parts = [said, step.deadline.status.replace("_", " ") if late and step.deadline else "", _undone(step)]
    return "; ".join(part for part in parts if part)


def _open(step: StepView, reason: Reason, now: datetime, *, outside: bool) -> str:
    return PHRASES[reason] if outside else OPEN[reason](step, now)


def details(step: StepView, now: datetime) -> list[tuple[str, str]]:
    """Everything there is to say of it, name by name."""
    error = step.error or {}
    found = [
        ("kind", step.kind if step.kind != "step" else ""),
        ("action", step.action),
        ("queue", step.queue if step.action else ""),
        ("try", f"{step.attempt} of {step.max_attempts}" if step.attempt else ""),
        ("claims", f"{step.claims}, {step.lost} lost" if step.claims else ""),
        ("worker", step.owner or ""),
        ("claimed", stamp(step.claimed_at, now)),
        ("lease", f"until {stamp(step.lease_until, now)}" if step.lease_until else ""),
        ("due", stamp(step.due_at, now)),
        *(_waits(step.waits, now) if step.waits else ()),
        ("deferred", f"{many(step.deferrals, 'time')}{_because(step)}" if step.deferrals else ""),
        ("parked", f"since {stamp(step.parked.since, now)}; {' or '.join(step.parked.go_on)}" if step.parked else ""),
        ("deadline", _deadline(step.deadline, now) if step.deadline else ""),
        ("settled", stamp(step.settled_at, now)),
        ("undo", step.undone.word if step.undone else ""),
        ("effects", (step.effects or "").replace("_", " ")),
        ("after", ", ".join(step.after)),
        ("error", first_line(error) if error else ""),
    ]
    found += [("", str(frame)) for frame in error.get("frames", ())]
    return [(name, value) for name, value in found if value]


def _settled(step: StepView) -> str:
    match step.state:
        case State.FAILED:
            return f"{first_line(step.error)} (tolerated)" if step.tolerated else first_line(step.error)
        case State.NOT_STARTED:
            return f"after {', '.join(step.after)}" if step.after else ""
        case State.COMPLETED if step.waits is not None and step.waits.decision is not None:
            return f"{step.waits.decision} by {who(step.waits.by)}" if step.waits.by is not None else "lapsed"
        case _:
            return "carried over" if step.carried else many(step.lost, "claim") + " lost" if step.lost else ""


def _undone(step: StepView) -> str:
    """How its undo stands, while that is not done: then the state itself says so."""
    if step.undone is None or step.undone is State.COMPENSATED or step.undone is State.COMPLETED:
        return ""
    return f"undo {step.undone.word}"


def _because(step: StepView) -> str:
    return f": {step.deferred_because}" if step.deferred_because else ""


def _waits(waits: WaitView, now: datetime) -> list[tuple[str, str]]:
    then = f", then {waits.then}" if waits.then else ""
    votes = [f"{vote.decision} by {who(vote.actor)} at {stamp(vote.at, now)}" for vote in waits.votes]
    return [
        ("event", f"{waits.event}{f' ({waits.correlation})' if waits.correlation else ''}" if waits.event else ""),
        ("role", waits.role or ""),
        ("since", stamp(waits.since, now)),
        ("until", f"{stamp(waits.due_at, now)}{then}" if waits.due_at else ""),
        ("quorum", str(waits.quorum) if waits.quorum > 1 else ""),
        *(("vote", vote) for vote in votes),
        ("decision", f"{waits.decision}{f' by {who(waits.by)}' if waits.by else ''}" if waits.decision else ""),
    ]


def _deadline(deadline: DeadlineView, now: datetime) -> str:
    return f"{stamp(deadline.due_at, now)}, {deadline.status.replace('_', ' ')}, then {deadline.then}"


def _parked(step: StepView, _now: datetime) -> str:
    return f"parked: {first_line(step.error)}"


def _asked(step: StepView, now: datetime) -> str:
    waits = step.waits
    if waits is None:
        return ""
    agreed = sum(vote.decision == "approved" for vote in waits.votes)
    parts = [
        f"role {waits.role}" if waits.role else "",
        f"{agreed} of {waits.quorum}" if waits.quorum > 1 else "",
        f"due {until(waits.due_at, now)}" if waits.due_at else "no time limit",
        f"then {waits.then}" if waits.then else "",
    ]
    return ", ".join(part for part in parts if part)


def _listens(step: StepView, now: datetime) -> str:
    waits = step.waits
    if waits is None:
        return ""
    which = f" ({waits.correlation})" if waits.correlation else ""
    return f"event {waits.event}{which}" + (f", lapses {moment(waits.due_at, now)}" if waits.due_at else "")


def _timer(step: StepView, now: datetime) -> str:
    return f"until {stamp(step.waits.due_at if step.waits else step.due_at, now)}"


def _deferred(step: StepView, now: datetime) -> str:
    return f"looks again {until(step.due_at, now)}{_because(step)}" if step.due_at else ""


def _retrying(step: StepView, now: datetime) -> str:
    return f"{until(step.due_at, now)}: {first_line(step.error)}" if step.due_at else ""


def _unattended(step: StepView, _now: datetime) -> str:
    return f"no worker serves {step.queue}" if step.waits is None else "no worker is alive"


def _queued(step: StepView, now: datetime) -> str:
    return f"due on {step.queue} for {span(now - step.due_at)}" if step.due_at else ""


OPEN: Mapping[Reason, Callable[[StepView, datetime], str]] = {
    Reason.ANOMALY: lambda _step, _now: "open, and nothing is due",
    Reason.DEAD_LETTERED: _parked,
    Reason.COMPENSATION_STUCK: _parked,
    Reason.NEEDS_APPROVAL: _asked,
    Reason.NEEDS_RESUME: _asked,
    Reason.VERSION_MISMATCH: lambda step, _now: f"no worker serves {step.action}",
    Reason.NO_CONSUMER: _unattended,
    Reason.MISSING_CALLABLE: lambda step, _now: f"workers on {step.queue} lack {step.action}",
    Reason.BROKER_UNREACHABLE: lambda step, _now: f"due on {step.queue}, and bells fail",
    Reason.LATE_PICKUP: lambda step, _now: f"due on {step.queue}, and a worker is idle",
    Reason.RUNNING_LONG: lambda step, _now: f"on {step.owner}, longer than usual",
    Reason.LEASE_EXPIRED: lambda step, _now: f"lost by {step.owner}",
    Reason.RUNNING: lambda step, _now: f"on {step.owner}",
    Reason.QUEUE_PAUSED: lambda step, _now: f"queue {step.queue} is paused",
    Reason.CONCURRENCY_LIMITED: lambda _step, _now: "its limit is full",
    Reason.RATE_LIMITED: lambda _step, _now: "its rate is used up",
    Reason.QUEUED: _queued,
    Reason.RETRY_BACKOFF: _retrying,
    Reason.DEFERRED: _deferred,
    Reason.WAITING_SIGNAL: _listens,
    Reason.WAITING_TIMER: _timer,
}
"""What is said of an open step, by the reason why it stands where it does."""
