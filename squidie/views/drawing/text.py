"""A graph as text, in Unicode or ASCII; one that is too wide for its terminal, or too large to be read, as a list.

Between two layers is a channel. Lines that lead to the same targets share a vertical stroke in it, and strokes stand in
such an order that no line seems to lead where it does not. Where two lines cross, the vertical one is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from squidie.views.drawing.ways import label, remarks, way
from squidie.views.layout import layout, staggered
from squidie.workflow.spec import END

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from squidie.views.graph import GraphNode, RunGraph
    from squidie.views.layout import Item, Layout

MOST_NODES = 150
UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
_SIGNS = " ╵╶╰╷│╭├╴╯─┴╮┤┬┼"
_PLAIN = str.maketrans({**dict.fromkeys("╰╭├╯┴╮┤┬┼", "+"), **dict.fromkeys("─╶╴", "-"), **dict.fromkeys("│╵╷", "|")})


class _Net(NamedTuple):
    """Lines through one channel that lead to the same targets: the rows they come from and go to."""

    sources: frozenset[int]
    targets: frozenset[int]

    @property
    def is_straight(self) -> bool:
        return self.sources == self.targets and len(self.sources) == 1

    @property
    def span(self) -> range:
        return range(min(self.sources | self.targets), max(self.sources | self.targets) + 1)


def draw(graph: RunGraph, *, width: int = 80, ascii: bool = False) -> str:  # noqa: A002 - the word people use
    """The graph in at most so many columns, its remarks below it; a list where it cannot be drawn so."""
    drawn = _drawn(graph, ascii=ascii)
    if drawn is None or max(map(len, drawn), default=0) > width:
        return listed(graph, ascii=ascii)
    said = remarks(graph, "->" if ascii else "→")
    return "\n".join([*drawn, *([""] if said else []), *(f"  {line}" for line in said), *_undone(graph, ascii=ascii)])


def listed(graph: RunGraph, *, ascii: bool = False) -> str:  # noqa: A002
    """One line a node, in declared order: its state, its name, and what it comes after; then where paths can end."""
    wide = max((len(label(node)) for node in graph.nodes), default=0)
    word = max((len(node.state.word) for node in graph.nodes), default=0)
    lines = []
    for node in graph.nodes:
        into = [edge for edge in graph.edges if edge.target == node.id]
        said = [
            f"{edge.source} {way(edge)}".rstrip() if edge.on != "undo" else f"undoes {edge.source}" for edge in into
        ]
        after = f"after {', '.join(said)}" if into and into[0].on != "undo" else ", ".join(said)
        lines.append(f"{_sign(node, ascii=ascii)} {node.state.word:<{word}}  {label(node):<{wide}}  {after}".rstrip())
    arrow, ends = "->" if ascii else "→", [edge for edge in graph.edges if edge.target == END and way(edge)]
    lines += ["", *(f"  {edge.source} {arrow} {END}  {way(edge)}" for edge in ends)] if ends else []
    return "\n".join(lines)


def _sign(node: GraphNode, *, ascii: bool) -> str:  # noqa: A002
    return node.state.ascii if ascii else node.state.glyph


def _undone(graph: RunGraph, *, ascii: bool) -> list[str]:  # noqa: A002
    undos = [node for node in graph.nodes if node.kind == "compensation"]
    told = [f"{_sign(node, ascii=ascii)} {label(node).partition(':')[2]}" for node in undos]
    return ["", f"undo  {(' --> ' if ascii else ' ──▶ ').join(told)}"] if told else []


def _drawn(graph: RunGraph, *, ascii: bool) -> list[str] | None:  # noqa: A002
    """The lines of a drawing without doubts; where straight lines leave any, all go up or down."""
    if len(graph.nodes) > MOST_NODES:
        return None
    nodes = {node.id: node for node in graph.nodes if node.kind != "compensation"}
    placed = layout(list(nodes), [(edge.source, edge.target) for edge in graph.edges if edge.on != "undo"])
    labels = {name: f"{_sign(node, ascii=ascii)} {label(node)}" for name, node in nodes.items()}
    lines = _lines(placed, labels) or _lines(staggered(placed), labels)
    return [line.translate(_PLAIN).replace("▶", ">") for line in lines] if ascii and lines else lines


def _lines(placed: Layout, labels: Mapping[str, str]) -> list[str] | None:
    canvas, x = _Canvas(), 0
    for n, layer in enumerate(placed.layers):
        wide = max((len(labels[item]) for item in layer if isinstance(item, str)), default=0)
        stretches = placed.stretches(n) if n + 1 < len(placed.layers) else []
        leaving = {source for source, _ in stretches}
        for item in layer:
            row, text = placed.rows[item], labels[item] if isinstance(item, str) else ""
            canvas.write(row, x, text)
            if item in leaving:
                canvas.run(row, x + len(text) + bool(text), x + wide + 1)
        channel = _channel(placed, stretches)
        if channel is None:
            return None
        x = canvas.channel(x + wide + 1, channel, placed, stretches)
    return canvas.lines(placed.height)


def _channel(placed: Layout, stretches: Sequence[tuple[Item, Item]]) -> dict[_Net, int] | None:
    """The nets of a channel, each with the number of its track; None where no order of tracks is free of doubt."""
    targets: dict[int, set[int]] = {}
    for source, target in stretches:
        targets.setdefault(placed.rows[source], set()).add(placed.rows[target])
    groups: dict[frozenset[int], set[int]] = {}
    for row, rows in targets.items():
        groups.setdefault(frozenset(rows), set()).add(row)
    nets = [_Net(frozenset(sources), rows) for rows, sources in groups.items()]
    straight = [net for net in nets if net.is_straight]
    if any(one.targets & net.targets for one in straight for net in nets if net is not one):
        return None
    return _tracks([net for net in nets if not net.is_straight], straight)


def _tracks(nets: list[_Net], straight: list[_Net]) -> dict[_Net, int] | None:
    before = {net: [other for other in nets if other is not net and _comes_before(other, net)] for net in nets}
    found: dict[_Net, int] = dict.fromkeys(straight, -1)
    left = list(nets)
    while left:
        ready = [net for net in left if all(other in found for other in before[net])]
        if not ready:
            return None
        for net in ready:
            track = max((found[other] + 1 for other in before[net]), default=0)
            while any(at == track and _touch(net, other) for other, at in found.items()):
                track += 1
            found[net] = track
            left.remove(net)
    return found


def _comes_before(one: _Net, other: _Net) -> bool:
    """Whether the stroke of one must stand left of the other's, for no line to seem to lead where it does not."""
    shared = one.targets & other.targets
    return bool(one.sources & other.targets) or bool(shared and len(one.targets) > 1)


