"""The one object a host holds.

    squidie = Squidie("postgresql+psycopg://…", delivery="celery", workflows=[Fulfilment])
    run = squidie.start(Fulfilment, {"order_id": 7}, key="order-7", session=db_session)
    run.result(timeout=30)

Nothing is opened until it is used, so a module may create it at import. It may be used from any number of threads, and
survives a fork.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.engine import asking, ids
from squidie.engine.delivered import Delivered, is_skipped
from squidie.engine.requests import partition_of
from squidie.engine.scheduling import Schedules
from squidie.errors import InvalidArgument
from squidie.runtime.configuring import Given, configured
from squidie.runtime.operating import Operating
from squidie.runtime.partition import Partition
from squidie.runtime.retaining import Retaining
from squidie.runtime.showing import Showing
from squidie.runtime.starting import Starting
from squidie.runtime.verifying import Verifying
from squidie.runtime.working import Working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from squidie.delivery import Delivery
    from squidie.engine.permission import Authorize, Retain, Visibility
    from squidie.runtime.run import Run
    from squidie.settings import Settings
    from squidie.telemetry import Handler
    from squidie.workflow.dsl import Workflow


class Squidie(Showing, Starting, Working, Operating, Retaining, Verifying):
    """Durable workflows in one Postgres schema.

    `database` is a URL or a SQLAlchemy engine on psycopg 3; `delivery` names an installed adapter (`"celery"`,
    `"notify"`) or is one; `settings` is a `Settings` or a mapping of them. `actions` gives callables names of one's
    own, `aliases` maps names in old graphs to those of today, `keep` lists callables that no declared workflow uses.
    `attributes` declares what runs are found by: names, each with `"string"`, `"integer"`, `"number"`, `"boolean"` or
    `"datetime"`, or a list with one of these. Runs that name no `partition` belong to the one given here.
    `authorize(actor, verb, run, step)` is asked before any command on a run: what is false, but for None, is
    `NotPermitted`. `retain(runs)` is asked before ended runs are removed, and gives the ids of those that must stay.
    `visibility(actor, view)` gives the `Scope` in which somebody sees a view through `views` and `redact`; without it
    everybody looks from outside. `telemetry` is a handler of events, or several, or their names (`"otel"`,
    `"prometheus"`): see `squidie.telemetry`.

    Raises `InvalidConfig` or `MissingConfig` with everything that cannot work; whether Postgres answers is known at
    the first use.
    """

    def __init__(
        self,
        database: str | Engine,
        *,
        delivery: str | Delivery | None = None,
        workflows: Iterable[type[Workflow]] = (),
        actions: Mapping[str, Callable[..., Any]] | None = None,
        aliases: Mapping[str, str | Callable[..., Any]] | None = None,
        keep: Iterable[Callable[..., Any]] = (),
        schema: str = "squidie",
        queue: str = "default",
        partition: str | None = None,
        authorize: Authorize | None = None,
        retain: Retain | None = None,
        visibility: Visibility | None = None,
        attributes: Mapping[str, Any] | None = None,
        telemetry: Handler | str | Sequence[Handler | str] | None = None,
        settings: Settings | Mapping[str, Any] | None = None,
    ) -> None:
        code, hooks = (workflows, actions, aliases, keep), (authorize, retain, visibility, telemetry)
        given = Given(database, delivery, *code, schema, queue, partition, *hooks, settings, attributes)
        self._parts, self._policy = configured(given)
        self._home = partition
        self.settings, self.registry = self._parts.settings, self._parts.registry
        self.delivery, self.attributes = self._parts.delivery, self._parts.attributes
        self.schedules = Schedules(self._parts, lambda run_id, created: self._handle(run_id, created=created))
        ids.boot()
        asking.renew_after_fork(self._parts)
        self.delivery.attach(self)

    def partition(self, name: str) -> Partition:
        """A handle that starts, sees, lists and steers the runs of this partition, and no others."""
        if partition_of(name) is None:
            raise InvalidArgument("name", "is the name of a partition")
        return Partition(self._parts, self._policy, name)

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
        with asking.audited(self._parts, "start_cron", None, actor):
            is_silent = is_skipped(on_duplicate)
            delivered = Delivered(workflow, trigger, signal_id=signal_id, window=(window_start, window_end))
            run = self._begin(delivered.command(self._parts, self.now(), actor), session, connection)
        return None if is_silent and not run.created else run
