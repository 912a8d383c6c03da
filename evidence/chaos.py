"""Any mix: random programs with totals that are predicted before they run, and every kind of fault in any order.

`python -m evidence chaos --seed 1 --seconds 120`. One fault each 1 to 5 seconds; then everything is healed, the runs
come to their ends, and journal, ledger and the host's table must say exactly what was predicted.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidence import accounts, checks, generated, programs
from evidence.cluster import Cluster
from evidence.conclusion import concluded, rests, strays
from evidence.driver import Driver
from evidence.fleet import DEAF, PLAIN, WIRED, Fleet, pids_of
from evidence.gauges import Gauges
from evidence.harm import DEEDS, harmed, mix
from evidence.options import long_enough, positive, some, whole
from evidence.report import Report
from evidence.sometimes import Target

if TYPE_CHECKING:
    from argparse import Namespace

    from evidence.report import Row

QUEUE = "chaos"
WORKERS = (PLAIN, WIRED, DEAF)
ROOM = 80.0
"""Seconds beyond those that were asked for, where no cap is given."""

DRAIN = 60.0
"""Seconds until every run must have ended once everything is healed."""

MOST_CLAIMS = 4
"""Losses after which an attempt is given up: a poison needs six seconds for that, and others hardly come so far."""

TARGETS = (
    Target("refused_stale", 5),
    Target("refused_by_end", 3),
    Target("accepted_late", 3),
    Target("takeovers", 10),
    Target("released", 5),
    Target("commits_done", 2),
    Target("commits_undone", 2),
    Target("given_back", 5),
    Target("handed_over", 50),
)
"""In 120 seconds (RELIABILITY 9)."""


@dataclass(frozen=True)
class Asked:
    """What is played. Without `targets` nothing must have happened by chance."""

    seed: int = 1
    seconds: float = 120.0
    rate: float = 4.0
    programs: int = 24
    targets: tuple[Target, ...] = TARGETS
    kinds: tuple[str, ...] = tuple(DEEDS)

    def told(self) -> dict[str, str]:
        """What the processes of a cluster must know to play these programs."""
        settings = json.dumps({"max_claims": MOST_CLAIMS})
        return {generated.VARIABLE: f"{self.seed}:{self.programs}", "EVIDENCE_SETTINGS": settings}


def declare(commands: Any) -> None:
    """The options of the command."""
    parser = commands.add_parser("chaos", help="random programs under every kind of fault")
    parser.add_argument("--seconds", type=long_enough, default=120.0, help="how long faults are made (120)")
    parser.add_argument("--seed", type=whole, default=1, help="decides programs and faults (1)")
    parser.add_argument("--programs", type=some, default=24, help="how many workflows are drawn (24)")
    parser.add_argument("--rate", type=positive, default=4.0, help="runs started a second (4)")
    parser.add_argument("--cap", type=positive, help=f"seconds after which everything is dumped (seconds + {ROOM:g})")
    parser.set_defaults(play=play)


def play(given: Namespace) -> int:
    """All of it; the exit code."""
    report = Report("chaos", given.seed, given.cap or given.seconds + ROOM)
    asked = Asked(given.seed, given.seconds, given.rate, given.programs)
    with Cluster("celery", env=asked.told()) as cluster, report.capped(cluster.logs):
        chaos(cluster, report, asked)
    return report.close()


def chaos(cluster: Cluster, report: Report, asked: Asked) -> None:
    """On a cluster that was told of these programs."""
    with (
        Fleet(cluster, [QUEUE], WORKERS) as fleet,
        Gauges(cluster.database_url, lambda: pids_of(fleet.everybody)) as gauges,
    ):
        with report.scenario("programs under faults") as row:
            _under_faults(cluster, report, row, fleet, asked)
        with report.scenario("after chaos", wants_hit=False) as row:
            row.judge(checks.of_cluster(cluster, max_claims=MOST_CLAIMS))
            row.judge(gauges.deadlocked())
    report.numbers |= gauges.numbers()


def _under_faults(cluster: Cluster, report: Report, row: Row, fleet: Fleet, asked: Asked) -> None:
    driver = Driver(cluster, asked.seed, programs.shapes(asked.seed, asked.programs), asked.rate, QUEUE)
    begun = time.monotonic()
    with harmed(fleet, row, mix(asked.seed, asked.seconds, asked.kinds), begun) as harm:
        driver.play(begun, asked.seconds)
    cluster.heal()
    row.stuck += [f"stuck: {line}" for line in rests(cluster, list(driver.runs), DRAIN)]
    took = time.monotonic() - begun
    driver.close()
    row.why += [f"the driver: {said}" for said in driver.trouble]
    row.runs = len(driver.runs)
    _judge(cluster, row, driver)
    report.numbers |= {
        "programs": asked.programs,
        "started": len(driver.runs),
        **concluded(cluster, row, harm, asked.targets, (asked.seconds, took)),
    }


def _judge(cluster: Cluster, row: Row, driver: Driver) -> None:
    """Exact totals, run by run; then what must be so of the effects of any."""
    row.violations += strays(cluster, "chaos-%", driver.runs)
    row.violations += accounts.borrowed(cluster, list(driver.runs))
    found = accounts.found(cluster, list(driver.runs))
    for run_id, played in driver.runs.items():
        row.violations += accounts.differences(played, found[run_id])
    row.take(checks.of_runs(cluster, list(driver.runs), may_erase=True))
    row.again -= sum(account.deferred.total() for account in found.values())  # they were called again on purpose
