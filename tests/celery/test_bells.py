"""What a bell is on the wire, and what it costs whoever rings while the broker is well, eager, crowded or frozen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from celery import Celery

from squidie.testing import Redis, Worker, eventually
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, create_app
from squidie_celery.line import CROWD, BellLine

ROOT = Path(__file__).parents[2]


def messages(app: Celery, queue: str) -> list[dict[str, Any]]:
    """Everything in the list, oldest first."""
    with app.connection_for_read() as connection:
        client = connection.default_channel.client
        return [json.loads(message) for message in client.lrange(queue, 0, -1)][::-1]


@pytest.fixture
def host(redis: Redis) -> Celery:
    """A host's app with hostile settings: eager, and without any timeout."""
    app = Celery("host", broker=redis.url, set_as_current=False)
    app.conf.update(
        task_always_eager=True,
        task_routes={"*": {"queue": "nowhere"}},
        task_compression="gzip",
        task_create_missing_queues=False,
    )
    return app


def test_a_bell_names_a_queue_and_carries_nothing_else(redis: Redis) -> None:
    app = create_app(redis.url, set_as_current=False)
    delivery = CeleryDelivery(app)

    delivery.ring(["etl", "default"])
    assert delivery.flush(5)

    (message,) = messages(app, "etl")
    headers = message["headers"]
    assert headers["task"] == "squidie.wake"
    assert [headers[name] for name in ("eta", "group", "parent_id")] == [None] * 3
    assert headers["ignore_result"]
    assert headers["expires"]
    assert message["properties"]["reply_to"] == ""
    assert len(messages(app, "default")) == 1
    delivery.close()


def test_in_a_hosts_app_no_router_no_eager_mode_and_no_missing_queue_stops_a_bell(host: Celery) -> None:
    delivery = CeleryDelivery(host, queues={"default": "durable"})

    delivery.ring(["default", "etl"])

    assert delivery.flush(5)
    assert [len(messages(host, name)) for name in ("durable", "etl", "nowhere")] == [1, 1, 0]
    delivery.close()


def test_a_frozen_broker_is_noticed_by_the_bell_thread_and_by_nobody_else(host: Celery, redis: Redis) -> None:
    delivery = CeleryDelivery(host)
    delivery.ring(["default"])
    delivery.flush(5)

    redis.freeze()
    began = perf_counter()
    for _ in range(100):
        delivery.ring(["default", "etl"])
    took = perf_counter() - began
    eventually(lambda: not delivery.reachable, 3.0)
    redis.thaw()

    assert took < 0.05
    assert delivery.flush(5)
    assert delivery.reachable
    delivery.close()


@pytest.mark.parametrize("broken", ["freeze", "kill"])
def test_a_bell_that_cannot_be_sent_is_given_up_soon_and_not_tried_again(redis: Redis, broken: str) -> None:
    """B34: also where somebody else has published with retries before, which kombu remembers in its pooled options."""
    host = Celery("host", broker=redis.url, set_as_current=False)
    host.send_task("shop.task", retry=True, retry_policy={"max_retries": 50})
    line = BellLine(host, CeleryDelivery(host).names)
    assert line.send(["default"]) == 1
    getattr(redis, broken)()

    for cold in (False, True):
        if cold:
            line.hang_up()
            line = BellLine(host, CeleryDelivery(host).names)
        began = perf_counter()
        with pytest.raises(Exception):  # noqa: B017, PT011 whatever a broker's client raises
            line.send(["default", "etl"])
        assert perf_counter() - began < 4.0  # the bound is 2 s; a busy machine may need more
    line.hang_up()


SENDER = """
import os, sys
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, create_app

squidie = contract_squidie(CeleryDelivery(create_app(os.environ["SQUIDIE_REDIS_URL"], set_as_current=False)))
for number in range(2):  # the second bell falls into the window of the first
    print(squidie.start("Quick", {"number": number}).id, flush=True)
if "abruptly" in sys.argv:
    os._exit(0)
"""


def test_a_sender_that_ends_has_rung_and_one_that_is_gone_is_found_by_the_sweep(
    redis: Redis, database_url: str
) -> None:
    """G20: at a normal exit the trailing bell is flushed; after `os._exit` the work is begun within one sweep."""
    env = {
        **os.environ,
        "SQUIDIE_DATABASE_URL": database_url,
        "SQUIDIE_REDIS_URL": redis.url,
        "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
        "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
    }
    squidie = contract_squidie(None, database_url)

    def results(how: str, sweep: str) -> list[Any]:
        with Worker("celery_app", env={**env, "SQUIDIE_SWEEP": sweep}) as worker:
            worker.wait_ready()
            said = subprocess.run(
                [sys.executable, "-c", SENDER, how], env=env, cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
            return [squidie.run(run).result(timeout=20) for run in said.split()]

    assert results("orderly", "600") == [1, 3]
    assert results("abruptly", "0.5") == [1, 3]
    squidie.close()


def test_where_many_bells_wait_already_none_is_added(host: Celery) -> None:
    with host.connection_for_write() as connection:
        connection.default_channel.client.lpush("celery", *["{}"] * (CROWD + 1))
    delivery = CeleryDelivery(host)

    delivery.ring(["default", "etl"])

    assert delivery.flush(5)
    assert [len(messages(host, name)) for name in ("celery", "etl")] == [CROWD + 1, 1]
    assert delivery.rung == 1
    delivery.close()


def test_without_any_app_bells_are_lost_and_nobody_is_harmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQUIDIE_REDIS_URL", raising=False)
    monkeypatch.setattr("squidie_celery.delivery.host_app", lambda: None)
    delivery = CeleryDelivery()

    delivery.ring(["default"])

    eventually(lambda: delivery.failed and not delivery.reachable)
    delivery.close()
