"""How soon lost work is claimed again: a child of a pool is killed, and a whole worker, many times each."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from evidence import checks
from evidence.cluster import outcome
from evidence.report import percentile
from squidie.testing import children_of, eventually

if TYPE_CHECKING:
    from evidence.cluster import Cluster, Node
    from evidence.effects import Effect
    from evidence.report import Report, Row
    from squidie import Run

CHILDREN, HOSTS = 50, 8
CHILD, HOST = 1.0, 2.5
"""Seconds: under one for a child, and lease + sweep + 1 for a host, with the settings of the test profile."""

NOISE = 3
"""So many times the bound the slowest may take: others may be using the machine. Both numbers are printed."""

NAP, SHORT_NAP = 0.3, 0.15
"""Seconds that the step takes, so that it is killed in its middle, and the next one is not: short for a child's."""


def children(cluster: Cluster, report: Report, trials: int = CHILDREN) -> None:
    """K07: the parent lives, and gives back what its child held."""
    node = cluster.worker("recovery-child", queues=["recovery-child"], concurrency=2).ready()
    with report.scenario("child killed in mid-step") as row:
        for _ in range(trials):
            run, effect = _begun(cluster, node.name, SHORT_NAP)
            _kill(row, effect.pid, effect.pid)
            _measure(cluster, row, run)
        row.expect(row.expired == 0, f"{row.expired} claims had to expire")
        row.expect(row.released == trials, f"{row.released} claims were given back")
        _judge(report, row, "child", CHILD)
    cluster.retire([node])


def hosts(cluster: Cluster, report: Report, trials: int = HOSTS) -> None:
    """Everything of one worker dies at once; another one that serves the queue goes on when the lease is over."""
    queue = "recovery-host"
    nodes = [cluster.worker(queues=[queue]).ready() for _ in range(2)]
    with report.scenario("worker killed in mid-step") as row:
        for _ in range(trials):
            run, effect = _begun(cluster, queue, NAP)
            doomed = _holder(nodes, effect)
            row.hit("kill -9 of all")
            doomed.kill()
            nodes = [node for node in nodes if node is not doomed]
            nodes.append(cluster.worker(queues=[queue]))
            _measure(cluster, row, run)
            nodes[-1].ready()
        row.expect(row.expired == trials, f"{row.expired} claims expired")
        _judge(report, row, "worker", HOST)
    cluster.retire(nodes)


def _begun(cluster: Cluster, queue: str, nap: float) -> tuple[Run, Effect]:
    run = cluster.squidie.start("Single", {"naps": {"only": nap}}, queue=queue)
    return run, eventually(lambda: cluster.effects.of(run.id), 20.0, every=0.002, why="it was not begun")[0]


def _kill(row: Row, pid: int, child: int) -> None:
    os.kill(pid, signal.SIGKILL)
    row.hit("kill -9 of a child" if pid == child else "kill -9 of all")


def _measure(cluster: Cluster, row: Row, run: Run) -> None:
    """From the kill to the next claim, by the clock of this machine, which is the database's, too."""
    died_at = time.time()
    result = outcome(run, 30.0)
    row.runs += 1
    row.expect(result == "only 1", f"the result is {result!r}")
    found = checks.of_runs(cluster, [run.id])
    row.take(found)
    row.expect((found.outcomes, found.effects) == (1, 2), f"{found.outcomes} outcomes, {found.effects} effects")
    row.recovery.append(max(0.0, cluster.effects.of(run.id)[-1].at.timestamp() - died_at))


def _holder(nodes: list[Node], effect: Effect) -> Node:
    return next(node for node in nodes if effect.pid in children_of(node.pid))


def _judge(report: Report, row: Row, what: str, bound: float) -> None:
    p50, p99 = percentile(row.recovery, 0.5), percentile(row.recovery, 0.99)
    row.expect(p50 <= bound, f"half of the recoveries took more than {p50:.2f} s, {bound:g} s are allowed")
    row.expect(p99 <= NOISE * bound, f"the slowest recovery took {p99:.2f} s")
    report.numbers |= {f"{what}_recovery_p50": round(p50, 3), f"{what}_recovery_p99": round(p99, 3)}
