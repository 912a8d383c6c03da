"""Where the nodes of a graph go: in layers from left to right, in rows that cross little and run straight.

Pure, and the same for the terminal, the pictures and whoever else draws. An edge that spans layers passes through a
bend in each layer between, so that every stretch of a line leads from one layer to the next.
"""

from __future__ import annotations

import itertools
from math import floor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SWEEPS = 4


class Bend(NamedTuple):
    """Where the line from one node to another passes through a layer."""

    source: str
    target: str
    layer: int


Item = str | Bend


class Layout(NamedTuple):
    """`layers` hold their items from top to bottom; `rows` says at which height each is, from 0.

    `lines` are the edges, each as the items that it passes, its source and its target included.
    """

    layers: tuple[tuple[Item, ...], ...]
    rows: Mapping[Item, int]
    lines: Mapping[tuple[str, str], tuple[Item, ...]]

    @property
    def height(self) -> int:
        """How many rows there are."""
        return max(self.rows.values(), default=-1) + 1

    def stretches(self, layer: int) -> list[tuple[Item, Item]]:
        """The pieces of lines that lead from this layer to the next."""
        pairs = (pair for line in self.lines.values() for pair in itertools.pairwise(line))
        return [pair for pair in pairs if pair[0] in self.layers[layer]]


def layout(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> Layout:
    """The places of nodes, which are unique, in an acyclic graph; edges that lead elsewhere are passed over."""
    known = set(nodes)
    pairs = list(dict.fromkeys(pair for pair in edges if set(pair) <= known and pair[0] != pair[1]))
    depth = _depths(nodes, pairs)
    lines = {pair: _line(pair, depth) for pair in pairs}
    layers: list[list[Item]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in nodes:
        layers[depth[name]].append(name)
    for line in lines.values():
        for bend in line[1:-1]:
            layers[bend.layer if isinstance(bend, Bend) else 0].append(bend)
    neighbours = _Neighbours(lines.values())
    ordered = _ordered(layers, neighbours)
    return Layout(tuple(map(tuple, ordered)), _rows(ordered, neighbours), lines)


def staggered(placed: Layout) -> Layout:
    """The same with rows between, so that no item stands on the height of one in the layer beside it."""
    rows = {item: 2 * placed.rows[item] + n % 2 for n, layer in enumerate(placed.layers) for item in layer}
    return placed._replace(rows=rows)


def _depths(nodes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many edges lead to each node on its longest path; what lies on a cycle stays where it was met."""
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:
        deeper = {target: depth[source] + 1 for source, target in pairs if depth[source] >= depth[target]}
        if not deeper:
            break
        for name, least in deeper.items():
            depth[name] = min(max(depth[name], least), len(nodes) - 1)
    return depth


def _line(pair: tuple[str, str], depth: Mapping[str, int]) -> tuple[Item, ...]:
    source, target = pair
    bends = (Bend(source, target, layer) for layer in range(depth[source] + 1, depth[target]))
    return (source, *bends, target)


class _Neighbours:
    """What each item is joined to, before it and after it."""

    def __init__(self, lines: Iterable[Sequence[Item]]) -> None:
        self.before: dict[Item, list[Item]] = {}
        self.after: dict[Item, list[Item]] = {}
        for line in lines:
            for one, other in itertools.pairwise(line):
                self.after.setdefault(one, []).append(other)
                self.before.setdefault(other, []).append(one)


def _ordered(layers: list[list[Item]], neighbours: _Neighbours) -> list[list[Item]]:
    """Each layer sorted by the middle of what its items are joined to, there and back; the best seen is kept."""
    best, fewest = layers, _crossings(layers, neighbours)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        is_back = bool(sweep % 2)
        layers = _swept(layers, neighbours.after if is_back else neighbours.before, is_back=is_back)
        found = _crossings(layers, neighbours)
        if found < fewest:
            best, fewest = layers, found
    return best


def _swept(layers: list[list[Item]], joined: Mapping[Item, list[Item]], *, is_back: bool) -> list[list[Item]]:
    done: list[list[Item]] = []
    place: dict[Item, int] = {}
    for layer in reversed(layers) if is_back else layers:
        at = {item: float(n) for n, item in enumerate(layer)}
        middle = {item: _mean([place[each] for each in joined.get(item, ())], at[item]) for item in layer}
        done.append(sorted(layer, key=middle.__getitem__))
        place = {item: n for n, item in enumerate(done[-1])}
    return done[::-1] if is_back else done


def _crossings(layers: Sequence[Sequence[Item]], neighbours: _Neighbours) -> int:
    found = 0
    for left, right in itertools.pairwise(layers):
        place = {item: n for n, item in enumerate(right)}
        ends = [
            place[other] for item in left for other in sorted(neighbours.after.get(item, ()), key=place.__getitem__)
        ]
        found += sum(ends[n] < earlier for m, earlier in enumerate(ends) for n in range(m + 1, len(ends)))
    return found


def _rows(layers: Sequence[Sequence[Item]], neighbours: _Neighbours) -> dict[Item, int]:
    """Rows near those of the neighbours, there, back and there again; in a layer one item a row, in its order."""
    rows: dict[Item, int] = {}
    for joined, run in ((neighbours.before, layers), (neighbours.after, layers[::-1]), (neighbours.before, layers)):
        for layer in run:
            wanted = [
                _mean([rows[each] for each in joined.get(item, ()) if each in rows], float(rows.get(item, n)))
                for n, item in enumerate(layer)
            ]
            rows.update(zip(layer, _spread(wanted), strict=True))
    top = min(rows.values(), default=0)
    return {item: row - top for item, row in rows.items()}


def _spread(wanted: Sequence[float]) -> list[int]:
    """Whole rows that rise by at least one, as near as can be to those wanted; too close ones share a mean."""
    blocks: list[tuple[float, int]] = []
    for n, row in enumerate(wanted):
        blocks.append((row - n, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (one, few), (other, more) = blocks[-2:]
            blocks[-2:] = [((one * few + other * more) / (few + more), few + more)]
    flat = [floor(row + 0.5) for row, count in blocks for _ in range(count)]
    return [row + n for n, row in enumerate(flat)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
