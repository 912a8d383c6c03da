"""Who is measured: how each one's runs are started, who works them off, and how to see that all have ended."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self
from urllib.parse import urlsplit

import redis

from benchmarks import floors, marks, postgres, solo, workload
from squidie.testing import Process, Services, Worker
from squidie.testing.invariants import violations
from squidie_celery import CeleryDelivery, create_app
from squidie_notify import NotifyDelivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from squidie import Squidie
    from squidie.delivery import Delivery

ROOT = Path(__file__).parents[1]
COMMAND_LINE = "import sys; from squidie.cli import main; sys.exit(main())"
FLOOR = "loop-group32"
"""What the others are compared with."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one repetition happens: the servers, a database of its own, the folder of its marks, and how large it is.

    `schema` is where Squidie's journal is looked at after it; `moments` asks workers for the moment of each step,
    `is_wide` tells them that parallel steps will come.
    """

    services: Services
    database: str
    marks: Path
    size: int
    schema: str = "squidie"
    moments: bool = False
    is_wide: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """What a worker is told."""
        given = {"SQUIDIE_DATABASE_URL": self.database, marks.FOLDER: str(self.marks)}
        given |= {marks.ONE_AT_A_TIME: "1"} if self.moments else {}
        given |= {marks.SIDE_BY_SIDE: "1"} if self.is_wide else {}
        return given | {"SQUIDIE_REDIS_URL": self.services.redis_url, "SQUIDIE_APP": "benchmarks.notify_app:squidie"}


class Crew:
    """The processes that work together, as one."""

    def __init__(self, *members: Process) -> None:
        self.members = members

    @property
    def pids(self) -> list[int]:
        """Of those that were started; their children are found by them."""
        return [each.pid for each in self.members]

    def dead(self) -> Process | None:
        """One that has ended by itself."""
        return next((each for each in self.members if each.exit_code is not None), None)

    def said(self) -> str:
        """The end of what each has written."""
        return "\n".join(line for each in self.members for line in each.log_text().splitlines()[-20:])

    def stop(self) -> None:
        """In good order, all of them at once."""
        for each in self.members[1:]:
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGTERM)
        for each in self.members:
            each.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.members:
            each.close()


class Contender(Protocol):
    """One way to get the workload done."""

    @property
    def schema(self) -> str:
        """Where its rows are counted."""

    @property
    def name(self) -> str:
        """How it is called in the table."""

    @property
    def processes(self) -> int:
        """How many run steps."""

    @property
    def done(self) -> str | None:
        """Asks how many workflows have ended; None where no database knows."""

    def prepare(self, place: Place) -> None:
        """Make its tables."""

    def count_bells(self, place: Place) -> Callable[[], int] | None:
        """Begin to count messages; the call says how many there were. None where there are no messages."""

    def start(self, place: Place) -> float:
        """Put every run on disk; the seconds that the calls took."""

    def work(self, place: Place) -> Crew:
        """Start the workers."""

    def solo(self, place: Place) -> dict[str, Any]:
        """So many workflows, one at a time."""

    def wide(self, place: Place) -> dict[str, Any]:
        """One workflow of so many parallel steps."""

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

    def prepare(self, place: Place) -> None:
        """Two tables."""
        with postgres.connect(place.database) as connection:
            floors.prepare(connection)

    def count_bells(self, place: Place) -> None:
        """There are none."""

    def start(self, place: Place) -> float:
        """One statement for all: a loop's starts are not what is measured."""
        with postgres.connect(place.database) as connection:
            began = monotonic()
            floors.start(connection, place.size)
            return monotonic() - began

    def work(self, place: Place) -> Crew:
        """One process."""
        command = [sys.executable, "-m", "benchmarks.floors", self.kind, str(self.size)]
        return Crew(Process(command, name=self.name, env=place.environment, cwd=ROOT))

    def solo(self, place: Place) -> dict[str, Any]:
        """A row and a notification start it."""
        with _asking(place, floors.IS_DONE) as (connection, is_done):
            return solo.one_at_a_time(place.marks, place.size, lambda n: floors.start_one(connection, n + 1), is_done)

    def wide(self, place: Place) -> dict[str, Any]:
        """The same, of a run that the loop takes for one of parallel steps."""
        with _asking(place, floors.IS_DONE) as (connection, is_done):
            return solo.wide(place.size, lambda width: floors.start_one(connection, width), is_done)

    def faults(self, place: Place) -> list[str]:
        """It has no rules to break."""
        del place
        return []


