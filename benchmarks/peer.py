"""A peer as a contender: a driver of ours in `peers/`, run by an interpreter that has the peer installed."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import ROOT, Crew
from squidie.testing import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contenders import Place

LIMIT = 300.0
"""Seconds that one call of a driver may take."""
ALL = frozenset({"W1", "W2", "W3", "W5"})


@dataclass(frozen=True, slots=True)
class Peer:
    """`python -m benchmarks.peers.<driver> VERB MODE` in an environment of its own.

    `pool` says that one worker has all the processes, as Celery's has; else each process is a worker. `can` names
    the workloads it has an answer to. A slow one is given a `part` of the size only: its rate is the same all along.
    `missing` is why it could not be installed.
    """

    name: str
    driver: str
    python: str
    mode: str = "tuned"
    schema: str = "public"
    done: str | None = None
    processes: int = 1
    pool: bool = False
    can: frozenset[str] = ALL
    part: float = 1.0
    missing: str = ""

    def prepare(self, place: Place) -> None:
        """Its tables, its queues, an empty broker."""
        if self.missing:
            raise AssertionError(self.missing)
        if place.services.owns_redis:
            place.services.redis.flush()
        self._ask(place, "prepare")

    def count_bells(self, place: Place) -> Callable[[], int] | None:
        """Not counted."""

    def start(self, place: Place) -> float:
        """One call each: what there is of many starts in one is not for all of them."""
        return float(self._ask(place, "start", place.size)["seconds"])

    def work(self, place: Place) -> Crew:
        """Its own workers."""
        workers, each = (1, self.processes) if self.pool else (self.processes, 1)
        command = self._command("work", each)
        env = self._environment(place)
        return Crew(*(Process(command, name=f"{self.driver}{n}", env=env, cwd=ROOT) for n in range(workers)))

    def solo(self, place: Place) -> dict[str, Any]:
        """One at a time, by a program of its own."""
        return self._ask(place, "solo", place.size)

    def wide(self, place: Place) -> dict[str, Any]:
        """Parallel steps, as it has them."""
        return self._ask(place, "wide", place.size)

    def faults(self, place: Place) -> list[str]:
        """Its rules are not ours to judge."""
        del place
        return []

    def _ask(self, place: Place, verb: str, *more: object) -> dict[str, Any]:
        asked = subprocess.run(
            self._command(verb, *more),
            env={**os.environ, **self._environment(place)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        answers = [line for line in asked.stdout.splitlines() if line.startswith("{")]
        if asked.returncode != 0 or not answers:
            said = (asked.stderr or asked.stdout).strip().splitlines()[-1:] or ["nothing"]
            raise AssertionError(f"{verb} ended with {asked.returncode} and said: {said[0]}")
        told: dict[str, Any] = json.loads(answers[-1])
        return told

    def _command(self, verb: str, *more: object) -> list[str]:
        return [self.python, "-m", f"benchmarks.peers.{self.driver}", verb, self.mode, *map(str, more)]

    def _environment(self, place: Place) -> dict[str, str]:
        return place.environment | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
