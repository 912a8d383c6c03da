"""For each reason: who acts, what happens without anybody and when, what can be done, and what it is founded on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from squidie.views.reasons import Reason
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from squidie.views.causes import Causes
    from squidie.views.steps import StepView


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What happens if nobody acts, and when; without a time it is not known, and `nothing` says that nothing will."""

    what: str
    at: datetime | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody can do now: a verb of the runtime, and the command line that does it."""

    verb: str
    command: str


NOTHING = Next(what="nothing")


class Answer(NamedTuple):
    """What is said of a blocker beside its sentence."""

    who: str
    next: Next
    actions: tuple[Action, ...]
    evidence: dict[str, Any]


def answer(step: StepView, causes: Causes) -> Answer:
    """Who acts on this step, what happens by itself, what can be done, and on what that is founded."""
    assert step.reason is not None  # noqa: S101 - only of open steps
    return _ANSWERS[step.reason](step, causes)


def _anomaly(_step: StepView, causes: Causes) -> Answer:
    again = Action(verb="rebuild", command=f"squidie verify {causes.short_id} --rebuild")
    actions = () if causes.anomalies else (again,)
    return Answer("maintainers", NOTHING, actions, {"anomalies": list(causes.anomalies)})


def _parked(step: StepView, causes: Causes) -> Answer:
    run = f"{causes.short_id}:{step.name}"
    actions = tuple(
        Action(verb=verb, command=f'squidie dead {verb} {run} --reason "…"')
        for verb in (step.parked.go_on if step.parked else ())
    )
    evidence: dict[str, Any] = {
        "error": step.error,
        "attempts": step.attempt,
        "claims": step.claims,
        "since": _since(step),
    }
    if step.name.startswith(UNDO):
        evidence["undoes"] = step.name.removeprefix(UNDO)
    return Answer("operator", NOTHING, actions, evidence)


def _approval(step: StepView, causes: Causes) -> Answer:
    waits = step.waits
    verbs = ("approve", "reject", "delegate")
    actions = tuple(
        Action(verb=verb, command=f"squidie {verb} {causes.short_id} --step {step.name}") for verb in verbs[:2]
    )
    actions += (Action(verb="delegate", command=f"squidie delegate {causes.short_id} ROLE --step {step.name}"),)
    who = f"role {waits.role}" if waits is not None and waits.role else "whoever may approve"
    agreed = sum(vote.decision == "approved" for vote in waits.votes) if waits is not None else 0
    evidence = {
        "since": _since(step),
        "role": waits.role if waits else None,
        "votes": agreed,
        "quorum": waits.quorum if waits else 1,
        "due_at": waits.due_at if waits else None,
    }
    return Answer(who, _lapse(step), actions, evidence)


def _pause(step: StepView, causes: Causes) -> Answer:
    action = Action(verb="resume", command=f"squidie resume {causes.short_id} --step {step.name}")
    due_at = step.waits.due_at if step.waits else None
    return Answer("operator", _lapse(step), (action,), {"since": _since(step), "due_at": due_at})


def _event(step: StepView, causes: Causes) -> Answer:
    waits = step.waits
    event = waits.event if waits is not None and waits.event else "EVENT"
    which = f" --correlation {waits.correlation}" if waits is not None and waits.correlation else ""
    action = Action(verb="signal_run", command=f"squidie signal {causes.short_id} {event}{which}")
    due_at = waits.due_at if waits else None
    evidence = {"event": event, "correlation": waits.correlation if waits else None, "since": _since(step)}
    ends = Next(what="the wait lapses", at=due_at) if due_at is not None else NOTHING
    return Answer("the sender", ends, (action,), evidence)


def _timer(step: StepView, _causes: Causes) -> Answer:
    until = step.waits.due_at if step.waits is not None else step.due_at
    return Answer("nobody", Next(what=f"{step.name} goes on", at=until), (), {"until": until})


def _unattended(step: StepView, causes: Causes) -> Answer:
    last = causes.last_consumer(step.queue)
    evidence = {"queue": step.queue, "due_at": step.due_at, "last_consumer": last}
    queues = () if step.waits is not None else (step.queue,)
    action = Action(verb="start a worker", command=causes.worker(queues))
    return Answer("operations", Next(what="it starts when a worker comes"), (action,), evidence)


def _mismatch(step: StepView, causes: Causes) -> Answer:
    evidence = {"definition": causes.definition, "callable": step.action, "workers": causes.serving(step.queue)}
    what = Next(what="it is tried again when a worker that has it appears", at=_future(step, causes))
    return Answer("developer", what, (Action(verb="deploy", command="squidie workers"),), evidence)


def _elsewhere(step: StepView, causes: Causes) -> Answer:
    evidence = {
        "queue": step.queue,
        "callable": step.action,
        "workers": causes.serving(step.queue),
        "elsewhere": causes.having(step.action),
    }
    what = Next(what="it starts when a worker of its queue has it")
    return Answer("developer", what, (Action(verb="deploy", command="squidie workers"),), evidence)


def _paused(step: StepView, causes: Causes) -> Answer:
    pause = causes.pause(step.queue)
    evidence = {"queue": step.queue, "by": pause and pause.by, "since": pause and pause.since}
    evidence["reason"] = pause and pause.reason
    action = Action(verb="resume_queue", command=f"squidie queues resume {step.queue}")
    return Answer("operator", NOTHING, (action,), evidence)


def _expired(step: StepView, _causes: Causes) -> Answer:
    evidence = {"owner": step.owner, "lease_until": step.lease_until, "lost": step.lost, "claims": step.claims}
    what = "the next sweep takes it over; if the worker comes back first its result still counts"
    return Answer("nobody", Next(what=what), (), evidence)


def _unrung(step: StepView, causes: Causes) -> Answer:
    evidence = {"queue": step.queue, "due_at": step.due_at, **causes.bells(step.queue)}
    doctor = Action(verb="doctor", command="squidie doctor")
    return Answer("operations", Next(what="a worker's own sweep finds it"), (doctor,), evidence)


def _passed_over(step: StepView, causes: Causes) -> Answer:
    evidence = {"due_at": step.due_at, "idle": causes.idle(step.queue, step.action)}
    doctor = Action(verb="doctor", command="squidie doctor")
    return Answer("operations", Next(what="the next sweep rings for it"), (doctor,), evidence)


def _running(step: StepView, causes: Causes) -> Answer:
    evidence = {"owner": step.owner, "since": step.claimed_at, "lease_until": step.lease_until, "usual": step.usual}
    if step.times_out_at is not None:
        ends = Next(what="it is stopped by its timeout", at=step.times_out_at)
    else:
        ends = Next(what="it ends; should its worker die, a sweep takes it over after its lease", at=step.lease_until)
    if step.reason is not Reason.RUNNING_LONG:
        return Answer("nobody", ends, (), evidence)
    look = Action(verb="inspect_run", command=f"squidie show {causes.short_id} --steps")
    cancel = Action(verb="cancel", command=f'squidie cancel {causes.short_id} --reason "…"')
    return Answer("developer", ends, (look, cancel), evidence)


def _full(step: StepView, causes: Causes) -> Answer:
    key = causes.limit_of(step.name)
    use, slots = causes.use(key), causes.holders(key)
    evidence: dict[str, Any] = {"limit": key, "used": use and use.used, "n": use and use.n}
    evidence["holders"] = [{"run_id": slot.run_id, "step": slot.step} for slot in slots]
    first = slots[0].lease_until if slots else None
    what = Next(what="it starts when a holder ends; the first lease is over, unless renewed", at=first)
    name = key.partition(":")[0]
    return Answer("nobody", what, (Action(verb="set_limit", command=f"squidie limits set {name} N"),), evidence)


def _spent(step: StepView, causes: Causes) -> Answer:
    key = causes.rate_of(step.name)
    use = causes.use(key)
    evidence = {"rate": key, "n": use and use.n, "per": use and use.per, "next_at": use and use.next_at}
    what = Next(what="it starts at its next token", at=use.next_at if use is not None else None)
    name = key.partition(":")[0]
    return Answer("nobody", what, (Action(verb="set_limit", command=f"squidie limits set {name} N"),), evidence)


def _queued(step: StepView, causes: Causes) -> Answer:
    busy, slots = causes.busy(step.queue)
    evidence = {"queue": step.queue, "due_at": step.due_at, "ahead": causes.ahead(step.name)}
    evidence |= {"busy": busy, "slots": slots}
    return Answer("nobody", Next(what="it starts when a worker is free"), (), evidence)


def _retrying(step: StepView, causes: Causes) -> Answer:
    evidence = {"error": step.error, "attempt": step.attempt, "max_attempts": step.max_attempts, "due_at": step.due_at}
    action = Action(verb="retry_now", command=f"squidie retry {causes.short_id} --step {step.name}")
    what = f"attempt {step.attempt} of {step.max_attempts}"
    return Answer("nobody", Next(what=what, at=step.due_at), (action,), evidence)


def _deferred(step: StepView, causes: Causes) -> Answer:
    evidence = {"reason": step.deferred_because, "deferrals": step.deferrals, "until": step.due_at}
    action = Action(verb="retry_now", command=f"squidie retry {causes.short_id} --step {step.name}")
    return Answer("nobody", Next(what=f"{step.name} looks again", at=step.due_at), (action,), evidence)


def _lapse(step: StepView) -> Next:
    waits = step.waits
    if waits is None or waits.due_at is None:
        return NOTHING
    return Next(what=str(waits.then.value) if waits.then is not None else "the time is over", at=waits.due_at)


def _since(step: StepView) -> datetime | None:
    if step.waits is not None:
        return step.waits.since
    return step.parked.since if step.parked is not None else step.due_at


def _future(step: StepView, causes: Causes) -> datetime | None:
    return step.due_at if step.due_at is not None and step.due_at > causes.at else None


_ANSWERS: Mapping[Reason, Callable[[StepView, Causes], Answer]] = {
    Reason.ANOMALY: _anomaly,
    Reason.DEAD_LETTERED: _parked,
    Reason.COMPENSATION_STUCK: _parked,
    Reason.NEEDS_APPROVAL: _approval,
    Reason.NEEDS_RESUME: _pause,
    Reason.NO_CONSUMER: _unattended,
    Reason.VERSION_MISMATCH: _mismatch,
    Reason.MISSING_CALLABLE: _elsewhere,
    Reason.QUEUE_PAUSED: _paused,
    Reason.LEASE_EXPIRED: _expired,
    Reason.BROKER_UNREACHABLE: _unrung,
    Reason.LATE_PICKUP: _passed_over,
    Reason.RUNNING_LONG: _running,
    Reason.RUNNING: _running,
    Reason.CONCURRENCY_LIMITED: _full,
    Reason.RATE_LIMITED: _spent,
    Reason.QUEUED: _queued,
    Reason.RETRY_BACKOFF: _retrying,
    Reason.DEFERRED: _deferred,
    Reason.WAITING_SIGNAL: _event,
    Reason.WAITING_TIMER: _timer,
}
"""For each reason that a step can have; draining and compensating are the run's own."""
