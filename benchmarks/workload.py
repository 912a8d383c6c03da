"""W1: workflows of five steps, one after the other, each doing nothing and returning about 200 bytes of JSON.

A run is started with as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from benchmarks.marks import step_begins
from squidie import Squidie, Workflow, manual, step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.delivery import Delivery

STEPS = 5
AT_ONCE = 1000
"""How many runs one `start_many` starts."""

RESULT = {
    "order": 274113,
    "state": "accepted",
    "total": "1299.95",
    "currency": "EUR",
    "lines": [{"sku": "A-1001", "count": 2}, {"sku": "B-2002", "count": 1}],
    "customer": "c-000042",
    "remark": "what a step may return",
}


class Order(TypedDict):
    """What a run is started with: a number of its own, and what a step returns."""

    number: int
    order: dict[str, Any]


def nothing() -> dict[str, Any]:
    """A step that costs nothing, so that what is measured is the runtime."""
    step_begins()
    return dict(RESULT)


class Five(Workflow):
    """The workload."""

    payload = Order
    triggers = (manual("start"),)
    first = step(nothing)
    second = step(nothing)
    third = step(nothing)
    fourth = step(nothing)
    fifth = step(nothing)
    flow = first >> second >> third >> fourth >> fifth


def order(number: int) -> Order:
    """The payload of one run."""
    return {"number": number, "order": RESULT}


def serving(database: str, delivery: Delivery | None = None) -> Squidie:
    """A Squidie with the default settings that knows the workload."""
    return Squidie(database, delivery=delivery, workflows=[Five])


def start(squidie: Squidie, workflows: int) -> None:
    """Start so many runs, a thousand a commit."""
    for payloads in _chunks(workflows):
        squidie.start_many(Five, payloads)


def _chunks(workflows: int) -> Iterator[list[Order]]:
    for begin in range(0, workflows, AT_ONCE):
        yield [order(number) for number in range(begin, min(begin + AT_ONCE, workflows))]
