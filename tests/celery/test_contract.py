"""The contract of delivery, over Celery and a real Redis: by an app of our own, and in a host's that makes it hard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from squidie.testing import Process, Redis, Worker
from squidie.testing.contract_app import contract_squidie
from squidie.testing.delivery import BrokerContract, DeliveryContract
from squidie_celery import CeleryDelivery, create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


class CeleryCarrier:
    """Bells are messages in Redis lists."""

    def __init__(self, target: str, app: Celery, database_url: str, redis: Redis, **env: str) -> None:
        self._target, self._app, self._redis = target, app, redis
        self._env = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
            "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
            **env,
        }
        self._workers: list[Process] = []
        self.squidie = contract_squidie(CeleryDelivery(app), database_url)

    def worker(self, *queues: str, concurrency: int = 2, sweep: float = 0.5, pool: str = "prefork") -> Process:
        served = [self._app.conf.task_default_queue if queue == "default" else queue for queue in queues or ["default"]]
        name, env = f"worker{len(self._workers)}", {**self._env, "SQUIDIE_SWEEP": str(sweep)}
        worker = Worker(self._target, queues=served, concurrency=concurrency, pool=pool, name=name, env=env, cwd=HERE)
        self._workers.append(worker)
        return worker.wait_ready()

    def forge(self, named: str, heard_by: str) -> None:
        heard_by = self._app.conf.task_default_queue if heard_by == "default" else heard_by
        self._app.send_task("squidie.wake", kwargs={"v": 1, "queue": named}, queue=heard_by)

    def litter(self) -> None:
        for kwargs in (
            {},
            {"v": 2, "queue": "default"},
            {"v": 1, "queue": ["default"]},
            {"v": 1, "queue": "nowhere"},
            {"v": None},
        ):
            self._app.send_task("squidie.wake", args=[1, "x"], kwargs=kwargs)
        self._app.send_task("no.such.task")

    def freeze(self) -> None:
        self._redis.freeze()

    def thaw(self) -> None:
        self._redis.thaw()

    def stop(self) -> None:
        self._redis.kill()

    def start(self) -> None:
        self._redis.start()

    def close(self) -> None:
        self._redis.thaw()
        self._redis.start()
        for worker in self._workers:
            worker.close()
        self.squidie.close()


class TestOurOwnApp(DeliveryContract, BrokerContract):
    """`celery -A celery_app worker`, the reference deployment."""

    @pytest.fixture
    def carrier(self, database_url: str, redis: Redis) -> Iterator[CeleryCarrier]:
        app = create_app(redis.url, set_as_current=False)
        carrier = CeleryCarrier("celery_app", app, database_url, redis, SQUIDIE_REDIS_URL=redis.url)
        yield carrier
        carrier.close()

    @pytest.mark.parametrize("pool", ["solo", "threads"])
    def test_other_pools_take_turns_as_well(self, carrier: CeleryCarrier, pool: str) -> None:
        """Prefork is what the other tests use."""
        carrier.worker(pool=pool, sweep=60)

        run = carrier.squidie.start("Quick", {"number": 1})

        assert run.result(timeout=20) == 3


HOSTILE: dict[str, Any] = {
    "broker_transport_options": {"socket_timeout": 2, "visibility_timeout": 3},
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_annotations": {"*": {"rate_limit": "30/m", "time_limit": 1, "soft_time_limit": 1}},
    "task_routes": {"*": {"queue": "nowhere"}},
    "task_time_limit": 1,
    "task_compression": "gzip",
    "worker_disable_prefetch": True,
}


class TestAHostsApp(DeliveryContract, BrokerContract):
    """B39: bells are acknowledged late here; rate limits and time limits of a second do not reach them."""

    @pytest.fixture
    def carrier(self, database_url: str, redis: Redis) -> Iterator[CeleryCarrier]:
        app = Celery("host", broker=redis.url, set_as_current=False)
        carrier = CeleryCarrier(
            "host_app", app, database_url, redis, HOST_BROKER=redis.url, HOST_CONF=json.dumps(HOSTILE), HOST_LATE="yes"
        )
        yield carrier
        carrier.close()
