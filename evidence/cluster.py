"""A cluster to do harm to: one Postgres, one Redis, any number of workers and beats, each ended by its own pid.

`env` is told to all of them, and decides which workflows the harness itself knows.

    with Cluster("celery") as cluster:
        worker = cluster.worker("w1", queues=["q"], failpoints="step.after=kill")
        run = cluster.squidie.start("Plain", {}, queue="q")

Everything is on loopback or a Unix socket, in a private temp folder, and gone in the end, however that comes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from evidence import effects, hosting
from squidie import failpoints, migrate
from squidie.errors import Unavailable
from squidie.testing import Beat, Process, Services, Worker, eventually
from squidie.testing.guard import guard
from squidie_celery import CeleryDelivery, create_app
from squidie_notify import NotifyDelivery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from squidie import Run, Squidie
    from squidie.delivery import Delivery

ROOT = Path(__file__).parents[1]
APP = "evidence.app"
READY = 60.0
CONNECTIONS = "600"
"""Thirty workers at a time, each with its children, its sweeper, its ear and its bells."""

Kind = Literal["celery", "notify"]


class Hit(NamedTuple):
    """One line of a failpoint's log: what really happened, to whom, and when by `time.monotonic()`."""

    point: str
    action: str
    number: int
    pid: int
    at: float


