"""The sentence for an open step: where it stands and why, since when, and what happens next."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from squidie.views.reasons import Reason
from squidie.views.words import first_line, many, moment, span, until
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from squidie.views.steps import StepView, WaitView


def _anomaly(step: StepView, _now: datetime) -> str:
    return f"{step.name} is open and no work is due for it: the journal contradicts itself."


def _dead_lettered(step: StepView, _now: datetime) -> str:
    tries = many(step.parked.attempts if step.parked else step.attempt, "attempt")
    return f"{step.name} is parked after {tries}: {first_line(step.error)}; requeue or discard it."


def _stuck(step: StepView, _now: datetime) -> str:
    tries = many(step.parked.attempts if step.parked else step.attempt, "attempt")
    undone = step.name.removeprefix(UNDO)
    return f"Undoing {undone} gave up after {tries}: {first_line(step.error)}; requeue or discard {step.name}."


def _needs_approval(step: StepView, now: datetime) -> str:
    waits = step.waits
    if waits is None:
        return f"{step.name} waits for approval."
    agreed = sum(vote.decision == "approved" for vote in waits.votes)
    votes = f" ({agreed} of {waits.quorum})" if waits.quorum > 1 else ""
    role = f" by role {waits.role}" if waits.role else ""
    return f"{step.name} waits for approval{role}{votes}{_since(waits, now)}, {_due(waits, now)}."


def _needs_resume(step: StepView, now: datetime) -> str:
    waits = step.waits
    if waits is None:
        return f"{step.name} is paused until somebody resumes it."
    return f"{step.name} is paused{_since(waits, now)} until somebody resumes it, {_due(waits, now)}."


def _since(waits: WaitView, now: datetime) -> str:
    return f" since {moment(waits.since, now)}" if waits.since else ""


def _due(waits: WaitView, now: datetime) -> str:
    if waits.due_at is None:
        return "no time limit"
    return f"due {until(waits.due_at, now)} (then {waits.then})" if waits.then else f"due {until(waits.due_at, now)}"


def _for(step: StepView, now: datetime) -> str:
    return f" for {span(now - step.due_at)}" if step.due_at else ""


def _unattended(step: StepView, now: datetime) -> str:
    if step.waits is not None:
        return f"No worker is alive: {step.name} is over, and goes on as soon as one looks; nothing is lost."
    return (
        f"No worker serves queue {step.queue}: {step.name} has been due{_for(step, now)}; nothing is lost, "
        "it starts as soon as one does."
    )


def _elsewhere(step: StepView, now: datetime) -> str:
    return (
        f"{step.name} has been due{_for(step, now)}: workers on queue {step.queue} lack {step.action}, others have it."
    )


def _unrung(step: StepView, now: datetime) -> str:
    return f"{step.name} has been due{_for(step, now)}, and bells fail; a worker's own sweep finds it."


def _passed_over(step: StepView, now: datetime) -> str:
    return (
        f"{step.name} has been due{_for(step, now)} though a worker on queue {step.queue} is idle; "
        "the next sweep rings for it."
    )


def _long(step: StepView, now: datetime) -> str:
    usual = f", usually {span(timedelta(seconds=step.usual))}" if step.usual is not None else ""
    ends = f"; it times out {until(step.times_out_at, now)}" if step.times_out_at is not None else ""
    return f"{_running(step, now).rstrip('.')}{usual}{ends}."


def _mismatch(step: StepView, _now: datetime) -> str:
    return f"{step.name}: no worker here serves {step.action} (version_mismatch); it goes on when one does."


def _expired(step: StepView, now: datetime) -> str:
    ago = f" {span(now - step.lease_until)} ago" if step.lease_until else ""
    return f"{step.name} is held by {step.owner}, which stopped renewing{ago}; the next sweep takes it over."


def _running(step: StepView, now: datetime) -> str:
    since = f" for {span(now - step.claimed_at)}" if step.claimed_at else ""
    return f"{step.name} is running{since} on {step.owner}."


def _queued(step: StepView, now: datetime) -> str:
    age = span(now - step.due_at) if step.due_at else "a while"
    return f"{step.name} has been due on queue {step.queue} for {age}; it starts as soon as a worker is free."


def _paused(step: StepView, now: datetime) -> str:
    return (
        f"{step.name} has been due{_for(step, now)}, and queue {step.queue} is paused; "
        "it starts once the queue is resumed."
    )


def _full(step: StepView, now: datetime) -> str:
    return f"{step.name} has been due{_for(step, now)}, and its limit is full; it starts when a slot is free."


def _spent(step: StepView, now: datetime) -> str:
    return f"{step.name} has been due{_for(step, now)}, and its rate is used up; it starts at its next token."


def _retrying(step: StepView, now: datetime) -> str:
    why = f" failed with {first_line(step.error)}" if step.error else " was lost by its worker"
    within = span(step.due_at - now) if step.due_at else "a while"
    return f"{step.name}{why}; try {step.attempt}/{step.max_attempts} in {within}."


def _deferred(step: StepView, now: datetime) -> str:
    within = span(step.due_at - now) if step.due_at else "a while"
    why = f": {step.deferred_because}" if step.deferred_because else ""
    return f"{step.name} looks again in {within}{why} ({many(step.deferrals, 'time')} so far)."


def _signal(step: StepView, now: datetime) -> str:
    waits = step.waits
    if waits is None:
        return f"{step.name} waits for an event."
    which = f" (correlation {waits.correlation})" if waits.correlation else ""
    limit = f"lapses {until(waits.due_at, now)}" if waits.due_at else "no timeout"
    return f"{step.name} waits for event {waits.event}{which}{_since(waits, now)}, {limit}."


def _timer(step: StepView, now: datetime) -> str:
    due_at = step.waits.due_at if step.waits else step.due_at
    if due_at is None:
        return f"{step.name} waits."
    if due_at <= now:
        return f"{step.name} has waited until {due_at:%Y-%m-%d %H:%M:%S} UTC; any worker that looks takes it on."
    return f"{step.name} waits until {due_at:%Y-%m-%d %H:%M:%S} UTC (in {span(due_at - now)})."


SENTENCES: Mapping[Reason, Callable[[StepView, datetime], str]] = {
    Reason.ANOMALY: _anomaly,
    Reason.DEAD_LETTERED: _dead_lettered,
    Reason.COMPENSATION_STUCK: _stuck,
    Reason.NEEDS_APPROVAL: _needs_approval,
    Reason.NEEDS_RESUME: _needs_resume,
    Reason.NO_CONSUMER: _unattended,
    Reason.VERSION_MISMATCH: _mismatch,
    Reason.MISSING_CALLABLE: _elsewhere,
    Reason.BROKER_UNREACHABLE: _unrung,
    Reason.LATE_PICKUP: _passed_over,
    Reason.RUNNING_LONG: _long,
    Reason.LEASE_EXPIRED: _expired,
    Reason.RUNNING: _running,
    Reason.QUEUE_PAUSED: _paused,
    Reason.CONCURRENCY_LIMITED: _full,
    Reason.RATE_LIMITED: _spent,
    Reason.QUEUED: _queued,
    Reason.RETRY_BACKOFF: _retrying,
    Reason.DEFERRED: _deferred,
    Reason.WAITING_SIGNAL: _signal,
    Reason.WAITING_TIMER: _timer,
}
"""For each reason that a step can have; draining and compensating are the run's own."""
