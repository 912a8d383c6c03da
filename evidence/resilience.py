"""Does it survive the death of anything, at any moment? `python -m evidence resilience` (SEMANTICS 16.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence import checks, killpoints
from evidence.cluster import Cluster
from evidence.report import Report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

CAP = 240.0

PARTS: dict[str, Callable[[Cluster, Report], None]] = {
    "deaths": killpoints.deaths,
    "stops": killpoints.stops,
}
"""In this order, each over the one cluster."""


def declare(commands: Any) -> None:
    """The options of the command."""
    parser = commands.add_parser("resilience", help="restarts and kills at every boundary")
    parser.add_argument("--delivery", choices=("celery", "notify"), default="celery")
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="some of the parts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cap", type=float, default=CAP, help="seconds after which everything is dumped")
    parser.set_defaults(play=play)


def play(given: Namespace) -> int:
    """All of it, or the parts that were asked for; the exit code."""
    report = Report("resilience", given.seed, given.cap)
    with Cluster(given.delivery) as cluster, report.capped(cluster.logs):
        for name in given.only or PARTS:
            part(cluster, report, name)
    return report.close()


def part(cluster: Cluster, report: Report, name: str) -> None:
    """One part, and what must be so of the whole cluster after it."""
    PARTS[name](cluster, report)
    with report.scenario(f"after {name}", wants_hit=False) as row:
        row.judge(checks.of_cluster(cluster))
