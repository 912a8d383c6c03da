"""Limits and rates as authors write them, and the keys under which claims are counted.

A key is the name, and behind a colon the value that was found at the path: `gateway`, `tenant:acme`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from squidie.workflow import options
from squidie.workflow.durations import Duration, lenient
from squidie.workflow.mapping import parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from squidie.workflow.mapping import Path
    from squidie.workflow.spec import Node, Spec

LONGEST_KEY = 255
"""Characters of a key."""


class Keys(NamedTuple):
    """Under which limit and which rate an attempt is; the empty text is none."""

    limit: str = ""
    rate: str = ""


NO_KEYS = Keys()


def Limit(  # noqa: N802 - reads as the class that it makes
    name: str, n: int, *, by: str | Sequence[str | int] | None = None
) -> options.Limit:
    """At most `n` claims at once of all the steps that name this limit, over all runs, queues and workers.

    A slot is a live lease: it is free when the step has ended, or when its worker has died and the lease is over.
    With `by` (a path: `"payload.tenant"`) each value that is found there has `n` slots of its own.
    """
    return options.Limit(name=name, n=n, by=_by(by))


def Rate(  # noqa: N802 - likewise
    name: str,
    n: int,
    *,
    per: Duration,
    burst: int | None = None,
    by: str | Sequence[str | int] | None = None,
) -> options.Rate:
    """At most `n` claims `per` duration (`"1m"`, seconds, a `timedelta`) of all the steps that name this rate.

    `burst` of them, `n` if nothing is said, may come at once; then one each `per / n`. Every claim takes a token, also
    that of a retry. With `by` (a path) each value that is found there has a rate of its own.
    """
    return options.Rate(name=name, n=n, per=lenient(per), burst=burst, by=_by(by))


def _by(path: Any) -> Any:
    """A path as text; what is none is kept, for the checks to name."""
    try:
        return None if path is None else str(parse_path(path))
    except ValueError:
        return path


def with_path(node: Node, change: Callable[[Path], str]) -> Node:
    """The node with the paths of its limits changed; text that is no path stays."""
    for option in ("limit", "rate"):
        part = getattr(node, option)
        if part is not None and part.by is not None:
            try:
                by = change(parse_path(part.by))
            except ValueError:
                continue
            node = msgspec.structs.replace(node, **{option: msgspec.structs.replace(part, by=by)})
    return node


def key(part: options.Limit | options.Rate, value: Any) -> str:
    """The key for a value at the path. Raises `ValueError` for what is no text, number or boolean, or is too long."""
    if not isinstance(value, str | int | float):
        raise ValueError(f"{part.by} is no text, number or boolean to tell one from another by")  # noqa: TRY004 - of a run
    told = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    found = f"{part.name}:{told}"
    if len(found) > LONGEST_KEY:
        raise ValueError(f"{part.by} is too long: with the name of the limit it is more than {LONGEST_KEY} characters")
    return found


def declared(graph: Spec) -> tuple[options.Limit | options.Rate, ...]:
    """Every limit and rate that a graph names, each once."""
    found = {part.name: part for node in graph.nodes for part in (node.limit, node.rate) if part is not None}
    return tuple(found.values())


def numbers(part: options.Limit | options.Rate) -> tuple[Any, ...]:
    """What must be the same wherever the name stands; the path need not be."""
    if isinstance(part, options.Limit):
        return ("limit", part.n)
    return ("rate", part.n, part.per, part.burst if part.burst is not None else part.n)
