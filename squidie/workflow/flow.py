"""The algebra of `>>`: steps and lists of steps make a flow, and flows make larger flows.

Nothing is checked here; strays are remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    Part: TypeAlias = Union["Step", "Flow", Sequence[Any]]  # noqa: UP007 - forward references


class _Chainable:
    """What may stand on either side of `>>`."""

    __slots__ = ()

    def __rshift__(self, after: Part) -> Flow:
        return _chain(as_flow(self), as_flow(after))

    def __rrshift__(self, before: Part) -> Flow:
        return _chain(as_flow(before), as_flow(self))


class Step(_Chainable):
    """A callable with the options it was declared with.

    It gets its name from the attribute of the workflow that holds it.
    """

    __slots__ = ("call", "options")

    def __init__(self, call: Any, options: dict[str, Any]) -> None:
        self.call = call
        self.options = options

    def __repr__(self) -> str:
        return f"step({getattr(self.call, '__qualname__', type(self.call).__name__)})"


@dataclass(frozen=True, eq=False)
class Flow(_Chainable):
    """Steps in order: what comes first, what comes last, and the edges between.

    `strays` are what stood there and is no step.
    """

    first: tuple[Step, ...] = ()
    last: tuple[Step, ...] = ()
    edges: tuple[tuple[Step, Step], ...] = ()
    steps: tuple[Step, ...] = ()
    strays: tuple[str, ...] = ()


def as_flow(part: Any) -> Flow:
    """A step alone, or the parts of a list side by side."""
    if isinstance(part, Flow):
        return part
    if isinstance(part, Step):
        return Flow(first=(part,), last=(part,), steps=(part,))
    if isinstance(part, list | tuple) and part:
        return _beside([as_flow(each) for each in part])
    if isinstance(part, list | tuple):
        return Flow(strays=("an empty list",))
    hint = ": wrap it in step(...)" if callable(part) else ""
    return Flow(strays=(f"a value of type {type(part).__name__}{hint}",))


def _chain(left: Flow, right: Flow) -> Flow:
    """Every end of the left leads to every beginning of the right."""
    links = tuple(product(left.last, right.first))
    return Flow(
        first=left.first,
        last=right.last,
        edges=_once(left.edges + links + right.edges),
        steps=_once(left.steps + right.steps),
        strays=left.strays + right.strays,
    )


def _beside(flows: list[Flow]) -> Flow:
    names = ("first", "last", "edges", "steps", "strays")
    return Flow(**{name: _once(part for flow in flows for part in getattr(flow, name)) for name in names})


def _once(parts: Any) -> Any:
    return tuple(dict.fromkeys(parts))
