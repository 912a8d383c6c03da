"""W2: one workflow of five steps at a time, on a system that has nothing else to do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks import marks, postgres
from benchmarks.contenders import LISTENING, OURS
from benchmarks.figures import Against, Line, Workload, at_most
from benchmarks.peers.listing import CHAIN
from benchmarks.solo import WARMING
from benchmarks.throughput import CELERY
from benchmarks.watch import Figures, Stopwatch, Trial, middle, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contenders import Contender, Place

LINES = (
    Line("start_ms", "start call, ms", 1),
    Line("first_ms", "start to first step, ms", 1),
    Line("gap_ms", "step to step, ms", 1),
    Line("p50_ms", "start to durable end, ms: p50", 1),
    Line("p95_ms", "p95", 1),
    Line("p99_ms", "p99", 1),
    Line("p50_of_celery", f"p50 beside the {CELERY}", 2, at_most(1)),
    Line("p99_of_celery", f"p99 beside the {CELERY}", 2, at_most(1)),
    Line("commits_per_workflow", "commits a workflow", 2, at_most(7)),
    Line("bells_per_workflow", "bells a workflow", 2, at_most(1)),
)


def attempt(contender: Contender, place: Place) -> Trial:
    """A worker that is up, and somebody who starts one run after the other."""
    marks.clear(place.marks)
    place = replace(place, moments=True)
    marks.moments(place.marks)
    contender.prepare(place)
    observer = postgres.Observer(place.database, place.services.database_url)
    bells = contender.count_bells(place)
    try:
        before = observer.counters()
        with contender.work(place) as crew:
            stopwatch = Stopwatch(place, crew)
            told = contender.solo(place)
            seconds, cpu = stopwatch.read()
            crew.stop()
        counters = observer.counters().since(before)
    finally:
        observer.close()
    figures = _of(told["rows"])
    each = place.size + WARMING
    figures["commits_per_workflow"] = (counters.commits - told["looks"]) / each if contender.done else None
    figures["bells_per_workflow"] = bells() / each if bells else None
    return Trial(contender, figures, cpu.elsewhere(seconds), contender.faults(place))


def _of(rows: Sequence[Sequence[int]]) -> Figures:
    """From moments in nanoseconds: asked, accepted, each step's begin, ended."""
    whole = [(row[-1] - row[0]) / 1e6 for row in rows]
    gaps = [(after - before) / 1e6 for row in rows for before, after in pairwise(row[2:-1])]
    return {
        "start_ms": middle([(row[1] - row[0]) / 1e6 for row in rows]),
        "first_ms": middle([(row[2] - row[0]) / 1e6 for row in rows]),
        "gap_ms": middle(gaps),
        "p50_ms": middle(whole),
        "p95_ms": quantile(whole, 0.95),
        "p99_ms": quantile(whole, 0.99),
    }


W2 = Workload(
    name="W2",
    title="{size} workflows of 5 steps, one at a time",
    size=60,
    lines=LINES,
    attempt=attempt,
    contenders=(LISTENING, *OURS, CHAIN),
    against=(Against("p50_of_celery", "p50_ms", CELERY), Against("p99_of_celery", "p99_ms", CELERY)),
    note="Commits include those of a worker's start and of its sweeps.",
)
