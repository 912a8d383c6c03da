"""Cron state: one row for each cron trigger, moved on under its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.journal.arrays import Texts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

SYNC = """
insert into {s}.schedules as k (workflow, trigger, expression, timezone, input, synced_at)
values (:workflow, :trigger, :expression, :timezone, cast(:input as json), {s}.clock())
on conflict (workflow, trigger) do update
set expression = excluded.expression, timezone = excluded.timezone, input = excluded.input,
    synced_at = excluded.synced_at,
    next_at = case when (k.expression, k.timezone) = (excluded.expression, excluded.timezone) then k.next_at end
where (k.expression, k.timezone, k.input::text) <> (excluded.expression, excluded.timezone, excluded.input::text)
"""
"""What the code says of a trigger. An edited expression starts from now: nothing is filled in for the old one."""

DUE = """
select workflow, trigger, expression, timezone, input, next_at, {s}.clock() as now from {s}.schedules
where enabled and workflow = any(:workflows) and (next_at is null or next_at <= {s}.clock())
order by next_at nulls first limit 1 for update skip locked
"""
"""One schedule that is due, or that has no next time yet, locked; two deliverers share the work and neither waits."""

MOVE_ON = """
update {s}.schedules set next_at = :next_at, last_at = coalesce(:last_at, last_at)
where workflow = :workflow and trigger = :trigger
"""
"""The next time of a schedule, in the commit that opened its windows."""

NEXT = """
select coalesce(extract(epoch from min(coalesce(next_at, {s}.clock())) - {s}.clock())::float8, 'infinity')
from {s}.schedules where enabled and workflow = any(:workflows)
"""
"""Seconds until the next window."""


def sync(journal: Journal, connection: Connection, schedules: Sequence[dict[str, Any]]) -> None:
    """Write what the code declares, in key order."""
    for schedule in sorted(schedules, key=lambda row: (row["workflow"], row["trigger"])):
        connection.execute(journal.sql(SYNC), schedule)


def lock_due(journal: Journal, connection: Connection, workflows: Collection[str]) -> Any | None:
    """One due schedule, locked, with the clock beside it."""
    return connection.execute(journal.sql(DUE), {"workflows": Texts(workflows)}).one_or_none()


def move_on(
    journal: Journal,
    connection: Connection,
    workflow: str,
    trigger: str,
    *,
    next_at: datetime | None,
    last_at: datetime | None,
) -> None:
    """Say when the schedule is due next."""
    given = {"workflow": workflow, "trigger": trigger, "next_at": next_at, "last_at": last_at}
    connection.execute(journal.sql(MOVE_ON), given)


def seconds_to_next(journal: Journal, connection: Connection, workflows: Collection[str]) -> float:
    """Seconds until the next window; negative when one is due or a schedule is new, infinite when none is on."""
    seconds: float = connection.execute(journal.sql(NEXT), {"workflows": Texts(workflows)}).scalar_one()
    return seconds
