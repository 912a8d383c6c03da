"""A graph in Mermaid's language, for pages that draw it themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.views.drawing.colours import COLOURS
from squidie.views.drawing.ways import label, shows_end, way
from squidie.views.graph import EdgeStatus
from squidie.views.states import State
from squidie.workflow.spec import END

if TYPE_CHECKING:
    from squidie.views.graph import GraphEdge, RunGraph

_TAKEN_WORDS = frozenset(
    "call class classdef click default direction end flowchart graph href interpolate linkstyle style subgraph".split()  # noqa: SIM905 - a list of words
)


def draw(graph: RunGraph) -> str:
    """The text of a flowchart; of a run, each node has the sign, the word and the class of its state."""
    names = _names(graph)
    lines = ["flowchart LR"]
    for node in graph.nodes:
        word = "" if graph.run_id is None else f"<br>{node.state.glyph} {node.state.word}"
        lines.append(f'    {names[node.id]}["{_escaped(label(node))}{word}"]:::{node.state}')
    edges = [edge for edge in graph.edges if edge.target in names]
    if shows_end(graph):
        lines.append(f"    {names[END]}(( ))")
    else:
        edges = [edge for edge in edges if edge.target != END]
    lines += [
        f"    {names[edge.source]} {_arrow(edge, is_run=graph.run_id is not None)} {names[edge.target]}"
        for edge in edges
    ]
    shown = [state for state in State if any(node.state is state for node in graph.nodes)]
    lines += [f"    classDef {state} {_style(state)}" for state in shown]
    return "\n".join(lines)


def _names(graph: RunGraph) -> dict[str, str]:
    """Names that Mermaid accepts: some words are its own, and a colon is a sign of its own."""
    found: dict[str, str] = {}
    for name in (*(node.id for node in graph.nodes), END):
        made = name.replace(":", "__")
        while made.lower() in _TAKEN_WORDS or made in found.values():
            made += "_"
        found[name] = made
    return found


def _arrow(edge: GraphEdge, *, is_run: bool) -> str:
    """Solid where a run went, and where there is no run."""
    said = way(edge)
    text = f'|"{_escaped(said)}"|' if said else ""
    is_solid = (edge.status is EdgeStatus.TAKEN or not is_run) and edge.on != "undo"
    return f"{'-->' if is_solid else '-.->'}{text}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _style(state: State) -> str:
    ink, tint, _, _ = COLOURS[state]
    return f"fill:{tint},stroke:{ink},color:{ink}"
