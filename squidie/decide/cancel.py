"""Ending a run by command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.decide import undo
from squidie.errors import InvalidTransition
from squidie.history.bodies import Cause, Undoing
from squidie.history.facts import RunCancelled
from squidie.history.lifecycle import RunEvent, after_run
from squidie.history.run import Undo

if TYPE_CHECKING:
    from squidie.decide.commands import Cancel
    from squidie.decide.course import Course


def cancel(course: Course, command: Cancel) -> None:
    """At once, or once what the run did is undone.

    What was claimed is named, and its holders learn that their outcome no longer counts. `InvalidTransition` for a run
    that has ended, and for one that is being undone, unless that is to be abandoned.
    """
    run = course.run
    after_run(run.status, RunEvent.CANCEL)
    if run.undo is not None and not command.abandon_undo:
        raise InvalidTransition("a run", run.status, "cancel (abandon_undo=True leaves what is not undone yet)")
    if command.compensate and run.undo is None and course.spec.is_undoable:
        undo.begin(course, Undo(cause=Cause.CANCELLED, reason=command.reason))
        return
    left = Undoing.NONE if run.undo is None else Undoing.INCOMPLETE
    course.add(RunCancelled(reason=command.reason, compensation=left, ends=course.ends()))
