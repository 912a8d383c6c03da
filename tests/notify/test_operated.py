"""Steps that kill, code that is lacking, Postgres that is away: with real workers without a broker."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from squidie.testing import Process
from squidie_notify import NotifyDelivery
from tests.support import deadly_flows
from tests.support.operated import OperatedContract

ROOT = Path(__file__).parents[2]
WORKER = "from tests.support import deadly_flows as d; d.serve(d.squidie, ['default'], concurrency=2)"


class Crew:
    def __init__(self, database_url):
        self._env = {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_DELIVERY": "notify", "PYTHONPATH": str(ROOT)}
        self._workers = []
        self.squidie = deadly_flows.deadly(NotifyDelivery(), database_url)

    def worker(self, **env):
        self._workers.append(Process([sys.executable, "-c", WORKER], name="worker", env={**self._env, **env}))
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


class TestOperated(OperatedContract):
    """By NOTIFY."""
