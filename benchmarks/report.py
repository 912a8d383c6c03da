"""What was measured: a table for people, one line of JSON for programs."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from benchmarks.contenders import FLOOR
from benchmarks.workload import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from benchmarks.contenders import Contender
    from benchmarks.trial import Trial

SCHEMA = "squidie.bench/1"
NOISY = 0.5
"""Cores used by others from which on a repetition says little."""
WIDTH = 160


class Line(NamedTuple):
    """One figure: how it is called, how it is written, what Squidie should reach."""

    figure: str
    label: str
    digits: int = 0
    goal: str = ""


LINES = (
    Line("workflows_per_s", "workflows/s"),
    Line("of_the_floor", f"% of {FLOOR}", 0, "≥ 60"),
    Line("steps_per_s", "steps/s"),
    Line("commits_per_workflow", "commits a workflow", 2, "≤ 1"),
    Line("syncs_per_workflow", "forced writes a workflow", 2),
    Line("wal_bytes_per_workflow", "WAL bytes a workflow", 0, "≤ 7500"),
    Line("facts_per_workflow", "facts a workflow", 2, "7"),
    Line("rows_per_workflow", "rows a workflow", 2, "≤ 8"),
    Line("bells_per_workflow", "bells a workflow", 3),
    Line("worker_us_per_step", "worker µs a step", 0, "≤ 120"),
    Line("postgres_us_per_step", "Postgres µs a step", 0, "≤ 100"),
    Line("peak_mib", "peak MiB of a process"),
    Line("starts_per_s", "start_many/s", 0, "≥ 10000"),
    Line("calls_per_step", "calls a step", 2, "1"),
)


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


@dataclass(slots=True)
class Series:
    """All repetitions: a list of trials a round, and how fast the machine committed before each round."""

    workflows: int
    postgres: str = ""
    rounds: list[list[Trial]] = field(default_factory=list)
    commits_per_s: list[float] = field(default_factory=list)

    def trials(self) -> list[Trial]:
        """Of every round."""
        return [trial for each in self.rounds for trial in each]

    def contenders(self) -> list[Contender]:
        """In the order in which they ran."""
        return list(dict.fromkeys(trial.contender for trial in self.trials()))

    def disturbed(self) -> list[Trial]:
        """Those beside which others kept the machine busy."""
        return [trial for trial in self.trials() if (trial.elsewhere or 0.0) > NOISY]

    def of(self, contender: Contender) -> list[Trial]:
        """Its undisturbed trials; all of them, if none was left alone."""
        mine = [trial for trial in self.trials() if trial.contender == contender]
        quiet = [trial for trial in mine if (trial.elsewhere or 0.0) <= NOISY]
        return quiet or mine

    def faults(self) -> list[str]:
        """Everything that is wrong with what was written."""
        return [fault for trial in self.trials() for fault in trial.faults]

    def compare(self) -> None:
        """Put each trial beside the floor of its own round."""
        for each in self.rounds:
            floor = next((t.figures["workflows_per_s"] for t in each if t.contender.name == FLOOR), None)
            for trial in each:
                rate = trial.figures["workflows_per_s"]
                trial.figures["of_the_floor"] = 100 * rate / floor if floor and rate else None


def spreads(series: Series, contender: Contender) -> dict[str, Spread | None]:
    """A contender's figures over its repetitions."""
    trials = series.of(contender)
    return {line.figure: Spread.of(trial.figures[line.figure] for trial in trials) for line in LINES}


def show(series: Series, console: Console) -> None:
    """The table, what to think of it, and what is broken."""
    console.print(_table(series))
    calibration = Spread.of(series.commits_per_s)
    rate = calibration.text(0) if calibration else "?"
    console.print(f"{rate} commits/s on one connection, {os.cpu_count()} cores, PostgreSQL {series.postgres}")
    disturbed = f"{len(series.disturbed())} of {len(series.trials())} repetitions"
    if series.disturbed():
        console.print(f"[yellow]Noise: others used more than {NOISY:g} cores beside {disturbed}.[/]")
        console.print("[yellow]They count only for contenders that have no other. Measure again when it is quiet.[/]")
    for fault in series.faults()[:20]:
        console.print(f"[red]BROKEN {fault}[/]")


def _table(series: Series) -> Table:
    repetitions = f"median and extremes of {len(series.rounds)}"
    table = Table(title=f"W1: {series.workflows} workflows of {STEPS} steps, {repetitions}")
    table.add_column("", no_wrap=True)
    columns = series.contenders()
    for contender in columns:
        count = "1 process" if contender.processes == 1 else f"{contender.processes} processes"
        table.add_column(f"{contender.name}\n{count}", justify="right")
    table.add_column("goal", justify="right")
    found = {contender: spreads(series, contender) for contender in columns}
    for line in LINES:
        cells = [spread.text(line.digits) if (spread := found[each][line.figure]) else "-" for each in columns]
        table.add_row(line.label, *cells, line.goal)
    return table


def document(series: Series) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": SCHEMA,
        "workload": "w1",
        "workflows": series.workflows,
        "steps": STEPS,
        "repeat": len(series.rounds),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "postgres": series.postgres,
            "commits_per_s": _plain(Spread.of(series.commits_per_s)),
        },
        "disturbed": len(series.disturbed()),
        "contenders": [_entry(series, contender) for contender in series.contenders()],
        "violations": series.faults(),
    }


def _entry(series: Series, contender: Contender) -> dict[str, Any]:
    figures = {name: _plain(spread) for name, spread in spreads(series, contender).items()}
    return {"name": contender.name, "processes": contender.processes, "figures": figures}


def _plain(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else {name: round(value, 4) for name, value in spread._asdict().items()}
