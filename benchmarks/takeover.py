"""W6: how soon work goes on whose worker was killed. The evidence measures it, and judges what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.contenders import OURS, ROOT, ThroughCelery
from benchmarks.figures import Line, Workload, at_most
from benchmarks.watch import Trial

if TYPE_CHECKING:
    from benchmarks.contenders import Contender, Place

PARTS = ("children", "hosts")
LIMIT = 300
LATEST = ROOT / "evidence" / "latest.json"
LEASE_AND_SWEEP = 1.5
"""Seconds, in the evidence's test profile; by default they are 30 and 5."""


def attempt(contender: Contender, place: Place) -> Trial:
    """Servers of its own; whatever the evidence finds wrong is a fault."""
    del place
    delivery = "celery" if isinstance(contender, ThroughCelery) else "notify"
    asked = [word for part in PARTS for word in ("--only", part)]
    command = [sys.executable, "-m", "evidence", "resilience", "--delivery", delivery, *asked]
    played = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    summary = json.loads(LATEST.read_text("utf-8"))
    numbers = _numbers(summary)
    figures = {name: numbers.get(name) for line in LINES if (name := line.figure)}
    faults = [] if played.returncode == 0 else [f"the evidence ended with {played.returncode}: see {LATEST.name}"]
    return Trial(contender, figures, None, faults)


def _numbers(summary: object) -> dict[str, float]:
    """Every number of the summary by its name, wherever it stands."""
    found: dict[str, float] = {}
    if isinstance(summary, dict):
        for name, value in summary.items():
            found |= {name: float(value)} if isinstance(value, int | float) else _numbers(value)
    return found


LINES = (
    Line("child_recovery_p50", "a child's work goes on, s: p50", 2, at_most(0.5)),
    Line("child_recovery_p99", "p99", 2, at_most(1)),
    Line("worker_recovery_p50", "a whole worker's, s: p50", 2, at_most(LEASE_AND_SWEEP + 1)),
    Line("worker_recovery_p99", "p99", 2, at_most(LEASE_AND_SWEEP + 1)),
)
W6 = Workload(
    name="W6",
    title="50 children and 8 workers killed by SIGKILL in the middle of a step",
    size=1,
    lines=LINES,
    attempt=attempt,
    contenders=OURS[:1],
    repeat=1,
    scales=False,
    note="Lease and sweep are 1.5 s together there; by default 35, and a worker's work goes on so much later.",
)
