"""What must be known of a run before a command on it is tried.

Nothing here locks, and nothing is decided on it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from squidie.journal.store import Journal

ABOUT = """
select run_id, workflow, definition, partition, status, queue, priority, attributes, ended_at is null as is_open
from {s}.runs where run_id = :run_id
"""
"""A head, without its state."""

AWAITING = """
select f.run_id, bool_or(c.run_id is not null) as is_keyed, bool_or(r.ended_at is null) as is_open
from {s}.facts f join {s}.runs r on r.run_id = f.run_id
    left join {s}.receipts c on c.run_id = f.run_id and c.verb = :verb and c.key = cast(:key as text)
where f.kind = 'event_awaited' and f.body->>'event' = :event and r.workflow = :workflow
    and (cast(:correlation as text) is null or coalesce(f.body->>'correlation', :correlation) = :correlation)
    and (r.ended_at is null or c.run_id is not null)
    and (cast(:within as text) is null or r.partition = :within)
group by f.run_id limit :limit
"""
"""Runs of a workflow that have waited for an event, or that this very request has reached before."""

CLOSED = """
select closed_as, closed_by->>'request_id' as request_id, closed_by->>'key' as key, closed_by->>'digest' as digest
from {s}.dead_letters where run_id = :run_id and step = :step order by seq desc limit 1
"""
"""What became of the latest letter of a step, and by which request."""

CLOCK = "select {s}.clock()"


def about(journal: Journal, connection: Connection, run_id: UUID) -> Row[Any] | None:
    """Which run this is, in a few words."""
    return connection.execute(journal.sql(ABOUT), {"run_id": run_id}).one_or_none()


def awaiting(
    journal: Journal,
    connection: Connection,
    *,
    workflow: str,
    event: str,
    correlation: str | None,
    verb: str,
    key: str | None,
    within: str | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """The runs that an event may be meant for."""
    given = {
        "workflow": workflow,
        "event": event,
        "correlation": correlation,
        "verb": verb,
        "key": key,
        "within": within,
        "limit": limit,
    }
    return connection.execute(journal.sql(AWAITING), given).all()


def letter(journal: Journal, connection: Connection, run_id: UUID, step: str) -> Row[Any] | None:
    """How the latest letter of a step was closed, if there is one."""
    return connection.execute(journal.sql(CLOSED), {"run_id": run_id, "step": step}).one_or_none()


def clock(journal: Journal, connection: Connection) -> datetime:
    """The database's time."""
    found: datetime = connection.execute(journal.sql(CLOCK)).scalar_one()
    return found
