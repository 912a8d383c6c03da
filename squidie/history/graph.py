"""How a graph moves when one of its nodes ends: edges taken and skipped, nodes made ready, nodes skipped.

A node is ready when every edge into it is settled and at least one was taken. When all were skipped it is skipped
itself, and so are the edges that leave it. This is the only join there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from squidie.history.facts import NOTHING_MOVED, Moved
from squidie.history.run import NodeStatus
from squidie.workflow.spec import END, Outcome

if TYPE_CHECKING:
    from squidie.history.run import Run
    from squidie.workflow.spec import Edge, Spec


class Movement(NamedTuple):
    """What follows when a node ends: what to record, and which steps are ready now."""

    moved: Moved
    ready: tuple[str, ...]


NOTHING = Movement(NOTHING_MOVED, ())


def handles(spec: Spec, step: str, outcome: Outcome) -> bool:
    """Whether an edge waits for this outcome of the step."""
    return any(edge.on is outcome for edge in spec.outgoing[step])


def move(spec: Spec, run: Run, step: str, outcome: Outcome) -> Movement:
    """The movement that the end of one step causes, on top of what the run's edges say already."""
    edges = spec.outgoing[step]
    if len(edges) == 1 and edges[0].on is outcome and len(spec.incoming.get(edges[0].target, ())) == 1:
        return Movement(
            Moved(taken=(edges[0].id,)), (edges[0].target,)
        )  # a plain chain, by far the most common movement
    walk = _Walk(spec, run)
    for edge in edges:
        walk.settle(edge, taken=edge.on is outcome)
    return walk.finish()


def is_finished(run: Run, *, but: str, opened: tuple[str, ...]) -> bool:
    """Whether nothing is open any more once `but` has ended and `opened` were opened."""
    return not opened and not any(node.status is NodeStatus.OPEN and name != but for name, node in run.nodes.items())


class _Walk:
    """One pass through the graph. Each edge is settled once, so it ends."""

    def __init__(self, spec: Spec, run: Run) -> None:
        self.spec = spec
        self.run = run
        self.edges: dict[str, bool] = {}
        self.skipped: list[str] = []
        self.ready: list[str] = []

    def settle(self, edge: Edge, *, taken: bool) -> None:
        todo = [(edge, taken)]
        while todo:
            current, took = todo.pop()
            self.edges[current.id] = took
            if current.target != END and self.is_settled(current.target):
                todo.extend(self.reach(current.target))

    def is_settled(self, step: str) -> bool:
        return all(edge.id in self.edges or edge.id in self.run.edges for edge in self.spec.incoming[step])

    def reach(self, step: str) -> list[tuple[Edge, bool]]:
        """The node is ready, or skipped: then its own edges are skipped next."""
        if any(self.edges.get(edge.id, self.run.edges.get(edge.id, False)) for edge in self.spec.incoming[step]):
            self.ready.append(step)
            return []
        self.skipped.append(step)
        return [(edge, False) for edge in self.spec.outgoing[step]]

    def finish(self) -> Movement:
        if not self.edges:
            return NOTHING
        moved = Moved(
            taken=tuple(edge for edge, took in self.edges.items() if took),
            skipped_edges=tuple(edge for edge, took in self.edges.items() if not took),
            skipped_steps=tuple(self.skipped),
        )
        return Movement(moved, tuple(self.ready))
