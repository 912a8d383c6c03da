"""Cron state: one row for each schedule, moved on under its lock; and every change that somebody made to one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.decide.windows import Timing
from squidie.journal.arrays import Texts, Uuids
from squidie.workflow.spec import POLICIES, Catchup, Overlap, Trigger

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

_COLUMNS = """
workflow, trigger, expression, timezone, input::text as input, catchup, catchup_max, overlap, jitter, starts, ends,
    partition, origin, paused_at, paused_by::text as paused_by, paused_why, orphaned_at, over_at,
    next_at, last_at, queued_at, open_runs, skipped, skipped_at, skipped_why, {s}.clock() as now
""".strip()

_OURS = "workflow = any(:workflows) and (origin = 'runtime' or workflow || '.' || trigger = any(:declared))"
"""What this process may open: triggers that its code knows, and schedules made at run time for its workflows."""

_QUEUE_IS_FREE = """
queued_at is not null
    and not exists (select from {s}.runs r where r.run_id = any(k.open_runs) and r.ended_at is null)
""".strip()

DUE = f"""
select {_COLUMNS} from {{s}}.schedules k
where enabled and {_OURS} and workflow || '.' || trigger <> all(:passed)
    and (next_at <= {{s}}.clock() or (next_at is null and queued_at is null) or ({_QUEUE_IS_FREE}))
order by next_at nulls first limit 1 for update of k skip locked
"""
"""One schedule that has something to open, locked; two deliverers share the work and neither waits."""

NEXT = f"""
select coalesce(extract(epoch from min(case when enabled then least(
    case when next_at is null and queued_at is null then {{s}}.clock() else next_at end,
    case when {_QUEUE_IS_FREE} then {{s}}.clock() end) end) - {{s}}.clock())::float8, 'infinity') as seconds,
    coalesce(bool_or(orphaned_at is not null and origin = 'code'), false) as is_forgotten
from {{s}}.schedules k where {_OURS}
"""
"""Seconds until the next window; and whether some older code has put aside what ours declares."""

MOVE_ON = """
update {s}.schedules set next_at = :next_at, last_at = coalesce(:last_at, last_at), queued_at = :queued_at,
    open_runs = :open_runs, over_at = :over_at, skipped = skipped + :skipped,
    skipped_at = case when :skipped > 0 then {s}.clock() else skipped_at end,
    skipped_why = case when :skipped > 0 then :why else skipped_why end
where workflow = :workflow and trigger = :trigger
"""
"""The next time of a schedule, in the commit that opened its windows."""

STILL_OPEN = "select run_id from {s}.runs where run_id = any(:ids) and ended_at is null"

ENDED = "select run_id, status from {s}.runs where run_id = any(:ids)"

WRITE = """
insert into {s}.schedules as k (workflow, trigger, expression, timezone, input, catchup, catchup_max, overlap, jitter,
    starts, ends, partition, origin, next_at, over_at, synced_at)
values (:workflow, :trigger, :expression, :timezone, cast(:input as json), :catchup, :catchup_max, :overlap, :jitter,
    :starts, :ends, :partition, :origin, :next_at, case when cast(:next_at as timestamptz) is null then {s}.clock() end,
    {s}.clock())
on conflict (workflow, trigger) do update
set expression = excluded.expression, timezone = excluded.timezone, input = excluded.input, origin = excluded.origin,
    catchup = excluded.catchup, catchup_max = excluded.catchup_max, overlap = excluded.overlap,
    jitter = excluded.jitter, starts = excluded.starts, ends = excluded.ends, partition = excluded.partition,
    synced_at = excluded.synced_at,
    orphaned_at = null,
    next_at = case when k.orphaned_at is null and (k.expression, k.timezone, k.starts, k.ends)
        is not distinct from (excluded.expression, excluded.timezone, excluded.starts, excluded.ends)
        then k.next_at else excluded.next_at end,
    over_at = case when k.orphaned_at is null and (k.expression, k.timezone, k.starts, k.ends)
        is not distinct from (excluded.expression, excluded.timezone, excluded.starts, excluded.ends)
        then k.over_at else excluded.over_at end
