"""W9: what it costs to start a run, beside the commit of one row; and many at once."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import marks, postgres, workload
from benchmarks.contenders import OURS, Ours
from benchmarks.figures import Line, Workload, at_least, at_most
from benchmarks.watch import Stopwatch, Trial, middle, quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contenders import Contender, Place

WARMING = 20
MANY = 1000
ROUNDS = 5
ROW = "insert into one_row (body) values (%s)"


def attempt(contender: Contender, place: Place) -> Trial:
    """In turn a start and a row of as many bytes; then many starts with their bells; then a thousand in one commit."""
    assert isinstance(contender, Ours)
    marks.clear(place.marks)
    with contender.client(place) as squidie, postgres.connect(place.database) as plain:
        plain.execute("create table one_row (id bigint generated always as identity primary key, body jsonb)")
        body = postgres.as_json(workload.order(1))
        stopwatch = Stopwatch(place, None)
        starts, rows = [], []
        for number in range(WARMING + place.size):
            starts.append(_seconds(partial(squidie.start, workload.Five, workload.order(number))))
            rows.append(_seconds(lambda: plain.execute(ROW, [body])))
        payloads = [workload.order(number) for number in range(MANY)]
        at_once = [_seconds(lambda: squidie.start_many(workload.Five, payloads)) for _ in range(ROUNDS)]
    bells = contender.count_bells(place)
    with contender.client(place) as squidie:
        before = time.monotonic()
        for payload in payloads:
            squidie.start(workload.Five, payload)
        one_by_one = time.monotonic() - before
    seconds, cpu = stopwatch.read()
    del starts[:WARMING], rows[:WARMING]
    figures = {
        "start_ms": 1e3 * middle(starts),
        "start_p99_ms": 1e3 * quantile(starts, 0.99),
        "row_ms": 1e3 * middle(rows),
        "of_a_row": middle(starts) / middle(rows),
        "start_many_per_s": MANY / middle(at_once),
        "one_by_one_per_s": MANY / one_by_one,
        "bells": float(bells()) if bells else None,
    }
    return Trial(contender, figures, cpu.elsewhere(seconds), contender.faults(place))


def _seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


W9 = Workload(
    name="W9",
    title="{size} starts and commits of one row in turn, 1,000 starts, start_many of 1,000",
    size=500,
    lines=(
        Line("start_ms", "start, ms: p50", 2),
        Line("start_p99_ms", "p99", 2),
        Line("row_ms", "commit of one row, ms: p50", 2),
        Line("of_a_row", "start beside the row", 2, at_most(1.2)),
        Line("start_many_per_s", "start_many(1,000), runs/s", 0, at_least(10000)),
        Line("one_by_one_per_s", "1,000 starts one by one, runs/s"),
        Line("bells", "bells of 1,000 starts one by one", 0, at_most(50)),
    ),
    attempt=attempt,
    contenders=OURS,
)
