"""The parts that every piece of the engine works with, and that a fork must renew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.decide.commands import Limits
from squidie.engine import logs
from squidie.engine.bells import Bells
from squidie.engine.clocks import Clock
from squidie.engine.fairness import Rounds
from squidie.engine.lease import Renewer
from squidie.engine.limited import Limited
from squidie.engine.memory import Memory
from squidie.engine.pace import Pace
from squidie.engine.tally import Tally
from squidie.engine.telling import Telling
from squidie.engine.timers import Timers
from squidie.engine.tries import Tries
from squidie.engine.watermark import Watermarks
from squidie.history.attributes import NOTHING_DECLARED
from squidie.history.masking import Masking
from squidie.journal import definitions, limits
from squidie.workflow.fingerprint import fingerprint
from squidie.workflow.limits import declared
from squidie.workflow.spec import TriggerKind

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.delivery import Delivery
    from squidie.history.attributes import Schema
    from squidie.journal.heads import Known
    from squidie.journal.store import Journal
    from squidie.settings import Settings
    from squidie.telemetry import Handlers
    from squidie.workflow.registry import Registry
    from squidie.workflow.spec import Spec, Trigger


class Parts:
    """One process's journal, settings, declared workflows, bells and leases.

    `known` are the runs on which it holds claims, as it last read or wrote them: what their heads still say is not read
    again.
    """

    def __init__(
        self,
        journal: Journal,
        settings: Settings,
        registry: Registry,
        delivery: Delivery,
        default_queue: str,
        *,
        handlers: Handlers,
        attributes: Schema = NOTHING_DECLARED,
    ) -> None:
        self.journal = journal
        self.settings = settings
        self.registry = registry
        self.served = registry.served
        self.delivery = delivery
        self.default_queue = default_queue
        self.handlers = handlers
        self.attributes = attributes
        self.schedules_synced = False
        self.masking = Masking(settings.secrets, values=settings.secret_values, paths=settings.masked_paths)
        logs.install(self.masking)
        self.limits = Limits(settings.max_claims, settings.drain, settings.early_events)
        self.crons = {name: crons for name in registry.workflows if (crons := _crons(registry.spec(name)))}
        self.definitions = Definitions(journal, registry)
        self.timers = Timers(self)
        self.memory = Memory(journal, settings.receipts_for)
        self.renew()

    def renew(self) -> None:
        """Everything with a thread or a lock, made anew: at the start, and in a forked child."""
        self.telling = Telling(self.handlers, self.journal)
        self.bells = Bells(self.delivery)
        self.tally = Tally()
        self.pace = Pace(self.settings)
        self.rounds = Rounds(self.settings.weights)
        self.limited = Limited()
        self.watermarks = Watermarks(self.settings.sweep)
        self.known: dict[UUID, Known] = {}
        self.clock = Clock()
        self.tries = Tries()
        self.renewer = Renewer(self.journal, self.settings, self.telling)

    def close(self) -> None:
        """End the threads and let go of connections."""
        self.bells.close()
        self.renewer.close()
        self.telling.close()
        self.journal.close()

    def after_fork(self) -> None:
        """A child must not touch its parent's sockets."""
        self.journal.after_fork()
        self.memory.after_fork()
        self.renew()


def _crons(spec: Spec) -> tuple[Trigger, ...]:
    return tuple(trigger for trigger in spec.triggers if trigger.kind is TriggerKind.CRON)


class Definitions:
    """Graphs by fingerprint: those declared here, and those that older runs keep."""

    def __init__(self, journal: Journal, registry: Registry) -> None:
        self.journal = journal
        self._declared = {name: fingerprint(registry.spec(name)) for name in registry.workflows}
        self._specs: dict[str, Spec] = {print_: registry.spec(name) for name, print_ in self._declared.items()}
        self._kept: set[str] = set()

    def declared(self, workflow: str) -> str:
        """The fingerprint of a workflow as it is declared here."""
        return self._declared[workflow]

    def add(self, spec: Spec) -> str:
        """A graph that nobody declares, about to be started on; its fingerprint."""
        print_ = fingerprint(spec)
        self._specs.setdefault(print_, spec)
        return print_

    def find(self, print_: str, connection: Connection | None = None) -> Spec:
        """The graph of a run, read once from the journal where it is not declared here."""
        spec = self._specs.get(print_)
        if spec is None:
            spec = self._specs[print_] = self._read(print_, connection)
        return spec

    def at_hand(self, print_: str) -> Spec | None:
        """The graph of a run, if it need not be read."""
        return self._specs.get(print_)

    def _read(self, print_: str, connection: Connection | None) -> Spec:
        if connection is not None:
            return definitions.find(self.journal, connection, print_)
        with self.journal.reading() as own:
            return definitions.find(self.journal, own, print_)

    def keep(self, print_: str, connection: Connection) -> None:
        """Make sure that the journal holds the graph, in the transaction that starts a run on it."""
        if print_ in self._kept:
            return
        spec = self._specs[print_]
        definitions.keep(self.journal, connection, print_, spec)
        limits.declare(self.journal, connection, declared(spec))

    def keep_now(self, print_: str) -> None:
        """The same in a transaction of its own: what a graph is called says all that is in it, so it may stay alone."""
        if print_ not in self._kept:
            with self.journal.transaction() as connection:
                self.keep(print_, connection)
            self._kept.add(print_)

    def is_kept(self, print_: str) -> bool:
        """Whether the journal is known to hold the graph."""
        return print_ in self._kept

    def kept(self, print_: str) -> None:
        """A transaction of our own has committed with this graph in it (a host may still roll back)."""
        self._kept.add(print_)
