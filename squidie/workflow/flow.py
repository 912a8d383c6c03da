"""The algebra of `>>`: steps, their ways out and lists of both make a flow, and flows make larger flows.

Rule 1: `a >> b` leads from every end of the left to every beginning of the right; a list stands side by side.
Rule 2: a step ends with its success. `a.on_error`, `a.when(...)` and `a.otherwise` are its other ways out, and what
follows them is reached by them alone.
Rule 3: a way out stands for its step where something leads to it. If that step is already part of what comes before,
nothing more leads to it: `load >> check >> [check.when(...) >> notify, check.otherwise >> credit]` says the same as
`[load >> check, check.when(...) >> notify, check.otherwise >> credit]`.
Rule 4: nothing follows `end`, and a way out leads somewhere.

Nothing is refused here; what breaks a rule is remembered as a stray.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

import msgspec

from squidie.workflow.vocabulary import NodeKind, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Part: TypeAlias = Union["_Chainable", Sequence[Any]]  # noqa: UP007 - forward references

UNSET: Any = msgspec.UNSET


class _Chainable:
    """What may stand on either side of `>>`."""

    __slots__ = ()

    def __rshift__(self, after: Part) -> Flow:
        return _chain(as_flow(self), as_flow(after))

    def __rrshift__(self, before: Part) -> Flow:
        return _chain(as_flow(before), as_flow(self))


class End(_Chainable):
    """The end of a path."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "end"


end: Final = End()
"""Where a path ends without another step: `check.otherwise >> end`."""


@dataclass(frozen=True, eq=False)
class Question:
    """A condition as its author wrote it: a path, and what must hold of the value there."""

    path: Any
    operators: dict[str, Any]


class _Asking:
    """What may lead different ways, by a question to the data."""

    __slots__ = ()

    def when(
        self,
        path: str | Sequence[str | int],
        *,
        equals: Any = UNSET,
        not_equals: Any = UNSET,
        greater_than: float | str = UNSET,
        at_least: float | str = UNSET,
        less_than: float | str = UNSET,
        at_most: float | str = UNSET,
        in_: Iterable[Any] = UNSET,
        is_in: Iterable[Any] = UNSET,
        exists: bool = UNSET,
        **unknown: Any,
    ) -> Way:
        """The way out that is taken if the value at the path answers the question: one operator.

        The path leads into an output of this step or of one before it (`"check.status"`), to a payload field, or,
        after `on_error`, into `error`. Conditions are tried in the order in which they are written; `otherwise` comes
        last, wherever it stands.
        """
        given = {
            "equals": equals,
            "not_equals": not_equals,
            "greater_than": greater_than,
            "at_least": at_least,
            "less_than": less_than,
            "at_most": at_most,
            "is_in": is_in if in_ is UNSET else in_,
            "exists": exists,
        }
        told = {name: value for name, value in given.items() if value is not UNSET}
        return self._way(Question(path, told | unknown))

    @property
    def otherwise(self) -> Way:
        """The way out that is taken if no condition of this step holds; the same as none at all, said aloud."""
        return self._way(None)

    def _way(self, asked: Question | None) -> Way:
        raise NotImplementedError


class Step(_Asking, _Chainable):
    """A node as its author wrote it: what it is, what it runs, and its options.

    It gets its name from the attribute of the workflow that holds it.
    """

    __slots__ = ("call", "kind", "options")

    def __init__(self, call: Any, options: dict[str, Any], kind: NodeKind = NodeKind.STEP) -> None:
        self.call = call
        self.options = options
        self.kind = kind

    def __repr__(self) -> str:
        runs = getattr(self.call, "__qualname__", type(self.call).__name__)
        return f"step({runs})" if self.kind is NodeKind.STEP else f"{self.kind}(...)"

    @property
    def on_error(self) -> Failure:
        """The way out when the step has failed for good: its retries are used up, or nobody decided in time."""
        return Failure(self)

    @property
    def on_reject(self) -> Failure:
        """The way out of an approval that was rejected: `on_error` by a better name."""
        return Failure(self)

    def _way(self, asked: Question | None) -> Way:
        return Way(self, asked=asked, is_said=True)