class Node:
    """A process of the cluster, with what it has been armed with, and what of that has come about."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process, self._log = process, log
        self.is_wanted = True

    @property
    def name(self) -> str:
        """What its log is called, too."""
        return self.process.name

    @property
    def pid(self) -> int:
        """The main process."""
        return self.process.pid

    def hits(self, point: str | None = None) -> list[Hit]:
        """The actions so far, at this point or at any."""
        lines = self._log.read_text("ascii").splitlines() if self._log.exists() else []
        words = [line.split() for line in lines]
        found = [Hit(w[0], w[1], int(w[2]), int(w[3]), float(w[4])) for w in words if len(w) == 5]
        return [hit for hit in found if point is None or hit.point == point]

    def hit(self, point: str, within: float = 20.0) -> Hit:
        """Wait until that action has come about here."""

        def why() -> str:
            return f"{point} was not hit in {self.name}; its log ends:\n{tail(self.process)}"

        return eventually(lambda: self.hits(point), within, every=0.005, why=why)[-1]

    def kill(self) -> None:
        """SIGKILL to the main process and all its children at once."""
        self.is_wanted = False
        self.process.kill()

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM to the main process; the exit code."""
        self.is_wanted = False
        return self.process.stop(timeout)

    def freeze(self) -> None:
        """SIGSTOP for all of it."""
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT for all of it, also for a child that a failpoint has stopped."""
        self.process.send(signal.SIGCONT)

    def ready(self) -> Self:
        """Wait until it works."""
        if isinstance(self.process, Worker):
            self.process.wait_ready(READY)
        elif not isinstance(self.process, Beat):
            self.process.wait_for(" serves ", READY)
        else:
            self.process.wait_for("beat: Starting", READY)
        return self


class Cluster:
    """The servers, the processes, and the harness' own `squidie` that starts runs and asks after them."""

    def __init__(self, kind: Kind = "celery", *, env: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._env = dict(env or {})
        self.nodes: list[Node] = []
        self._numbers = count(1)
        self.folder = guard.folder("evidence-")
        for name in ("SQUIDIE_DATABASE_URL", "SQUIDIE_REDIS_URL"):
            os.environ.pop(name, None)  # servers of somebody else's are not killed
        self.services = Services.start(redis=kind == "celery", settings={"max_connections": CONNECTIONS})
        self.effects_url = self.services.new_database()
        self.effects = effects.Effects(self.effects_url)
        self.effects.prepare()
        self._template = self.services.new_database()
        migrate.upgrade(self._template)
        hosting.prepare(self._template)
        self.database_url = self.services.new_database(template=self._template)
        self.squidie = hosting.serving(self.database_url, self._delivery(), self._env)

    def renew(self) -> None:
        """A journal of its own, and an empty Redis, for what is played next; processes still have the one before."""
        self.squidie.close()
        if self.kind == "celery":
            self.services.redis.flush()
        self.database_url = self.services.new_database(template=self._template)
        self.squidie = hosting.serving(self.database_url, self._delivery(), self._env)

    def worker(
        self,
        name: str | None = None,
        *,
        queues: Iterable[str] = ("default",),
        concurrency: int = 1,
        armed: str = "",
        acks: Literal["early", "late"] = "early",
        settings: dict[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Node:
        """Start a worker, perhaps with failpoints; `ready()` waits for it."""
        name = name or f"worker{next(self._numbers)}"
        told = self._environment(name, armed) | {"EVIDENCE_ACKS": acks, **(env or {})}
        if settings:
            told["EVIDENCE_SETTINGS"] = json.dumps(settings)
        log = self.folder / f"{name}.log"
        if self.kind == "celery":
            process: Process = Worker(
                APP, queues=list(queues), concurrency=concurrency, name=name, env=told, cwd=ROOT, log=log
            )
        else:
            squidie = str(Path(sys.executable).with_name("squidie"))
            command = [squidie, "worker", "-Q", ",".join(queues), "-c", str(concurrency)]
            process = Process(command, name=name, env=told, cwd=ROOT, log=log)
        return self._keep(process)

    def beat(self, name: str | None = None, *, armed: str = "", env: Mapping[str, str] | None = None) -> Node:
        """Start a beat."""
        name = name or f"beat{next(self._numbers)}"
        told = self._environment(name, armed) | dict(env or {})
        log = self.folder / f"{name}.log"
        return self._keep(
            Beat(APP, "-s", str(self.folder / f"{name}.schedule"), name=name, env=told, cwd=ROOT, log=log)
        )

    def host(self, run_id: str, queue: str, armed: str = "") -> Node:
        """A host's process that starts this run in a transaction of its own, and ends."""
        name = f"host{next(self._numbers)}"
        command = [sys.executable, "-m", "evidence.host", run_id, queue]
        told = self._environment(name, armed)
        node = self._keep(Process(command, name=name, env=told, cwd=ROOT, log=self.folder / f"{name}.log"))
        node.is_wanted = False
        return node

    @contextmanager
    def client(
        self, *, redis_url: str | None = None, database_url: str | None = None, release: str = ""
    ) -> Iterator[Squidie]:
        """Another `squidie` that starts runs and asks after them: through a wire perhaps, or of one release."""
        squidie = hosting.serving(database_url or self.database_url, self._delivery(redis_url), release=release)
        try:
            yield squidie
        finally:
            squidie.close()

    def read(self, sql: str, **given: Any) -> Sequence[Any]:
        """Rows of the journal's database, as soon as it answers."""
        deadline = time.monotonic() + READY
        while True:
            try:
                with self.squidie.engine.connect() as connection:
                    return connection.execute(text(sql), given).all()
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def bounce(self, component: Literal["redis", "postgres"], manner: Literal["stop", "kill"]) -> None:
        """End a server in good order, or by SIGKILL, and start it again; all that Redis had in it is lost."""
        server: Any = getattr(self.services, component)
        server.stop() if manner == "stop" else server.kill()
        server.start()

    def dead(self) -> list[str]:
        """Processes that should be alive and are not."""
        return [node.name for node in self.nodes if node.is_wanted and not node.process.is_alive()]

    def retire(self, nodes: Sequence[Node]) -> None:
        """End processes that have done their part, all at the same time."""
        for node in nodes:
            node.is_wanted = False
            node.thaw()
        for node in nodes:
            node.process.kill()

    def refused(self, nodes: Iterable[Node] | None = None) -> int:
        """How often a fence has refused an outcome, by the logs of these processes or of all."""
        chosen = self.nodes if nodes is None else nodes
        return sum(node.process.log_text().count("an outcome was not taken") for node in chosen)

    def heal(self) -> None:
        """Whatever was stopped or frozen goes on."""
        self.services.postgres.start()
        if self.kind == "celery":
            self.services.redis.thaw()
            self.services.redis.start()
        for node in self.nodes:
            if node.is_wanted:
                node.thaw()

    def logs(self) -> str:
        """The ends of all logs, for whoever has to find out."""
        return "\n".join(f"--- {node.name} ({node.process.exit_code})\n{tail(node.process)}" for node in self.nodes)

    def close(self) -> None:
        """Everything ends."""
        with suppress(Exception):
            self.retire(self.nodes)
        with suppress(Exception):
            self.squidie.close()
        self.effects.close()
        self.services.close()
        guard.remove(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, process: Process) -> Node:
        node = Node(process, self.folder / f"{process.name}.hits")
        self.nodes.append(node)
        return node

    def _delivery(self, redis_url: str | None = None) -> Delivery:
        if self.kind == "notify":
            return NotifyDelivery()
        return CeleryDelivery(create_app(redis_url or self.services.redis_url, set_as_current=False))

    def _environment(self, name: str, armed: str) -> dict[str, str]:
        told = {
            "SQUIDIE_DATABASE_URL": self.database_url,
            effects.URL: self.effects_url,
            "SQUIDIE_APP": f"{APP}:squidie",
            "SQUIDIE_BOOT": "",  # each a tree of its own, as on another machine
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "backends"))),
            "PYTHONFAULTHANDLER": "1",
        }
        if self.kind == "celery":
            told["SQUIDIE_REDIS_URL"] = self.services.redis_url
        told |= self._env
        if armed:
            log = str(self.folder / f"{name}.hits")
            told |= {failpoints.SWITCH: "1", failpoints.VARIABLE: armed, failpoints.LOG: log}
        return told


def outcome(run: Run, patience: float = 30.0) -> Any:
    """The run's output, however often Postgres goes away meanwhile: a connection of ours that broke is made anew.

    Raises `RunUnsuccessful`, or `WaitTimeout` after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return run.result(max(0.1, deadline - time.monotonic()))
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def tail(process: Process, lines: int = 30) -> str:
    """The end of its log."""
    return "\n".join(process.log_text().splitlines()[-lines:])
