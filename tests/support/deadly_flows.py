"""Steps that take their process with them, for real workers on either delivery.

A worker is told by the environment: `SQUIDIE_DATABASE_URL`, `SQUIDIE_DELIVERY` (`celery` or `notify`), and
`SQUIDIE_LACKS` where it is to be without the code of `Rare`.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import TypedDict

from squidie import Squidie, StepContext, Workflow, manual, step
from squidie.worker import serve

__all__ = ["Deadly", "Rare", "deadly", "serve", "squidie"]

NOWHERE = "postgresql+psycopg://nowhere"


class Way(TypedDict):
    """How it dies."""

    way: str


def die(way: str, ctx: StepContext) -> str:
    """Die in this way, whichever attempt it is."""
    match way:
        case "raise":
            raise ValueError("planned")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "memory":
            before = resource.getrlimit(resource.RLIMIT_AS)
            try:
                resource.setrlimit(resource.RLIMIT_AS, (2**28, before[1]))
                return str(len(bytearray(2**32)))
            finally:
                resource.setrlimit(resource.RLIMIT_AS, before)
    return way


def rescue(error: dict) -> str:
    """What the error edge leads to: it is told why."""
    return error["kind"]


def rare() -> str:
    """Code that not every worker has."""
    return "rare"


class Deadly(Workflow):
    """A poison step with a way around it."""

    payload = Way
    triggers = (manual("go"),)
    poison = step(die)
    rescue = step(rescue)
    flow = poison.on_error >> rescue


class Rare(Workflow):
    """One step, which only some workers can run."""

    triggers = (manual("go"),)
    rare = step(rare)


def deadly(delivery: object, database_url: str, *, lacks: bool = False) -> Squidie:
    """The runtime of a worker, or of the test beside it."""
    workflows = [Deadly] if lacks else [Deadly, Rare]
    return Squidie(database_url, delivery=delivery, workflows=workflows, settings={"sweep": 0.3})


squidie = deadly(
    os.environ.get("SQUIDIE_DELIVERY"),
    os.environ.get("SQUIDIE_DATABASE_URL", NOWHERE),
    lacks="SQUIDIE_LACKS" in os.environ,
)
