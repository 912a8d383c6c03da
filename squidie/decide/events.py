"""Events from outside: taken by the node that waits for them, kept for one that will, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.decide import failing
from squidie.decide.branching import error_movement, ok_movement
from squidie.decide.limiting import Just
from squidie.errors import EventMismatch, InvalidTransition, LimitReached
from squidie.history.bodies import NOTHING_MOVED, ErrorRecord, FailureCode
from squidie.history.facts import EventBuffered, EventLapsed, EventReceived
from squidie.history.run import NodeStatus
from squidie.workflow.spec import NodeKind

if TYPE_CHECKING:
    import msgspec

    from squidie.decide.commands import Deliver
    from squidie.decide.course import Course
    from squidie.history.run import Waiting


def deliver(course: Course, command: Deliver) -> tuple[str, ...]:
    """Give the event to the node that has waited for it longest; the steps that are ready."""
    run = course.run
    if not run.is_open:
        raise InvalidTransition("a run", run.status, "take an event")
    waiting = [name for name, wait in _waits(course) if _fits(wait, command.event, command.correlation)]
    if waiting:
        return _receive(course, waiting[0], command.event, command.correlation, command.payload)
    if run.undo is not None or command.event not in _expected(course):
        raise EventMismatch(command.event, sorted(_expected(course)) if run.undo is None else [])
    same = [each for each in run.buffered if (each.event, each.correlation) == (command.event, command.correlation)]
    if len(same) >= course.situation.limits.buffer:
        raise LimitReached(f"events of {command.event} that nobody awaits yet", len(same))
    course.add(EventBuffered(event=command.event, correlation=command.correlation, payload=command.payload))
    return ()


def take_early(course: Course, step: str) -> tuple[str, ...]:
    """An event that came before it was waited for, the oldest first; the steps that are ready."""
    wait = course.waiting(step)
    for early in course.run.buffered:
        if _fits(wait, early.event, early.correlation):
            payload = early.payload if early.kept else course.large[f"event:{early.seq}"]
            return _receive(course, step, early.event, early.correlation, payload, buffered=early.seq)
    return ()


def lapse(course: Course, step: str) -> tuple[str, ...]:
    """The event did not come in time: the error edges are taken, or the run fails."""
    event = course.waiting(step).event or step
    message = f"the event {event} did not come in time"
    error = ErrorRecord(
        kind=FailureCode.EVENT_LAPSED, code=FailureCode.EVENT_LAPSED.value, type="EventLapsed", message=message
    )
    routed = error_movement(course.spec, course.run, course.large, step, error)
    moved, ready = routed or (NOTHING_MOVED, ())
    course.add(EventLapsed(step=step, event=event, error=error, moved=moved, opens=failing.opened(course, ready)))
    if routed is None:
        failing.end(course, step, error)
    return ready


def _receive(
    course: Course,
    step: str,
    event: str,
    correlation: str | None,
    payload: msgspec.Raw,
    *,
    buffered: int | None = None,
) -> tuple[str, ...]:
    (moved, ready), wrong = ok_movement(course.spec, course.run, course.large, step, payload)
    course.add(
        EventReceived(
            step=step,
            event=event,
            correlation=correlation,
            payload=payload,
            buffered=buffered,
            moved=moved,
            opens=failing.opened(course, ready, Just(step, payload)),
        )
    )
    if wrong is not None:
        failing.end(course, step, wrong)
    return ready


def _waits(course: Course) -> list[tuple[str, Waiting]]:
    """The nodes that wait for an event now, in the order in which they began."""
    open_now = ((name, node) for name, node in course.run.nodes.items() if node.status is NodeStatus.OPEN)
    return [
        (name, node.waiting) for name, node in open_now if node.waiting is not None and node.waiting.event is not None
    ]


def _fits(wait: Waiting, event: str, correlation: str | None) -> bool:
    return wait.event == event and wait.correlation in (None, correlation)


def _expected(course: Course) -> set[str]:
    """The events that may still be taken: of nodes that wait, or have not been reached."""
    nodes = course.run.nodes
    return {
        node.event or node.name
        for node in course.spec.nodes
        if node.kind is NodeKind.EVENT and (node.name not in nodes or nodes[node.name].is_open)
    }
