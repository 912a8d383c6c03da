"""Verbs of workers, of beat, and of whoever looks after a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.engine import conditions, ids
from squidie.engine.claim import claim
from squidie.engine.presence import Presence
from squidie.engine.requests import queue_name
from squidie.engine.sweep import Sweeper, SweepReport, child_died, sweep
from squidie.engine.tick import tick
from squidie.engine.turn import Draining, Turn, TurnReport
from squidie.migrate import ensure
from squidie.runtime.counting import Stats, stats_of
from squidie.runtime.door import Door
from squidie.views.fleet import WorkerView, workers_of
from squidie.views.stranded import StrandedRuns, stranded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Engine

    from squidie.delivery import Delivery, Finding
    from squidie.runtime.run import Run
    from squidie.settings import Settings
    from squidie.workflow.dsl import Workflow
    from squidie.workflow.registry import Registry


class Working(Door):
    """Claim, run and settle; sweep and tick."""

    settings: Settings
    registry: Registry
    delivery: Delivery

    def execute_next(self, queue: str | None = None) -> Run | None:
        """Claim at most one due attempt, run it and settle it.

        None when nothing is due; a run that fails is a successful call.
        """
        name = queue_name(queue) if queue is not None else self._parts.default_queue
        work = claim(self._parts, name, 1).work
        if not work:
            return None
        turn = Turn(self._parts, (name,), lambda: False)
        turn.work_off(work, name, hand_over=False)
        return self._handle(work[0].holding.row.run_id)

    def turn(self, queues: Sequence[str], *, draining: Draining = lambda: False) -> TurnReport:
        """What a bell causes: claim, run and settle on these queues.

        It ends when nothing is left or the turn's share of time is used.
        """
        return Turn(self._parts, queues, draining).take()

    def sweep(self, queues: Sequence[str] | None = None) -> SweepReport:
        """One look at what a crash or a lost bell has left."""
        return sweep(self._parts, tuple(self.used_queues()) if queues is None else queues)

    def sweeper(
        self, queues: Callable[[], Sequence[str]], role: str = "worker", *, slots: int | None = None
    ) -> Sweeper:
        """The thread that sweeps for a worker that serves these queues, and keeps its row in the fleet.

        `slots` says how many turns the worker can take at once, where that is known.
        """
        return Sweeper(self._parts, queues, role, slots)

    def presence(self, role: str) -> Presence:
        """The row of this process in the fleet, for one that does not sweep, such as beat."""
        return Presence(self._parts, role)

    def tick(self) -> float:
        """Open due cron windows; the seconds until the next one."""
        return tick(self._parts)

    def child_died(self, pid: int) -> int:
        """End the claims of a child process of this worker that has died; how many."""
        return child_died(self._parts, pid)

    def check_conditions(self, findings: Iterable[Finding] = (), *, refuse: bool) -> None:
        """Say in the log what is unwise about the database, and what a worker has found itself, when it starts.

        With `refuse` what is unsafe is `InvalidConfig`, which names each setting and what mends it.
        """
        conditions.at_boot(self._parts.journal, findings, refuse=refuse)

    def tell_of_bells(self, queues: Collection[str], *, rung: bool) -> None:
        """Tell whoever listens that bells were sent for these queues, or could not be: a delivery says so."""
        self._parts.telling.bells(queues, rung=rung)

    def begin_worker(self) -> str:
        """Name this process as the first of a worker, before it forks its children; who it is from now on."""
        ids.begin_tree()
        return self.owner

    @property
    def owner(self) -> str:
        """Who this process is: `host:pid:boot`."""
        return ids.owner()

    @property
    def workflows(self) -> Mapping[str, type[Workflow]]:
        """The workflows declared here, by name."""
        return self.registry.workflows

    @property
    def has_authorize(self) -> bool:
        """Whether a hook of the host's is asked before commands on runs; without one whoever calls is trusted."""
        return self._policy.authorize is not None

    @property
    def has_visibility(self) -> bool:
        """Whether a policy of the host's says who sees what; without one everybody looks from outside."""
        return self._policy.visibility is not None

    def check(self) -> StrandedRuns:
        """Open runs that this code could not go on with: their callables are not here, or are called in another way."""
        return stranded(self._parts.journal, self.registry)

    @property
    def engine(self) -> Engine:
        """The engine on the journal's database."""
        return self._parts.journal.engine

    @property
    def listening(self) -> Engine:
        """The engine on which NOTIFY is listened for: the journal's, unless `settings.listen_url` names another way."""
        return self._parts.journal.listening

    @property
    def schema(self) -> str:
        """The journal's schema."""
        return self._parts.journal.schema

    @property
    def default_queue(self) -> str:
        """The queue of runs that name none."""
        return self._parts.default_queue

    def used_queues(self) -> set[str]:
        """The queues that the declared workflows use, whether anything is on them or not."""
        return self.registry.queues(self._parts.default_queue)

    def workers(self, *, everybody: bool = False) -> tuple[WorkerView, ...]:
        """Who is alive, and who was lost within a day; with `everybody` also who has left, within a month."""
        return workers_of(self._parts.journal, everybody=everybody)

    def stats(self) -> Stats:
        """How things are, as numbers for a monitor: what is open now, and what this process has met."""
        return stats_of(self._parts)

    def ensure_schema(self) -> None:
        """Nothing, or `SchemaMismatch` with the command that mends it."""
        with self._parts.journal.reading() as connection:
            ensure(connection, self.schema)

    def close(self) -> None:
        """Send the last bells, end the threads and let go of connections."""
        self.delivery.close()
        self._parts.close()
