"""Is it stable? Steady starts of mixed runs, two beats, and faults on a budget: `python -m evidence soak`.

First the mix that the original plays, then the load with its faults; what must come of every run is known when it is
started (SEMANTICS 16.4 to 16.6).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidence import checks, mixture, parity
from evidence.cluster import Cluster
from evidence.conclusion import concluded, ends_of, letters_of, rests, strays
from evidence.fleet import DEAF, PLAIN, Fleet, pids_of
from evidence.gauges import Gauges
from evidence.harm import FROZEN, budget, harmed
from evidence.hosting import TICKING
from evidence.options import long_enough, positive, whole
from evidence.report import Report
from evidence.restarts import WINDOWS
from evidence.sometimes import Target
from squidie.testing import eventually

if TYPE_CHECKING:
    from argparse import Namespace

    from evidence.cluster import Node
    from evidence.harm import Harm
    from evidence.report import Row

QUEUE = "soak"
WORKERS = (PLAIN, PLAIN, DEAF)
PER_MINUTE = {"kill child": 7, "kill worker": 3, "freeze": 3, "flush": 2, "restart postgres": 1}
"""Faults in 60 seconds."""

ROOM = 60.0
"""Seconds beyond those that were asked for, where no cap is given: start, parity mix, drain and checks."""

DRAIN = 45.0
"""Seconds until every run must have ended once faults and starts are over: a poison is given up after 36."""

LONGEST = FROZEN + 4.0
"""Seconds that a transaction may last: as long as a worker is frozen in it, and a moment."""

GROWTH = 64.0
"""MiB that a process may grow once it has settled."""

TARGETS = (Target("refused_stale", 2), Target("takeovers", 4), Target("accepted_late", 2), Target("released", 4))
"""In 120 seconds. The first three are those of SEMANTICS 16.6."""


@dataclass(frozen=True)
class Asked:
    """What is played. Without `targets` nothing must have happened by chance."""

    seed: int = 1
    seconds: float = 60.0
    rate: float = 15.0
    targets: tuple[Target, ...] = TARGETS


def declare(commands: Any) -> None:
    """The options of the command."""
    parser = commands.add_parser("soak", help="a steady load under faults")
    parser.add_argument("--seconds", type=long_enough, default=60.0, help="how long runs are started (60)")
    parser.add_argument("--rate", type=positive, default=15.0, help="starts a second (15)")
    parser.add_argument("--seed", type=whole, default=1, help="decides mix and faults (1)")
    parser.add_argument("--cap", type=positive, help=f"seconds after which everything is dumped (seconds + {ROOM:g})")
    parser.set_defaults(play=play)


def play(given: Namespace) -> int:
    """All of it; the exit code."""
    report = Report("soak", given.seed, given.cap or given.seconds + ROOM)
    with Cluster("celery", env={TICKING: "1"}) as cluster, report.capped(cluster.logs):
        soak(cluster, report, Asked(given.seed, given.seconds, given.rate))
    return report.close()


def soak(cluster: Cluster, report: Report, asked: Asked) -> None:
    """On a cluster that knows the workflow of the windows."""
    beats = [cluster.beat() for _ in range(2)]
    with Fleet(cluster, [QUEUE, "default"], WORKERS) as fleet:
        for beat in beats:
            beat.ready()
        _play(cluster, report, fleet, beats, asked)
    cluster.retire(beats)


def _play(cluster: Cluster, report: Report, fleet: Fleet, beats: list[Node], asked: Asked) -> None:
    with Gauges(cluster.database_url, lambda: pids_of([*fleet.everybody, *beats])) as gauges:
        with report.scenario("parity mix", wants_hit=False) as row:
            parity.play(cluster, row, QUEUE)
        with report.scenario("load mix under faults") as row:
            _under_faults(cluster, report, row, fleet, asked)
        with report.scenario("one run a window, by two beats", wants_hit=False) as row:
            _windows(cluster, row)
        with report.scenario("after soak", wants_hit=False) as row:
            row.judge(checks.of_cluster(cluster))
            row.judge(gauges.deadlocked())
    report.numbers |= gauges.numbers()
    with report.scenario("bounds", wants_hit=False) as row:
        row.expect(gauges.longest <= LONGEST, f"a transaction lasted {gauges.longest:.1f} s")
        row.expect(gauges.growth <= GROWTH, f"a process has grown by {gauges.growth:.0f} MiB")


def _under_faults(cluster: Cluster, report: Report, row: Row, fleet: Fleet, asked: Asked) -> None:
    mix = mixture.Load(cluster, asked.seed, asked.rate, asked.seconds, QUEUE)
    counts = {kind: max(1, round(number * asked.seconds / 60)) for kind, number in PER_MINUTE.items()}
    begun = time.monotonic()
    with harmed(fleet, row, budget(asked.seed, asked.seconds, counts), begun) as harm:
        mix.play(begun)
    cluster.heal()
    row.stuck += [f"stuck: {line}" for line in rests(cluster, [each.run_id for each in mix.started], DRAIN)]
    took = time.monotonic() - begun
    row.runs = len(mix.started)
    for kind in counts:
        row.expect(kind in harm.hits, f"no fault of its kind has really happened: {kind}")
    _judge(cluster, row, mix, harm)
    report.numbers |= {
        "started": len(mix.started),
        **{kind.replace(" ", "_"): n for kind, n in sorted(mix.counts.items())},
        **concluded(cluster, row, harm, asked.targets, (asked.seconds, took)),
    }


def _judge(cluster: Cluster, row: Row, mix: mixture.Load, harm: Harm) -> None:
    """Lost runs 0, every run as planned, double outcomes and effects 0, dead letters exactly those destined."""
    row.violations += strays(cluster, "soak-%", {each.run_id for each in mix.started})
    ends = ends_of(cluster, [each.run_id for each in mix.started])
    for each in mix.started:
        found = ends.get(each.run_id, "lost")
        row.expect(found == each.status, f"{each.kind} {each.run_id} is {found}, it was to be {each.status}")
    destined = {(each.run_id, *each.letter) for each in mix.started if each.letter is not None}
    written = letters_of(cluster)
    row.violations += [f"dead letter: {letter} was not destined" for letter in sorted(map(str, written - destined))]
    row.violations += [f"dead letter: {letter} is missing" for letter in sorted(map(str, destined - written))]
    row.take(checks.of_runs(cluster, [each.run_id for each in mix.started]))
    for each in mix.started:
        if each.status == "cancelled":
            row.violations += parity.entered_late(cluster, each.run_id, harm.silences)


def _windows(cluster: Cluster, row: Row) -> None:
    """No window was left out, and none has two runs; the schedule is paused, so that the cluster comes to rest."""
    cluster.squidie.schedules.pause("Ticking.tick", reason="the soak is over", actor="ann")
    eventually(lambda: not cluster.squidie.list_runs(workflow="Ticking", open=True).runs, 20.0, why="windows are open")
    windows = [each.due for each in cluster.read(WINDOWS)]
    row.runs = len(windows)
    seconds = int((windows[-1] - windows[0]).total_seconds()) + 1
    row.expect(len(set(windows)) == len(windows), "a window has two runs")
    row.expect(seconds == len(windows), f"{seconds} windows were due, {len(windows)} were opened")
    row.take(checks.of_runs(cluster, [each.run_id for each in cluster.read(TICKS)]))


TICKS = "select run_id from squidie.runs where workflow = 'Ticking'"
