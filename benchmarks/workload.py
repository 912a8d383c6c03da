"""W1: workflows of five steps, one after the other, each doing nothing and returning about 200 bytes of JSON.

A run is started with as much.
"""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any, TypedDict

from benchmarks.noop import RESULT, STEPS, nothing
from squidie import Squidie, Workflow, manual, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.delivery import Delivery

AT_ONCE = 1000
"""How many runs one `start_many` starts."""

__all__ = ["RESULT", "STEPS", "Five", "Nap", "One", "Order", "nothing", "order", "serving", "start", "wide"]


class Order(TypedDict):
    """What a run is started with: a number of its own, and what a step returns."""

    number: int
    order: dict[str, Any]


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


class Seconds(TypedDict):
    """How long a step takes."""

    seconds: float


def nap(seconds: float) -> dict[str, Any]:
    """A step that takes its time and uses none of the machine's."""
    sleep(seconds)
    return nothing()


class Nap(Workflow):
    """One slow step."""

    payload = Seconds
    triggers = (manual("start"),)
    only = step(nap)


class One(Workflow):
    """One short step."""

    triggers = (manual("start"),)
    only = step(nothing)


def order(number: int) -> Order:
    """The payload of one run."""
    return {"number": number, "order": RESULT}


def wide(width: int) -> type[Workflow]:
    """One step, so many side by side, and one that waits for them all."""
    side_by_side = {f"item{number}": step(nothing) for number in range(width)}
    first, last = step(nothing), step(nothing)
    flow = first >> list(side_by_side.values()) >> last
    parts = {"triggers": (manual("start"),), "first": first, **side_by_side, "last": last, "flow": flow}
    return type(f"Wide{width}", (Workflow,), parts)


def serving(database: str, delivery: Delivery | None = None, more: Iterable[type[Workflow]] = ()) -> Squidie:
    """A Squidie with the default settings that knows the workload."""
    return Squidie(database, delivery=delivery, workflows=[Five, Nap, One, *more])


def start(squidie: Squidie, workflows: int) -> None:
    """Start so many runs, a thousand a commit."""
    for payloads in _chunks(workflows):
        squidie.start_many(Five, payloads)


def _chunks(workflows: int) -> Iterator[list[Order]]:
    for begin in range(0, workflows, AT_ONCE):
        yield [order(number) for number in range(begin, min(begin + AT_ONCE, workflows))]
