"""The audited door out: whole ended runs, past their age, and what is remembered of them.

Facts are insert-only. Only the function `retire` may delete some, all those of one ended run, and it leaves a row in
`retired`: no payload, but workflow, status, times and the last hash, for as long as the run's key is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from squidie.journal.arrays import Texts, Times, Uuids
from squidie.journal.pages import OVER, ended_since

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from squidie.decide.retention import Cutoff
    from squidie.journal.store import Journal

FIRST = (None, UUID(int=0))
"""Where a walk begins."""

_OVER = "\n        union all ".join(
    f"""(select run_id, workflow, status, partition, started_at, ended_at from {{s}}.runs
            where ended_at is not null and archived = {hidden} and status = '{status.value}'
                and (started_at, run_id) > (coalesce(cast(:started_at as timestamptz), '-infinity'), :run_id)
                and started_at < :newest
            order by started_at, run_id limit :most)"""
    for hidden in ("false", "true")
    for status in OVER
)
PAGE = f"""
with page as (
    select * from (
        {_OVER}
    ) over order by started_at, run_id limit :most
), cutoff as (
    select * from unnest(:workflows, :statuses, :befores) as c(workflow, status, before)
)
select page.*, coalesce(ended_at < coalesce(
        (select before from cutoff c where c.workflow = page.workflow and c.status = page.status),
        (select before from cutoff c where c.workflow = '' and c.status = page.status)), false) as is_over
from page order by started_at, run_id
"""
"""The next heads that are over, the oldest first, merged from what `runs_over` holds; whether each is past its age.

A run that ended before a moment started before it, so that the walk ends there.
"""

SIZES = """
select run_id, count(*) as facts, coalesce(sum(pg_column_size(body)), 0)::bigint as bytes
from {s}.facts where run_id = any(:runs) group by run_id
"""
"""How many facts runs have, and how much their bodies take on disk."""

IN_USE = f"""
with young as materialized (
    select run_id, parent_run_id, started_at from {{s}}.runs where ended_at is null
    union all select run_id, parent_run_id, started_at from {{s}}.runs where {ended_since(":at")} and ended_at > :at
)
select distinct v.run_id::uuid as run_id
from young r join {{s}}.facts f on f.run_id = r.run_id and f.seq = 1
cross join lateral (values
    (f.body->>'replay_of'), (f.body->'forked_from'->>'run'), (r.parent_run_id::text)) v(run_id)
where r.started_at >= coalesce(cast(:since as timestamptz), '-infinity') and v.run_id is not null
"""
"""The runs that others come from which are open, or were when the plan was made."""

RETIRE = """
select run_id from unnest(:runs) with ordinality as r(run_id, n)
where {s}.retire(run_id, make_interval(secs => :keep_for)) order by n
"""
"""Remove these ended runs, each whole; those that did not exist any more, or are open, are not among the answers."""

FORGET = """
with gone as (
    delete from {s}.retired where run_id = any(array(
        select run_id from {s}.retired where until <= {s}.clock() limit :most for update skip locked)) returning run_id
), receipts as (
    delete from {s}.receipts p using gone where p.run_id = gone.run_id
)
select count(*) from gone
"""
"""The keys of runs that were removed long ago may be used again."""


class Head(NamedTuple):
    """A run as the walk meets it."""

    run_id: UUID
    workflow: str
    status: str
    partition: str | None
    started_at: datetime
    ended_at: datetime | None
    is_over: bool


def page(
    journal: Journal,
    connection: Connection,
    cutoffs: Sequence[Cutoff],
    after: tuple[datetime | None, UUID],
    most: int,
) -> list[Head]:
    """The next heads behind one, whether they are past their age or not."""
    given = {
        "started_at": after[0],
        "run_id": after[1],
        "newest": max(cutoff.before for cutoff in cutoffs),
        "workflows": Texts(cutoff.workflow for cutoff in cutoffs),
        "statuses": Texts(cutoff.status for cutoff in cutoffs),
        "befores": Times(cutoff.before for cutoff in cutoffs),
        "most": most,
    }
    return [Head(*row) for row in connection.execute(journal.sql(PAGE), given)]


def sizes(journal: Journal, connection: Connection, runs: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Facts and bytes of each of these runs."""
    found = connection.execute(journal.sql(SIZES), {"runs": Uuids(runs)})
    return {row.run_id: (row.facts, row.bytes) for row in found}


def in_use(journal: Journal, connection: Connection, at: datetime, since: datetime | None = None) -> set[UUID]:
    """The runs from which others come that are not over yet; of all, or of those that started since a moment."""
    return set(connection.execute(journal.sql(IN_USE), {"at": at, "since": since}).scalars())


def retire(journal: Journal, connection: Connection, runs: Sequence[UUID], keep_for: float) -> list[UUID]:
    """Remove these runs; which of them were there. Their keys are remembered for so many seconds."""
    given = {"runs": Uuids(runs), "keep_for": keep_for}
    return list(connection.execute(journal.sql(RETIRE), given).scalars())


def forget(journal: Journal, connection: Connection, most: int) -> int:
    """Forget the keys of at most so many runs that were removed longer ago than keys are remembered; how many."""
    return int(connection.execute(journal.sql(FORGET), {"most": most}).scalar_one())
