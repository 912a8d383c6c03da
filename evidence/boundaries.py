"""Every step boundary of a saga and of an approval, under the death of the worker and restarts of Postgres and Redis.

Each run stands before one step; then it happens, to all of them at once. What the journal says in the end is what it
says of a run to which nothing happened, but for the claims that were lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence import checks
from evidence.cluster import outcome
from evidence.restarts import told
from squidie.errors import RunUnsuccessful
from squidie.workflow.spec import UNDO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidence.cluster import Cluster
    from evidence.report import Report, Row
    from squidie import Run

SAGA, APPROVAL = "SagaCheckout", "ManualApproval"
STANDS = {SAGA: 6, APPROVAL: 1}
"""Steps that are called: reserve, authorize, capture twice, and two that undo; and the one behind the approval."""

HOLD = 5.0
"""Seconds that a run stands at its boundary while a server is restarted."""

FAULTS = ("worker", "postgres", "redis")
LOSSES = {"attempt_expired", "attempt_released"}
PATIENCE = 30.0


def boundaries(cluster: Cluster, report: Report, chosen: Iterable[str] = FAULTS) -> None:
    """One fault after the other."""
    norm = _undisturbed(cluster)
    for fault in chosen:
        if fault != "redis" or cluster.kind == "celery":
            _under(cluster, report, fault, norm)


def _undisturbed(cluster: Cluster) -> dict[str, list[tuple[str, Any]]]:
    """What the journal says when nothing happens."""
    worker = cluster.worker("norm", queues=["norm"]).ready()
    norm = {}
    for workflow in STANDS:
        run = _start(cluster, workflow, "norm")
        _decide(cluster, workflow, run)
        _await(run)
        norm[workflow] = _words(cluster, run)
    cluster.retire([worker])
    return norm


def _under(cluster: Cluster, report: Report, fault: str, norm: dict[str, list[tuple[str, Any]]]) -> None:
    places = [(workflow, number) for workflow, steps in STANDS.items() for number in range(1, steps + 1)]
    action = "stop" if fault == "worker" else f"sleep:{HOLD:g}"
    nodes = {
        place: cluster.worker(queue := _queue(fault, place), queues=[queue], armed=f"step.before={action}@{place[1]}")
        for place in places
    }
    for node in nodes.values():
        node.ready()
    runs = {place: _start(cluster, place[0], nodes[place].name) for place in places}
    paused = _start(cluster, APPROVAL, nodes[APPROVAL, 1].name)  # stands at its question all the while
    for place in places:
        _decide(cluster, place[0], runs[place])
        nodes[place].hit("step.before")
    _harm(cluster, fault, list(nodes.values()))
    relief = cluster.worker(queues=[node.name for node in nodes.values()]) if fault == "worker" else None
    _decide(cluster, APPROVAL, paused)
    for place, run in (*runs.items(), ((APPROVAL, 0), paused)):
        with report.scenario(f"{fault}: {place[0]} before step {place[1]}") as row:
            row.hit(f"{fault} {'killed' if fault == 'worker' else 'restarted'}")
            _await(run)
            _judge(cluster, row, run, place, norm[place[0]], is_lossy=fault == "worker")
    cluster.retire([*(node for node in nodes.values() if node.is_wanted), *([relief] if relief else [])])


def _harm(cluster: Cluster, fault: str, nodes: list[Any]) -> None:
    match fault:
        case "worker":
            for node in nodes:
                node.kill()
        case "postgres":
            cluster.bounce("postgres", "stop")
        case "redis":
            cluster.bounce("redis", "kill")


def _judge(
    cluster: Cluster, row: Row, run: Run, place: tuple[str, int], norm: list[tuple[str, Any]], *, is_lossy: bool
) -> None:
    row.runs = 1
    found = checks.of_runs(cluster, [run.id])
    row.take(found)
    words = _words(cluster, run)
    kept = [word for word in words if word[0] not in LOSSES]
    row.expect(kept == norm, f"the journal says {kept}, and without the fault {norm}")
    row.expect(found.again == 0, f"{found.again} effects happened again: nothing had begun")
    most = 1 if is_lossy and place[1] else 0
    row.expect(found.released + found.expired <= most, f"{found.released} released, {found.expired} expired")
    undone = [effect.step for effect in cluster.effects.of(run.id) if effect.step.startswith(UNDO)]
    if place[0] == SAGA:
        row.expect([step.removeprefix(UNDO) for step in undone] == ["authorize", "reserve"], f"undone: {undone}")


def _start(cluster: Cluster, workflow: str, queue: str) -> Run:
    return cluster.squidie.start(workflow, {"order_id": 7} if workflow == SAGA else None, queue=queue)


def _decide(cluster: Cluster, workflow: str, run: Run) -> None:
    if workflow == APPROVAL:
        cluster.squidie.approve(run.id, actor="ann")


def _await(run: Run) -> None:
    try:
        outcome(run, PATIENCE)
    except RunUnsuccessful:
        return


def _words(cluster: Cluster, run: Run) -> list[tuple[str, Any]]:
    """Kind and step of each fact, in order."""
    return [(fact.kind, fact.body.get("step")) for fact in told(cluster, run)]


def _queue(fault: str, place: tuple[str, int]) -> str:
    return f"{fault}-{place[0]}-{place[1]}".lower()
