"""Who is alive, what they serve, and what is due on each queue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.journal import attempts, listing
from squidie.journal.listing import ALIVE_FOR

if TYPE_CHECKING:
    from squidie.journal.store import Journal


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """One process tree as its sweeper last described it."""

    owner: str
    host: str
    pid: int
    role: str
    queues: tuple[str, ...]
    version: str
    delivery: str
    started_at: datetime
    seen_at: datetime
    bell_ok_at: datetime | None
    alive: bool


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """One queue: what is due and since when, what comes later, what is held, and who serves it."""

    name: str
    due: int = 0
    later: int = 0
    held: int = 0
    expired: int = 0
    oldest_due_at: datetime | None = None
    consumers: tuple[str, ...] = ()


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Workers, queues, and the database's time of reading."""

    workers: tuple[WorkerView, ...]
    queues: tuple[QueueView, ...]
    dead_letters: int
    at: datetime

    def alive(self, role: str) -> tuple[WorkerView, ...]:
        """The living of this role."""
        return tuple(worker for worker in self.workers if worker.alive and worker.role == role)


def fleet(journal: Journal, *, alive_for: float = ALIVE_FOR) -> Fleet:
    """Everybody who has been seen lately, and every queue that has open work or a living consumer."""
    with listing.snapshot(journal) as connection:
        rows = listing.workers(journal, connection)
        due = listing.due(journal, connection)
        letters = listing.letters(journal, connection)
        now = attempts.clock(journal, connection)
    workers = tuple(_worker(row, now - timedelta(seconds=alive_for)) for row in rows)
    consumers: dict[str, list[str]] = {row.queue: [] for row in due}
    for worker in workers:
        for queue in worker.queues if worker.alive and worker.role == "worker" else ():
            consumers.setdefault(queue, []).append(worker.owner)
    open_work = {row.queue: row for row in due}
    queues = tuple(_queue(name, open_work.get(name), consumers[name]) for name in sorted(consumers))
    return Fleet(workers=workers, queues=queues, dead_letters=letters.n, at=now)


def _worker(row: Any, seen_after: datetime) -> WorkerView:
    return WorkerView(
        owner=row.owner,
        host=row.host,
        pid=row.pid,
        role=row.role,
        queues=tuple(row.queues),
        version=row.version,
        delivery=row.delivery,
        started_at=row.started_at,
        seen_at=row.seen_at,
        bell_ok_at=row.bell_ok_at,
        alive=row.seen_at >= seen_after,
    )


def _queue(name: str, row: Any, consumers: list[str]) -> QueueView:
    if row is None:
        return QueueView(name=name, consumers=tuple(consumers))
    return QueueView(
        name=name,
        due=row.due,
        later=row.later,
        held=row.held,
        expired=row.expired,
        oldest_due_at=row.oldest,
        consumers=tuple(consumers),
    )