where (k.expression, k.timezone, k.input::text, k.origin, k.catchup, k.catchup_max, k.overlap, k.jitter, k.starts,
    k.ends, k.partition, k.orphaned_at) is distinct from (excluded.expression, excluded.timezone, excluded.input::text,
    excluded.origin, excluded.catchup, excluded.catchup_max, excluded.overlap, excluded.jitter, excluded.starts,
    excluded.ends, excluded.partition, null)
returning xmax = 0 as is_new
"""
"""What is declared of a schedule. New times start from now: nothing is filled in for the old ones."""

ORPHAN = """
update {s}.schedules set orphaned_at = {s}.clock(), queued_at = null
where origin = 'code' and orphaned_at is null and workflow = any(:workflows)
    and workflow || '.' || trigger <> all(:declared)
returning workflow, trigger
"""
"""Triggers that have vanished from workflows that this process declares."""

PAUSE = """
update {s}.schedules set paused_at = {s}.clock(), paused_by = cast(:by as json), paused_why = :why, queued_at = null
where workflow = :workflow and trigger = :trigger
"""

RESUME = """
update {s}.schedules set paused_at = null, paused_by = null, paused_why = null, next_at = :next_at,
    over_at = case when cast(:next_at as timestamptz) is null then {s}.clock() end
where workflow = :workflow and trigger = :trigger
"""

REMOVE = "delete from {s}.schedules where workflow = :workflow and trigger = :trigger"

NOTE_RUN = """
update {s}.schedules set open_runs = array_append(open_runs[greatest(1, cardinality(open_runs) - 62):], :run_id)
where workflow = :workflow and trigger = :trigger
"""
"""A run that somebody asked for by hand counts when windows overlap, too."""

ALL = f"select {_COLUMNS} from {{s}}.schedules order by workflow, trigger"

ONE = f"select {_COLUMNS} from {{s}}.schedules where workflow = :workflow and trigger = :trigger"

LOCK = f"{ONE} for update"


class Origin(StrEnum):
    """Who made a schedule: the code, or somebody at run time."""

    CODE = "code"
    RUNTIME = "runtime"


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule: what it says, and how it stands."""

    workflow: str
    trigger: str
    expression: str
    timezone: str = "UTC"
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    catchup: Catchup = Catchup.LATEST
    catchup_max: int | None = None
    overlap: Overlap = Overlap.ALLOW
    jitter: float = 0.0
    starts: datetime | None = None
    ends: datetime | None = None
    partition: str | None = None
    origin: Origin = Origin.CODE
    paused_at: datetime | None = None
    paused_by: Any = None
    paused_why: str | None = None
    orphaned_at: datetime | None = None
    over_at: datetime | None = None
    next_at: datetime | None = None
    last_at: datetime | None = None
    queued_at: datetime | None = None
    open_runs: tuple[UUID, ...] = ()
    skipped: int = 0
    skipped_at: datetime | None = None
    skipped_why: str | None = None
    now: datetime | None = None

    @property
    def name(self) -> str:
        """How people and commands name it: `Workflow.trigger`."""
        return f"{self.workflow}.{self.trigger}"

    @property
    def state(self) -> str:
        """Whether it opens windows: on, paused, orphaned (its trigger has vanished from the code) or over."""
        marks = {"orphaned": self.orphaned_at, "paused": self.paused_at, "over": self.over_at}
        return next((word for word, at in marks.items() if at is not None), "on")

    @property
    def timing(self) -> Timing:
        """When it fires."""
        return Timing(
            expression=self.expression,
            timezone=self.timezone,
            catchup=self.catchup,
            catchup_max=self.catchup_max,
            starts=self.starts,
            ends=self.ends,
        )


def declared(workflow: str, trigger: Trigger, origin: Origin = Origin.CODE) -> Schedule:
    """A trigger as the schedule that it declares."""
    given = {name: getattr(trigger, name) for name in DECLARED}
    given["expression"] = " ".join((trigger.expression or "").split())
    return Schedule(workflow=workflow, trigger=trigger.name, origin=origin, **given)


DECLARED = ("expression", "timezone", "input", *POLICIES)
"""What code, or whoever makes a schedule at run time, says of it."""


