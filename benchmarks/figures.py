"""What is measured, as data: the figures of a workload, what Squidie should reach, and whom it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.contenders import Ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.contenders import Contender, Place
    from benchmarks.watch import Trial


class Goal(NamedTuple):
    """What Squidie should reach, at least or at most."""

    limit: float
    is_most: bool = True

    def is_met(self, value: float) -> bool:
        """Whether a median reaches it."""
        return value <= self.limit if self.is_most else value >= self.limit

    def text(self) -> str:
        """As it stands in the table."""
        return f"{'≤' if self.is_most else '≥'} {self.limit:g}"


def at_most(limit: float) -> Goal:
    """No more than that."""
    return Goal(limit)


def at_least(limit: float) -> Goal:
    """No less than that."""
    return Goal(limit, is_most=False)


class Line(NamedTuple):
    """One figure: how it is called, how it is written, what Squidie should reach."""

    figure: str
    label: str
    digits: int = 0
    goal: Goal | None = None


class Against(NamedTuple):
    """A figure divided by that of another contender in the same round, times `scale`."""

    name: str
    figure: str
    other: str
    scale: float = 1.0


@dataclass(frozen=True)
class Workload:
    """What is done, by whom, how often, and what is read from it. `size` is for a scale of 1.

    `by_rate` says that a slow contender may be given a part of the size.
    """

    name: str
    title: str
    size: int
    lines: tuple[Line, ...]
    attempt: Callable[[Contender, Place], Trial]
    contenders: tuple[Contender, ...]
    against: tuple[Against, ...] = ()
    repeat: int = 3
    scales: bool = True
    by_rate: bool = False
    note: str = ""

    def scaled(self, scale: float) -> Workload:
        """So many times as large, and what fills a journal before it."""
        size = max(1, int(self.size * scale)) if self.scales else self.size
        contenders = (each.scaled(scale) if hasattr(each, "scaled") else each for each in self.contenders)
        return replace(self, size=size, contenders=tuple(contenders))


class Spread(NamedTuple):
    """Several measurements of one figure."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """Of what was measured; None where nothing was."""
        known = [value for value in values if value is not None]
        return cls(median(known), min(known), max(known)) if known else None

    def text(self, digits: int) -> str:
        """The median, with the extremes where they look different."""
        middle, least, most = (f"{value:.{digits}f}" for value in self)
        return middle if least == most else f"{middle}  [dim]{least}-{most}[/]"


def is_ours(contender: Contender) -> bool:
    """Whether the goals are its."""
    return isinstance(contender, Ours)


def compare(trials: list[Trial], against: Iterable[Against]) -> None:
    """Put each trial of a round beside the others of its round."""
    for each in against:
        for trial in trials:
            other, value = _of(trials, each, trial.contender.processes), trial.figures.get(each.figure)
            trial.figures[each.name] = each.scale * value / other if other and value is not None else None


def _of(trials: list[Trial], against: Against, processes: int) -> float | None:
    """What the other one has reached, with as many processes where it ran with several numbers of them."""
    others = [trial for trial in trials if trial.contender.name == against.other]
    alike = [trial for trial in others if trial.contender.processes == processes] or others
    return next((trial.figures.get(against.figure) for trial in alike), None)
