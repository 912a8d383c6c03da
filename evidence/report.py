"""What came of it: one JSON line a scenario, a table in the end, the numbers in a file, and an exit code."""

from __future__ import annotations

import faulthandler
import json
import math
import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidence.checks import Findings

LATEST = Path(__file__).parent / "latest.json"
OVER_CAP = 3


@dataclass(slots=True)
class Row:
    """One scenario. `hits` are the faults that really happened; a scenario that wanted one and had none has failed."""

    scenario: str
    seed: int = 0
    held: bool = True
    runs: int = 0
    effects: int = 0
    again: int = 0
    outcomes: int = 0
    released: int = 0
    expired: int = 0
    erased: int = 0
    refused: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    recovery: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def hit(self, what: str, times: int = 1) -> None:
        """A fault has really happened."""
        self.hits[what] = self.hits.get(what, 0) + times

    def expect(self, holds: object, what: str) -> None:
        """Write down what is not as it must be, and go on."""
        if not holds:
            self.why.append(what)

    def take(self, found: Findings) -> None:
        """The checks of the runs of this scenario."""
        self.effects += found.effects
        self.again += found.again
        self.outcomes += found.outcomes
        self.released += found.released
        self.expired += found.expired
        self.erased += found.erased
        self.violations += found.wrong

    def judge(self, wrong: list[str]) -> None:
        """The checks of the cluster."""
        self.stuck += [line for line in wrong if line.startswith("stuck")]
        self.violations += [line for line in wrong if not line.startswith("stuck")]


def percentile(values: list[float], share: float) -> float:
    """By the nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


class Report:
    """Collects rows, from any thread."""

    def __init__(self, command: str, seed: int, cap: float) -> None:
        self._command, self._seed, self._cap = command, seed, cap
        self._rows: list[Row] = []
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self.numbers: dict[str, Any] = {}

    @contextmanager
    def scenario(self, name: str, *, wants_hit: bool = True) -> Iterator[Row]:
        """Play one: whatever goes wrong is its row's, and the others are played."""
        row, begun = Row(name, self._seed), time.monotonic()
        try:
            yield row
        except Exception as error:  # noqa: BLE001 - it is what the row has to say
            row.why.append(f"{type(error).__name__}: {error}")
        row.expect(row.hits or not wants_hit, "no fault has really happened")
        row.held = not (row.violations or row.stuck or row.why)
        row.seconds = round(time.monotonic() - begun, 2)
        row.recovery = [round(seconds, 3) for seconds in row.recovery]
        with self._lock:
            self._rows.append(row)
            sys.stdout.write(json.dumps(asdict(row)) + "\n")
            sys.stdout.flush()

    @contextmanager
    def capped(self, dump: Callable[[], str]) -> Iterator[None]:
        """Beyond the cap everything is told that could help, and this process ends; the watchdog ends the others."""

        def over() -> None:
            sys.stderr.write(f"\nover the cap of {self._cap:g} s; every stack, then every log:\n")
            faulthandler.dump_traceback(all_threads=True)
            try:
                sys.stderr.write(dump())
            finally:
                sys.stderr.flush()
                os._exit(OVER_CAP)

        timer = threading.Timer(self._cap, over)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @property
    def rows(self) -> list[Row]:
        """Those that are finished."""
        with self._lock:
            return list(self._rows)

    def of(self, name: str) -> list[Row]:
        """Those whose scenario's name begins with this word."""
        return [row for row in self.rows if row.scenario.split()[0] == name]

    @property
    def held(self) -> bool:
        """Whether there was something to see, and all of it held."""
        return bool(self.rows) and all(row.held for row in self.rows)

    @property
    def left(self) -> float:
        """Seconds until the cap."""
        return self._cap - (time.monotonic() - self._begun)

    def close(self, table: Callable[[str, list[Row]], Table] | None = None) -> int:
        """Print the table, write the file; the exit code. `table` makes one of its own kind from the rows."""
        rows = self.rows
        took = round(time.monotonic() - self._begun, 1)
        console = Console(width=None if sys.stdout.isatty() else 160)
        console.print((table or _table)(self._command, rows))
        for row in rows:
            for line in (*row.why, *row.violations, *row.stuck):
                console.print(f"{row.scenario}: {line}", markup=False, highlight=False, soft_wrap=True)
        summary = self._summary(rows, took)
        console.print_json(json.dumps(summary))
        self._keep(summary, rows)
        return 0 if self.held else 1

    def _summary(self, rows: list[Row], took: float) -> dict[str, Any]:
        recovery = [seconds for row in rows for seconds in row.recovery]
        return {
            "command": self._command,
            "seed": self._seed,
            "scenarios": len(rows),
            "held": sum(row.held for row in rows),
            "runs": sum(row.runs for row in rows),
            "faults": sum(sum(row.hits.values()) for row in rows),
            "effects": sum(row.effects for row in rows),
            "again": sum(row.again for row in rows),
            "erased": sum(row.erased for row in rows),
            "refused": sum(row.refused for row in rows),
            "violations": sum(len(row.violations) for row in rows),
            "stuck": sum(len(row.stuck) for row in rows),
            "longest_recovery": round(max(recovery, default=0.0), 3),
            "seconds": took,
            **self.numbers,
        }

    def _keep(self, summary: dict[str, Any], rows: list[Row]) -> None:
        """Beside what other commands have left there."""
        told = json.loads(LATEST.read_text("utf-8")) if LATEST.exists() else {}
        told[self._command] = {**summary, "rows": [asdict(row) for row in rows]}
        LATEST.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def _table(command: str, rows: list[Row]) -> Table:
    table = Table(title=command)
    columns = ("scenario", "held", "runs", "effects", "again", "ended", "refused", "faults", "recovery", "seconds")
    for column in columns:
        table.add_column(column, justify="left" if column == "scenario" else "right")
    for row in rows:
        faults = ", ".join(f"{name} {n}" if n > 1 else name for name, n in row.hits.items())
        slowest = f"{max(row.recovery):.2f}" if row.recovery else ""
        numbers = (row.runs, row.effects, row.again, row.released + row.expired, row.refused)
        table.add_row(
            row.scenario, "yes" if row.held else "NO", *map(str, numbers), faults, slowest, f"{row.seconds:.1f}"
        )
    return table
