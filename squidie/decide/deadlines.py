"""Timers: a wait that is over, an answer or an event that did not come, a deadline, the end of a drain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.decide import failing, people, undo, waits
from squidie.decide.branching import error_movement
from squidie.decide.course import DEADLINE, DRAIN, RUN_SCOPE
from squidie.decide.events import lapse
from squidie.history.bodies import NOTHING_MOVED, Closing, ErrorRecord, FailureCode
from squidie.history.facts import DeadlinePassed, RunCancelled
from squidie.workflow.spec import NodeKind, Overdue

if TYPE_CHECKING:
    from squidie.decide.course import Course
    from squidie.history.attempts import OpenAttempt


def elapse(course: Course, row: OpenAttempt) -> tuple[str, ...]:
    """What this timer is for happens; the steps that are ready."""
    if row.step == DRAIN:
        undo.drained(course)
        return ()
    if row.step.startswith(DEADLINE):
        return _overdue(course, row)
    match course.spec.by_name[row.step].kind:
        case NodeKind.WAIT:
            return waits.elapse(course, row.step)
        case NodeKind.EVENT:
            return lapse(course, row.step)
        case _:
            return people.lapse(course, row.step)


def _overdue(course: Course, row: OpenAttempt) -> tuple[str, ...]:
    scope = row.step.removeprefix(DEADLINE)
    bounds = None if scope == RUN_SCOPE else scope
    deadline = course.spec.deadline if bounds is None else course.spec.by_name[bounds].deadline
    action = Overdue.NOTE if deadline is None else deadline.then
    passed = DeadlinePassed(step=row.step, bounds=bounds, due_at=row.due_at, action=action)
    if action is Overdue.FAIL:
        return _fail(course, passed, bounds)
    course.add(passed)
    if action is Overdue.CANCEL:
        course.add(RunCancelled(reason=_missed(bounds).message, ends=course.ends()))
    return ()


def _fail(course: Course, passed: DeadlinePassed, bounds: str | None) -> tuple[str, ...]:
    """The step ends here, whoever is at it, and its failure takes its course; so does that of a run as a whole."""
    error, run = _missed(bounds), course.run
    routed = None if bounds is None else error_movement(course.spec, run, course.large, bounds, error)
    moved, ready = routed or (NOTHING_MOVED, ())
    rows = [each for each in course.rows() if each.step == bounds]
    course.add(
        msgspec.structs.replace(
            passed,
            error=error,
            moved=moved,
            opens=failing.opened(course, ready),
            ends=tuple(ended for ended in course.ends() if ended.step == bounds),
            closes=tuple(Closing(step=each.step, attempt=each.attempt, kind=each.kind) for each in rows),
        )
    )
    if routed is None:
        failing.end(course, bounds, error)
    return ready


def _missed(bounds: str | None) -> ErrorRecord:
    return ErrorRecord(
        kind=FailureCode.DEADLINE_PASSED,
        code=FailureCode.DEADLINE_PASSED.value,
        type="DeadlinePassed",
        message=f"{'the run' if bounds is None else bounds} has not ended by its deadline",
    )
