"""W4: the throughput of W1 with 200,000 ended runs in the journal; views of them are in `views.py`."""

from __future__ import annotations

from benchmarks.ballast import Laden, end_many
from benchmarks.contenders import ThroughCelery
from benchmarks.figures import Against, Line, Workload, at_least
from benchmarks.throughput import LINES, RATE
from benchmarks.trial import attempt

ENDED = 200_000
EMPTY = ThroughCelery(1, name="empty")
SOME = ("steps_per_s", "commits_per_workflow", "wal_bytes_per_workflow", "worker_us_per_step", "postgres_us_per_step")


W4 = Workload(
    name="W4",
    title="{size} workflows of 5 steps among many that have ended",
    size=1000,
    lines=(
        Line(RATE, "workflows/s"),
        Line("of_empty", "beside an empty journal", 2, at_least(0.95)),
        *(line._replace(goal=None) for line in LINES if line.figure in SOME),
    ),
    attempt=attempt,
    contenders=(EMPTY, Laden(1, name=f"{ENDED:,} ended", fill=end_many, many=ENDED, what="ended")),
    against=(Against("of_empty", RATE, EMPTY.name),),
)