class Ours:
    """What both deliveries have in common."""

    schema: ClassVar = "squidie"
    done: ClassVar = "select count(*) from squidie.runs where status = 'completed'"
    is_done: ClassVar = "select status = 'completed' from squidie.runs where run_id = %s"

    def prepare(self, place: Place) -> None:
        """The database was made from one with the schema."""

    def start(self, place: Place) -> float:
        """As a host does it that is connected already; the last bell is out when this returns."""
        with self.client(place) as squidie:
            began = monotonic()
            workload.start(squidie, place.size)
            return monotonic() - began

    def solo(self, place: Place) -> dict[str, Any]:
        """`start`, and a look into the table of runs."""
        with self.client(place) as squidie, _asking(place, self.is_done) as (_, is_done):
            return solo.one_at_a_time(
                place.marks, place.size, lambda n: squidie.start(workload.Five, workload.order(n)).id, is_done
            )

    def wide(self, place: Place) -> dict[str, Any]:
        """The start of a workflow that is declared just before."""
        declared = {width: workload.wide(width) for width in (place.size // 5, place.size)}
        with self.client(place, *declared.values()) as squidie, _asking(place, self.is_done) as (_, is_done):
            return solo.wide(place.size, lambda width: squidie.start(declared[width]).id, is_done)

    def faults(self, place: Place) -> list[str]:
        """Every rule of the journal that is broken."""
        squidie = workload.serving(place.database)
        try:
            return violations(squidie.engine, place.schema)
        finally:
            squidie.close()

    @contextmanager
    def client(self, place: Place, *more: Any) -> Iterator[Squidie]:
        """Somebody who starts runs, connected already."""
        squidie = workload.serving(place.database, self._delivery(place), more)
        try:
            squidie.ensure_schema()
            yield squidie
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

    def work(self, place: Place) -> Crew:
        """One worker with as many children as there are processes."""
        concurrency, env = self.processes, place.environment
        return Crew(Worker("benchmarks.celery_app", concurrency=concurrency, name="bench", env=env, cwd=ROOT))

    def _delivery(self, place: Place) -> Delivery:
        return CeleryDelivery(create_app(place.services.redis_url, set_as_current=False))


@dataclass(frozen=True)
class ThroughNotify(Ours):
    """`squidie worker`; a bell is a NOTIFY, and there is no broker."""

    processes: int
    name: str = "squidie, notify"
    workers: int = 1

    def count_bells(self, place: Place) -> Callable[[], int]:
        """By listening too."""
        ear = postgres.connect(place.database, postgres.EAR)
        ear.execute("listen squidie")

        def heard() -> int:
            with ear:
                return sum(1 for _ in ear.notifies(timeout=0.1))

        return heard

    def work(self, place: Place) -> Crew:
        """Its command line, in this very interpreter."""
        command = [sys.executable, "-c", COMMAND_LINE, "worker", "-c", str(self.processes)]
        env = place.environment
        return Crew(*(Process(command, name=f"bench{n}", env=env, cwd=ROOT) for n in range(self.workers)))

    def _delivery(self, place: Place) -> Delivery:
        del place
        return NotifyDelivery()


BY_STEP = Floor("loop-step", "step", 10)
BY_GROUP = Floor(FLOOR, "group", 32)
BY_DOCUMENT = Floor("loop-document32", "document", 32)
LISTENING = Floor("loop-listen", "listen", 1)
WIDE = Floor("loop-wide", "wide", 32)
OURS = (ThroughCelery(1), ThroughNotify(1))


@contextmanager
def _asking(place: Place, question: str) -> Iterator[tuple[Any, Callable[[Any], bool]]]:
    """A connection, and whether the run of this id has ended."""
    with postgres.connect(place.database) as connection:
        yield connection, lambda run: bool(_first(connection.execute(question, [run]).fetchone()))


def _first(row: Sequence[Any] | None) -> Any:
    return row[0] if row is not None else None


def _pushes(url: str) -> int:
    """How many messages this Redis has ever been given."""
    with redis.Redis(host=urlsplit(url).hostname or "", port=urlsplit(url).port or 6379) as connection:
        told: dict[str, dict[str, int]] = connection.info("commandstats")
    return int(told.get("cmdstat_lpush", {}).get("calls", 0))
