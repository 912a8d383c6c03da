"""Queues that somebody has paused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.journal.store import Journal

EVERY = "*"
"""In place of a queue's name: all of them, those that nobody knows yet included."""

PAUSED = "select queue, paused_at, paused_by, paused_why from {s}.queues where queue = :queue"
"""Whether a queue is paused, and by whom."""

ALL_PAUSED = "select queue, paused_at, paused_by, paused_why from {s}.queues order by queue"
"""Every queue that is paused."""

PAUSE = """
insert into {s}.queues (queue, paused_at, paused_by, paused_why)
values (:queue, {s}.clock(), cast(:by as json), :why) on conflict (queue) do nothing
"""
"""Nothing of it is claimed from now on."""

RESUME = "delete from {s}.queues where queue = :queue"
"""It is claimed from again."""

KNOWN = """
select exists (select from {s}.attempts where queue = :queue and claim_id is null and kind <> 'timer')
    or exists (select from {s}.queues where queue = :queue)
    or exists (select from {s}.workers where :queue = any(queues))
    or exists (select from {s}.attempts where queue = :queue)
"""
"""Whether a queue has open work or a worker that serves it, or is paused; what is quick to see is looked at first."""


NAMES = """
select distinct queue from {s}.attempts where kind <> 'timer'
union select queue from {s}.queues union select unnest(queues) from {s}.workers
"""
"""The same queues by name; it reads every open attempt, and is asked only where one is not found."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that is paused: since when, by whom and why."""

    queue: str
    since: datetime | None
    by: Any
    reason: str


def paused(journal: Journal, connection: Connection, queue: str) -> Pause | None:
    """How the queue is paused, or None."""
    row = connection.execute(journal.sql(PAUSED), {"queue": queue}).one_or_none()
    return None if row is None else _pause(row)


def all_paused(journal: Journal, connection: Connection) -> dict[str, Pause]:
    """Every queue that is paused."""
    return {row.queue: _pause(row) for row in connection.execute(journal.sql(ALL_PAUSED))}


def known(journal: Journal, connection: Connection) -> set[str]:
    """Every queue that the journal has seen lately."""
    return set(connection.execute(journal.sql(NAMES)).scalars())


def _pause(row: Any) -> Pause:
    return Pause(queue=row.queue, since=row.paused_at, by=row.paused_by, reason=row.paused_why)


def pause(journal: Journal, connection: Connection, queue: str, by: Any, why: str) -> None:
    """Stop claims from a queue."""
    given = {"queue": queue, "by": msgspec.json.encode(by).decode(), "why": why}
    connection.execute(journal.sql(PAUSE), given)


def resume(journal: Journal, connection: Connection, queue: str) -> None:
    """Let it be claimed from again."""
    connection.execute(journal.sql(RESUME), {"queue": queue})


def is_known(journal: Journal, connection: Connection, queue: str) -> bool:
    """Whether the journal has seen anything of this queue."""
    return bool(connection.execute(journal.sql(KNOWN), {"queue": queue}).scalar_one())
