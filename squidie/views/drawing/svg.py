"""A graph as a picture that needs nothing else: readable on light and dark pages, and by those who do not see it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from squidie.views.drawing.colours import COLOURS
from squidie.views.drawing.ways import label, shows_end, way
from squidie.views.layout import layout
from squidie.views.states import State
from squidie.workflow.spec import END

if TYPE_CHECKING:
    from collections.abc import Mapping

    from squidie.views.graph import GraphEdge, GraphNode, RunGraph
    from squidie.views.layout import Item, Layout

EDGE, CHANNEL, TURN = 16, 64, 40
NODE, PITCH = 44, 64
LETTER, SMALL = 8.0, 6.8
"""Pixels: the margin, the room between layers and for a turn; the heights of a node and a row; letters' widths."""
_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Segoe UI Symbol', 'Noto Sans Symbols 2', monospace"


class _Scale:
    """Where things are, in pixels."""

    def __init__(self, graph: RunGraph, placed: Layout) -> None:
        words = {
            node.id: max(len(label(node)) * LETTER, len(_second(node)) * SMALL * (graph.run_id is not None))
            for node in graph.nodes
        }
        self.layer = {item: n for n, layer in enumerate(placed.layers) for item in layer}
        self.wide = [
            max((words.get(item, 0) + 24 if item != END else 12 for item in layer if isinstance(item, str)), default=12)
            for layer in placed.layers
        ]
        said = [
            max((len(_words(edge)) for edge in graph.edges if self._is_short(edge, n)), default=0)
            for n in range(len(self.wide))
        ]
        self.gaps = [max(CHANNEL, length * SMALL + TURN + 20) for length in said]
        self.lefts = [EDGE + sum(self.wide[:n]) + sum(self.gaps[:n]) for n in range(len(self.wide))]
        self.width = EDGE * 2 + sum(self.wide) + sum(self.gaps[: max(0, len(self.wide) - 1)])
        self.height = EDGE * 2 + placed.height * PITCH - (PITCH - NODE)
        self.rows = placed.rows

    def _is_short(self, edge: GraphEdge, layer: int) -> bool:
        """Whether the edge's words stand right before this layer's successor, where they are written."""
        return bool(_words(edge)) and self.layer.get(edge.target, 0) == layer + 1

    def middle(self, item: Item) -> float:
        return EDGE + self.rows[item] * PITCH + NODE / 2

    def left(self, item: Item) -> float:
        return self.lefts[self.layer[item]]

    def right(self, item: Item) -> float:
        return self.left(item) + self.wide[self.layer[item]]


def draw(graph: RunGraph) -> str:
    """The text of an SVG document."""
    with_end = shows_end(graph)
    edges = [edge for edge in graph.edges if edge.target != END or with_end]
    items = [*(node.id for node in graph.nodes), *([END] if with_end else [])]
    placed = layout(items, [(edge.source, edge.target) for edge in edges])
    scale = _Scale(graph, placed)
    title = f"{graph.workflow} {graph.short_id or ''}".rstrip() + (f": {graph.state.word}" if graph.state else "")
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {scale.width:.0f} {scale.height:.0f}" '
            f'width="{scale.width:.0f}" height="{scale.height:.0f}" role="img" aria-labelledby="title desc">'
        ),
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(_told(graph))}</desc>',
        f"<style>{_style(graph)}</style>",
        (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto">'
            '<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>'
        ),
    ]
    lines += _edges(edges, placed, scale, is_run=graph.run_id is not None)
    lines += [_node(node, scale, is_run=graph.run_id is not None) for node in graph.nodes]
    if with_end:
        lines.append(f'<circle class="end" cx="{scale.left(END) + 6:.0f}" cy="{scale.middle(END):.0f}" r="5"/>')
    return "\n".join([*lines, "</svg>"])


def _second(node: GraphNode) -> str:
    return f"{node.state.glyph} {node.state.word}"


def _words(edge: GraphEdge) -> str:
    """What is written at a line; that of an undo is dashed, and its target's name says the rest."""
    return "" if edge.on == "undo" else way(edge)


def _told(graph: RunGraph) -> str:
    return "; ".join(f"{node.id} {node.state.word}" for node in graph.nodes)


