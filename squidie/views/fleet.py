"""Who is alive, what they serve, and what is open on each queue: always counted, never kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.journal import attempts, listing
from squidie.journal import fleet as rows
from squidie.journal import queues as pauses
from squidie.journal.listing import ALIVE_FOR
from squidie.journal.queues import Pause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

LOST_FOR = timedelta(days=1)
"""For how long a worker that has died is shown among the others."""


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """One process tree as its sweeper last described it.

    `state` is `alive`, `lost` (not seen for a minute, since `seen_at`) or `left` (stopped in good order at `left_at`).
    `version` is Squidie's own, `code_version` what the application calls its code. `claims` are the attempts it holds;
    of its `slots` so many are `busy`, where both can be told. Its bells fail since `bell_failed_at`, if they do. `boot`
    names the tree among those of its host.
    """

    owner: str
    host: str
    pid: int
    boot: str
    role: str
    state: str
    queues: tuple[str, ...]
    callables: tuple[str, ...]
    version: str
    code_version: str | None
    delivery: str
    slots: int | None
    busy: int | None
    claims: int
    started_at: datetime
    seen_at: datetime
    left_at: datetime | None
    bell_ok_at: datetime | None
    bell_failed_at: datetime | None = None

    @property
    def alive(self) -> bool:
        """Whether it has been seen lately and has not stopped."""
        return self.state == "alive"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts are due, scheduled for later, claimed, and claimed with their lease over.

    `dead` counts dead letters that nobody has taken in hand, `parked` those of them whose step waits in its open run.
    """

    due: int = 0
    scheduled: int = 0
    claimed: int = 0
    expired: int = 0
    parked: int = 0
    dead: int = 0
    oldest_due_at: datetime | None = None


class PartitionCounts(Counts, frozen=True, kw_only=True):
    """The same of one partition; None is the work that belongs to none."""

    partition: str | None


class Consumer(msgspec.Struct, frozen=True):
    """Who served a queue, and when he was last seen."""

    owner: str
    seen_at: datetime


class QueueView(Counts, frozen=True, kw_only=True):
    """One queue: what is open on it, in all and by partition, who serves it, and whether somebody has paused it.

    `last_consumer` is whoever was seen last, alive or not. `unserved` names the callables that work on it waits for
    and none of its living consumers has. `paused` says since when nothing is claimed from it, by whom and why; None
    where it is claimed from.
    """

    name: str
    partitions: tuple[PartitionCounts, ...] = ()
    consumers: tuple[str, ...] = ()
    last_consumer: Consumer | None = None
    unserved: tuple[str, ...] = ()
    paused: Pause | None = None

    @property
    def open(self) -> int:
        """How many attempts are open."""
        return self.due + self.scheduled + self.claimed + self.expired


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """Workers, queues, and the database's time of reading."""

    workers: tuple[WorkerView, ...]
    queues: tuple[QueueView, ...]
    dead_letters: int
    at: datetime

    @property
    def lost(self) -> tuple[WorkerView, ...]:
        """Those that were last seen within a day and have not stopped in good order."""
        return tuple(each for each in self.workers if each.state == "lost" and self.at - each.seen_at <= LOST_FOR)

    def alive(self, role: str) -> tuple[WorkerView, ...]:
        """The living of this role."""
        return tuple(worker for worker in self.workers if worker.alive and worker.role == role)


def fleet(journal: Journal, *, alive_for: float = ALIVE_FOR, within: str | None = None) -> Fleet:
    """Every worker of the last month; every queue that has open work, dead letters or a living consumer, or is paused.

    `within` counts the work of one partition only.
    """
    with listing.snapshot(journal) as connection:
        now = attempts.clock(journal, connection)
        workers = _workers(journal, connection, now, alive_for)
        counted = rows.counts(journal, connection, within=within)
        wanted = rows.wanted(journal, connection, within=within)
        paused = pauses.all_paused(journal, connection)
    by_queue: dict[str, list[PartitionCounts]] = {}
    for row in counted:
        by_queue.setdefault(row.queue, []).append(_counts(row))
    serving = [worker for worker in workers if worker.role == "worker"]
    names = by_queue.keys() | paused.keys() | {queue for worker in serving if worker.alive for queue in worker.queues}
    asked = {name: {row.action for row in wanted if row.queue == name} for name in names}
    queues = tuple(
        _queue(name, by_queue.get(name, []), serving, asked[name], paused.get(name, paused.get(pauses.EVERY)))
        for name in sorted(names)
    )
    return Fleet(workers=workers, queues=queues, dead_letters=sum(queue.dead for queue in queues), at=now)


