"""When a schedule fired and will fire: a window's run has the window's id, so nothing is kept to find it again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.decide.windows import ON_TIME
from squidie.engine.windows import window_id
from squidie.errors import InvalidArgument
from squidie.journal import operations, schedules
from squidie.journal.operations import Subject
from squidie.journal.schedules import Schedule
from squidie.workflow.cron import zone
from squidie.workflow.words import clock_warnings, in_words

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.journal.store import Journal

MOST = 1000


class Moment(msgspec.Struct, frozen=True):
    """A time to come: in UTC, and as the local clock will show it, with its offset."""

    at: datetime
    local: str


class Fire(msgspec.Struct, frozen=True):
    """A window that has come: its run and that one's status, or none: missed, skipped or still waiting."""

    window: datetime
    run_id: UUID
    status: str | None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one schedule."""

    name: str
    words: str
    state: str
    schedule: Schedule
    next: tuple[Moment, ...]
    fires: tuple[Fire, ...]
    missed: int
    warnings: tuple[str, ...]
    changes: tuple[dict[str, Any], ...]


def show(journal: Journal, connection: Connection, schedule: Schedule, *, following: int, last: int) -> Shown:
    """A schedule with what is around it."""
    found = fires(journal, connection, schedule, last)
    return Shown(
        name=schedule.name,
        words=in_words(schedule.expression),
        state=schedule.state,
        schedule=schedule,
        next=moments(schedule, following),
        fires=found,
        missed=sum(fire.status is None for fire in found),
        warnings=warnings(schedule),
        changes=operations.last(journal, connection, Subject.SCHEDULE, schedule.name, last),
    )


def moments(schedule: Schedule, n: int, timezone: str | None = None) -> tuple[Moment, ...]:
    """The next `n` times; none while it is paused, orphaned or over would be said by `state`, not here."""
    try:
        local = zone(timezone or schedule.timezone)
    except ValueError as error:
        raise InvalidArgument("timezone", str(error)) from None
    found: list[Moment] = []
    at: datetime | None = _now(schedule)
    while len(found) < _count(n) and at is not None:
        at = schedule.timing.after(at)
        if at is not None:
            found.append(Moment(at, at.astimezone(local).isoformat()))
    return tuple(found)


def fires(journal: Journal, connection: Connection, schedule: Schedule, n: int) -> tuple[Fire, ...]:
    """The last `n` windows until now, newest first."""
    windows: list[datetime] = []
    window = schedule.timing.before(_now(schedule), inclusive=True)
    while window is not None and len(windows) < _count(n):
        windows.append(window)
        window = schedule.timing.before(window)
    ids = {window: window_id(schedule, window) for window in windows}
    found = schedules.statuses(journal, connection, list(ids.values()))
    listed = [Fire(window, run_id, found.get(run_id)) for window, run_id in ids.items()]
    while listed and listed[-1].status is None:  # before its first run nobody knows that the schedule was there
        listed.pop()
    return tuple(listed)


def warnings(schedule: Schedule) -> tuple[str, ...]:
    """What somebody should know: windows that nobody opens, and what the local clock's next change does."""
    said = []
    now = _now(schedule)
    if schedule.state == "on" and schedule.next_at is not None and now - schedule.next_at > ON_TIME:
        said.append(f"due since {schedule.next_at.isoformat()}, and nobody opens it: no worker, no beat")
    if schedule.state == "orphaned":
        said.append("its trigger has vanished from the code: it opens nothing any more")
    return (*said, *clock_warnings(schedule.expression, schedule.timezone, now))


def _now(schedule: Schedule) -> datetime:
    assert schedule.now is not None  # noqa: S101 read with the row
    return schedule.now


def _count(n: int) -> int:
    if not isinstance(n, int) or isinstance(n, bool) or not 0 <= n <= MOST:
        raise InvalidArgument("n", f"is a whole number from 0 to {MOST}")
    return n
