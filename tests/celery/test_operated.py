"""Steps that kill, code that is lacking, Postgres that is away: with real prefork workers of Celery."""

from __future__ import annotations

from pathlib import Path

import pytest

from squidie.testing import Worker
from squidie_celery import CeleryDelivery, create_app
from tests.support import deadly_flows
from tests.support.operated import OperatedContract

ROOT = Path(__file__).parents[2]
CHILDREN = 16
"""More than are killed: the pool looks for the dead every five seconds only."""


class Crew:
    def __init__(self, database_url, redis):
        self._env = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_REDIS_URL": redis.url,
            "SQUIDIE_DELIVERY": "celery",
            "SQUIDIE_APP": "tests.support.deadly_flows:squidie",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}",
        }
        self._workers = []
        app = create_app(redis.url, set_as_current=False)
        self.squidie = deadly_flows.deadly(CeleryDelivery(app), database_url)

    def worker(self, **env):
        name = f"worker{len(self._workers)}"
        self._workers.append(Worker("celery_app", name=name, env={**self._env, **env}, cwd=ROOT, concurrency=CHILDREN))
        return self._workers[-1].wait_ready()

    def said(self):
        return "\n".join(worker.log_text()[-2000:] for worker in self._workers)

    def close(self):
        for worker in self._workers:
            worker.close()
        self.squidie.close()


@pytest.fixture
def crew(database_url, redis):
    crew = Crew(database_url, redis)
    yield crew
    crew.close()


class TestOperated(OperatedContract):
    """Through Redis."""
