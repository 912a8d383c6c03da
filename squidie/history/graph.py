"""How a graph moves when one of its nodes ends: edges taken and skipped, nodes made ready, nodes skipped.

A node is ready when every edge into it is settled and at least one was taken. When all were skipped it is skipped
itself, and so are the edges that leave it. This is the only join there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from squidie.history.bodies import NOTHING_MOVED, Moved
from squidie.workflow.spec import END

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from squidie.history.run import Run
    from squidie.workflow.spec import Edge, Spec


class Movement(NamedTuple):
    """What follows when a node ends: what to record, and which steps are ready now."""

    moved: Moved
    ready: tuple[str, ...]


NOTHING = Movement(NOTHING_MOVED, ())


def follow(spec: Spec, run: Run, step: str, taken: Sequence[Edge]) -> Movement:
    """The movement when these edges of a step are taken and its others skipped, on top of what is settled already."""
    edges = spec.outgoing[step]
    if len(edges) == 1 and taken and len(spec.incoming.get(edges[0].target, ())) == 1:
        return Movement(
            Moved(taken=(edges[0].id,)), (edges[0].target,)
        )  # a plain chain, by far the most common movement
    walk, chosen = _Walk(spec, run), set(map(id, taken))
    for edge in edges:
        walk.settle(edge, taken=id(edge) in chosen)
    return walk.finish()


def is_finished(run: Run, *, but: str, opened: Collection[str]) -> bool:
    """Whether nothing is open any more once `but` has ended and `opened` were opened."""
    return not opened and not any(node.is_open and name != but for name, node in reversed(run.nodes.items()))


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
        """Whether every edge into it is settled. Of many the last to be declared is mostly the last to be settled."""
        settled, before = self.edges, self.run.edges
        return all(edge.id in settled or edge.id in before for edge in reversed(self.spec.incoming[step]))

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
