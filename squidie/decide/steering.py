"""What operators do to single steps: make a retry due, take up a parked step, or give it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.decide import failing, undo
from squidie.decide.course import DEADLINE
from squidie.decide.ready import acts_timer, reopening
from squidie.errors import InvalidTransition, StepNotFound
from squidie.history.bodies import ErrorRecord, FailureCode, OpenKind
from squidie.history.facts import AttemptHastened, StepDiscarded, StepRequeued
from squidie.history.run import NodeStatus
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from squidie.decide.commands import Discard, Hasten, Requeue
    from squidie.decide.course import Course
    from squidie.history.run import NodeRun


def hasten(course: Course, command: Hasten) -> None:
    """A retry, a deferral or a delayed start is due now; the attempt's number stays."""
    row = next((row for row in course.rows() if row.step == command.step and row.kind is not OpenKind.TIMER), None)
    if row is None or row.lease is not None or row.due_at <= course.now:
        raise StepNotFound(command.run_id, command.step)
    course.add(AttemptHastened(step=row.step, attempt=row.attempt, due_at=course.now))


def requeue(course: Course, command: Requeue) -> None:
    """The next attempt of a parked step, with a budget and a deadline as fresh as the first one's."""
    _parked(course, command.run_id, command.step)
    opens = [reopening(course, command.step, course.now)]
    deadline = course.spec.work[command.step].deadline
    if deadline is not None:
        opens.append(acts_timer(f"{DEADLINE}{command.step}", deadline, course.run.queue, course.now))
    course.add(StepRequeued(step=command.step, reason=command.reason, opens=tuple(opens)))


def discard(course: Course, command: Discard) -> None:
    """The failure of a parked step takes its course: the run fails, or its undo goes on without it."""
    node = _parked(course, command.run_id, command.step)
    following = undo.after(course, command.step) if command.step.startswith(UNDO) else ()
    course.add(StepDiscarded(step=command.step, reason=command.reason, opens=following))
    if course.run.undo is not None:
        undo.go_on(course)
        return
    failing.end(course, command.step, _discarded(command, node))


def _parked(course: Course, run_id: object, step: str) -> NodeRun:
    if step not in course.spec.work:
        raise StepNotFound(run_id, step)
    node = course.run.nodes.get(step)
    if not course.run.is_open or node is None or node.status is not NodeStatus.PARKED:
        status = course.run.status if not course.run.is_open or node is None else node.status
        raise InvalidTransition("a step", status, "be taken up: only a parked one can")
    return node


def _discarded(command: Discard, node: NodeRun) -> ErrorRecord:
    return ErrorRecord(
        kind=FailureCode.STEP_DISCARDED,
        code=FailureCode.STEP_DISCARDED.value,
        type="StepDiscarded",
        message=f"{command.step} was given up: {command.reason}",
        attempt=node.attempt,
    )
