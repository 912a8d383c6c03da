"""Edges in words: where they lead, and when they are taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from squidie.workflow.spec import END

if TYPE_CHECKING:
    from collections.abc import Mapping

    from squidie.views.graph import GraphEdge, GraphNode, RunGraph

_SAID = {
    "equals": "is",
    "not_equals": "is not",
    "greater_than": ">",
    "at_least": ">=",
    "less_than": "<",
    "at_most": "<=",
    "in": "in",
}


def label(node: GraphNode) -> str:
    """A node's name; which try it is at, where that is not the first."""
    return f"{node.id} {node.attempt}/{node.max_attempts}" if node.attempt > 1 else node.id


def way(edge: GraphEdge) -> str:
    """When an edge is taken, in a few words; nothing where it simply follows."""
    said = [f"if {condition(edge.when)}"] if edge.when is not None else ["otherwise"] if edge.fallback else []
    on = {"error": "on error", "undo": "undone by"}.get(edge.on, "")
    return ", ".join([on, *said] if on else said)


def condition(when: Mapping[str, Any]) -> str:
    """A condition in a few words: `gateway.status_code > 199`."""
    path = str(when["path"])
    for operator, word in _SAID.items():
        if operator in when:
            return f"{path} {word} {json.dumps(when[operator], ensure_ascii=False)}"
    return f"{path} {'exists' if when.get('exists') else 'is absent'}"


def remarks(graph: RunGraph, arrow: str = "→") -> list[str]:
    """What the lines of a drawing do not say: a line for each edge that is not simply what follows."""
    told: dict[str, list[str]] = {}
    for edge in graph.edges:
        if edge.on != "undo" and way(edge):
            told.setdefault(f"{edge.source} {arrow} {edge.target}", []).append(way(edge))
    wide = max(map(len, told), default=0)
    return [f"{ends:<{wide}}  {' or '.join(ways)}" for ends, ways in told.items()]


def shows_end(graph: RunGraph) -> bool:
    """Whether a path can end where others go on, so that a picture needs the end."""
    return any(edge.target == END and way(edge) for edge in graph.edges)
