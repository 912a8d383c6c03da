"""A worker outlives the loss of its broker, however it acknowledges and whatever it holds unacknowledged (R02, R03)."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis as plain_redis
from celery import Celery
from kombu import Consumer, Exchange, Queue

from squidie.testing import Redis, Worker, eventually
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery
from squidie_celery.reconnecting import Reconnecting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie import Squidie

HERE = Path(__file__).parent
PATIENCE = 20.0
LOST = "Connection to broker lost"
LATE = {"HOST_LATE": "yes"}
PREFETCHING = {"HOST_CONF": json.dumps({"worker_prefetch_multiplier": 4})}


@pytest.fixture
def app(redis: Redis) -> Celery:
    return Celery("host", broker=redis.url, set_as_current=False)


@pytest.fixture
def squidie(app: Celery, database_url: str) -> Iterator[Squidie]:
    squidie = contract_squidie(CeleryDelivery(app), database_url)
    yield squidie
    squidie.close()


@pytest.fixture(params=[LATE, PREFETCHING], ids=["acknowledged late", "prefetched"])
def worker(request: pytest.FixtureRequest, database_url: str, redis: Redis) -> Iterator[Worker]:
    """One of a host's, with a single slot."""
    told = {
        "SQUIDIE_DATABASE_URL": database_url,
        "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
        "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
        "SQUIDIE_SWEEP": "0.5",
        "HOST_BROKER": redis.url,
    }
    with Worker("host_app", queues=["celery"], concurrency=1, env=told | request.param, cwd=HERE) as worker:
        yield worker.wait_ready()


def test_a_host_s_worker_outlives_its_broker_again_and_again(
    worker: Worker, squidie: Squidie, app: Celery, redis: Redis, tmp_path: Path
) -> None:
    """It holds bells each time, and what it did meanwhile is done once."""
    signs = [tmp_path / str(number) for number in range(3)]
    for sign in signs:
        nap = squidie.start("Slow", {"seconds": 1.0, "sign": str(sign)})
        eventually(sign.exists, PATIENCE)
        for _ in range(4):
            app.send_task("squidie.wake", kwargs={"v": 1, "queue": "default"})
        eventually(lambda: _unacknowledged(redis) > 0, PATIENCE)

        _lose_the_broker(worker, redis)

        assert nap.result(timeout=PATIENCE)
        assert squidie.start("Quick", {"number": 1}).result(timeout=PATIENCE) == 3

    assert worker.is_alive()
    assert [len(sign.read_text(encoding="ascii").split()) for sign in signs] == [1, 1, 1]


def test_a_lost_connection_that_was_still_reading_is_closed_without_an_error(app: Celery, redis: Redis) -> None:
    """As a worker's is that finds another of its sockets dead first: it holds a message and has asked for the next.

    What collecting raises Celery passes over; what closing raises ends the worker.
    """
    connection: Any = app.connection_for_read()
    consumer = connection.Consumer(Queue("asked"), callbacks=[lambda *_: None])
    consumer.consume()
    told = Queue("told", Exchange("told", type="fanout"), auto_delete=True)  # as that of remote control
    Consumer(connection.channel(), [told]).consume()
    consumer.channel.basic_publish(consumer.channel.prepare_message("held"), "", "asked")
    eventually(lambda: _has_read(connection) and _unacknowledged(redis) and consumer.channel._in_poll, PATIENCE)

    redis.kill()
    Reconnecting(SimpleNamespace()).start(SimpleNamespace(connection=connection))
    with suppress(*connection.connection_errors):
        connection.collect(socket_timeout=1)

    connection.close()
    consumer.channel.qos._on_collect.cancel()  # else this process restores the message as it exits


def _has_read(connection: Any) -> bool:
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.05)
    return True


def _lose_the_broker(worker: Worker, redis: Redis) -> None:
    """It is back, empty, once the worker has noticed."""
    before = worker.log_text().count(LOST)
    redis.kill()
    worker.wait_for(lambda worker: worker.log_text().count(LOST) > before, PATIENCE)
    redis.start()


def _unacknowledged(redis: Redis) -> int:
    with plain_redis.Redis(port=redis.port) as client:
        return client.hlen("unacked")
