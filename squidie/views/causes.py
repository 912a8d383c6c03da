"""What a run's blockers are founded on, looked up when an answer asks for it, all at one instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.decide.rooms import room
from squidie.journal import causes, limits, queues
from squidie.views.fleet import workers_in
from squidie.views.words import worker_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from squidie.journal.causes import Slot
    from squidie.journal.queues import Pause
    from squidie.journal.store import Journal
    from squidie.views.fleet import WorkerView
    from squidie.views.snapshot import RunSnapshot


class Use(NamedTuple):
    """Of a limit: `used` of `n`. Of a rate: `n` each `per` seconds, the next token at `next_at`."""

    n: int
    per: float | None
    used: int
    next_at: datetime | None


class Causes:
    """Of one run: its open rows, the fleet, pauses and limits. `delivery` is what carries our own bells."""

    def __init__(
        self, journal: Journal, connection: Connection, run: RunSnapshot, rows: Mapping[str, Any], delivery: str
    ) -> None:
        self._journal, self._connection, self._run, self._rows = journal, connection, run, rows
        self._delivery = delivery
        self._known: Sequence[WorkerView] | None = None

    @property
    def short_id(self) -> str:
        """The run as it is named at the command line."""
        return self._run.short_id

    @property
    def definition(self) -> str:
        """The graph that the run keeps."""
        return self._run.definition

    @property
    def at(self) -> datetime:
        """When all of this was looked at."""
        return self._run.at

    @property
    def anomalies(self) -> tuple[str, ...]:
        """What in its facts contradicts itself."""
        return self._run.anomalies

    def serving(self, queue: str) -> list[dict[str, Any]]:
        """The living who serve a queue, and which code they run."""
        return [_named(worker) for worker in self._workers if worker.alive and queue in worker.queues]

    def having(self, action: str) -> list[dict[str, Any]]:
        """The living who have a callable, and which queues they serve."""
        having = [worker for worker in self._workers if worker.alive and action in worker.callables]
        return [_named(worker) | {"queues": list(worker.queues)} for worker in having]

    def idle(self, queue: str, action: str) -> list[str]:
        """Who could begin it at once."""
        return [
            worker.owner
            for worker in self._workers
            if worker.alive and queue in worker.queues and action in worker.callables and _has_room(worker)
        ]

    def last_consumer(self, queue: str) -> dict[str, Any] | None:
        """Who was last seen serving a queue, and when."""
        serving = [worker for worker in self._workers if queue in worker.queues]
        last = max(serving, key=lambda worker: worker.seen_at, default=None)
        return None if last is None else {"owner": last.owner, "seen_at": last.seen_at}

    def worker(self, queues: Sequence[str]) -> str:
        """What starts a worker for these queues: as whoever served the first of them last was started."""
        serving = [worker for worker in self._workers if queues and queues[0] in worker.queues] or self._workers
        last = max(serving, key=lambda worker: worker.seen_at, default=None)
        return worker_command(self._delivery if last is None else last.delivery, queues)

    def busy(self, queue: str) -> tuple[int | None, int | None]:
        """How many slots of a queue's workers are busy, of how many; None where it cannot be told."""
        serving = [worker for worker in self._workers if worker.alive and queue in worker.queues]
        busy = [worker.busy for worker in serving]
        slots = [worker.slots for worker in serving]
        return (
            None if None in busy else sum(each for each in busy if each is not None),
            None if None in slots else sum(each for each in slots if each is not None),
        )

    def bells(self, queue: str) -> dict[str, Any]:
        """Since when the bells of a queue's workers fail, and when one rang last."""
        serving = [worker for worker in self._workers if worker.alive and queue in worker.queues]
        failed = [worker.bell_failed_at for worker in serving if worker.bell_failed_at is not None]
        rang = [worker.bell_ok_at for worker in serving if worker.bell_ok_at is not None]
        return {"since": min(failed, default=None), "last_bell_ok": max(rang, default=None)}

    def pause(self, queue: str) -> Pause | None:
        """Who has paused a queue."""
        found = queues.paused(self._journal, self._connection, queue)
        return found or queues.paused(self._journal, self._connection, queues.EVERY)

    def ahead(self, step: str) -> int:
        """How many are to be claimed before it."""
        return causes.ahead(self._journal, self._connection, self._run.id, step)

    def limit_of(self, step: str) -> str:
        """The limit of a step's open attempt."""
        return str(self._rows[step].limit_key)

    def rate_of(self, step: str) -> str:
        """The rate of a step's open attempt."""
        return str(self._rows[step].rate_key)

    def use(self, key: str) -> Use | None:
        """How much of a limit or rate is used; None for one that nobody has claimed under."""
        buckets, now = limits.buckets(self._journal, self._connection, (key,))
        if key not in buckets or now is None:
            return None
        bucket = buckets[key]
        wait = room(bucket).wait
        return Use(bucket.n, bucket.per, bucket.held, None if wait is None else now + timedelta(seconds=wait))

    def holders(self, key: str) -> list[Slot]:
        """Who holds the slots of a limit."""
        return causes.holders(self._journal, self._connection, key)

    @property
    def _workers(self) -> Sequence[WorkerView]:
        if self._known is None:
            found = workers_in(self._journal, self._connection, self._run.at)
            self._known = [worker for worker in found if worker.role == "worker"]
        return self._known


def _named(worker: WorkerView) -> dict[str, Any]:
    return {"owner": worker.owner, "version": worker.code_version or worker.version}


def _has_room(worker: WorkerView) -> bool:
    return worker.slots is not None and worker.busy is not None and worker.busy < worker.slots
