"""The other ways in which workers end or fall silent (RELIABILITY 6.1: K13, K15 to K20)."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from evidence import checks
from evidence.cluster import outcome
from squidie.errors import RunUnsuccessful
from squidie.testing import eventually

if TYPE_CHECKING:
    from evidence.cluster import Cluster, Node
    from evidence.report import Report, Row
    from squidie import Run

PATIENCE = 30.0
IDLE_IN_TRANSACTION = 30.0
"""Seconds after which Postgres ends a session of ours that holds locks and does nothing."""

MOST_CLAIMS = 5
CRASHED = 20
"""Runs that are under way when everything is killed."""


def poison(cluster: Cluster, report: Report) -> None:
    """K16: a step that ends its child each time is claimed five times, ever more rarely, and then given up."""
    node = cluster.worker("poison", queues=["poison"], concurrency=2).ready()
    with report.scenario("K16 a step that ends its process") as row:
        run = cluster.squidie.start("Single", {"dies": ["only"]}, queue="poison")
        mate = cluster.squidie.start("Plain", {}, queue="poison")
        row.expect(outcome(mate, PATIENCE) == "last 1", "its neighbour did not end well")
        error = _failed(run, 90.0)
        row.expect(error.get("code") == "claims_exhausted", f"it failed with {error}")
        found = checks.of_runs(cluster, [run.id])
        row.take(found)
        row.runs = 2
        row.hit("os._exit", found.effects)
        row.expect(found.effects == MOST_CLAIMS, f"{found.effects} claims")
    cluster.retire([node])


def holding(cluster: Cluster, report: Report) -> None:
    """K15: frozen with a head locked, until Postgres ends that session; then it settles again."""
    node = cluster.worker("holding", queues=["holding"], armed="settle.locked=stop").ready()
    with report.scenario("K15 frozen while it holds a head") as row:
        run = cluster.squidie.start("Plain", {}, queue="holding")
        hit = node.hit("settle.locked")
        row.hit("settle.locked stop")
        node.is_wanted = False
        eventually(lambda: _is_free(cluster, run), IDLE_IN_TRANSACTION + 15, every=0.2, why="the head is still held")
        waited = time.monotonic() - hit.at
        report.numbers["longest_frozen_lock"] = round(waited, 1)
        row.expect(waited <= IDLE_IN_TRANSACTION + 5, f"others waited {waited:.1f} s")
        node.thaw()
        row.expect(outcome(run, PATIENCE) == "last 1", "it did not end well")
        row.runs = 1
        row.take(checks.of_runs(cluster, [run.id]))
        row.expect(node.process.is_alive(), "the sleeper has died")
    cluster.retire([node])


def _is_free(cluster: Cluster, run: Run) -> bool:
    sql = "select true from squidie.runs where run_id = :run for no key update skip locked"
    return bool(cluster.read(sql, run=run.id))


def silences(cluster: Cluster, report: Report) -> None:
    """K13, K17, K18 and K19, at the same time, each on its queue; one relief for all that they leave."""
    gate = cluster.folder / "cold.gate"
    orders: dict[str, dict[str, Any]] = {
        "renewal": {"naps": {"first": 2.5}},
        "orphan": {"naps": {"first": 2.5}},
        "warm": {"naps": {"first": 1.5}},
        "cold": {"gates": {"first": str(gate)}},
    }
    queues = ("renewal", "orphan", "warm", "cold")
    nodes: dict[str, Node] = {
        "renewal": cluster.worker("renewal", queues=["renewal"], concurrency=2, armed="renew.before=exit"),
        **{queue: cluster.worker(queue, queues=[queue]) for queue in queues[1:]},
    }
    for node in nodes.values():
        node.ready()
    runs = {queue: cluster.squidie.start("Plain", orders[queue], queue=queue) for queue in queues}
    for queue in queues:
        _await_begun(cluster, runs[queue])
    _end(cluster, nodes)
    codes = {queue: nodes[queue].process.wait(40.0) for queue in ("warm", "cold")}
    gate.touch()
    relief = cluster.worker(queues=["orphan", "warm", "cold"]).ready()
    with report.scenario("K13 nobody renews") as row:
        row.hit("renew.before exit", len(nodes["renewal"].hits("renew.before")))
        found = _settled(cluster, row, runs["renewal"])
        row.expect((found.expired, found.again) == (1, 1), f"{found.expired} expired, {found.again} again")
        eventually(lambda: cluster.refused([nodes["renewal"]]), 10.0, why="the first holder was not refused")
        row.refused = cluster.refused([nodes["renewal"]])
    with report.scenario("K17 the main process is killed, its child lives") as row:
        row.hit("kill -9 of the main process")
        found = _settled(cluster, row, runs["orphan"])
        row.expect(found.again <= 1, f"{found.again} effects happened again")
    with report.scenario("K18 warm stop in mid-step") as row:
        row.hit("SIGTERM")
        found = _settled(cluster, row, runs["warm"])
        row.expect(codes["warm"] == 0, f"it ended with {codes['warm']}")
        row.expect((found.released + found.expired, found.again) == (0, 0), "something was lost")
    with report.scenario("K19 cold stop in mid-step") as row:
        row.hit("SIGTERM, SIGQUIT")
        found = _settled(cluster, row, runs["cold"])
        row.expect(found.again <= 1, f"{found.again} effects happened again")
        row.expect(found.released + found.expired == 1, f"{found.released} released, {found.expired} expired")
    cluster.retire([relief, nodes["renewal"], nodes["orphan"]])


def _await_begun(cluster: Cluster, run: Run) -> None:
    eventually(lambda: cluster.effects.of(run.id), 15.0, why="it was not begun")


def _end(cluster: Cluster, nodes: dict[str, Node]) -> None:
    """Each in its own way; only their main processes are told."""
    for queue in ("orphan", "warm", "cold"):
        nodes[queue].is_wanted = False
    os.kill(nodes["orphan"].pid, signal.SIGKILL)
    os.kill(nodes["warm"].pid, signal.SIGTERM)
    os.kill(nodes["cold"].pid, signal.SIGTERM)
    if cluster.kind == "celery":
        nodes["cold"].process.wait_for("Warm shutdown", 10.0)
    os.kill(nodes["cold"].pid, signal.SIGQUIT)


def _settled(cluster: Cluster, row: Row, run: Run) -> checks.Findings:
    row.runs = 1
    result = outcome(run, PATIENCE)
    row.expect(result == "last 1", f"the result is {result!r}")
    found = checks.of_runs(cluster, [run.id])
    row.take(found)
    row.expect(found.outcomes == 4, f"{found.outcomes} outcomes")
    return found


def _failed(run: Run, patience: float) -> dict[str, Any]:
    try:
        outcome(run, patience)
    except RunUnsuccessful as error:
        return dict(error.details.get("error") or {})
    return {}


def crash(cluster: Cluster, report: Report) -> None:
    """K20: all workers, the broker and the database die at once, and come back."""
    nodes = [cluster.worker(queues=["crash"], concurrency=2) for _ in range(2)]
    for node in nodes:
        node.ready()
    with report.scenario("K20 everything is killed at once") as row:
        payload = {"naps": {"first": 0.2, "left": 0.1, "right": 0.1}}
        runs = [
            cluster.squidie.start(kind, payload, queue="crash")
            for _ in range(CRASHED // 2)
            for kind in ("Plain", "Booked")
        ]
        eventually(lambda: len(cluster.effects.of(*(run.id for run in runs))) >= CRASHED // 2, 20.0)
        for node in nodes:
            node.kill()
        cluster.services.postgres.kill()
        row.hit("postgres killed")
        if cluster.kind == "celery":
            cluster.services.redis.kill()
            row.hit("redis killed")
        row.hit("workers killed", len(nodes))
        cluster.heal()
        relief = cluster.worker(queues=["crash"], concurrency=2).ready()
        back_at = time.monotonic()
        for run in runs:
            row.expect(outcome(run, PATIENCE) == "last 1", f"{run.id} did not end well")
        row.runs = len(runs)
        report.numbers["all_done_after_crash"] = round(time.monotonic() - back_at, 2)
        row.take(checks.of_runs(cluster, [run.id for run in runs], may_erase=True))
        row.expect(row.outcomes == 4 * len(runs), f"{row.outcomes} outcomes")
        cluster.retire([relief])
