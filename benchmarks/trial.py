"""One repetition of one contender: all runs are started, then worked off and watched from outside."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import marks, postgres, proc
from benchmarks.noop import STEPS
from benchmarks.watch import Figures, Trial, micros, used
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from benchmarks.contenders import Contender, Crew, Place
    from benchmarks.watch import Cpu

PATIENCE = 180.0
"""Seconds for one repetition; who needs longer is stuck."""


class Run(NamedTuple):
    """The part between the first step and the last commit."""

    seconds: float
    cpu: Cpu
    looks: int
    peak_mib: float | None


def attempt(contender: Contender, place: Place) -> Trial:
    """Start, work off, look at what it has cost and whether it is right."""
    marks.clear(place.marks)
    contender.prepare(place)
    observer = postgres.Observer(place.database, place.services.database_url)
    bells = contender.count_bells(place)
    try:
        already, rows, disk = _done(contender, place), rows_of(contender, place), _disk(contender, place)
        started = contender.start(place)
        observer.settle()
        before = observer.counters()
        run = _work_off(contender, place, already)
        after = observer.counters()
    finally:
        observer.close()
    more = {table: count - rows.get(table, 0) for table, count in rows_of(contender, place).items()}
    figures = _figures(place.size, run, after.since(before), more, bells() if bells else None)
    figures["disk_bytes_per_workflow"] = (_disk(contender, place) - disk) / place.size
    figures["starts_per_s"] = None if bells is None else place.size / started
    figures["calls_per_step"] = marks.steps_begun(place.marks) / (place.size * STEPS)
    return Trial(contender, figures, run.cpu.elsewhere(run.seconds), contender.faults(place))


def _work_off(contender: Contender, place: Place, already: int) -> Run:
    """Workers are up when the first step begins; it is over when the database says that every run has ended."""
    with postgres.connect(place.database) as looking, contender.work(place) as crew:
        wait(crew, lambda: marks.first_at(place.marks) > 0, "no step has begun")
        cpu = used(place.services, crew)
        wait(crew, lambda: marks.steps_begun(place.marks) >= place.size * STEPS, "steps are missing")
        looks = _wait_for_end(looking, contender, already + place.size)
        seconds = (monotonic_ns() - marks.first_at(place.marks)) / 1e9
        peaks = [peak for pid in crew.pids if (peak := proc.peak_mib(pid)) is not None]
        run = Run(seconds, used(place.services, crew).since(cpu), looks, max(peaks, default=None))
        crew.stop()
    return run


def wait(crew: Crew, condition: Callable[[], bool], why: str, patience: float = PATIENCE) -> None:
    """Until it holds; an `AssertionError` with what the workers said, if it does not or one of them has ended."""

    def said() -> str:
        return f"{why}; the workers' log ends:\n{crew.said()}"

    eventually(lambda: condition() or crew.dead() is not None, patience, every=0.005, why=said)
    if not condition():
        raise AssertionError(said())


def _wait_for_end(looking: psycopg.Connection[Any], contender: Contender, workflows: int) -> int:
    """How often we had to look: each look is a commit that is not the contender's."""
    looks, question = 0, contender.done

    def ended() -> bool:
        nonlocal looks
        looks += 1
        row = looking.execute(question or "select").fetchone()
        return row is not None and int(row[0]) >= workflows

    if question is not None:
        eventually(ended, PATIENCE, every=0.005, why="the last steps have run, and their runs have not ended")
    return looks


def _done(contender: Contender, place: Place) -> int:
    if contender.done is None:
        return 0
    with postgres.connect(place.database) as connection:
        row = connection.execute(contender.done).fetchone()
    return int(row[0]) if row is not None else 0


def rows_of(contender: Contender, place: Place) -> dict[str, int]:
    """How many rows each of its tables holds."""
    with postgres.connect(place.database) as connection:
        return postgres.rows(connection, contender.schema)


def _disk(contender: Contender, place: Place) -> int:
    """What its tables and their indexes take."""
    with postgres.connect(place.database) as connection:
        return postgres.size_of(connection, contender.schema)


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
        "worker_us_per_step": micros(run.cpu.workers, steps),
        "postgres_us_per_step": micros(run.cpu.postgres, steps),
        "peak_mib": run.peak_mib,
    }