def workers_of(journal: Journal, *, alive_for: float = ALIVE_FOR, everybody: bool = False) -> tuple[WorkerView, ...]:
    """Who is alive, and who was lost within a day; with `everybody` also who has left, within a month."""
    with listing.snapshot(journal) as connection:
        now = attempts.clock(journal, connection)
        found = _workers(journal, connection, now, alive_for)
    return tuple(each for each in found if everybody or _matters(each, now))


def _matters(worker: WorkerView, now: datetime) -> bool:
    return worker.alive or (worker.left_at is None and worker.seen_at >= now - LOST_FOR)


def workers_in(
    journal: Journal, connection: Connection, now: datetime, alive_for: float = ALIVE_FOR
) -> tuple[WorkerView, ...]:
    """Every worker of the last month, within a look that goes on."""
    return _workers(journal, connection, now, alive_for)


def _workers(journal: Journal, connection: Connection, now: datetime, alive_for: float) -> tuple[WorkerView, ...]:
    seen_after = now - timedelta(seconds=alive_for)
    return tuple(_worker(row, seen_after) for row in rows.workers(journal, connection, alive_for=alive_for))


def _worker(row: Any, seen_after: datetime) -> WorkerView:
    state = "left" if row.left_at is not None else "alive" if row.seen_at >= seen_after else "lost"
    can_tell = state == "alive" and row.trees == 1
    return WorkerView(
        owner=row.owner,
        host=row.host,
        pid=row.pid,
        boot=row.owner.rpartition(":")[2],
        role=row.role,
        state=state,
        queues=tuple(row.queues),
        callables=tuple(row.actions),
        version=row.version,
        code_version=row.code_version,
        delivery=row.delivery,
        slots=row.slots,
        busy=min(row.turns, row.slots) if can_tell and row.slots is not None else None,
        claims=row.claims if can_tell else 0,
        started_at=row.started_at,
        seen_at=row.seen_at,
        left_at=row.left_at,
        bell_ok_at=row.bell_ok_at,
        bell_failed_at=row.bell_failed_at,
    )


def _counts(row: Any) -> PartitionCounts:
    return PartitionCounts(
        partition=row.partition,
        due=row.due,
        scheduled=row.scheduled,
        claimed=row.claimed,
        expired=row.expired,
        parked=row.parked,
        dead=row.dead,
        oldest_due_at=row.oldest,
    )


def _queue(
    name: str,
    partitions: Sequence[PartitionCounts],
    workers: Sequence[WorkerView],
    wanted: set[str],
    paused: Pause | None,
) -> QueueView:
    serving = [worker for worker in workers if name in worker.queues]
    alive = [worker for worker in serving if worker.alive]
    last = max(serving, key=lambda worker: worker.seen_at, default=None)
    served = {action for worker in alive for action in worker.callables}
    return QueueView(
        name=name,
        partitions=tuple(partitions),
        consumers=tuple(worker.owner for worker in alive),
        last_consumer=Consumer(last.owner, last.seen_at) if last is not None else None,
        unserved=tuple(sorted(wanted - served)),
        paused=paused,
        **msgspec.structs.asdict(total(partitions)),
    )


def total(found: Sequence[Counts]) -> Counts:
    """Several counts in one."""
    oldest = [each.oldest_due_at for each in found if each.oldest_due_at is not None]
    return Counts(
        due=sum(each.due for each in found),
        scheduled=sum(each.scheduled for each in found),
        claimed=sum(each.claimed for each in found),
        expired=sum(each.expired for each in found),
        parked=sum(each.parked for each in found),
        dead=sum(each.dead for each in found),
        oldest_due_at=min(oldest, default=None),
    )
