"""Causes made real, and what explanations say of them: with real prefork workers of Celery and a real Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

from squidie.testing import Worker, eventually
from squidie_celery import CeleryDelivery, create_app
from tests.support import stuck_flows
from tests.support.stuck import PATIENCE, StuckContract

ROOT = Path(__file__).parents[2]


class Crew:
    """Workers of one journal, and a runtime beside them."""

    slots = 1
    starts = "celery -A"

    def __init__(self, database_url, redis):
        self.redis = redis
        self._env = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_REDIS_URL": redis.url,
            "SQUIDIE_DELIVERY": "celery",
            "SQUIDIE_APP": "tests.support.stuck_flows:squidie",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'backends'}",
        }
        self._workers = []
        app = create_app(redis.url, set_as_current=False)
        self.squidie = stuck_flows.stuck(CeleryDelivery(app), database_url)

    def worker(self, queue="default", **env):
        name = f"worker{len(self._workers)}"
        self._workers.append(Worker("celery_app", queues=[queue], name=name, env={**self._env, **env}, cwd=ROOT))
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


class TestExplained(StuckContract):
    """Through Redis."""

    def test_bells_that_a_frozen_redis_does_not_take_are_told_while_work_waits(self, crew, told, busy):
        """13.6, row 15: the worker says so by itself; when Redis is thawed the work goes on."""
        crew.worker()
        holder = busy()
        crew.redis.freeze()
        run = crew.squidie.start("Rare")
        found = told(run, "broker_unreachable")

        assert found.state == "queued"
        assert "squidie doctor" in [action.command for action in found.actions]
        crew.redis.thaw()
        eventually(lambda: crew.squidie.explain_run(run.id).code == "queued", PATIENCE, why=crew.said)
        holder.finish()
        assert run.result(PATIENCE) == "rare"
