"""Workflows whose steps get stuck for reasons outside them, for real workers; a short lease and short sweeps.

A worker is told by the environment: `SQUIDIE_DATABASE_URL`, `SQUIDIE_DELIVERY` (`celery` or `notify`), and
`SQUIDIE_LACKS` where it is to be without the code of `Rare`.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import sleep
from typing import TypedDict

from squidie import Limit, Rate, Retry, Squidie, Workflow, manual, step
from squidie.worker import serve

__all__ = ["serve", "squidie", "stuck"]

NOWHERE = "postgresql+psycopg://nowhere"
SLICE = 0.02


class Until(TypedDict):
    """The file that a step waits for before it ends."""

    until: str


def await_file(until: str) -> str:
    """Work until a file is there."""
    while not Path(until).exists():
        sleep(SLICE)
    return "seen"


def rare() -> str:
    """Code that not every worker has."""
    return "rare"


def plain() -> str:
    """Code that every worker has."""
    return "plain"


def refuse() -> str:
    """Fail."""
    raise ConnectionError("the gateway does not answer")


class Patient(Workflow):
    """One step that takes as long as the test likes."""

    payload = Until
    triggers = (manual("go"),)
    wait = step(await_file)
    flow = wait


class Timed(Workflow):
    """The same with a time of its own, of which it soon has used the most."""

    payload = Until
    triggers = (manual("go"),)
    wait = step(await_file, timeout="6s")
    flow = wait


class Shared(Workflow):
    """The same, one at a time."""

    payload = Until
    triggers = (manual("go"),)
    wait = step(await_file, limit=Limit("gateway", 1))
    flow = wait


class Metered(Workflow):
    """One in an hour."""

    triggers = (manual("go"),)
    ask = step(plain, rate=Rate("api", 1, per="1h"))
    flow = ask


class Rare(Workflow):
    """What only some workers can run."""

    triggers = (manual("go"),)
    rare = step(rare)
    flow = rare


class Gpu(Workflow):
    """What a queue of its own is for."""

    triggers = (manual("go"),)
    resize = step(plain, queue="gpu")
    flow = resize


class Refused(Workflow):
    """Fails, and tries again much later."""

    triggers = (manual("go"),)
    pay = step(refuse, retry=Retry(3, min="1h", max="1h", backoff="fixed"))
    flow = pay


class Doomed(Workflow):
    """Fails for good, and waits for somebody to decide."""

    triggers = (manual("go"),)
    pay = step(refuse, on_give_up="park")
    flow = pay


def stuck(delivery: object, database_url: str, *, lacks: bool = False) -> Squidie:
    """The runtime of a worker, or of the test beside it."""
    workflows = [Patient, Timed, Shared, Metered, Gpu, Refused, Doomed]
    return Squidie(
        database_url,
        delivery=delivery,
        workflows=workflows if lacks else [*workflows, Rare],
        settings={"sweep": 0.3, "lease": 1.5},
    )


squidie = stuck(
    os.environ.get("SQUIDIE_DELIVERY"),
    os.environ.get("SQUIDIE_DATABASE_URL", NOWHERE),
    lacks="SQUIDIE_LACKS" in os.environ,
)
