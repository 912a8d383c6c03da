"""What scenarios of faults have in common: how runs end, how soon they are begun, how long callers have to wait."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evidence import checks
from evidence.cluster import outcome
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    import redis

    from evidence.cluster import Cluster
    from evidence.report import Row
    from squidie import Run, Squidie

PATIENCE = 30.0
STEPS = {"Plain": 4, "Booked": 4, "Single": 1}
SWEEP = 0.6
"""Seconds between two sweeps at most: half a second, and a fifth of that."""

BEGUN = """
select f.run_id, extract(epoch from f.at)::float8 as at from squidie.facts f
where f.run_id = any(:runs) and f.seq = 1
"""
FACTS = "select seq, kind, body->>'step' as step, body->>'attempt' as attempt from squidie.facts where run_id = :run"
ALL_FACTS = "select run_id, seq, kind, at, body::text as body, encode(hash, 'hex') as hash from squidie.facts"


def completed(cluster: Cluster, row: Row, runs: Collection[Run], *, again: int = 0) -> checks.Findings:
    """All of them end well, each step with one outcome, and no more than `again` effects happen once more."""
    for run in runs:
        outcome(run, PATIENCE)
    row.runs += len(runs)
    found = checks.of_runs(cluster, [run.id for run in runs])
    row.take(found)
    ended = cluster.read("select workflow from squidie.runs where run_id = any(:runs)", runs=[run.id for run in runs])
    steps = sum(STEPS[each.workflow] for each in ended)
    row.expect(found.outcomes == steps, f"{found.outcomes} outcomes of {steps} steps")
    row.expect(found.again <= again, f"{found.again} effects happened again, {again} may have")
    return found


def delays(cluster: Cluster, runs: Collection[Run]) -> list[float]:
    """Seconds from each start to the run's first effect, by the database's clock."""
    started = {each.run_id: each.at for each in cluster.read(BEGUN, runs=[run.id for run in runs])}
    first: dict[Any, float] = {}
    for effect in cluster.effects.of(*started):
        first.setdefault(effect.run_id, effect.at.timestamp())
    return [first[run] - at for run, at in started.items()]


def words(cluster: Cluster, run: Run) -> list[tuple[str, str | None, str | None]]:
    """The facts of a run, but for times and whose they are; branches end in any order."""
    return sorted((each.kind, each.step or "", each.attempt or "") for each in cluster.read(FACTS, run=run.id))


def facts(cluster: Cluster) -> set[tuple[Any, ...]]:
    """Every fact of every run, to the byte."""
    return {tuple(each) for each in cluster.read(ALL_FACTS)}


def took(call: Callable[[], Any]) -> float:
    """Seconds until it came back."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def each_takes(calls: Iterable[Callable[[], Any]]) -> list[float]:
    """Seconds that each call took, one after the other."""
    return [took(call) for call in calls]


@contextmanager
def held(cluster: Cluster, squidie: Squidie, queue: str) -> Iterator[Run]:
    """The only slot of a queue's worker is taken by a run until the end of the block."""
    gate = cluster.folder / f"{queue}-{time.monotonic_ns()}.gate"
    run = squidie.start("Single", {"gates": {"only": str(gate)}}, queue=queue)
    eventually(lambda: cluster.effects.of(run.id), 20.0, why="the slot was not taken")
    try:
        yield run
    finally:
        gate.touch()


def waiting(client: redis.Redis, queue: str) -> int:
    """How many messages lie in the list of a queue."""
    return int(client.llen(queue))


def await_snapshot(run: Run, what: str, value: str) -> None:
    """Until its snapshot says so."""
    eventually(lambda: getattr(run.snapshot(), what) == value, 15.0, why=lambda: str(run.snapshot().headline))


@contextmanager
def watching(cluster: Cluster, sql: str, every: float = 0.05) -> Iterator[list[float]]:
    """The greatest number that a statement gives while the block runs, looked at each `every` seconds."""
    seen, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(every):
            seen[0] = max(seen[0], *(float(number) for (number,) in cluster.read(sql)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(5)
