"""What differs between two graphs, node by node and edge by edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from squidie.workflow.spec import Spec


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What one graph has and the other has not, by the names of nodes and the ids of edges."""

    nodes_added: tuple[str, ...] = ()
    nodes_removed: tuple[str, ...] = ()
    nodes_changed: tuple[str, ...] = ()
    edges_added: tuple[str, ...] = ()
    edges_removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)


def difference(before: Spec, after: Spec) -> Difference:
    """What became of the first graph in the second."""
    old, new = before.by_name, after.by_name
    left, right = {edge.id for edge in before.edges}, {edge.id for edge in after.edges}
    return Difference(
        nodes_added=tuple(name for name in new if name not in old),
        nodes_removed=tuple(name for name in old if name not in new),
        nodes_changed=tuple(name for name in old if name in new and old[name] != new[name]),
        edges_added=tuple(sorted(right - left)),
        edges_removed=tuple(sorted(left - right)),
    )
