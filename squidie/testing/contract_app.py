"""What the delivery contract's workers serve: small workflows over a journal of the test's own.

Workers are told by the environment: `SQUIDIE_DATABASE_URL`, and `SQUIDIE_SWEEP` and `SQUIDIE_LEASE` in seconds.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, TypedDict

from squidie import Squidie, Workflow, manual, step
from squidie.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from squidie.delivery import Delivery

ELSEWHERE = "elsewhere"
"""A queue that a worker started for `default` does not serve."""


class Number(TypedDict):
    """What `Quick` takes."""

    number: int


class Nap(TypedDict):
    """What `Slow` takes: how long to sleep, and a file that shows where it has begun."""

    seconds: float
    sign: str


def double(number: int) -> int:
    """Something quick."""
    return 2 * number


def increase(double: int) -> int:
    """Something quick that needs the step before."""
    return double + 1


def nap(seconds: float, sign: str) -> int:
    """Add our pid to the file, sleep, and give the pid back."""
    with Path(sign).open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    for _ in range(round(seconds / 0.02)):
        sleep(0.02)
    return os.getpid()


class Quick(Workflow):
    """Two steps, one after the other."""

    payload = Number
    triggers = (manual("start"),)
    double = step(double)
    increase = step(increase)
    flow = double >> increase


class Slow(Workflow):
    """One step that takes its time."""

    payload = Nap
    triggers = (manual("start"),)
    nap = step(nap)
    flow = nap


def contract_squidie(delivery: Delivery | None, database: str | Engine | None = None) -> Squidie:
    """The journal of the environment, or this one, with this delivery; a test's own side uses it as its workers do."""
    told = os.environ
    settings = Settings(sweep=float(told.get("SQUIDIE_SWEEP", "0.5")), lease=float(told.get("SQUIDIE_LEASE", "30")))
    return Squidie(
        database or os.environ["SQUIDIE_DATABASE_URL"], delivery=delivery, workflows=[Quick, Slow], settings=settings
    )
