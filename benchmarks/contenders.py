"""Who is measured: how each one's runs are started, who works them off, and how to see that all have ended."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import urlsplit

import redis

from benchmarks import floors, postgres, workload
from benchmarks.marks import FOLDER
from squidie.testing import Process, Services, Worker
from squidie.testing.invariants import violations
from squidie_celery import CeleryDelivery, create_app
from squidie_notify import NotifyDelivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.delivery import Delivery

ROOT = Path(__file__).parents[1]
COMMAND_LINE = "import sys; from squidie.cli import main; sys.exit(main())"
FLOOR = "loop-group32"
"""What the others are compared with."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one repetition happens: the servers, a database of its own, the folder of its marks."""

    services: Services
    database: str
    marks: Path
    workflows: int

    @property
    def environment(self) -> dict[str, str]:
        """What a worker is told."""
        given = {"SQUIDIE_DATABASE_URL": self.database, FOLDER: str(self.marks)}
        return given | {"SQUIDIE_REDIS_URL": self.services.redis_url, "SQUIDIE_APP": "benchmarks.notify_app:squidie"}


class Contender(Protocol):
    """One way to get the workload done."""

    schema: ClassVar[str]
    done: ClassVar[str]

    @property
    def name(self) -> str:
        """How it is called in the table."""

    @property
    def processes(self) -> int:
        """How many run steps."""

    def count_bells(self, place: Place) -> Callable[[], int] | None:
        """Begin to count messages; the call says how many there were. None where there are no messages."""

    def start(self, place: Place) -> float:
        """Put every run on disk; the seconds that the calls took."""

    def work(self, place: Place) -> Process:
        """Start the workers."""

    def faults(self, place: Place) -> list[str]:
        """What is wrong with what was written."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A hand-written loop."""

    name: str
    kind: str
    size: int
    processes: int = 1
    schema: ClassVar = floors.SCHEMA
    done: ClassVar = floors.DONE

    def count_bells(self, place: Place) -> None:
        """There are none."""

    def start(self, place: Place) -> float:
        """One statement for all: a loop's starts are not what is measured."""
        with postgres.connect(place.database) as connection:
            began = monotonic()
            floors.prepare(connection, place.workflows)
            return monotonic() - began

    def work(self, place: Place) -> Process:
        """One process."""
        command = [sys.executable, "-m", "benchmarks.floors", self.kind, str(self.size)]
        return Process(command, name=self.name, env=place.environment, cwd=ROOT)

    def faults(self, place: Place) -> list[str]:
        """It has no rules to break."""
        del place
        return []


class Ours:
    """What both deliveries have in common."""

    schema: ClassVar = "squidie"
    done: ClassVar = "select count(*) from squidie.runs where status = 'completed'"

    def start(self, place: Place) -> float:
        """As a host does it that is connected already; the last bell is out when this returns."""
        squidie = workload.serving(place.database, self._delivery(place))
        try:
            squidie.ensure_schema()
            began = monotonic()
            workload.start(squidie, place.workflows)
            return monotonic() - began
        finally:
            squidie.close()

    def faults(self, place: Place) -> list[str]:
        """Every rule of the journal that is broken."""
        squidie = workload.serving(place.database)
        try:
            return violations(squidie.engine)
        finally:
            squidie.close()

    def _delivery(self, place: Place) -> Delivery:
        raise NotImplementedError


@dataclass(frozen=True)
class ThroughCelery(Ours):
    """`celery worker` with its usual pool; a bell is a message in Redis."""

    processes: int
    name: str = "squidie, Celery"

    def count_bells(self, place: Place) -> Callable[[], int]:
        """By the pushes that Redis has counted. Bells of an earlier repetition are thrown away."""
        if place.services.owns_redis:
            place.services.redis.flush()
        before = _pushes(place.services.redis_url)
        return lambda: _pushes(place.services.redis_url) - before

    def work(self, place: Place) -> Process:
        """One worker with as many children as there are processes."""
        concurrency, env = self.processes, place.environment
        return Worker("benchmarks.celery_app", concurrency=concurrency, name="bench", env=env, cwd=ROOT)

    def _delivery(self, place: Place) -> Delivery:
        return CeleryDelivery(create_app(place.services.redis_url, set_as_current=False))


@dataclass(frozen=True)
class ThroughNotify(Ours):
    """`squidie worker`; a bell is a NOTIFY, and there is no broker."""

    processes: int
    name: str = "squidie, notify"

    def count_bells(self, place: Place) -> Callable[[], int]:
        """By listening too."""
        ear = postgres.connect(place.database, postgres.EAR)
        ear.execute("listen squidie")

        def heard() -> int:
            with ear:
                return sum(1 for _ in ear.notifies(timeout=0.1))

        return heard

    def work(self, place: Place) -> Process:
        """Its command line, in this very interpreter."""
        command = [sys.executable, "-c", COMMAND_LINE, "worker", "-c", str(self.processes)]
        return Process(command, name="bench", env=place.environment, cwd=ROOT)

    def _delivery(self, place: Place) -> Delivery:
        del place
        return NotifyDelivery()


CONTENDERS: tuple[Contender, ...] = (
    Floor("loop-step", "step", 10),
    Floor(FLOOR, "group", 32),
    Floor("loop-document32", "document", 32),
    ThroughCelery(1),
    ThroughCelery(2),
    ThroughNotify(1),
    ThroughNotify(2),
)


def _pushes(url: str) -> int:
    """How many messages this Redis has ever been given."""
    with redis.Redis(host=urlsplit(url).hostname or "", port=urlsplit(url).port or 6379) as connection:
        told: dict[str, dict[str, int]] = connection.info("commandstats")
    return int(told.get("cmdstat_lpush", {}).get("calls", 0))
