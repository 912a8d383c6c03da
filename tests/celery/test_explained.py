"""Causes made real, and what explanations say of them: with real prefork workers of Celery and a real Redis."""

from __future__ import annotations

import pytest

from squidie.testing import eventually
from tests.support import stuck_flows
from tests.support.crews import CeleryCrew
from tests.support.stuck import PATIENCE, StuckContract


@pytest.fixture
def crew(database_url, redis):
    crew = CeleryCrew(stuck_flows, stuck_flows.stuck, database_url, redis)
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
