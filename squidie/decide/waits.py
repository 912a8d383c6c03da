"""Nodes that hold no worker: how they begin to wait for a time, a person or an event, and what happens in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from squidie.decide import failing
from squidie.decide.branching import error_movement, ok_movement
from squidie.decide.events import take_early
from squidie.decide.ready import timer
from squidie.decide.seen import seen
from squidie.history.bodies import NOTHING_MOVED, ErrorRecord, FailureCode
from squidie.history.canonical import NULL
from squidie.history.facts import EventAwaited, EventLapsed, PauseOpened, WaitElapsed, WaitStarted
from squidie.workflow.mapping import MissingPath, lookup
from squidie.workflow.spec import RUNS_CODE, Lapse, NodeKind, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from squidie.decide.course import Course
    from squidie.history.bodies import Opening
    from squidie.workflow.spec import Node, Spec


class _Unusable(Exception):
    """A value of the run that a node cannot wait for; the step fails with it."""

    def __init__(self, kind: FailureCode, message: str, details: object = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


def are_none(spec: Spec, steps: Iterable[str]) -> bool:
    """Whether a worker runs all of these."""
    return all(spec.by_name[step].kind in RUNS_CODE for step in steps)


def begin(course: Course, step: str) -> tuple[str, ...]:
    """The node waits from now on; what is ready at once, because what it waits for came early."""
    node = course.spec.by_name[step]
    try:
        match node.kind:
            case NodeKind.WAIT:
                _wait(course, node)
            case NodeKind.PAUSE | NodeKind.APPROVAL:
                _ask(course, node)
            case NodeKind.EVENT:
                _await(course, node)
                return take_early(course, step)
            case NodeKind.STEP | NodeKind.LOG:
                pass  # a worker runs it, and its opening says so
            case _:
                assert_never(node.kind)
    except _Unusable as wrong:
        return _fail(course, node, _error(step, wrong))
    return ()


def elapse(course: Course, step: str) -> tuple[str, ...]:
    """A wait is over; the steps that are ready."""
    (moved, ready), wrong = ok_movement(course.spec, course.run, course.large, step, NULL)
    opens = failing.opened(course, ready)
    course.add(WaitElapsed(step=step, moved=moved, opens=opens))
    if wrong is not None:
        failing.end(course, step, wrong)
    return ready


def _wait(course: Course, node: Node) -> None:
    if node.until is not None:
        until = _moment(_value(course, node, node.until), node.until)
    else:
        until = course.now + timedelta(seconds=node.duration or 0.0)
    course.add(WaitStarted(step=node.name, until=until, opens=_timer(course, node.name, until)))


def _fail(course: Course, node: Node, error: ErrorRecord) -> tuple[str, ...]:
    """There is nothing to wait for: the error edges are taken, or the run fails."""
    routed = error_movement(course.spec, course.run, course.large, node.name, error)
    moved, ready = routed or (NOTHING_MOVED, ())
    opens = failing.opened(course, ready)
    if node.kind is NodeKind.EVENT:
        event = node.event or node.name
        course.add(EventAwaited(step=node.name, event=event))
        course.add(EventLapsed(step=node.name, event=event, error=error, moved=moved, opens=opens))
    else:
        course.add(WaitStarted(step=node.name, until=course.now))
        course.add(WaitElapsed(step=node.name, error=error, moved=moved, opens=opens))
    if routed is None:
        failing.end(course, node.name, error)
    return ready


def _ask(course: Course, node: Node) -> None:
    """Everything that the answer depends on is frozen: a deploy changes nothing for those who are asked already."""
    due_at = None if node.due is None else course.now + timedelta(seconds=node.due)
    lapse = Lapse.REJECT if node.kind is NodeKind.APPROVAL else Lapse.FAIL
    outgoing = course.spec.outgoing[node.name]
    course.add(
        PauseOpened(
            step=node.name,
            pause=node.kind,
            routes={on.value: tuple(edge.target for edge in outgoing if edge.on is on) for on in Outcome},
            role=node.role,
            quorum=node.quorum,
            due_at=due_at,
            then=None if due_at is None else node.then or lapse,
            escalate=node.escalate,
            form=node.form,
            exclude=node.exclude,
            opens=_timer(course, node.name, due_at),
        )
    )


def _await(course: Course, node: Node) -> None:
    correlation = node.correlation
    if node.correlation_from is not None:
        correlation = _text(_value(course, node, node.correlation_from), node.correlation_from)
    due_at = None if node.timeout is None else course.now + timedelta(seconds=node.timeout)
    course.add(
        EventAwaited(
            step=node.name,
            event=node.event or node.name,
            correlation=correlation,
            due_at=due_at,
            opens=_timer(course, node.name, due_at),
        )
    )


def _timer(course: Course, step: str, due_at: datetime | None) -> tuple[Opening, ...]:
    return () if due_at is None else (timer(step, queue=course.run.queue, due_at=due_at),)


def _value(course: Course, node: Node, path: str) -> object:
    roots = seen(course.spec, course.run, course.large, node.name, (path,))
    parameter = "until" if node.kind is NodeKind.WAIT else "correlation"
    try:
        return lookup(path, roots, parameter=parameter)
    except MissingPath as missing:
        raise _Unusable(FailureCode.MISSING_INPUT_PATH, missing.message, missing.details) from None


def _moment(value: object, path: str) -> datetime:
    """A time with a zone, as JSON has it: text as of ISO 8601."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _Unusable(FailureCode.INVALID_INPUT, f"{path} is no time with a time zone, such as 2026-03-01T12:00:00Z")
    return found.astimezone(UTC)


def _text(value: object, path: str) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool) and 1 <= len(str(value)) <= 255:
        return str(value)
    raise _Unusable(FailureCode.INVALID_INPUT, f"{path} is no text of 1 to 255 characters to know an event by")


def _error(step: str, wrong: _Unusable) -> ErrorRecord:
    return ErrorRecord(
        kind=wrong.kind,
        code=wrong.kind.value,
        type="InvalidWait",
        message=f"{step}: {wrong}",
        details=wrong.details,
    )
