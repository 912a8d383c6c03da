"""Garbage in the lists of Redis ends no fleet (R09, M9): it is put aside and counted, and other messages go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis as plain_redis
from celery import Celery, chain, group

from squidie.errors import Unavailable
from squidie.testing import Redis, Worker, eventually
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, create_app
from squidie_celery.envelope import flaw
from squidie_celery.quarantine import KEY, PAGE, Quarantine
from tests.support.garbage import GARBAGE, REFUSED, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from squidie import Squidie

HERE = Path(__file__).parent
LOOPING = ("task is a list", "no id")
"""Kinds that Celery gives back to the queue: when the worker ends, and when it connects again without having ended."""


@pytest.fixture
def client(redis: Redis) -> Iterator[plain_redis.Redis]:
    with plain_redis.Redis(port=redis.port) as client:
        yield client


@pytest.fixture
def start(database_url: str, redis: Redis) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(target: str = "celery_app", *, pool: str = "prefork", concurrency: int = 1, **conf: Any) -> Worker:
        told = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
            "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
            "SQUIDIE_REDIS_URL": redis.url,
            "HOST_BROKER": redis.url,
            "HOST_CONF": json.dumps(conf),
            "SQUIDIE_SWEEP": "0.5",
        }
        workers.append(Worker(target, pool=pool, concurrency=concurrency, env=told, cwd=HERE))
        return workers[-1].wait_ready()

    yield start
    for each in workers:
        each.close()


@pytest.fixture
def squidie(database_url: str, redis: Redis) -> Iterator[Squidie]:
    squidie = contract_squidie(CeleryDelivery(create_app(redis.url, set_as_current=False)), database_url)
    yield squidie
    squidie.close()


@pytest.fixture
def channel(redis: Redis) -> Iterator[Any]:
    app = create_app(redis.url, set_as_current=False)
    with app.connection_for_read() as connection:
        yield connection.default_channel


def kept(client: plain_redis.Redis) -> list[dict[str, str]]:
    """What was put aside, oldest first."""
    return [json.loads(item) for item in client.lrange(KEY, 0, -1)][::-1]


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_an_app_of_our_own_survives_every_kind_in_every_pool(
    start: Callable[..., Worker], squidie: Squidie, client: plain_redis.Redis, pool: str
) -> None:
    """R09: the same process, the same children, and nothing else is held up."""
    worker = start(pool=pool)
    children = worker.children()
    for item in [*GARBAGE.values(), *REFUSED.values()]:
        client.lpush("default", item)

    run = squidie.start("Quick", {"number": 1})

    assert run.result(timeout=20) == 3
    eventually(lambda: client.llen("default") == 0)
    eventually(lambda: len(kept(client)) == len(GARBAGE))
    assert worker.is_alive()
    assert worker.children() == children


def test_what_lies_there_before_a_worker_starts_is_put_aside_in_a_hosts_app_too(
    start: Callable[..., Worker], squidie: Squidie, client: plain_redis.Redis
) -> None:
    """R09: more than one page of it, in lists of every priority; messages among it stay where they are."""
    client.lpush("celery", *GARBAGE.values(), *GARBAGE.values())
    client.lpush("celery\x06\x163", "garbage")
    client.lpush("celery", message(headers={"task": "squidie.tick"}))

    worker = start("host_app")

    eventually(lambda: client.llen("celery") == 0)
    assert worker.is_alive()
    assert len(kept(client)) == 2 * len(GARBAGE) + 1
    assert 2 * len(GARBAGE) > PAGE
    assert {each["queue"] for each in kept(client)} == {"celery"}
    assert all(each["reason"] for each in kept(client))
    worker.wait_for("put aside before consuming")


@pytest.mark.parametrize("kind", LOOPING)
def test_the_looping_kind_ends_a_hosts_worker_once_at_most(
    start: Callable[..., Worker], client: plain_redis.Redis, kind: str
) -> None:
    """R09, M9: under plain Celery it comes back for ever; here the second start, or connect, is the last."""
    worker = start("host_app")
    client.lpush("celery", GARBAGE[kind])
    eventually(lambda: kept(client) or not worker.is_alive(), 20)

    if not worker.is_alive():
        worker = start("host_app")

    eventually(lambda: kept(client))
    client.lpush("celery", message(headers={"task": "squidie.tick"}))
    eventually(lambda: client.llen("celery") == 0)
    assert worker.is_alive()
    assert len(kept(client)) == 1


def test_a_host_that_asks_for_it_is_guarded_while_it_consumes(
    start: Callable[..., Worker], client: plain_redis.Redis
) -> None:
    """R09: `squidie_quarantine = True` in its own settings; acknowledgement is as the host has it."""
    worker = start("host_app", squidie_quarantine=True, task_acks_late=True)

    for item in GARBAGE.values():
        client.lpush("celery", item)

    eventually(lambda: len(kept(client)) == len(GARBAGE), 20)
    assert worker.is_alive()
    assert client.hlen("unacked") == 0


def test_only_the_newest_are_kept_and_none_of_them_whole_if_it_is_large(
    channel: Any, client: plain_redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("squidie_celery.quarantine.KEPT", 3)
    quarantine = Quarantine(channel)

    for number in range(5):
        quarantine.keep(f"{number}" * 100_000, "etl", "large")

    assert len(quarantine) == 3
    assert [each["message"][0] for each in kept(client)] == ["2", "3", "4"]
    assert max(len(each["message"]) for each in kept(client)) < 20_000


def test_a_prefix_of_the_hosts_reaches_all_keys(redis: Redis, client: plain_redis.Redis) -> None:
    app = Celery("host", broker=redis.url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "shop:"}
    client.lpush("shop:celery", "garbage")

    with app.connection_for_read() as connection:
        assert Quarantine(connection.default_channel).sift(["celery"]) == 1

    assert client.keys() == [f"shop:{KEY}".encode()]


def test_the_delivery_says_how_much_was_put_aside(channel: Any, squidie: Squidie) -> None:
    """What `squidie doctor` shows; a broker that is away is said to be, and other brokers have none."""
    Quarantine(channel).keep("garbage", "default", "no JSON")

    assert squidie.delivery.quarantined() == 1
    assert squidie.delivery.findings() == []
    assert CeleryDelivery(Celery("other", broker="amqp://", set_as_current=False)).quarantined() == 0
    with pytest.raises(Unavailable, match="did not answer"):
        CeleryDelivery(create_app("redis://127.0.0.1:1/0", set_as_current=False)).quarantined()


@pytest.mark.parametrize("kind", GARBAGE)
def test_each_kind_has_a_reason(channel: Any, kind: str) -> None:
    item = GARBAGE[kind]

    assert flaw(item if isinstance(item, bytes) else item.encode(), channel)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_celery_refuses_by_itself_has_no_flaw(channel: Any, kind: str) -> None:
    assert flaw(REFUSED[kind].encode(), channel) is None


def test_no_message_of_celerys_own_is_taken_for_garbage(redis: Redis, client: plain_redis.Redis) -> None:
    """Chains, groups, countdowns, priorities, either protocol, other serializers, compression."""
    app = Celery("host", broker=redis.url, backend="cache+memory://", set_as_current=False)

    @app.task(name="shop.task", shared=False)
    def task(*args: Any, **kwargs: Any) -> None: ...

    for conf in ({}, {"task_protocol": 1}, {"task_serializer": "pickle"}, {"task_compression": "zlib"}):
        app.conf.update({"task_protocol": 2, "task_serializer": "json", "task_compression": None} | conf)
        task.apply_async((1,), {"end": "x"}, countdown=60, expires=120, priority=3, time_limit=5, soft_time_limit=2.5)
        task.apply_async(argsrepr=None, headers={"tenant": {"id": 1}}, reply_to="x")
        chain(task.si(1), group(task.si(2), task.si(3)), task.si(4)).apply_async(stamps={"a": "b"})
    with app.connection_for_write() as connection:
        app.amqp.Producer(connection, auto_declare=False).publish({"not": "a task"}, exchange="", routing_key="celery")
        channel = connection.default_channel
        items = [item for key in client.keys("celery*") for item in client.lrange(key, 0, -1)]

        assert len(items) > 10
        assert [flaw(item, channel) for item in items] == [None] * len(items)
