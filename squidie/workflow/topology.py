"""What the graph of a spec implies: which nodes come before which, and in which ways a node can come to run.

A *turn* is what a run can do after a node: take one branch of one of its outcomes. A *way* is a set of turns that
together lead to a node: after a failed charge, `{("charge", "error", "")}`. Turns that are the only ones a run can go
on with are left out, so a plain chain or fan-out has the single way "always". Ways are joined where nodes join, and
simplified where the turns after one node are all covered.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from squidie.workflow.spec import END, Outcome, mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from squidie.workflow.spec import Edge, Spec

    Turn = tuple[str, Outcome, str]  # the node, its outcome, and the mark of the branch's condition or nothing
    Way = frozenset[Turn]
    Ways = frozenset[Way]

ALWAYS: Ways = frozenset({frozenset()})
MOST_WAYS = 64
"""Beyond this nobody reads the graph either; what depends on it is then left to the run."""


class Topology:
    """The graph of one spec, looked at from all sides.

    Edges that lead nowhere are passed over: other checks name them.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.edges = [
            e for e in spec.edges if e.source in spec.by_name and e.target in spec.by_name and e.source != e.target
        ]
        self.incoming: dict[str, list[Edge]] = {name: [] for name in spec.by_name}
        self.targets: dict[str, list[str]] = {name: [] for name in spec.by_name}
        for edge in self.edges:
            self.incoming[edge.target].append(edge)
            self.targets[edge.source].append(edge.target)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The nodes, each after those before it. Nodes on a cycle, and those behind one, are missing."""
        waiting = {name: len(edges) for name, edges in self.incoming.items()}
        ready = [name for name, count in waiting.items() if count == 0]
        for name in ready:  # grows while it is walked
            for target in self.targets[name]:
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
        return tuple(ready)

    @property
    def is_acyclic(self) -> bool:
        """Whether every node has its place in the order."""
        return len(self.order) == len(self.incoming)

    @cached_property
    def on_cycles(self) -> tuple[str, ...]:
        """The nodes that lie on a cycle: what is left when ends without a way in or out are taken away."""
        left = set(self.incoming) - set(self.order)
        while ends := {name for name in left if not any(target in left for target in self.targets[name])}:
            left -= ends
        return tuple(name for name in self.incoming if name in left)

    @cached_property
    def _before(self) -> dict[str, int]:
        """For each node the set of nodes before it, as bits: a thousand nodes stay cheap."""
        bit = {name: 1 << place for place, name in enumerate(self.order)}
        before: dict[str, int] = {}
        for name in self.order:
            before[name] = 0
            for edge in self.incoming[name]:
                before[name] |= before[edge.source] | bit[edge.source]
        return before

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.order)}

    def precedes(self, earlier: str, later: str) -> bool:
        """Whether one node lies before the other on some path."""
        place = self._place.get(earlier)
        return place is not None and bool(self._before.get(later, 0) >> place & 1)

    def preceding(self, name: str) -> tuple[str, ...]:
        """All nodes before this one on its paths, in order."""
        found = self._before.get(name, 0)
        return tuple(each for place, each in enumerate(self.order) if found >> place & 1)

    @cached_property
    def _turns(self) -> dict[str, frozenset[Turn]]:
        """What a run can go on with after each node.

        Without an error edge a failure ends the run; without a fallback so does a success that no condition meets.
        """
        found: dict[str, set[Turn]] = {name: set() for name in self.incoming}
        for edge in self.spec.edges:
            if edge.source in found and (edge.target in self.incoming or edge.target == END):
                found[edge.source].add(_turn(edge))
        for name, turns in found.items():
            if not any(outcome is Outcome.OK for _, outcome, _ in turns):
                turns.add((name, Outcome.OK, ""))
        return {name: frozenset(turns) for name, turns in found.items()}

    @cached_property
    def ways(self) -> dict[str, Ways | None]:
        """How each node can come to run; None where there are too many ways to tell."""
        found: dict[str, Ways | None] = {}
        for name in self.order:
            edges = self.incoming[name]
            arriving = [self._after(found[edge.source], _turn(edge)) for edge in edges]
            found[name] = self._joined(arriving) if edges else ALWAYS
        return found

    def _after(self, ways: Ways | None, turn: Turn) -> Ways | None:
        """The ways to a node, and then that turn after it."""
        if ways is None or self._turns[turn[0]] == {turn}:
            return ways
        return frozenset(way | {turn} for way in ways)

    def _joined(self, arriving: Iterable[Ways | None]) -> Ways | None:
        together: set[Way] = set()
        for ways in arriving:
            if ways is None:
                return None
            together |= ways
        if len(together) == 1:
            return frozenset(together)
        return self._simplified(together) if len(together) <= MOST_WAYS else None

    def _simplified(self, ways: set[Way]) -> Ways:
        """Ways that another way covers are dropped.

        Ways that differ in the turn after one node only, all of them present, become one without it.
        """
        changed = True
        while changed:
            ways = {way for way in ways if not any(other < way for other in ways)}
            merged = {
                way - {turn}
                for way in ways
                for turn in way
                if all((way - {turn}) | {other} in ways for other in self._turns[turn[0]])
            }
            changed = bool(merged)
            ways |= merged
        return frozenset(ways)

    def completed(self, name: str) -> Ways | None:
        """The ways in which this node has completed."""
        before = self.ways.get(name)
        return self._joined(self._after(before, turn) for turn in self._turns[name] if turn[1] is Outcome.OK)

    def is_sure(self, later: str, producers: Iterable[str]) -> bool:
        """Whether one of the producers has completed whenever the later node runs.

        True as well where that cannot be told.
        """
        wanted, given = self.ways.get(later), self._joined([self.completed(each) for each in producers])
        if wanted is None or given is None:
            return True
        return all(any(way <= each for way in given) for each in wanted)

    def can_both_complete(self, one: str, other: str) -> bool:
        """Whether a single run can complete both nodes."""
        first, second = self.completed(one), self.completed(other)
        if first is None or second is None:
            return False
        return any(_agree(way, each) for way in first for each in second)


def _turn(edge: Edge) -> Turn:
    return edge.source, edge.on, mark(edge.when) if edge.when else ""


def _agree(one: Way, other: Way) -> bool:
    """Whether one run can go both ways: after no node it takes two turns."""
    taken = {name: (outcome, branch) for name, outcome, branch in one}
    return all(taken.get(name, (outcome, branch)) == (outcome, branch) for name, outcome, branch in other)


def topology(spec: Spec) -> Topology:
    """The topology of a spec, worked out once and kept with it."""
    found: Topology | None = spec.__dict__.get("topology")
    if found is None:
        found = spec.__dict__["topology"] = Topology(spec)
    return found
