"""What comes over the broker changes latency and nothing else: real bells, put back again (B32, B35, R08, R11)."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import redis as plain_redis
from celery import Celery
from sqlalchemy import event, text

from squidie.testing import Redis, Worker, eventually
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, create_app, install
from squidie_celery.station import station_of
from squidie_celery.tasks import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from squidie import Squidie

HERE = Path(__file__).parent


@pytest.fixture
def client(redis: Redis) -> Iterator[plain_redis.Redis]:
    with plain_redis.Redis(port=redis.port) as client:
        yield client


@pytest.fixture
def squidie(database_url: str, redis: Redis) -> Iterator[Squidie]:
    app = create_app(redis.url, set_as_current=False, task_default_queue="celery")
    squidie = contract_squidie(CeleryDelivery(app), database_url)
    yield squidie
    squidie.close()


@pytest.fixture
def start(database_url: str, redis: Redis) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(*, concurrency: int = 1, **env: str) -> Worker:
        told = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
            "HOST_BROKER": redis.url,
            "HOST_CONF": json.dumps({"worker_disable_prefetch": True}),
        }
        workers.append(Worker("host_app", concurrency=concurrency, env=told | env, cwd=HERE))
        return workers[-1].wait_ready()

    yield start
    for each in workers:
        each.close()


def facts(squidie: Squidie) -> list[tuple[Any, ...]]:
    """Every fact of every run, to the byte."""
    with squidie.engine.connect() as connection:
        wanted = "select run_id, seq, kind, at, body::text, encode(hash, 'hex') from squidie.facts order by 1, 2"
        return [tuple(row) for row in connection.execute(text(wanted))]


@pytest.mark.parametrize("late", ["", "yes"], ids=["early", "late"])
def test_bells_that_are_replayed_in_any_order_change_no_fact(
    squidie: Squidie, start: Callable[..., Worker], client: plain_redis.Redis, late: str
) -> None:
    """B32, B39, R07: each bell three times more, shuffled."""
    runs = []
    for number in range(10):
        runs.append(squidie.start("Quick", {"number": number}))
        assert squidie.delivery.flush(5)
    bells = client.lrange("celery", 0, -1)
    start(concurrency=2, HOST_LATE=late)
    assert [run.result(timeout=20) for run in runs] == [2 * number + 1 for number in range(10)]
    before = facts(squidie)

    replayed = bells * 3
    Random(7).shuffle(replayed)
    client.lpush("celery", *replayed)
    eventually(lambda: client.llen("celery") == client.hlen("unacked") == 0)
    last = squidie.start("Quick", {"number": 10})

    assert last.result(timeout=20) == 21
    assert len(bells) == 10
    assert [fact for fact in facts(squidie) if fact[0] != last.id] == before


def test_a_bell_that_is_delivered_again_while_its_turn_runs_finds_nothing(
    squidie: Squidie, start: Callable[..., Worker], client: plain_redis.Redis, redis: Redis, tmp_path: Path
) -> None:
    """R08, M2: acknowledged late, its visibility timeout over; another worker hears it and takes nothing."""
    first, second = start(HOST_LATE="yes", SQUIDIE_SWEEP="600"), start(HOST_LATE="yes", SQUIDIE_SWEEP="600")
    sign = tmp_path / "sign"
    run = squidie.start("Slow", {"seconds": 3.0, "sign": str(sign)})
    eventually(lambda: sign.exists() and client.hlen("unacked") == 1)
    heard = [worker.log_text().count("received") for worker in (first, second)]

    hasty = Celery("hasty", broker=redis.url, set_as_current=False)
    hasty.conf.broker_transport_options = {"visibility_timeout": 0}
    with hasty.connection_for_read() as connection:
        hasty.amqp.queues["celery"](connection.default_channel).declare()
        connection.default_channel.qos.restore_visible()
    eventually(lambda: sum(w.log_text().count("received") for w in (first, second)) > sum(heard))

    assert run.result(timeout=20) == int(sign.read_text())  # one process, which has begun it once
    assert [fact[2] for fact in facts(squidie)] == ["run_started", "attempt_completed", "run_completed"]


def test_every_message_is_a_bell_without_a_time_a_result_or_a_canvas(
    squidie: Squidie, start: Callable[..., Worker], client: plain_redis.Redis
) -> None:
    """B35: whatever senders, sweeps and turns write to Redis, seen by Redis itself; a delay is a row."""
    worker = start(concurrency=2, SQUIDIE_SWEEP="0.2")
    written: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        with plain_redis.Redis(port=client.connection_pool.connection_kwargs["port"]) as ear, ear.monitor() as monitor:
            listening.set()
            for command in monitor.listen():
                if command["command"].startswith("PING end"):
                    return
                written.append(command["command"])

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert listening.wait(10)
    runs = squidie.start_many("Quick", [{"number": number} for number in range(200)])
    later = squidie.start("Quick", {"number": 1}, after=0.5)
    assert all(run.result(timeout=20) for run in [*runs, later])
    client.execute_command("PING", "end")
    thread.join(10)

    verbs = {command.split(" ", 1)[0].upper() for command in written}
    bells = [json.loads(command.split(" ", 2)[2]) for command in written if command.upper().startswith("LPUSH")]
    assert bells
    assert not verbs & {"SET", "SETEX", "EXPIRE", "PUBLISH", "RPUSH"}, "a result, an event or a chord"
    for bell in bells:
        headers = bell["headers"]
        assert headers["task"] == "squidie.wake"
        assert [headers[name] for name in ("eta", "group", "parent_id", "shadow")] == [None] * 4
        assert headers["ignore_result"]
        assert bell["properties"]["reply_to"] == ""
        assert "countdown" not in headers
    assert worker.is_alive()


def test_a_flood_of_forged_bells_costs_few_looks(redis: Redis, database_url: str) -> None:
    """R11: after some that found nothing a process looks every 20 ms at most, however many come; no fact is changed."""
    host = Celery("host", broker=redis.url, set_as_current=False)
    squidie = contract_squidie(CeleryDelivery(host), database_url)
    install(host, squidie)
    squidie.start("Quick", {"number": 1})
    wake = host.tasks["squidie.wake"].run
    wake(v=1, queue="default")
    before, statements = facts(squidie), []
    event.listen(squidie.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    for _ in range(20_000):
        wake(v=1, queue="default")
        wake(v=1, queue="elsewhere")

    looks = len(statements)
    station = station_of(host)
    assert station.heard == 20_001
    assert station.dropped == 20_000
    assert Pause.EMPTY_LOOKS <= looks < 20_000 / 4
    assert facts(squidie) == before
    squidie.close()
