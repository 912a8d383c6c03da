"""One repetition of one contender: all runs are started, then worked off and watched from outside."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import marks, postgres, proc
from benchmarks.workload import STEPS
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from benchmarks.contenders import Contender, Place
    from squidie.testing import Process, Services

PATIENCE = 120.0
"""Seconds for one repetition; who needs longer is stuck."""

Figures = dict[str, float | None]


class Cpu(NamedTuple):
    """Seconds used so far: by the workers, Postgres, this program, and everybody on the machine."""

    workers: float | None
    postgres: float | None
    broker: float | None
    ours: float | None
    machine: float | None

    def since(self, before: Cpu) -> Cpu:
        """What was used in between."""
        return Cpu(*(None if a is None or b is None else a - b for a, b in zip(self, before, strict=True)))


@dataclass(slots=True)
class Trial:
    """What was seen. `elsewhere` is how many cores somebody else used meanwhile."""

    contender: Contender
    figures: Figures
    elsewhere: float | None
    faults: list[str]


class Run(NamedTuple):
    """The part between the first step and the last commit."""

    seconds: float
    cpu: Cpu
    looks: int
    peak_mib: float | None


def attempt(contender: Contender, place: Place) -> Trial:
    """Start, work off, look at what it has cost and whether it is right."""
    marks.clear(place.marks)
    observer = postgres.Observer(place.database, place.services.database_url)
    bells = contender.count_bells(place)
    try:
        started = contender.start(place)
        observer.settle()
        before = observer.counters()
        run = _work_off(contender, place)
        after = observer.counters()
    finally:
        observer.close()
    figures = _figures(place.workflows, run, after.since(before), _rows(contender, place), bells() if bells else None)
    figures["starts_per_s"] = None if bells is None else place.workflows / started
    figures["calls_per_step"] = marks.steps_begun(place.marks) / (place.workflows * STEPS)
    return Trial(contender, figures, _elsewhere(run), contender.faults(place))


def _work_off(contender: Contender, place: Place) -> Run:
    """Workers are up when the first step begins; it is over when the database says that every run has ended."""
    with postgres.connect(place.database) as looking, contender.work(place) as process:
        looking.execute(contender.done)
        _wait(process, lambda: marks.first_at(place.marks) > 0, "no step has begun")
        cpu = _cpu(place.services, process)
        _wait(process, lambda: marks.steps_begun(place.marks) >= place.workflows * STEPS, "steps are missing")
        looks = _wait_for_end(looking, contender, place.workflows)
        seconds = (monotonic_ns() - marks.first_at(place.marks)) / 1e9
        run = Run(seconds, _cpu(place.services, process).since(cpu), looks + 1, proc.peak_mib(process.pid))
        process.stop()
    return run


def _wait(process: Process, condition: Callable[[], bool], why: str) -> None:
    def holds() -> bool:
        return condition() or process.exit_code is not None

    def said() -> str:
        return f"{why}; the log of {process.name} ends:\n" + "\n".join(process.log_text().splitlines()[-20:])

    eventually(holds, PATIENCE, every=0.005, why=said)
    if not condition():
        raise AssertionError(said())


def _wait_for_end(looking: psycopg.Connection[Any], contender: Contender, workflows: int) -> int:
    """How often we had to look: each look is a commit that is not the contender's."""
    looks = 0

    def ended() -> bool:
        nonlocal looks
        looks += 1
        row = looking.execute(contender.done).fetchone()
        return row is not None and row[0] >= workflows

    eventually(ended, PATIENCE, every=0.005, why="the last steps have run, and their runs have not ended")
    return looks


def _cpu(services: Services, process: Process) -> Cpu:
    return Cpu(
        proc.cpu_seconds(process.pid),
        proc.cpu_seconds(services.postgres.pid) if services.owns_postgres else None,
        proc.cpu_seconds(services.redis.pid) if services.owns_redis else None,
        proc.own_seconds(),
        proc.busy_seconds(),
    )


def _elsewhere(run: Run) -> float | None:
    if run.cpu.machine is None:
        return None
    known = (run.cpu.workers, run.cpu.postgres, run.cpu.broker, run.cpu.ours)
    return max(0.0, run.cpu.machine - sum(each or 0.0 for each in known)) / run.seconds


def _rows(contender: Contender, place: Place) -> dict[str, int]:
    with postgres.connect(place.database) as connection:
        return postgres.rows(connection, contender.schema)


def _figures(workflows: int, run: Run, counters: postgres.Counters, rows: dict[str, int], bells: int | None) -> Figures:
    steps = workflows * STEPS
    return {
        "workflows_per_s": workflows / run.seconds,
        "steps_per_s": steps / run.seconds,
        "commits_per_workflow": (counters.commits - run.looks) / workflows,
        "syncs_per_workflow": counters.syncs / workflows,
        "wal_bytes_per_workflow": counters.wal / workflows,
        "facts_per_workflow": rows.get("facts", rows.get("journal", 0)) / workflows,
        "rows_per_workflow": sum(rows.values()) / workflows,
        "bells_per_workflow": None if bells is None else bells / workflows,
        "worker_us_per_step": _micros(run.cpu.workers, steps),
        "postgres_us_per_step": _micros(run.cpu.postgres, steps),
        "peak_mib": run.peak_mib,
    }


def _micros(seconds: float | None, steps: int) -> float | None:
    return None if seconds is None else seconds / steps * 1e6
