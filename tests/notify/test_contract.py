"""The contract of delivery, by NOTIFY and without a broker."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from squidie.testing import Process, eventually
from squidie.testing.contract_app import contract_squidie
from squidie.testing.delivery import DeliveryContract
from squidie_notify import NotifyDelivery

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotifyCarrier:
    """Bells are notifications; every worker hears all of them."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self._workers: list[Process] = []
        self.squidie = contract_squidie(NotifyDelivery(), env["SQUIDIE_DATABASE_URL"])

    def worker(self, *queues: str, concurrency: int = 2, sweep: float = 0.5) -> Process:
        served = {
            "SQUIDIE_QUEUES": ",".join(queues or ["default"]),
            "SQUIDIE_CONCURRENCY": str(concurrency),
            "SQUIDIE_SWEEP": str(sweep),
        }
        before = self._listening()
        worker = Process(
            [sys.executable, "-m", "squidie.testing.contract_worker"], name="worker", env={**self._env, **served}
        )
        self._workers.append(worker)
        eventually(lambda: self._listening() > before, 15.0, why=worker.log_text)
        return worker

    def forge(self, named: str, heard_by: str) -> None:
        self._notify(named)

    def litter(self) -> None:
        for payload in ("", "nowhere", '{"v": 2}', "x" * 7000, "default;drop"):
            self._notify(payload)

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self.squidie.close()

    def _notify(self, payload: str) -> None:
        with self.squidie.engine.begin() as connection:
            connection.execute(
                text("select pg_notify(:channel, :payload)"), {"channel": self.squidie.schema, "payload": payload}
            )

    def _listening(self) -> int:
        """How many sessions have said LISTEN last."""
        asked = text("select count(*) from pg_stat_activity where query ilike 'listen %'")
        with self.squidie.engine.connect() as connection:
            return int(connection.execute(asked).scalar_one())


@pytest.fixture
def carrier(database_url: str) -> Iterator[NotifyCarrier]:
    carrier = NotifyCarrier({"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_DELIVERY": "squidie_notify:NotifyDelivery"})
    yield carrier
    carrier.close()


class TestNotify(DeliveryContract):
    """Everything but a broker's part: there is none."""
