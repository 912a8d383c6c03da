"""Open windows of the past on purpose: counted first, then a hundred a commit. A window that has a run keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.engine.asking import persist
from squidie.engine.changing import request
from squidie.engine.requests import priority_of
from squidie.engine.start import begin
from squidie.engine.windows import Cause, start_of_window, window_id
from squidie.errors import InvalidSchedule
from squidie.journal import attempts, operations, schedules
from squidie.journal.operations import Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.engine.parts import Parts
    from squidie.history.facts import Receipt
    from squidie.journal.schedules import Schedule

MOST = 10_000
SHARE = 100


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill opens, or would open: the windows in the range, those with a run, and the runs started."""

    schedule: str
    windows: int
    existing: int
    started: int = 0
    preview: bool = True
    first: datetime | None = None
    last: datetime | None = None


def backfill(
    parts: Parts,
    schedule: Schedule,
    start: datetime,
    end: datetime,
    *,
    preview: bool = True,
    limit: int = MOST,
    priority: int = 200,
    actor: Any = None,
    reason: str | None = None,
    key: str | None = None,
) -> Backfill:
    """The windows in `start <= window < end`, all of them in the past; at most `limit`, which is at most 10,000.

    Their runs give way to others by their `priority`. Asked again, it goes on where it stopped: a window is its run's
    identity.
    """
    with parts.journal.reading() as connection:
        now = attempts.clock(parts.journal, connection)
        windows = windows_between(schedule, start, end, now, limit)
        ids = [window_id(schedule, window) for window in windows]
        there = schedules.statuses(parts.journal, connection, ids)
    found = Backfill(
        schedule=schedule.name,
        windows=len(windows),
        existing=len(there),
        preview=preview,
        first=windows[0] if windows else None,
        last=windows[-1] if windows else None,
    )
    if preview:
        return found
    missing = [window for window, run_id in zip(windows, ids, strict=True) if run_id not in there]
    started = _open(parts, schedule, missing, now, priority_of(priority))
    found = msgspec.structs.replace(found, started=started)
    said = {"start": start.isoformat(), "end": end.isoformat()}
    by = request("backfill", said, actor, reason, key, masking=parts.masking)
    _record(parts, schedule, by, found)
    return found


def _record(parts: Parts, schedule: Schedule, by: Receipt, found: Backfill) -> None:
    """Keep who has opened what; a request that only found everything there leaves no trace."""
    where = (Subject.SCHEDULE, schedule.name)
    with parts.journal.transaction() as connection:
        if found.started and (by.key is None or not operations.find(parts.journal, connection, *where, by)):
            operations.add(parts.journal, connection, *where, by=by, change=msgspec.to_builtins(found))


def windows_between(
    schedule: Schedule, start: datetime, end: datetime, now: datetime, limit: int = MOST
) -> list[datetime]:
    """The windows of a range. Raises `InvalidSchedule` for a range without bounds, or one not over yet."""
    for field, at in (("start", start), ("end", end)):
        if not isinstance(at, datetime) or at.tzinfo is None:
            raise InvalidSchedule(field, "is a datetime with a time zone")
    if start >= end:
        raise InvalidSchedule("end", "is later than start")
    if end > now:
        raise InvalidSchedule("end", "is in the future: windows of the time to come open by themselves")
    most = min(limit, MOST)
    found: list[datetime] = []
    window = schedule.timing.before(end)
    while window is not None and window >= start:
        if len(found) == most:
            raise InvalidSchedule("start", f"there are more than {most:,} windows in this range: take it in parts")
        found.append(window)
        window = schedule.timing.before(window)
    return found[::-1]


def _open(parts: Parts, schedule: Schedule, windows: Sequence[datetime], now: datetime, priority: int) -> int:
    started = 0
    for begun in range(0, len(windows), SHARE):
        commands = [
            start_of_window(parts, schedule, window, fired_at=now, cause=Cause.BACKFILL, priority=priority)
            for window in windows[begun : begun + SHARE]
        ]
        verdicts = persist(lambda asked=commands: begin(parts, asked), None)  # type: ignore[misc]
        started += sum(verdict.created for verdict in verdicts)
    return started
