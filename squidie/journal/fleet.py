"""Who is alive and what they serve: one row for each worker process tree, refreshed by its sweeper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.journal.store import Journal

SEEN = """
insert into {s}.workers (owner, host, pid, role, queues, actions, version, delivery, started_at, seen_at, bell_ok_at)
values (:owner, :host, :pid, :role, :queues, :actions, :version, :delivery, {s}.clock(), {s}.clock(),
    {s}.clock() - make_interval(secs => :silence))
on conflict (owner) do update set queues = excluded.queues, actions = excluded.actions, seen_at = excluded.seen_at,
    bell_ok_at = coalesce(excluded.bell_ok_at, {s}.workers.bell_ok_at)
"""
"""A worker says that it is there."""

GONE = "delete from {s}.workers where owner = :owner"
"""A worker that stops in good order takes its row along."""

FORGET = "delete from {s}.workers where seen_at < {s}.clock() - interval '1 day'"
"""Rows of workers that died long ago."""


def seen(journal: Journal, connection: Connection, worker: dict[str, Any]) -> None:
    """Refresh a worker's row."""
    connection.execute(journal.sql(SEEN), worker)


def gone(journal: Journal, connection: Connection, owner: str) -> None:
    """Remove a worker's row, and those that nobody has refreshed for a day."""
    connection.execute(journal.sql(GONE), {"owner": owner})
    connection.execute(journal.sql(FORGET))
