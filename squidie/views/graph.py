"""The graph of a run, or of a workflow: nodes with their states, edges with what became of them.

It is made from the stored definition and from facts; the workflow's code is not needed. What Squidie does not have yet,
children, maps and work that is added under way, is left out, and with it their edges and counts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.history.run import NodeStatus
from squidie.journal import listing
from squidie.views.attempts import AttemptView, attempts_in
from squidie.views.deadlines import DeadlineView
from squidie.views.reasons import RANK, Reason
from squidie.views.snapshot import reading_in, snapshot_of
from squidie.views.states import State
from squidie.views.steps import WaitView
from squidie.workflow.fingerprint import fingerprint
from squidie.workflow.spec import MANUAL, UNDO, Recovery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from squidie.history.run import Run
    from squidie.journal.store import Journal
    from squidie.views.snapshot import Reading, RunSnapshot
    from squidie.views.steps import StepView
    from squidie.workflow.spec import Edge, Node, Spec

__all__ = ["EdgeStatus", "GraphEdge", "GraphNode", "RunGraph", "graph_of_spec", "inspect_run_graph"]

SCHEMA = "squidie.graph/1"
COMPENSATION = "compensation"
"""The kind of a node that undoes another."""


class EdgeStatus(StrEnum):
    """What became of an edge.

    `blocked` can never settle: its source failed and nothing handled it, or the run is undone or has ended.
    """

    PENDING = "pending"
    TAKEN = "taken"
    SKIPPED = "skipped"
    BLOCKED = "blocked"


class GraphNode(msgspec.Struct, frozen=True, kw_only=True):
    """One node. Its `id` is the step's name, `compensate:reserve` for what undoes a step.

    `current`: something of it is open. `manual`: it goes on by a person's decision only. `compensation` is what undoes
    it, `recovery` what an error edge that leads to it is for. `input` says where each parameter is read; it, `output`,
    `error` and `attempts` are there only if history was asked for.
    """

    id: str
    kind: str
    action: str
    state: State
    reason: Reason | None = None
    current: bool = False
    attempt: int = 0
    max_attempts: int = 1
    manual: bool = False
    waits: WaitView | None = None
    deadline: DeadlineView | None = None
    recovery: Recovery | None = None
    compensation: str | None = None
    irreversible: bool = False
    tolerated: bool = False
    carried: bool = False
    input: dict[str, str] | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    attempts: tuple[AttemptView, ...] = ()


class GraphEdge(msgspec.Struct, frozen=True, kw_only=True):
    """One edge. `target` is `end` where a path ends so; `when` is its condition, as a spec has it.

    `on` is `ok`, `error`, or `undo` for the link from a step to what undoes it, which is there for the picture.
    `fallback`: it is taken if no condition of its source holds.
    """

    id: str
    source: str
    target: str
    on: str
    status: EdgeStatus = EdgeStatus.PENDING
    when: dict[str, Any] | None = None
    fallback: bool = False
    recovery: Recovery | None = None


class RunGraph(msgspec.Struct, frozen=True, kw_only=True):
    """A graph, in declared order. What is about a run is None where there is only a definition.

    `current` are the open nodes, the most pressing first: asked, lost, claimed, due, scheduled.
    """

    workflow: str
    version: str | None
    definition: str
    run_id: UUID | None = None
    short_id: str | None = None
    state: State | None = None
    revision: int | None = None
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    current: tuple[str, ...] = ()

    def to_map(self) -> dict[str, Any]:
        """The graph as plain JSON, named and versioned."""
        return {"schema": SCHEMA, **msgspec.json.decode(msgspec.json.encode(self))}


def inspect_run_graph(journal: Journal, run_id: UUID, *, history: bool = False) -> RunGraph:
    """The graph of a run as it stands now. Raises `RunNotFound`."""
    with listing.snapshot(journal) as connection:
        reading = reading_in(journal, connection, run_id)
    run, spec = snapshot_of(reading), reading.scene.spec
    nodes = tuple(_node(spec, step) for step in run.steps)
    return RunGraph(
        workflow=run.workflow,
        version=run.version,
        definition=run.definition,
        run_id=run.id,
        short_id=run.short_id,
        state=run.state,
        revision=run.revision,
        nodes=_with_history(nodes, run, reading) if history else nodes,
        edges=_edges(spec, reading.scene.run, undone=[node.id for node in nodes if node.kind == COMPENSATION]),
        current=_current(run),
    )


def graph_of_spec(spec: Spec) -> RunGraph:
    """The graph of a workflow that nobody has started."""
    nodes = [
        GraphNode(
            id=node.name,
            kind=node.kind.value,
            action=node.action,
            state=State.NOT_STARTED,
            max_attempts=node.retry.max_attempts if node.retry else 1,
            **_declared(spec, node),
        )
        for node in spec.nodes
    ]
    return RunGraph(
        workflow=spec.name,
        version=spec.version,
        definition=fingerprint(spec),
        nodes=tuple(nodes),
        edges=tuple(_edge(spec, edge, EdgeStatus.PENDING) for edge in spec.edges),
    )


def _node(spec: Spec, step: StepView) -> GraphNode:
    return GraphNode(
        id=step.name,
        kind=step.kind,
        action=step.action,
        state=step.state,
        reason=step.reason,
        current=step.reason is not None,
        attempt=step.attempt,
        max_attempts=step.max_attempts,
        waits=step.waits,
        deadline=step.deadline,
        tolerated=step.tolerated,
        carried=step.carried,
        **_declared(spec, spec.work[step.name]),
    )


def _declared(spec: Spec, node: Node) -> dict[str, Any]:
    """What its definition says of a node, whatever has happened."""
    into = spec.incoming.get(node.name, ())
    return {
        "manual": node.kind in MANUAL,
        "irreversible": node.irreversible,
        "compensation": node.compensate.action if node.compensate else None,
        "recovery": next((edge.recovery for edge in into if edge.recovery is not None), None),
    }


def _with_history(nodes: tuple[GraphNode, ...], run: RunSnapshot, reading: Reading) -> tuple[GraphNode, ...]:
    made, steps = attempts_in(run.id, reading.scene), {step.name: step for step in run.steps}
    return tuple(
        msgspec.structs.replace(
            node,
            input=dict(reading.scene.spec.work[node.id].input),
            output=steps[node.id].output,
            error=steps[node.id].error,
            attempts=made.get(node.id, ()),
        )
        for node in nodes
    )


def _edges(spec: Spec, run: Run, undone: list[str]) -> tuple[GraphEdge, ...]:
    flow = [_edge(spec, edge, _status(run, edge)) for edge in spec.edges]
    links = [
        GraphEdge(id=f"{step}:undo:{undo}", source=step, target=undo, on="undo", status=EdgeStatus.TAKEN)
        for undo in undone
        for step in (undo.removeprefix(UNDO),)
    ]
    return (*flow, *links)


def _edge(spec: Spec, edge: Edge, status: EdgeStatus) -> GraphEdge:
    siblings = spec.branches(edge.source, edge.on)
    return GraphEdge(
        id=edge.id,
        source=edge.source,
        target=edge.target,
        on=edge.on.value,
        status=status,
        when=msgspec.to_builtins(edge.when) if edge.when is not None else None,
        fallback=edge.when is None and len(siblings) > 1,
        recovery=edge.recovery,
    )


def _status(run: Run, edge: Edge) -> EdgeStatus:
    settled = run.edges.get(edge.id)
    if settled is not None:
        return EdgeStatus.TAKEN if settled else EdgeStatus.SKIPPED
    source = run.nodes.get(edge.source)
    lost = source is not None and source.status in (NodeStatus.FAILED, NodeStatus.WITHDRAWN)
    return EdgeStatus.BLOCKED if lost or run.undo is not None or not run.is_open else EdgeStatus.PENDING


def _current(run: RunSnapshot) -> tuple[str, ...]:
    ranks: Mapping[str, int] = {step.name: RANK[step.reason] for step in run.steps if step.reason is not None}
    return tuple(sorted(ranks, key=lambda name: ranks[name]))
