"""W1: workflows of five steps one after the other, all started first, then worked off."""

from __future__ import annotations

from benchmarks.contenders import BY_DOCUMENT, BY_GROUP, BY_STEP, FLOOR, ThroughCelery, ThroughNotify
from benchmarks.figures import Against, Line, Workload, at_least, at_most
from benchmarks.trial import attempt

CELERY, CELERY_LATE = "Celery chain", "Celery chain, late ack"
DBOS, ABSURD = "DBOS", "Absurd"
RATE = "workflows_per_s"

LINES = (
    Line(RATE, "workflows/s"),
    Line("of_the_floor", f"% of {FLOOR}", 0, at_least(60)),
    Line("steps_per_s", "steps/s"),
    Line("commits_per_workflow", "commits a workflow", 2, at_most(1)),
    Line("syncs_per_workflow", "forced writes a workflow", 2),
    Line("wal_bytes_per_workflow", "WAL bytes a workflow", 0, at_most(7500)),
    Line("disk_bytes_per_workflow", "bytes on disk a workflow"),
    Line("facts_per_workflow", "facts a workflow", 2, at_most(7)),
    Line("rows_per_workflow", "rows a workflow", 2, at_most(8)),
    Line("bells_per_workflow", "bells a workflow", 3),
    Line("worker_us_per_step", "worker µs a step", 0, at_most(120)),
    Line("postgres_us_per_step", "Postgres µs a step", 0, at_most(100)),
    Line("peak_mib", "peak MiB of a process"),
    Line("starts_per_s", "start_many/s", 0, at_least(10000)),
    Line("calls_per_step", "calls a step", 2, at_most(1)),
)
BESIDE = (
    Line("times_dbos", f"times {DBOS}", 1, at_least(20)),
    Line("times_absurd", f"times {ABSURD}", 1, at_least(4)),
    Line("times_celery", f"times the {CELERY}", 1, at_least(14)),
    Line("times_oban", "times oban-py's jobs", 1, at_least(3)),
    Line("times_pgqueuer", "times pgqueuer's jobs", 1, at_least(3)),
    Line("times_procrastinate", "times procrastinate's jobs", 1, at_least(3)),
    Line("times_pyworkflow", "times PyWorkflow", 1),
)
"""What only peers can say."""

OF_THE_FLOOR = Against("of_the_floor", RATE, FLOOR, 100.0)
AGAINST_PEERS = tuple(
    Against(name, RATE, other)
    for name, other in (
        ("times_dbos", DBOS),
        ("times_absurd", ABSURD),
        ("times_celery", CELERY),
        ("times_oban", "oban-py jobs"),
        ("times_pgqueuer", "pgqueuer jobs"),
        ("times_procrastinate", "procrastinate jobs"),
        ("times_pyworkflow", "PyWorkflow"),
    )
)

W1 = Workload(
    name="W1",
    title="{size} workflows of 5 steps, one after the other",
    size=2000,
    lines=LINES,
    attempt=attempt,
    contenders=(
        BY_STEP,
        BY_GROUP,
        BY_DOCUMENT,
        ThroughCelery(1),
        ThroughCelery(2),
        ThroughNotify(1),
        ThroughNotify(2),
    ),
    against=(OF_THE_FLOOR,),
    by_rate=True,
)
