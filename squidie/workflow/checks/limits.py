"""Rules for limits and rates: names, numbers, and one meaning for each name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.checks.options import LONGER_THAN_ZERO, lasts
from squidie.workflow.issues import QUEUE, QUEUE_RULE, Issue
from squidie.workflow.limits import numbers
from squidie.workflow.options import Rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.options import Limit
    from squidie.workflow.spec import Node, Spec

CODE = "invalid_limit"
MOST = 1_000_000
LATER = ("error", "parent", "ctx")
"""What is not read to know under which limit a step is."""


def limits_are_numbers(spec: Spec) -> Iterable[Issue]:
    """Each by itself."""
    for path, _, part in _parts(spec):
        wrong = [
            ("name", not QUEUE.match(part.name), QUEUE_RULE),
            ("n", not 1 <= part.n <= MOST, f"is a whole number from 1 to {MOST:,}"),
            ("by", (part.by or "").partition(".")[0].rstrip("?") in LATER, "leads to the payload or to an output"),
        ]
        if isinstance(part, Rate):
            burst = part.burst if part.burst is not None else part.n
            wrong += [
                ("per", not lasts(part.per), LONGER_THAN_ZERO),
                ("burst", not 1 <= burst <= MOST, f"is a whole number from 1 to {MOST:,}"),
            ]
        yield from (Issue(f"{path}.{field}", CODE, said) for field, is_wrong, said in wrong if is_wrong)


def names_mean_one_thing(spec: Spec) -> Iterable[Issue]:
    """Two steps under one name share it, so they must say the same of it."""
    known: dict[str, tuple[object, ...]] = {}
    for path, _, part in _parts(spec):
        if known.setdefault(part.name, numbers(part)) != numbers(part):
            yield Issue(path, CODE, "another step says something else of this name: they share it")


def _parts(spec: Spec) -> Iterator[tuple[str, Node, Limit | Rate]]:
    for path, node in places.steps(spec):
        for option in ("limit", "rate"):
            part = getattr(node, option)
            if part is not None:
                yield f"{path}.{option}", node, part


RULES = (limits_are_numbers, names_mean_one_thing)
