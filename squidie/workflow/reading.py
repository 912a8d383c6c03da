"""Paths as authors write them, made absolute: `order.total` is `payload.order.total` where `order` is a payload field.

An output that may be read there comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from squidie.workflow.limits import with_path
from squidie.workflow.mapping import Path, parse_path
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from squidie.workflow.spec import Edge, Node, Spec

ROOTS = frozenset({"payload", "schedule", "parent", "error", "ctx"})
"""What a path may begin with, besides the name of an output."""


def absolute(path: Path, outputs: Collection[str], fields: Collection[str]) -> Path:
    """The path from its root; the payload's fields may be named without theirs."""
    if path.root in ROOTS or path.root in outputs or path.root not in fields:
        return path
    return Path(("payload", *path.segments), path.optional)


def with_absolute_paths(spec: Spec) -> Spec:
    """The spec with the paths that are nobody's parameters made absolute: of waits, events, limits and conditions."""
    look = _Look(spec)
    return replace(spec, nodes=tuple(map(look.node, spec.nodes)), edges=tuple(map(look.edge, spec.edges)))


def paths_of(spec: Spec) -> Iterator[tuple[str, Path]]:
    """Each of those paths, with the step that it belongs to; text of a correlation counts if it reads as a path."""
    for node in spec.nodes:
        for text in (*node.asked, node.correlation):
            if (path := _path(text)) is not None:
                yield node.name, path
    for edge in spec.edges:
        if edge.when is not None and (path := _path(edge.when.path)) is not None:
            yield edge.source, path


class _Look:
    """What stands before each step, and in the payload."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        contracts = (spec.payload, *(each.payload or () for each in spec.triggers))
        self.fields = {field.name for contract in contracts for field in contract}

    def outputs_before(self, step: str) -> set[str]:
        return {self.spec.by_name[name].output_name for name in topology(self.spec).preceding(step)}

    def node(self, node: Node) -> Node:
        """A correlation is a path if it begins with something that is known here; else it is what it says."""
        outputs = self.outputs_before(node.name)
        until, path, text = _path(node.until), _path(node.correlation_from), _path(node.correlation)
        if until is not None:
            node = replace(node, until=str(absolute(until, outputs, self.fields)))
        if path is not None:
            node = replace(node, correlation_from=str(absolute(path, outputs, self.fields)))
        if text is not None and text.root in {"payload", "schedule", "parent", *outputs, *self.fields}:
            node = replace(node, correlation=None, correlation_from=str(absolute(text, outputs, self.fields)))
        return with_path(node, lambda by: str(absolute(by, outputs, self.fields)))

    def edge(self, edge: Edge) -> Edge:
        """A condition may read what its step has just put out."""
        path = _path(edge.when.path) if edge.when else None
        if edge.when is None or path is None or edge.source not in self.spec.by_name:
            return edge
        outputs = self.outputs_before(edge.source) | {self.spec.by_name[edge.source].output_name}
        return replace(edge, when=replace(edge.when, path=str(absolute(path, outputs, self.fields))))


def _path(text: str | None) -> Path | None:
    try:
        return None if text is None else parse_path(text)
    except ValueError:
        return None
