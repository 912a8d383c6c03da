"""Small workflows whose steps do what their payload says, so that a test reads as what happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from squidie import Fail, Retry, RetryLater, StepContext, Workflow, cron, manual, step

CALLS: list[tuple[str, int, str]] = []
"""Step, attempt and idempotency key of every call made in this process."""

HOOKS: dict[str, Callable[[StepContext], Any]] = {}
"""What a step of that name does besides, set by a test."""


class Plan(TypedDict, total=False):
    """For each step, what its attempts do in turn; without a word they go well."""

    plan: dict


def act(ctx: StepContext) -> Any:
    """Do what the plan says for this step and attempt."""
    CALLS.append((ctx.step, ctx.attempt, ctx.idempotency_key))
    if ctx.step in HOOKS:
        HOOKS[ctx.step](ctx)
    words = (ctx.payload["plan"] or {}).get(ctx.step, [])
    word = words[ctx.attempt - 1] if ctx.attempt <= len(words) else "ok"
    return _obey(word, ctx)


def _obey(word: str, ctx: StepContext) -> Any:
    verb, _, rest = word.partition(":")
    match verb:
        case "raise":
            raise ValueError(rest or "it went wrong")
        case "fail":
            raise Fail("for good", code="declined", details={"why": "planned"})
        case "later":
            raise RetryLater(after=float(rest or 0))
        case "bad":
            return {"inf": float("inf")}
        case "big":
            return "x" * int(rest)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
    return f"{ctx.step}{ctx.attempt}"


class Started(Workflow):
    """What the others derive from: started by hand."""

    triggers = (manual("start"),)


class Planned(Started):
    """Its steps follow the plan in the payload."""

    payload = Plan


class Single(Planned):
    """One step."""

    only = step(act)


class Chain(Planned):
    """Three steps, one after the other."""

    a = step(act)
    b = step(act)
    c = step(act)
    flow = a >> b >> c


class Diamond(Planned):
    """A fan-out and a join."""

    a = step(act)
    b = step(act)
    c = step(act)
    d = step(act)
    flow = a >> [b, c] >> d


class Wide(Planned):
    """Three steps side by side."""

    x = step(act)
    y = step(act)
    z = step(act)
    flow = (x, y, z)


class Patient(Planned):
    """A step that is tried three times, ten seconds apart, and one that follows."""

    a = step(act, retry=Retry(3, min=10, backoff="fixed"))
    b = step(act)
    flow = a >> b


class Careful(Planned):
    """A step that must not be batched."""

    only = step(act, irreversible=True)


class Elsewhere(Planned):
    """Its second step lives on a queue of its own."""

    a = step(act)
    b = step(act, queue="other", priority=5)
    flow = a >> b


class Numbers(TypedDict):
    """What `Sums` takes; the trigger `narrow` takes it as well."""

    number: int


def double(number: int) -> dict[str, Any]:
    return {"twice": 2 * number, "far": {"below": [number]}}


def add(double: dict[str, Any], number: int) -> int:
    return double["twice"] + number


def reach(below: list[int], nothing: str = "default") -> list[Any]:
    return [*below, nothing]


class Sums(Workflow):
    """Bindings by name, by path, and optional ones."""

    payload = Numbers
    triggers = (manual("go"), manual("again"))
    double = step(double)
    add = step(add)
    reach = step(reach, input={"below": "double.far.below", "nothing": "double.absent?"})
    flow = double >> [add, reach]


def lost(nowhere: str) -> str:
    return nowhere


class Missing(Started):
    """A step that reads what is not there."""

    payload = Numbers
    double = step(double)
    lost = step(lost, input={"nowhere": "double.far.beyond"}, retry=Retry(5))
    flow = double >> lost


@dataclass
class Address:
    street: str
    number: int


@dataclass
class Parcel:
    to: Address
    weight: float


class Shipment(TypedDict):
    parcel: Parcel


def weigh(parcel: Parcel) -> Parcel:
    return Parcel(to=Address(parcel.to.street, parcel.to.number + 1), weight=parcel.weight * 2)


def stamp(weigh: Parcel) -> str:
    return f"{weigh.to.street} {weigh.to.number}: {weigh.weight}"


class Shipping(Started):
    """Typed objects in and out of steps."""

    payload = Shipment
    weigh = step(weigh)
    stamp = step(stamp)
    flow = weigh >> stamp


async def fetch(number: int) -> int:
    return number + 1


class Async(Started):
    """A coroutine function as a step."""

    payload = Numbers
    fetch = step(fetch)


class Size(TypedDict):
    size: int
    filler: str


def grow(size: int) -> str:
    return "x" * size


def again(size: int) -> str:
    return "y" * size


def measure(grow: str, again: str, filler: str) -> dict[str, Any]:
    return {"grow": len(grow), "again": len(again), "filler": len(filler)}


class Large(Started):
    """Outputs that the state does not hold."""

    payload = Size
    grow = step(grow)
    again = step(again)
    measure = step(measure)
    flow = [grow, again] >> measure


class Leaves(Started):
    """Two large leaves: the run's output is said once only."""

    payload = Size
    grow = step(grow)
    again = step(again)
    flow = (grow, again)


def note(ctx: StepContext) -> dict[str, Any]:
    return {
        "run_id": str(ctx.run_id),
        "workflow": ctx.workflow,
        "step": ctx.step,
        "attempt": ctx.attempt,
        "max_attempts": ctx.max_attempts,
        "key": ctx.idempotency_key,
        "claimed": ctx.claim_id is not None,
        "payload": ctx.payload,
        "outputs": ctx.outputs,
        "stop": [ctx.cancelled, ctx.lease_lost],
    }


class Context(Started):
    """What a step may know of where it stands."""

    payload = Numbers
    double = step(double)
    note = step(note, retry=Retry(7))
    flow = double >> note


def report(day: str) -> str:
    return day


class Nightly(Workflow):
    """Opened by the clock."""

    triggers = (cron("night", "0 2 * * *", input={"day": {"from": "window.start"}}), manual("by_hand"))
    report = step(report)


class Hourly(Workflow):
    """Opened by the clock, in a zone of its own."""

    triggers = (cron("hour", "30 * * * *", timezone="Europe/Oslo", input={"day": "x"}),)
    report = step(report)


ALL = (
    Single, Chain, Diamond, Wide, Patient, Careful, Elsewhere, Sums, Missing, Shipping, Async, Large, Leaves, Context,
)  # fmt: skip

ATTRIBUTES = dict.fromkeys(("customer", "region", "team", "tenant", "note", "token"), "string") | {
    "a": "integer",
    "amount": "number",
    "due": "datetime",
    "paid": "boolean",
    "tags": ["string"],
    "lines": ["integer"],
}
"""What the tests' runs are found by."""
