"""Rules for the edges, and for the graph they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.issues import Issue
from squidie.workflow.spec import END
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from squidie.workflow.spec import Spec


def edges_lead_somewhere(spec: Spec) -> Iterable[Issue]:
    """From a step to a step, or to the end."""
    for path, edge in places.edges(spec):
        if edge.source not in spec.by_name:
            yield Issue(f"{path}.from", "unknown_edge_source", "no step has this name")
        if edge.target not in spec.by_name and edge.target != END:
            yield Issue(f"{path}.to", "unknown_edge_target", "no step has this name, and it is not end")


def edges_are_unique(spec: Spec) -> Iterable[Issue]:
    """An edge is known by its two ends and its outcome."""
    seen: set[str] = set()
    for path, edge in places.edges(spec):
        if edge.id in seen:
            yield Issue(path, "duplicate_edge", "the same edge is declared before")
        seen.add(edge.id)


def no_step_follows_itself(spec: Spec) -> Iterable[Issue]:
    """A step that waits for itself never starts."""
    for path, edge in places.edges(spec):
        if edge.source == edge.target and edge.source in spec.by_name:
            yield Issue(path, "self_edge", "leads from a step to itself; a retry policy repeats a step")


def no_cycles(spec: Spec) -> Iterable[Issue]:
    """A step in a circle waits for what waits for it."""
    steps = topology(spec).on_cycles
    if steps:
        said = f"these steps wait for one another: {', '.join(steps)}"
        yield Issue("edges", "cycle", said, details={"steps": list(steps)})


def some_entry(spec: Spec) -> Iterable[Issue]:
    """A run begins with the steps to which no edge leads."""
    if spec.nodes and not topology(spec).order:
        yield Issue("steps", "missing_entry", "an edge leads to every step, so that none can be the first")


RULES = (edges_lead_somewhere, edges_are_unique, no_step_follows_itself, no_cycles, some_entry)
