"""A graph in the language of Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.views.drawing.colours import COLOURS
from squidie.views.drawing.ways import label, shows_end, way
from squidie.views.graph import EdgeStatus
from squidie.workflow.spec import END

if TYPE_CHECKING:
    from squidie.views.graph import GraphEdge, GraphNode, RunGraph

_LINES = {
    EdgeStatus.PENDING: "dashed",
    EdgeStatus.TAKEN: "solid",
    EdgeStatus.SKIPPED: "dotted",
    EdgeStatus.BLOCKED: "dotted",
}


def draw(graph: RunGraph) -> str:
    """The text of a digraph, left to right."""
    with_end = shows_end(graph)
    lines = [f"digraph {_quoted(graph.workflow)} {{", "    rankdir=LR;", "    node [shape=box, style=filled];"]
    lines += [f"    {_quoted(node.id)} [{_node(node, is_run=graph.run_id is not None)}];" for node in graph.nodes]
    lines += [f"    {_quoted(END)} [shape=point];"] if with_end else []
    lines += [
        f"    {_quoted(edge.source)} -> {_quoted(edge.target)} [{_edge(edge, is_run=graph.run_id is not None)}];"
        for edge in graph.edges
        if with_end or edge.target != END
    ]
    return "\n".join([*lines, "}"])


def _node(node: GraphNode, *, is_run: bool) -> str:
    ink, tint, _, _ = COLOURS[node.state]
    said = f"{label(node)}\\n{node.state.glyph} {node.state.word}" if is_run else label(node)
    return f'label="{said}", color="{ink}", fontcolor="{ink}", fillcolor="{tint}"'


def _edge(edge: GraphEdge, *, is_run: bool) -> str:
    said = way(edge)
    line = "dashed" if edge.on == "undo" else _LINES[edge.status] if is_run else "solid"
    return f"style={line}" + (f", label={_quoted(said)}" if said else "")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
