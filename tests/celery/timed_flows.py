"""Steps that do not end by themselves, for the children of a real pool; loaded as `SQUIDIE_APP=timed_flows:squidie`."""

from __future__ import annotations

import itertools
import os
import time

from squidie import Retry, Squidie, StepContext, Workflow, manual, step
from squidie_celery import CeleryDelivery

ENDLESS = "postgresql+psycopg://nowhere"


def swallow(ctx: StepContext) -> int:
    """The first attempt will not be told."""
    while ctx.attempt == 1:
        try:
            time.sleep(1)
        except BaseException:  # noqa: BLE001 - that is the point
            continue
    return ctx.attempt


def hold(ctx: StepContext) -> int:
    """Nobody else runs while it does, and it never comes back."""
    all(itertools.repeat(1))
    return ctx.attempt


def sleep(ctx: StepContext) -> int:
    time.sleep(60 if ctx.attempt == 1 else 0)
    return ctx.attempt


class Timed(Workflow):
    triggers = (manual("go"),)


class Swallow(Timed):
    only = step(swallow, timeout=0.3, retry=Retry(2, min=0))


class Hold(Timed):
    only = step(hold, timeout=0.3, grace=0)


class Sleep(Timed):
    only = step(sleep, timeout=0.3, retry=Retry(2, min=0))


def timed(delivery: CeleryDelivery | None, database_url: str) -> Squidie:
    settings = {"grace": 0.3, "sweep": 0.5, "max_claims": 2}
    return Squidie(database_url, delivery=delivery, workflows=[Swallow, Hold, Sleep], settings=settings)


squidie = timed(CeleryDelivery(), os.environ.get("SQUIDIE_DATABASE_URL", ENDLESS))
