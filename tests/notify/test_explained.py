"""Causes made real, and what explanations say of them: with real workers without a broker."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from squidie.testing import Process
from squidie_notify import NotifyDelivery
from tests.support import stuck_flows
from tests.support.stuck import StuckContract

ROOT = Path(__file__).parents[2]
WORKER = "from tests.support import stuck_flows as d; d.serve(d.squidie, ['{queue}'], concurrency=1)"


class Crew:
    """Workers of one journal, and a runtime beside them."""

    slots = 1
    starts = "squidie worker"

    def __init__(self, database_url):
        self._env = {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_DELIVERY": "notify", "PYTHONPATH": str(ROOT)}
        self._workers = []
        self.squidie = stuck_flows.stuck(NotifyDelivery(), database_url)

    def worker(self, queue="default", **env):
        command = [sys.executable, "-c", WORKER.format(queue=queue)]
        self._workers.append(Process(command, name="worker", env={**self._env, **env}))
        return self._workers[-1]

    def said(self):
        return "\n".join(worker.log_text()[-2000:] for worker in self._workers)

    def close(self):
        for worker in self._workers:
            worker.close()
        self.squidie.close()


@pytest.fixture
def crew(database_url):
    crew = Crew(database_url)
    yield crew
    crew.close()


class TestExplained(StuckContract):
    """By NOTIFY."""