def _edges(edges: list[GraphEdge], placed: Layout, scale: _Scale, *, is_run: bool) -> list[str]:
    """One line for all edges between two nodes, in the manner of the first; its words above its last stretch."""
    between: dict[tuple[str, str], list[GraphEdge]] = {}
    for edge in edges:
        between.setdefault((edge.source, edge.target), []).append(edge)
    lines = []
    for pair, found in between.items():
        first = min(found, key=lambda edge: ("taken", "pending", "blocked", "skipped").index(edge.status))
        kind = "undo" if first.on == "undo" else first.status if is_run else "plain"
        path = _path(placed.lines[pair], scale)
        ids = escape(" ".join(edge.id for edge in found), quote=True)
        lines.append(f'<path class="edge {kind}" data-edge="{ids}" d="{path}" marker-end="url(#head)"/>')
        said = escape(" or ".join(filter(None, map(_words, found))))
        if said:
            x, y = scale.left(pair[1]) - 14, scale.middle(pair[1]) - 6
            lines.append(f'<text class="way" x="{x:.0f}" y="{y:.0f}" text-anchor="end">{said}</text>')
    return lines


def _path(line: tuple[Item, ...], scale: _Scale) -> str:
    """It turns right behind its source, so that words stand beside straight lines only."""
    x, y = scale.right(line[0]), scale.middle(line[0])
    parts = [f"M{x:.0f} {y:.0f}"]
    for item in line[1:]:
        stop, level = scale.left(item), scale.middle(item)
        half, turned = x + TURN / 2, x + TURN
        parts += [f"C{half:.0f} {y:.0f} {half:.0f} {level:.0f} {turned:.0f} {level:.0f}"] if level != y else []
        parts.append(f"H{stop:.0f}")
        x, y = scale.right(item), level
        if item is not line[-1]:
            parts.append(f"H{x:.0f}")
    return " ".join(parts)


def _node(node: GraphNode, scale: _Scale, *, is_run: bool) -> str:
    x, y = scale.left(node.id), scale.middle(node.id) - NODE / 2
    name = f'<text class="name" x="{x + 12:.0f}" y="{y + (19 if is_run else 27):.0f}">{escape(label(node))}</text>'
    word = f'<text class="word" x="{x + 12:.0f}" y="{y + 35:.0f}">{_second(node)}</text>' if is_run else ""
    box = f'<rect x="{x:.0f}" y="{y:.0f}" width="{scale.wide[scale.layer[node.id]]:.0f}" height="{NODE}" rx="6"/>'
    return f'<g class="node {node.state}" data-node="{escape(node.id, quote=True)}">{box}{name}{word}</g>'


def _style(graph: RunGraph) -> str:
    shown = [state for state in State if any(node.state is state for node in graph.nodes)]
    light = {state: COLOURS[state][:2] for state in shown}
    dark = {state: COLOURS[state][2:] for state in shown}
    return (
        f"text{{font-family:{_FONT};font-variant-emoji:text}}.name{{font-size:13px}}.word,.way{{font-size:11px}}"
        ".edge{fill:none;stroke-width:1.5}.pending,.undo{stroke-dasharray:5 4}.skipped{stroke-dasharray:1 4}"
        ".blocked{stroke-dasharray:1 4}.retrying rect,.skipped rect{stroke-dasharray:4 3}"
        f"{_coloured(light, '#475569', '#166534', '#b91c1c')}"
        f"@media (prefers-color-scheme:dark){{{_coloured(dark, '#cbd5e1', '#86efac', '#fca5a5')}}}"
    )


def _coloured(states: Mapping[State, tuple[str, ...]], line: str, taken: str, blocked: str) -> str:
    rules = [
        f".edge{{stroke:{line}}}.way,.head,.end{{fill:{line}}}.edge.taken{{stroke:{taken}}}.edge.blocked{{stroke:{blocked}}}"
    ]
    for state, (ink, tint) in states.items():
        rules.append(f".node.{state} rect{{fill:{tint};stroke:{ink}}}.node.{state} text{{fill:{ink}}}")
    return "".join(rules)