class Ours(msgspec.Struct, frozen=True):
    """Which schedules are this process' business: its workflows, and the triggers that its code declares."""

    workflows: tuple[str, ...]
    declared: tuple[str, ...]

    @property
    def given(self) -> dict[str, Any]:
        """As parameters of statements."""
        return {"workflows": Texts(self.workflows), "declared": Texts(self.declared)}


def lock_due(journal: Journal, connection: Connection, ours: Ours, passed: Collection[str]) -> Schedule | None:
    """One due schedule, locked, with the clock beside it."""
    row = connection.execute(journal.sql(DUE), {**ours.given, "passed": Texts(passed)}).one_or_none()
    return None if row is None else _schedule(row)


def next_look(journal: Journal, connection: Connection, ours: Ours) -> tuple[float, bool]:
    """Seconds until the next window, not above zero when one is due, infinite when none is on; and `is_forgotten`."""
    row = connection.execute(journal.sql(NEXT), ours.given).one()
    return row.seconds, row.is_forgotten


def still_open(journal: Journal, connection: Connection, ids: Collection[UUID]) -> list[UUID]:
    """Which of these runs have not ended."""
    if not ids:
        return []
    return list(connection.execute(journal.sql(STILL_OPEN), {"ids": Uuids(ids)}).scalars())


def statuses(journal: Journal, connection: Connection, ids: Collection[UUID]) -> dict[UUID, str]:
    """The status of those of these runs that exist."""
    return {row.run_id: row.status for row in connection.execute(journal.sql(ENDED), {"ids": Uuids(ids)})}


def move_on(journal: Journal, connection: Connection, schedule: Schedule, **given: Any) -> None:
    """Say when the schedule is due next, and what became of what was due."""
    given["open_runs"] = Uuids(given["open_runs"])
    connection.execute(journal.sql(MOVE_ON), {**_key(schedule), **given})


def write(journal: Journal, connection: Connection, schedule: Schedule, next_at: datetime | None) -> bool | None:
    """Write what is declared: True for a new row, False for a changed one, None where nothing is to be changed."""
    given = {name: getattr(schedule, name) for name in (*DECLARED, "origin")}
    given["input"] = msgspec.json.encode(schedule.input).decode()
    given |= {name: str(given[name]) for name in ("catchup", "overlap", "origin")}
    row = connection.execute(journal.sql(WRITE), {**_key(schedule), **given, "next_at": next_at}).one_or_none()
    return None if row is None else bool(row.is_new)


def orphan(journal: Journal, connection: Connection, ours: Ours) -> list[tuple[str, str]]:
    """Stop what has vanished from the code; which these are."""
    return [(row.workflow, row.trigger) for row in connection.execute(journal.sql(ORPHAN), ours.given)]


def execute(journal: Journal, connection: Connection, statement: str, schedule: Schedule, **given: Any) -> None:
    """One of the statements above, on this schedule."""
    connection.execute(journal.sql(statement), {**_key(schedule), **given})


def find(
    journal: Journal, connection: Connection, workflow: str, trigger: str, *, lock: bool = False
) -> Schedule | None:
    """One schedule, to be looked at or (`lock`) to be changed."""
    given = {"workflow": workflow, "trigger": trigger}
    row = connection.execute(journal.sql(LOCK if lock else ONE), given).one_or_none()
    return None if row is None else _schedule(row)


def all_of(journal: Journal, connection: Connection) -> list[Schedule]:
    """Every schedule, by name."""
    return [_schedule(row) for row in connection.execute(journal.sql(ALL))]


def _key(schedule: Schedule) -> dict[str, str]:
    return {"workflow": schedule.workflow, "trigger": schedule.trigger}


def _schedule(row: Any) -> Schedule:
    given = dict(row._mapping)  # noqa: SLF001 the documented way to read a row by its names
    given["input"] = msgspec.json.decode(given["input"])
    given["paused_by"] = msgspec.json.decode(given["paused_by"]) if given["paused_by"] else None
    given["open_runs"] = tuple(given["open_runs"])
    for name, kind in (("catchup", Catchup), ("overlap", Overlap), ("origin", Origin)):
        given[name] = kind(given[name])
    return Schedule(**given)
