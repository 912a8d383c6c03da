"""Statements that write and commit by themselves, with nothing locked or read before them.

Whoever sends one has decided on what he knows, at a time that he has counted himself. Postgres compares both with what
is so. Where they differ nothing is written, and it is decided once more, under locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.journal.arrays import Blobs, Ints, Uuids
from squidie.journal.columns import Kinds, single, unnested
from squidie.journal.starts import starting
from squidie.journal.writing import changes, paused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.starts import Starts
    from squidie.journal.store import Journal
    from squidie.journal.writing import Changes

_TIMELY = "cast(:now as timestamptz) between {s}.clock() - cast(:behind as interval) and {s}.clock()"

_NOW = "{s}.clock()"
START = starting(gate=_TIMELY, told=_NOW)
"""A new run, its first facts and its first work, if `now` is the time; and what time it is."""

START_ALONE = starting(alone=True, gate=_TIMELY, told=_NOW)
"""The same of a run alone."""

_KNOWN: Kinds = {"h_run": Uuids, "h_before": Ints, "h_known": Blobs}


def settling(*, alone: bool = False) -> str:
    """The statement that settles; `alone`, one step with one successor."""
    given = single if alone else unnested
    gone, held = ("1", "1") if alone else ("cardinality(:g_run)", "cardinality(:h_run)")
    return f"""
with held as materialized (
    select r.run_id from {given(_KNOWN, "h(run_id, rev, hash)")}
    join {{s}}.runs r on r.run_id = h.run_id and r.rev = h.rev and r.head_hash = h.hash
    where {_TIMELY}
    order by r.run_id for no key update of r skip locked
), gate as materialized (
    select count(*) = {held} as opens from held
), {changes("(select opens from gate)", alone=alone)}
select gate.opens, {{s}}.clock() as now,
    case when gate.opens and ((select count(*) from gone), (select count(*) from heads))
            <> ({gone}, {held})
        then ('the claims that were decided on are held: not ' || gate.opens)::integer end as broken,
    {paused(alone=alone)}
from gate
"""


SETTLE = settling()
"""Outcomes whose holder knows how their runs stand: nothing is locked and read before.

The heads are taken, passing over those that somebody holds, and asked for the hashes of the facts that were decided on.
If a single one is held or was changed, or `now` is not the time, nothing is written. What is held against that cannot
lose its claim but by a crash of the database that has erased it; then the statement fails, and takes all back.
"""

SETTLE_ALONE = settling(alone=True)
"""The same of one step with one successor."""


def start(journal: Journal, connection: Connection, rows: Starts, now: datetime, behind: timedelta) -> datetime | None:
    """Write the only one of these, if it did not exist before and `now` is not further than that behind.

    What time it is; None where nothing was written.
    """
    given = {**rows.values(), "now": now, "behind": behind}
    statement = START_ALONE if rows.is_alone else START
    told: datetime | None = journal.run(connection, statement, given).scalar_one_or_none()
    return told


def settle(  # noqa: PLR0917 - what is written, and what it rests upon
    journal: Journal,
    connection: Connection,
    batch: Changes,
    known: Mapping[UUID, bytes],
    now: datetime,
    behind: timedelta,
) -> tuple[bool, datetime]:
    """Write these changes if their runs still stand as `known`, and the time is right; and what time it is.

    What is freed is not among them. Raises `DBAPIError` where a claim has been erased.
    """
    hashes = Blobs(known[row[0]] for row in batch.heads)
    before = hashes[0] if batch.is_alone else hashes
    given = {**batch.values(), "h_known": before, "now": now, "behind": behind}
    done = journal.run(connection, SETTLE_ALONE if batch.is_alone else SETTLE, given).one()
    batch.leave(done.paused)
    return done.opens, done.now
