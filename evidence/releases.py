"""Two releases of the same workflow, as a deploy would bring them: the second has lost a step's code and gained a step.

`EVIDENCE_RELEASE` says which one a process runs: 1, 2, or nothing for neither. Steps are named in what they return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.workflows import RETRY, Ordered, act
from squidie import Limit, Retry, StepContext, Workflow, approval, step

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASE = "EVIDENCE_RELEASE"
SLOTS = 4
"""Steps at a time that what they depend on is asked by."""


def by_courier(ctx: StepContext) -> str:
    """Only the first release has it."""
    return f"courier: {act(ctx)}"


def by_drone(ctx: StepContext) -> str:
    """Only the second release has it."""
    return f"drone: {act(ctx)}"


def _shipping(**steps: Any) -> type[Workflow]:
    """A workflow of this name; what its steps are is for the release to say."""
    return type("Shipping", (Ordered,), {"__module__": __name__, "__doc__": "Asks, then ships.", **steps})


def first() -> type[Workflow]:
    """Asks, then ships by courier."""
    pack, ok, ship = step(act, retry=RETRY), approval(role="ops", due="2h"), step(by_courier, retry=RETRY)
    return _shipping(pack=pack, ok=ok, ship=ship, flow=pack >> ok >> ship)


def second() -> type[Workflow]:
    """Asks, ships by drone, and tells about it; nobody knows how to ship by courier any more."""
    pack, ok, ship = step(act, retry=RETRY), approval(role="ops", due="2h"), step(by_drone, retry=RETRY)
    told = step(act, retry=RETRY)
    return _shipping(pack=pack, ok=ok, ship=ship, told=told, flow=pack >> ok >> ship >> told)


class Depending(Ordered):
    """One step that needs something that may be down, and tries again with growing, scattered delays."""

    only = step(
        act,
        retry=Retry(30, min=0.5, max=4, backoff="exponential", jitter=True),
        limit=Limit("dependency", SLOTS),
    )


_RELEASES: dict[str, Callable[[], type[Workflow]]] = {"1": first, "2": second}


def released(release: str) -> tuple[type[Workflow], ...]:
    """What this release has beside the workflows that every release has."""
    found = _RELEASES.get(release)
    return (Depending, *((found(),) if found is not None else ()))