def _touch(one: _Net, other: _Net) -> bool:
    return one.span.start < other.span.stop and other.span.start < one.span.stop


class _Canvas:
    """Cells: text, and lines by their directions, kept apart by what they belong to."""

    def __init__(self) -> None:
        self.text: dict[tuple[int, int], str] = {}
        self.strokes: dict[tuple[int, int], dict[object, int]] = {}

    def write(self, row: int, x: int, text: str) -> None:
        for n, char in enumerate(text):
            self.text[row, x + n] = char

    def run(self, row: int, start: int, stop: int, net: object = None) -> None:
        """A horizontal line."""
        for x in range(start, stop):
            self.mark(row, x, LEFT | RIGHT, net)

    def mark(self, row: int, x: int, way: int, net: object) -> None:
        cell = self.strokes.setdefault((row, x), {})
        cell[net] = cell.get(net, 0) | way

    def channel(self, x: int, nets: dict[_Net, int], placed: Layout, stretches: Sequence[tuple[Item, Item]]) -> int:
        """Draw one channel from column `x`, and give the column where the next layer begins."""
        if not nets:
            return x
        stop = x + 2 * (max(nets.values()) + 1) + 2
        for net, track in nets.items():
            at = x + 2 * track + 1
            for row in net.sources:
                self.run(row, x, stop if net.is_straight else at, net)
            if not net.is_straight:
                self.stroke(net, at, stop)
        for target in {target for _, target in stretches}:
            row = placed.rows[target]
            if isinstance(target, str):
                self.write(row, stop, "▶ ")
            else:
                self.run(row, stop, stop + 2)
        return stop + 2

    def stroke(self, net: _Net, at: int, stop: int) -> None:
        for row in net.span:
            ways = UP * (row > net.span.start) | DOWN * (row + 1 < net.span.stop)
            self.mark(row, at, ways | LEFT * (row in net.sources) | RIGHT * (row in net.targets), net)
        for row in net.targets:
            self.run(row, at + 1, stop, net)

    def lines(self, height: int) -> list[str]:
        cells = {**{place: _char(ways) for place, ways in self.strokes.items()}, **self.text}
        wide = max((x for _, x in cells), default=-1) + 1
        return ["".join(cells.get((row, x), " ") for x in range(wide)).rstrip() for row in range(height)]


def _char(ways: dict[object, int]) -> str:
    masks = set(ways.values())
    if masks == {LEFT | RIGHT, UP | DOWN}:
        return "│"
    union = 0
    for mask in masks:
        union |= mask
    return _SIGNS[union]