@dataclass(frozen=True)
class Way(_Chainable):
    """One way out of a step."""

    step: Step
    on: Outcome = Outcome.OK
    asked: Question | None = None
    recovery: str | None = None
    is_said: bool = field(default=False, compare=False)

    def __repr__(self) -> str:
        how = "on_error" if self.on is Outcome.ERROR else "when(...)" if self.asked else "otherwise"
        return f"{self.step!r}.{how}"


class Failure(_Asking, Way):
    """The way out of a step that has failed; `on_error(recovery="compensation")` says in pictures what it is for."""

    def __init__(self, step: Step, recovery: str | None = None) -> None:
        super().__init__(step, Outcome.ERROR, None, recovery, is_said=True)

    def __call__(self, *, recovery: str | None = None) -> Failure:
        """The same way out, with what it is for."""
        return Failure(self.step, recovery)

    def _way(self, asked: Question | None) -> Way:
        return Way(self.step, self.on, asked, self.recovery, is_said=True)


Entry: TypeAlias = Step | Way | End


@dataclass(frozen=True)
class Link:
    """An edge as it was written."""

    way: Way
    target: Step | End


@dataclass(frozen=True, eq=False)
class Flow(_Chainable):
    """Steps in order: what comes first, the ways out of what comes last, and the edges between.

    `strays` are what stood there and does not belong.
    """

    first: tuple[Entry, ...] = ()
    last: tuple[Way, ...] = ()
    edges: tuple[Link, ...] = ()
    steps: tuple[Step, ...] = ()
    strays: tuple[str, ...] = ()


def as_flow(part: Any) -> Flow:
    """A step or a way out alone, or the parts of a list side by side."""
    match part:
        case Flow():
            flow = part
        case Step():
            flow = Flow(first=(part,), last=(Way(part),), steps=(part,))
        case Way():
            flow = Flow(first=(part,), last=(part,), steps=(part.step,))
        case End():
            flow = Flow(first=(part,))
        case list() | tuple():
            flow = _beside([as_flow(each) for each in part]) if part else Flow(strays=("an empty list",))
        case _:
            hint = ": wrap it in step(...)" if callable(part) else ""
            flow = Flow(strays=(f"a value of type {type(part).__name__}{hint}",))
    return flow


def whole(part: Any) -> Flow:
    """The flow of a workflow, in which every way out leads somewhere."""
    flow = as_flow(part)
    lost = tuple(f"{way!r}, which leads nowhere: go on with >> a step or >> end" for way in flow.last if way.is_said)
    return Flow(flow.first, flow.last, flow.edges, flow.steps, _once(flow.strays + lost))


def _chain(left: Flow, right: Flow) -> Flow:
    """Every end of the left leads to every beginning of the right."""
    links = tuple(Link(way, target) for way in left.last for target in _targets(right.first, left.steps))
    ended = ("something after end: nothing follows it",) if left.first and not left.last and not left.strays else ()
    return Flow(
        first=left.first,
        last=right.last,
        edges=_once(left.edges + links + right.edges),
        steps=_once(left.steps + right.steps),
        strays=left.strays + ended + right.strays,
    )


def _targets(entries: tuple[Entry, ...], known: tuple[Step, ...]) -> list[Step | End]:
    """What an edge can lead to; a way out stands for its step, unless that step is there already."""
    return [
        entry.step if isinstance(entry, Way) else entry
        for entry in entries
        if not (isinstance(entry, Way) and entry.step in known)
    ]


def _beside(flows: list[Flow]) -> Flow:
    names = ("first", "last", "edges", "steps", "strays")
    return Flow(**{name: _once(part for flow in flows for part in getattr(flow, name)) for name in names})


def _once(parts: Any) -> Any:
    return tuple(dict.fromkeys(parts))
