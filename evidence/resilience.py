"""Does it survive the death of anything, at any moment? `python -m evidence resilience` (SEMANTICS 16.3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from evidence import boundaries, checks, endings, killpoints, recovery, restarts
from evidence.cluster import Cluster
from evidence.report import Report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

CAP = 240.0


def slowly(cluster: Cluster, report: Report) -> None:
    """What takes its time and harms nobody else: it runs beside the kills."""
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(part, cluster, report) for part in (endings.poison, endings.holding)]:
            future.result()


def kills(cluster: Cluster, report: Report) -> None:
    """Everything that only harms workers of its own; the slow ones beside the others."""
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(slowly, cluster, report)
        recovery.children(cluster, report)
        hosts = pool.submit(recovery.hosts, cluster, report)
        killpoints.deaths(cluster, report)
        killpoints.stops(cluster, report)
        hosts.result()
        endings.silences(cluster, report)
        slow.result()


PARTS: dict[str, Callable[[Cluster, Report], None]] = {
    "kills": kills,
    "boundaries": boundaries.boundaries,
    "restarts": restarts.rounds,
    "crash": endings.crash,
}
"""In this order, each over the one cluster."""

SINGLE: dict[str, Callable[[Cluster, Report], None]] = {
    "slowly": slowly,
    "children": recovery.children,
    "hosts": recovery.hosts,
    "deaths": killpoints.deaths,
    "stops": killpoints.stops,
    "silences": endings.silences,
}
"""Pieces of the first part, for whoever looks for something."""


def declare(commands: Any) -> None:
    """The options of the command."""
    parser = commands.add_parser("resilience", help="restarts and kills at every boundary")
    parser.add_argument("--delivery", choices=("celery", "notify"), default="celery")
    parser.add_argument("--only", choices=(*PARTS, *SINGLE), action="append", help="some of the parts")
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
    with report.scenario(f"after {name}", wants_hit=False) as row:
        {**PARTS, **SINGLE}[name](cluster, report)
        row.judge(checks.of_cluster(cluster))
