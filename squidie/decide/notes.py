"""Notes on a run: they change what it is found by, and whether lists show it, and nothing of what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from squidie.decide.commands import Archive, SetAttributes, Unarchive
from squidie.errors import InvalidTransition
from squidie.history.attributes import check_size, merged
from squidie.history.facts import AttributesChanged, RunArchived, RunUnarchived

if TYPE_CHECKING:
    from squidie.decide.course import Course


def note(course: Course, command: SetAttributes | Archive | Unarchive) -> None:
    """Of a run that has ended too. `InvalidTransition` where it is put away, or shown, as it is already."""
    match command:
        case SetAttributes():
            check_size(merged(course.run.attributes or {}, command.changes))
            course.add(AttributesChanged(changes=dict(command.changes)))
        case Archive():
            _archive(course, command.reason)
        case Unarchive():
            if not course.run.archived:
                raise InvalidTransition("a run", course.run.status, "be unarchived", hint="it is not archived")
            course.add(RunUnarchived())
        case _:
            assert_never(command)


def _archive(course: Course, reason: str) -> None:
    if course.run.is_open:
        raise InvalidTransition("a run", course.run.status, "be archived", hint="only one that has ended can")
    if course.run.archived:
        raise InvalidTransition("a run", "archived", "be archived once more")
    course.add(RunArchived(reason=reason))
