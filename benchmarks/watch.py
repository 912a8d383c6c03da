"""What was used while something went on: by the workers, Postgres, the broker, this program, and everybody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import proc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contenders import Contender, Crew, Place
    from squidie.testing import Services

Figures = dict[str, float | None]


@dataclass(slots=True)
class Trial:
    """One repetition of one contender. `elsewhere` is how many cores somebody else used meanwhile.

    `failure` is why there are no figures, in one line.
    """

    contender: Contender
    figures: Figures
    elsewhere: float | None = None
    faults: list[str] = field(default_factory=list)
    failure: str | None = None


class Cpu(NamedTuple):
    """Seconds used so far."""

    workers: float | None
    postgres: float | None
    broker: float | None
    ours: float | None
    machine: float | None

    def since(self, before: Cpu) -> Cpu:
        """What was used in between."""
        return Cpu(*(None if a is None or b is None else a - b for a, b in zip(self, before, strict=True)))

    def elsewhere(self, seconds: float) -> float | None:
        """Cores that none of these used."""
        if self.machine is None:
            return None
        known = (self.workers, self.postgres, self.broker, self.ours)
        return max(0.0, self.machine - sum(each or 0.0 for each in known)) / seconds


class Stopwatch:
    """From its making on: seconds, and what they have cost."""

    def __init__(self, place: Place, crew: Crew | None) -> None:
        self._services, self._crew = place.services, crew
        self._began, self._cpu = monotonic(), used(place.services, crew)

    def read(self) -> tuple[float, Cpu]:
        """Seconds, and CPU seconds."""
        return monotonic() - self._began, used(self._services, self._crew).since(self._cpu)


def used(services: Services, crew: Crew | None) -> Cpu:
    """What processes say they have used, those that have ended among them."""
    workers = [proc.cpu_seconds(pid) for pid in crew.pids] if crew else [0.0]
    return Cpu(
        None if None in workers else sum(each or 0.0 for each in workers),
        proc.cpu_seconds(services.postgres.pid) if services.owns_postgres else None,
        proc.cpu_seconds(services.redis.pid) if services.owns_redis else None,
        proc.own_seconds(),
        proc.busy_seconds(),
    )


def quantile(values: Sequence[float], part: float) -> float:
    """The value that so many of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]


def middle(values: Sequence[float]) -> float:
    """Half of them are no larger."""
    return float(median(values))


def micros(seconds: float | None, parts: float) -> float | None:
    """Microseconds of each part."""
    return None if seconds is None else seconds / parts * 1e6
