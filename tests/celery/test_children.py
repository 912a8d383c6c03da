"""The only child of a worker dies, again and again: its work goes on at once, not when the pool happens to look."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from squidie.testing import Redis, Worker, eventually
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie import Squidie

DEATHS = 8
"""In about every third the pool hears of it a moment too early, and by itself looks again after five seconds."""


@pytest.fixture
def squidie(database_url: str, redis: Redis) -> Iterator[Squidie]:
    squidie = contract_squidie(CeleryDelivery(create_app(redis.url, set_as_current=False)), database_url)
    yield squidie
    squidie.close()


@pytest.fixture
def worker(database_url: str, redis: Redis) -> Iterator[Worker]:
    env = {
        "SQUIDIE_DATABASE_URL": database_url,
        "SQUIDIE_REDIS_URL": redis.url,
        "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
        "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
    }
    with Worker("celery_app", concurrency=1, env=env) as worker:
        yield worker.wait_ready()


def test_the_work_of_a_dead_only_child_goes_on_in_the_next_one(squidie: Squidie, worker: Worker, tmp_path: Path):
    """Promise 5, K07."""
    took = []
    for number in range(DEATHS):
        sign = tmp_path / str(number)
        run = squidie.start("Slow", {"seconds": 0.4, "sign": str(sign)})
        (first,) = eventually(lambda sign=sign: sign.exists() and sign.read_text("ascii").split())
        os.kill(int(first), signal.SIGKILL)
        died_at = monotonic()
        eventually(lambda sign=sign: len(sign.read_text("ascii").split()) == 2, 15)
        took.append(monotonic() - died_at)
        run.result(timeout=20)

    assert max(took) < 3, took
    assert worker.is_alive()
