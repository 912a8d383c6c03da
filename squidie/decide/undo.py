"""Undoing a run: what still runs is given time to end, then completed steps are undone, the last one first.

A failure that nothing handled, or a cancellation that asks for it, drains the run: nothing new begins, claimed steps
may still settle, and what is claimed when the drain is over is withdrawn. Then the steps that declare how are undone
one at a time; then the run has failed, or is cancelled.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from squidie.decide.course import DRAIN, timer_closing
from squidie.decide.ready import opening, timer
from squidie.history.bodies import Cause, Closing, OpenKind, Undoing
from squidie.history.facts import (
    AttemptCompleted,
    CompensationStarted,
    DrainStarted,
    RunCancelled,
    RunFailed,
)
from squidie.history.run import NodeStatus, Undo
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from squidie.decide.commands import Complete
    from squidie.decide.course import Course
    from squidie.history.bodies import Claim, Ended, ErrorRecord, Opening


def begin(course: Course, why: Undo) -> None:
    """Drain, or where nothing is running any more undo at once."""
    closes = _idle(course)
    running = [row for row in course.rows() if row.lease is not None]
    if not running:
        start(course, why, closes=closes)
        return
    over = course.now + timedelta(seconds=course.situation.limits.drain)
    drain = timer(DRAIN, queue=course.run.queue, due_at=over)
    course.add(
        DrainStarted(cause=why.cause, reason=why.reason, step=why.step, error=why.error, closes=closes, opens=(drain,))
    )


def start(course: Course, why: Undo, *, closes: tuple[Closing, ...] = (), ends: tuple[Ended, ...] = ()) -> None:
    """Undo what has completed; where there is nothing to undo the run ends."""
    order = _order(course, {ended.step for ended in ends})
    if not order:
        finish(course, why, Undoing.NONE)
        return
    course.add(
        CompensationStarted(
            cause=why.cause,
            order=order,
            reason=why.reason,
            step=why.step,
            error=why.error,
            closes=closes,
            ends=ends,
            opens=(_undo(course, order[0]),),
        )
    )


def finish(course: Course, why: Undo, compensation: Undoing) -> None:
    """The run ends as it was to end before it was undone."""
    if why.cause is Cause.CANCELLED or why.error is None:
        course.add(RunCancelled(reason=why.reason or "", compensation=compensation, ends=course.ends()))
        return
    course.add(RunFailed(step=why.step, error=why.error, compensation=compensation, ends=course.ends()))


def complete(course: Course, command: Complete, claim: Claim) -> None:
    """A step ended well while its run drains, or an undo did."""
    is_undo = command.step.startswith(UNDO)
    following = after(course, command.step) if is_undo else ()
    done = AttemptCompleted(
        step=command.step, attempt=command.attempt, claim=claim, output=command.output, opens=following
    )
    course.add(done)
    go_on(course)


def after(course: Course, step: str) -> tuple[Opening, ...]:
    """The undo that follows this one, if there is another."""
    order = course.run.undo.order if course.run.undo is not None else None
    left = [name for name in order or () if f"{UNDO}{name}" not in course.run.nodes and f"{UNDO}{name}" != step]
    return (_undo(course, left[0]),) if left else ()


def go_on(course: Course) -> None:
    """After anything has ended in a run that drains or is undone: the next phase, once this one is over."""
    why = course.run.undo
    if why is None or course.run.open_steps:
        return
    if why.order is None:
        start(course, why, closes=timer_closing(course.run, DRAIN))
        return
    undone = [course.run.nodes.get(f"{UNDO}{name}") for name in why.order]
    whole = all(node is not None and node.status is NodeStatus.DONE for node in undone)
    finish(course, why, Undoing.FINISHED if whole else Undoing.INCOMPLETE)


def drained(course: Course) -> None:
    """The drain is over: what is still claimed is withdrawn, and nobody knows whether it took effect."""
    why = course.run.undo
    if why is None or why.order is not None:
        return
    closes = tuple(Closing(step=row.step, attempt=row.attempt, kind=row.kind) for row in course.rows())
    start(course, why, closes=closes, ends=course.ends())


def because(step: str | None, error: ErrorRecord) -> Undo:
    """A failure as the reason for an undo."""
    return Undo(cause=Cause.FAILED, step=step, error=error)


def _undo(course: Course, step: str) -> Opening:
    run = course.run
    return opening(course.spec, f"{UNDO}{step}", 1, queue=run.queue, priority=run.priority, due_at=course.now)


def _order(course: Course, withdrawn: set[str]) -> tuple[str, ...]:
    """Completed steps in reverse order of completion; with `when_unsure` also those that may have taken effect."""
    found: list[tuple[int, str]] = []
    for node in course.spec.nodes:
        ran = course.run.nodes.get(node.name)
        if node.compensate is None or ran is None:
            continue
        unsure = ran.history.unsure or node.name in withdrawn
        if ran.status is NodeStatus.DONE or (node.compensate.when_unsure and unsure):
            found.append((-(ran.seq or course.run.revision + 1), node.name))
    return tuple(name for _, name in sorted(found))


def _idle(course: Course) -> tuple[Closing, ...]:
    """Everything open that nobody is at: unclaimed work, every timer, waits and parked steps.

    The run tells, not the rows: what this very commit has opened is closed as well.
    """
    run, held = course.run, {row.step for row in course.rows() if row.lease is not None}
    closes = [Closing(step=name, attempt=attempt, kind=OpenKind.TIMER) for name, attempt in run.timers.items()]
    for name, node in run.nodes.items():
        if node.status is NodeStatus.PARKED:
            closes.append(Closing(step=name, kind=OpenKind.PARKED))
        elif node.status is NodeStatus.OPEN and node.waiting is not None:
            closes.append(Closing(step=name, kind=OpenKind.WAIT))
        elif node.status is NodeStatus.OPEN and name not in held:
            closes.append(Closing(step=name, attempt=node.attempt))
    return tuple(closes)
