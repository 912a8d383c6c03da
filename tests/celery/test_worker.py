"""A worker's process: without its journal, with children that are spawned, and where configuration is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from squidie.testing import Redis, Worker, eventually
from squidie.testing.contract_app import contract_squidie
from squidie_celery import CeleryDelivery, create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
GIVEN = {"SQUIDIE_DATABASE_URL": NOWHERE, "SQUIDIE_REDIS_URL": "redis://127.0.0.1:1/0"}


@pytest.fixture
def worker(redis: Redis) -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(target: str, database_url: str, *, concurrency: int = 1, **env: str) -> Worker:
        told = {
            "SQUIDIE_DATABASE_URL": database_url,
            "SQUIDIE_APP": "squidie.testing.contract_worker:squidie",
            "SQUIDIE_DELIVERY": "squidie_celery:CeleryDelivery",
            "SQUIDIE_REDIS_URL": redis.url,
            "SQUIDIE_SWEEP": "0.2",
        }
        told |= {"HOST_BROKER": redis.url, **env}
        workers.append(Worker(target, concurrency=concurrency, env=told, cwd=HERE))
        return workers[-1].wait_ready()

    yield start
    for each in workers:
        each.close()


def test_a_worker_whose_journal_is_away_lives_on_and_looks_again(worker: Callable[..., Worker], redis: Redis) -> None:
    running = worker("celery_app", NOWHERE)
    running.wait_for("the sweep found no journal")

    create_app(redis.url, set_as_current=False).send_task("squidie.wake", kwargs={"v": 1, "queue": "default"})

    running.wait_for("a turn found no journal")
    assert running.stop() == 0


def test_children_without_work_hold_no_connection(
    worker: Callable[..., Worker], database_url: str, redis: Redis
) -> None:
    """G42: what the main process has connected for its sweeps stays its own; a child connects at its first claim."""
    worker("celery_app", database_url, concurrency=4, SQUIDIE_SWEEP="0.05")
    squidie = contract_squidie(None, database_url)
    seen = text("select max(seen_at) from squidie.workers")
    others = text(
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and backend_type = 'client backend' and pid <> pg_backend_pid()"
    )

    with squidie.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        first = eventually(lambda: connection.execute(seen).scalar_one())
        eventually(lambda: connection.execute(seen).scalar_one() > first)

        assert 1 <= connection.execute(others).scalar_one() <= 2
    squidie.close()


def test_spawned_children_take_turns_too(worker: Callable[..., Worker], database_url: str, redis: Redis) -> None:
    worker("host_app", database_url, HOST_CONF='{"worker_pool_start_method": "spawn"}', SQUIDIE_SWEEP="60")
    app = create_app(redis.url, set_as_current=False, task_default_queue="celery")
    squidie = contract_squidie(CeleryDelivery(app), database_url)

    assert squidie.start("Quick", {"number": 1}).result(timeout=20) == 3
    squidie.close()


def imported(**env: str) -> str:
    """What `import celery_app` has to say with nothing of ours in the environment but this."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SQUIDIE_")}
    command = [sys.executable, "-c", "import celery_app; print(*celery_app.squidie.workflows)"]
    done = subprocess.run(command, env={**clean, **env}, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else done.stderr.splitlines()[-1]


def test_what_is_missing_is_named_all_at_once_with_examples() -> None:
    said = imported()

    assert "MissingConfig: not set: SQUIDIE_DATABASE_URL, SQUIDIE_REDIS_URL" in said
    assert "SQUIDIE_REDIS_URL=redis://localhost:6379/1" in said


def test_the_example_is_served_unless_another_is_named() -> None:
    assert "Fulfilment" in imported(**GIVEN)
    assert "Slow" in imported(**GIVEN, SQUIDIE_APP="squidie.testing.contract_worker:squidie")


@pytest.mark.parametrize("target", ["nothing", "no.such.module:squidie", "celery_app.config:nothing"])
def test_an_app_that_cannot_be_loaded_is_named(target: str) -> None:
    assert "InvalidConfig: SQUIDIE_APP" in imported(**GIVEN, SQUIDIE_APP=target)
