"""W3: one workflow of parallel steps, and a join."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks import marks, postgres
from benchmarks.contenders import OURS, WIDE
from benchmarks.figures import Against, Line, Workload, at_least, at_most, is_ours
from benchmarks.peers.listing import CHAIN
from benchmarks.throughput import ABSURD, CELERY, DBOS
from benchmarks.watch import Stopwatch, Trial

if TYPE_CHECKING:
    from benchmarks.contenders import Contender, Place

RATE = "items_per_s"
LINES = (
    Line("seconds", "start to durable end, s", 2),
    Line(RATE, "items/s"),
    Line("of_the_floor", f"% of {WIDE.name}"),
    Line("times_celery", "times Celery's chord", 1, at_least(4)),
    Line("commits_per_item", "commits an item", 2),
    Line("wal_bytes_per_item", "WAL bytes an item"),
    Line("growth", "an item of 1.8 times as many beside it", 2, at_most(1.3)),
)
BESIDE = (Line("times_dbos", f"times {DBOS}'s steps", 1, at_least(8)), Line("times_absurd", f"times {ABSURD}", 1))
AGAINST_PEERS = (Against("times_dbos", RATE, DBOS), Against("times_absurd", RATE, ABSURD))
WARM_PART = 5
"""A fifth as many come first, to warm up."""


def attempt(contender: Contender, place: Place) -> Trial:
    """A worker that is up, and one workflow after another that is narrower."""
    marks.clear(place.marks)
    place = replace(place, is_wide=True)
    contender.prepare(place)
    observer = postgres.Observer(place.database, place.services.database_url)
    try:
        before = observer.counters()
        with contender.work(place) as crew:
            stopwatch = Stopwatch(place, crew)
            told = contender.wide(place)
            seconds, cpu = stopwatch.read()
            wider = contender.wide(replace(place, size=_wider(place))) if is_ours(contender) else None
            crew.stop()
        counters = observer.counters().since(before)
    finally:
        observer.close()
    items = place.size + place.size // WARM_PART
    items += _wider(place) + _wider(place) // WARM_PART if wider else 0
    looks = told["looks"] + (wider["looks"] if wider else 0)
    figures = {
        "seconds": told["seconds"],
        RATE: place.size / told["seconds"],
        "commits_per_item": (counters.commits - looks) / items if contender.done else None,
        "wal_bytes_per_item": counters.wal / items if contender.done else None,
        "growth": wider["seconds"] / _wider(place) / (told["seconds"] / place.size) if wider else None,
    }
    return Trial(contender, figures, cpu.elsewhere(seconds), contender.faults(place))


def _wider(place: Place) -> int:
    """Nearly twice as many; a workflow has a thousand steps at most."""
    return min(990, place.size * 9 // 5)


W3 = Workload(
    name="W3",
    title="one workflow of {size} parallel steps and a join",
    size=500,
    lines=LINES,
    attempt=attempt,
    contenders=(WIDE, *OURS, CHAIN),
    against=(Against("of_the_floor", RATE, WIDE.name, 100.0), Against("times_celery", RATE, CELERY)),
    note="A workflow has at most 1,000 steps; what 10,000 items cost is measured when there are maps over items.",
)
