"""The one object a host holds.

    squidie = Squidie("postgresql+psycopg://…", delivery="celery", workflows=[Fulfilment])
    run = squidie.start(Fulfilment, {"order_id": 7}, key="order-7", session=db_session)
    run.result(timeout=30)

Nothing is opened until it is used, so a module may create it at import. It may be used from any number of threads, and
survives a fork.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from squidie import delivery as deliveries
from squidie.engine import asking, ids, requests
from squidie.engine.claim import claim
from squidie.engine.delivered import Delivered, is_skipped
from squidie.engine.parts import Parts
from squidie.engine.presence import Presence
from squidie.engine.requests import Request, queue_name
from squidie.engine.scheduling import Schedules
from squidie.engine.sweep import Sweeper, SweepReport, child_died, sweep
from squidie.engine.tick import tick
from squidie.engine.turn import Draining, Turn, TurnReport
from squidie.errors import InvalidArgument, RunUnsuccessful, SquidieError, WaitTimeout
from squidie.journal import attempts
from squidie.journal.store import Journal
from squidie.migrate import ensure
from squidie.settings import Settings, settings_of
from squidie.views.listing import RunPage, list_runs
from squidie.views.snapshot import RunSnapshot, inspect_run, result_of
from squidie.workflow.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from squidie.decide.commands import Start
    from squidie.delivery import Delivery
    from squidie.engine.batch import Verdict
    from squidie.workflow.dsl import Workflow

_FIRST_LOOK, _LONGEST_LOOK = 0.002, 0.25


class Run:
    """A handle to one run. `created` is False where the start found the run that its key had made before."""

    def __init__(self, squidie: Squidie, run_id: UUID, *, created: bool = False) -> None:
        self._squidie = squidie
        self.id = run_id
        self.created = created

    def snapshot(self) -> RunSnapshot:
        """The run as it stands now."""
        return self._squidie.inspect_run(self.id)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end (at most `timeout` seconds) and return the run's output.

        Raises `RunUnsuccessful` or `WaitTimeout`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        look = _FIRST_LOOK
        while (ended := self._squidie.ended(self.id)) is None:
            if deadline is not None and time.monotonic() + look > deadline:
                raise WaitTimeout(self.id, timeout or 0.0)
            time.sleep(look)
            look = min(look * 1.3, _LONGEST_LOOK)
        status, output, error = ended
        if status != "completed":
            raise RunUnsuccessful(self.id, status, error)
        return output

    def __repr__(self) -> str:
        return f"<Run {self.id}>"


class Squidie:
    """Durable workflows in one Postgres schema.

    `database` is a URL or a SQLAlchemy engine on psycopg 3; `delivery` names an installed adapter (`"celery"`,
    `"notify"`) or is one; `settings` is a `Settings` or a mapping of them. Raises `InvalidConfig` for what cannot work;
    whether Postgres answers is known at the first use.
    """

    def __init__(
        self,
        database: str | Engine,
        *,
        delivery: str | Delivery | None = None,
        workflows: Iterable[type[Workflow]] = (),
        keep: Iterable[Callable[..., Any]] = (),
        schema: str = "squidie",
        queue: str = "default",
        settings: Settings | Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = settings_of(settings)
        self.registry = Registry(tuple(workflows), keep=tuple(keep))
        journal = Journal(database, schema, lock_timeout=self.settings.lock_timeout)
        self.delivery = deliveries.find(delivery)
        self._parts = Parts(journal, self.settings, self.registry, self.delivery, queue_name(queue))
        self.schedules = Schedules(self._parts, lambda run_id, created: Run(self, run_id, created=created))
        ids.boot()
        asking.renew_after_fork(self._parts)
        self.delivery.attach(self)

    # ------------------------------------------------------------------ what a host does
    def start(
        self,
        workflow: type[Workflow] | str,
        payload: Any = None,
        *,
        trigger: str | None = None,
        key: str | None = None,
        run_id: UUID | str | None = None,
        queue: str | None = None,
        priority: int = 100,
        partition: str | None = None,
        at: datetime | None = None,
        after: Any = None,
        attributes: Mapping[str, Any] | None = None,
        actor: Any = None,
        metadata: Any = None,
        session: Any = None,
        connection: Connection | None = None,
    ) -> Run:
        """Start a run.

        It is on disk when this returns; with `session=` or `connection=`, when the host's transaction commits.

        `key` makes it idempotent: the same key and payload give the same run, another payload is `KeyReused`. `at` (an
        aware datetime) or `after` (a duration) delays the first steps. `partition` (a tenant, say) is kept with the run
        and belongs to its key's identity. Raises `InvalidPayload`, `InvalidArgument`, `InvalidTrigger`,
        `WorkflowNotFound`, `UnstorableValue`, `JournalUnavailable`; then nothing was written.
        """
        request = Request(
            trigger=trigger,
            key=key,
            run_id=run_id,
            queue=queue,
            priority=priority,
            partition=partition,
            at=at,
            after=after,
            attributes=attributes,
            actor=actor,
            metadata=metadata,
        )
        command = requests.start_of(self._parts, workflow, payload, request, now=self.now)
        return self._run(asking.start(self._parts, [command], session, connection, strict=True)[0])

    def start_many(
        self,
        workflow: type[Workflow] | str,
        payloads: Sequence[Any],
        *,
        keys: Sequence[str] | None = None,
        partial: bool = False,
        session: Any = None,
        connection: Connection | None = None,
        **options: Any,
    ) -> list[Run | SquidieError]:
        """Start many runs in one commit: all, or none.

        With `partial=True` a bad member harms only itself, and its error stands in its place.
        """
        if keys is not None and len(keys) != len(payloads):
            raise InvalidArgument("keys", "there must be one for each payload")
        asked: list[Start | SquidieError] = []
        for number, payload in enumerate(payloads):
            try:
                request = Request(**options, key=keys[number] if keys is not None else None)
                asked.append(requests.start_of(self._parts, workflow, payload, request, now=self.now))
            except (SquidieError, TypeError) as error:
                if not partial or not isinstance(error, SquidieError):
                    raise
                asked.append(error)
        commands = [each for each in asked if not isinstance(each, SquidieError)]
        verdicts = iter(
            asking.start(self._parts, commands, session, connection, strict=not partial) if commands else ()
        )
        return [
            each if isinstance(each, SquidieError) else self._run_or_error(next(verdicts), partial=partial)
            for each in asked
        ]

    def start_cron(
        self,
        workflow: type[Workflow] | str,
        trigger: str | None = None,
        *,
        signal_id: str | None = None,
        window_start: datetime | None = None,
        window_end: datetime | None = None,
        on_duplicate: str = "return_existing",
        actor: Any = None,
        session: Any = None,
        connection: Connection | None = None,
    ) -> Run | None:
        """A cron trigger's run, for a scheduler of somebody else's: any number of deliveries make one.

        Its identity is the window, as for our own ticks, or the `signal_id`, which wins over a window. A duplicate is
        answered by the run that exists, or by None with `on_duplicate="skip_duplicate"`. Raises `InvalidSchedule`.
        """
        is_silent = is_skipped(on_duplicate)
        delivered = Delivered(workflow, trigger, signal_id=signal_id, window=(window_start, window_end))
        command = delivered.command(self._parts, self.now(), actor)
        run = self._run(asking.start(self._parts, [command], session, connection, strict=True)[0])
        return None if is_silent and not run.created else run

    def cancel(
        self,
        run_id: UUID | str,
        *,
        reason: str,
        actor: Any = None,
        comment: str | None = None,
        key: str | None = None,
        session: Any = None,
        connection: Connection | None = None,
    ) -> Run:
        """End a run now.

        A step that is running learns of it from its context, and its outcome is not taken. Raises `InvalidTransition`
        for an ended run.
        """
        command = requests.cancel_of(run_id, reason=reason, actor=actor, comment=comment, key=key)
        asking.cancel(self._parts, command, session, connection)
        return Run(self, command.run_id)

    def run(self, run_id: UUID | str) -> Run:
        """A handle to a run that exists. Raises `RunNotFound`."""
        found = requests.as_uuid(run_id)
        self.inspect_run(found)
        return Run(self, found)

    def inspect_run(self, run_id: UUID | str) -> RunSnapshot:
        """The run as it stands now, with its steps and their attempts. Raises `RunNotFound`."""
        return inspect_run(self._parts.journal, requests.as_uuid(run_id))

    def list_runs(self, **query: Any) -> RunPage:
        """Runs, newest first, in pages: see `squidie.views.listing.list_runs` for what may be asked."""
        return list_runs(self._parts.journal, **query)

    def ended(self, run_id: UUID) -> tuple[str, Any, dict[str, Any] | None] | None:
        """How the run ended: status, output and error; None while it is open."""
        return result_of(self._parts.journal, run_id)

    # ------------------------------------------------------------------ what a worker does
    def execute_next(self, queue: str | None = None) -> Run | None:
        """Claim at most one due attempt, run it and settle it.

        None when nothing is due; a run that fails is a successful call.
        """
        name = queue_name(queue) if queue is not None else self._parts.default_queue
        work, _ = claim(self._parts, name, 1)
        if not work:
            return None
        turn = Turn(self._parts, (name,), lambda: False)
        turn.work_off(work, name, hand_over=False)
        return Run(self, work[0].holding.row.run_id)

    def turn(self, queues: Sequence[str], *, draining: Draining = lambda: False) -> TurnReport:
        """What a bell causes: claim, run and settle on these queues.

        It ends when nothing is left or the turn's share of time is used.
        """
        return Turn(self._parts, queues, draining).take()

    def sweep(self, queues: Sequence[str] | None = None) -> SweepReport:
        """One look at what a crash or a lost bell has left."""
        return sweep(self._parts, tuple(self.queues()) if queues is None else queues)

    def sweeper(self, queues: Callable[[], Sequence[str]], role: str = "worker") -> Sweeper:
        """The thread that sweeps for a worker that serves these queues, and keeps its row in the fleet."""
        return Sweeper(self._parts, queues, role)

    def presence(self, role: str) -> Presence:
        """The row of this process in the fleet, for one that does not sweep, such as beat."""
        return Presence(self._parts, role)

    def tick(self) -> float:
        """Open due cron windows; the seconds until the next one."""
        return tick(self._parts)

    def child_died(self, pid: int) -> int:
        """End the claims of a child process of this worker that has died; how many."""
        return child_died(self._parts, pid)

    # ------------------------------------------------------------------ what it is made of
    @property
    def owner(self) -> str:
        """Who this process is: `host:pid:boot`."""
        return ids.owner()

    @property
    def workflows(self) -> Mapping[str, type[Workflow]]:
        """The workflows declared here, by name."""
        return self.registry.workflows

    @property
    def engine(self) -> Engine:
        """The engine on the journal's database."""
        return self._parts.journal.engine

    @property
    def schema(self) -> str:
        """The journal's schema."""
        return self._parts.journal.schema

    @property
    def default_queue(self) -> str:
        """The queue of runs that name none."""
        return self._parts.default_queue

    def queues(self) -> set[str]:
        """The queues that the declared workflows use."""
        return self.registry.queues(self._parts.default_queue)

    def now(self) -> datetime:
        """The database's clock: the only one."""
        with self._parts.journal.reading() as connection:
            return attempts.clock(self._parts.journal, connection)

    def ensure_schema(self) -> None:
        """Nothing, or `SchemaMismatch` with the command that mends it."""
        with self._parts.journal.reading() as connection:
            ensure(connection, self.schema)

    def close(self) -> None:
        """Send the last bells, end the threads and let go of connections."""
        self.delivery.close()
        self._parts.close()

    # ------------------------------------------------------------------ in the small
    def _run(self, verdict: Verdict) -> Run:
        if verdict.error is not None:
            raise verdict.error
        return Run(self, verdict.command.run_id, created=verdict.created)

    def _run_or_error(self, verdict: Verdict, *, partial: bool) -> Run | SquidieError:
        if partial and isinstance(verdict.error, SquidieError):
            return verdict.error
        return self._run(verdict)
