"""What was measured: a table for people, one line of JSON for programs."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.figures import Spread, compare, is_ours
from benchmarks.noop import STEPS

if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.contenders import Contender
    from benchmarks.figures import Goal, Line, Workload
    from benchmarks.watch import Trial

SCHEMA = "squidie.bench/1"
NOISY = 0.5
"""Cores used by others from which on a repetition says little."""
WIDTH = 160
COLUMNS = 7
"""So many contenders stand in one table."""
MET, MISSED = "met", "missed"


@dataclass(slots=True)
class Series:
    """All repetitions of a workload: a list of trials a round, and how fast the machine committed before each."""

    workload: Workload
    postgres: str = ""
    rounds: list[list[Trial]] = field(default_factory=list)
    commits_per_s: list[float] = field(default_factory=list)
    limit_per_s: list[float] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Of each repetition."""
        return self.workload.size

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
        mine = [trial for trial in self.trials() if trial.contender == contender and trial.failure is None]
        quiet = [trial for trial in mine if (trial.elsewhere or 0.0) <= NOISY]
        return quiet or mine

    def faults(self) -> list[str]:
        """Everything that is wrong with what was written, and each failure of Squidie's own."""
        failed = [t.failure for t in self.trials() if t.failure is not None and is_ours(t.contender)]
        return [fault for trial in self.trials() for fault in trial.faults] + failed

    def failures(self) -> dict[str, str]:
        """Why a contender has no figures, by its name."""
        return {each.contender.name: each.failure for each in self.trials() if each.failure is not None}

    def compare(self) -> None:
        """Put each trial beside the others of its own round."""
        for each in self.rounds:
            compare(each, self.workload.against)


def spreads(series: Series, contender: Contender) -> dict[str, Spread | None]:
    """A contender's figures over its repetitions."""
    trials = series.of(contender)
    return {line.figure: Spread.of(t.figures.get(line.figure) for t in trials) for line in series.workload.lines}


def verdict(goal: Goal | None, ours: list[float]) -> str:
    """Whether the medians of Squidie's columns reach the goal; nothing where there is none, or nothing was measured."""
    if goal is None or not ours:
        return ""
    met = sum(map(goal.is_met, ours))
    return MET if met == len(ours) else f"{met} of {len(ours)} {MET}" if met else MISSED


def show(series: Series, console: Console) -> None:
    """The table, what to think of it, and what is broken."""
    columns = series.contenders()
    for begin in range(0, len(columns), COLUMNS):
        console.print(_table(series, columns[begin : begin + COLUMNS]))
    calibration = Spread.of(series.commits_per_s)
    rate = calibration.text(0) if calibration else "?"
    most = Spread.of(series.limit_per_s)
    limit = f", {most.text(0)} through pgbench's eight" if most else ""
    console.print(f"{rate} commits/s on one connection{limit}, {os.cpu_count()} cores, PostgreSQL {series.postgres}")
    if series.workload.note:
        console.print(f"[dim]{series.workload.note}[/]")
    for name, why in series.failures().items():
        console.print(f"[yellow]{name} has failed:[/] {why}", markup=True, highlight=False)
    disturbed = f"{len(series.disturbed())} of {len(series.trials())} repetitions"
    if series.disturbed():
        console.print(f"[yellow]Noise: others used more than {NOISY:g} cores beside {disturbed}.[/]")
        console.print("[yellow]They count only for contenders that have no other. Measure again when it is quiet.[/]")
    for fault in series.faults()[:20]:
        console.print(f"[red]BROKEN {fault}[/]")


def _table(series: Series, columns: list[Contender]) -> Table:
    repetitions = f"median and extremes of {len(series.rounds)}" if len(series.rounds) > 1 else "measured once"
    table = Table(title=f"{series.workload.name}: {series.workload.title.format(size=series.size)}; {repetitions}")
    table.add_column("", no_wrap=True)
    for contender in columns:
        count = "1 process" if contender.processes == 1 else f"{contender.processes} processes"
        table.add_column(f"{contender.name}\n{count}", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    found = {contender: spreads(series, contender) for contender in columns}
    for line in series.workload.lines:
        cells = [spread.text(line.digits) if (spread := found[each][line.figure]) else "-" for each in columns]
        table.add_row(line.label, *cells, line.goal.text() if line.goal else "", _judged(series, line))
    return table


def _judged(series: Series, line: Line) -> str:
    ours = [spreads(series, each)[line.figure] for each in series.contenders() if is_ours(each)]
    return verdict(line.goal, [each.median for each in ours if each is not None])


def document(series: Series) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": SCHEMA,
        "workload": series.workload.name.lower(),
        "title": series.workload.title.format(size=series.size),
        "size": series.size,
        "steps": STEPS,
        "repeat": len(series.rounds),
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "postgres": series.postgres,
            "commits_per_s": _plain(Spread.of(series.commits_per_s)),
            "pgbench_per_s": _plain(Spread.of(series.limit_per_s)),
        },
        "disturbed": len(series.disturbed()),
        "repetitions": len(series.trials()),
        "lines": [_described(series, line) for line in series.workload.lines],
        "contenders": [_entry(series, contender) for contender in series.contenders()],
        "note": series.workload.note,
        "failures": series.failures(),
        "violations": series.faults(),
    }


def whole(found: list[Series], command: str, scale: float) -> dict[str, Any]:
    """All workloads of one command."""
    return {"schema": SCHEMA, "command": command, "scale": scale, "workloads": [document(each) for each in found]}


def _described(series: Series, line: Line) -> dict[str, Any]:
    goal = line.goal.text() if line.goal else ""
    return {
        "figure": line.figure,
        "label": line.label,
        "digits": line.digits,
        "goal": goal,
        "verdict": _judged(series, line),
    }


def _entry(series: Series, contender: Contender) -> dict[str, Any]:
    figures = {name: _plain(spread) for name, spread in spreads(series, contender).items()}
    return {
        "name": contender.name,
        "processes": contender.processes,
        "ours": is_ours(contender),
        "figures": figures,
    }


def _plain(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else {name: round(value, 4) for name, value in spread._asdict().items()}
