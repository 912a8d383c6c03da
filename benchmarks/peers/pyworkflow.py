"""PyWorkflow on Celery, its events in Postgres. Tuned: all steps of a workflow in one task, its ONE_THREAD."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from benchmarks.noop import RESULT, STEPS, nothing
from benchmarks.peers import driver

url = urlsplit(driver.URL)
socket = parse_qs(url.query).get("host", [""])[0]
os.environ |= {
    "PYWORKFLOW_RUNTIME": "celery",
    "PYWORKFLOW_STORAGE_TYPE": "postgres",
    "PYWORKFLOW_POSTGRES_HOST": url.hostname or quote(socket, safe=""),
    "PYWORKFLOW_POSTGRES_PORT": str(url.port or 5432),
    "PYWORKFLOW_POSTGRES_USER": url.username or "postgres",
    "PYWORKFLOW_POSTGRES_DATABASE": url.path.lstrip("/"),
    "PYWORKFLOW_CELERY_BROKER": os.environ.get("SQUIDIE_REDIS_URL", ""),
    "PYWORKFLOW_LOG_LEVEL": "WARNING",
}

import asyncpg  # noqa: E402
import pyworkflow  # noqa: E402 - it reads what was just set
from pyworkflow import WorkflowRunStrategy  # noqa: E402
from pyworkflow.config import get_config  # noqa: E402

QUEUES = "pyworkflow.default,pyworkflow.steps,pyworkflow.workflows,pyworkflow.schedules"
AHEAD = "create table stream_subscriptions (id text, stream_id text, step_run_id text, status text, signal_types text)"
"""Its migrations (0.4.0) change this table of streams, which nothing here uses, before they make it."""
DONE = "select status = 'completed' from workflow_runs where run_id = %s"
sys.modules.setdefault("benchmarks.peers.pyworkflow", sys.modules[__name__])


@pyworkflow.step(name="one")
async def one(number: int) -> dict[str, Any]:
    del number
    return nothing()


@pyworkflow.workflow(name="five", durable=True)
async def five(order: Any) -> Any:
    for number in range(STEPS):
        order = await one(number)
    return order


async def begin() -> str:
    return str(await pyworkflow.start(five, RESULT, workflow_run_strategy=WorkflowRunStrategy.ONE_THREAD))


async def prepare() -> None:
    connection = await asyncpg.connect(driver.URL)
    await connection.execute(AHEAD)
    await connection.close()
    storage: Any = get_config().storage
    await storage.connect()
    await storage.disconnect()


async def start(count: int) -> float:
    began = time.monotonic()
    for _ in range(count):
        await begin()
    return time.monotonic() - began


def work(processes: int) -> None:
    from pyworkflow.celery.app import celery_app  # noqa: PLC0415 - only a worker needs it

    apart = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    celery_app.worker_main(["worker", "-c", str(processes), "-l", "WARNING", "-Q", QUEUES, *apart])


def solo() -> Any:
    loop = driver.loop_beside()
    return lambda _number: asyncio.run_coroutine_threadsafe(begin(), loop).result(), driver.asking(DONE)


if __name__ == "__main__":
    driver.run(
        prepare=lambda: asyncio.run(prepare()),
        start=lambda count: asyncio.run(start(count)),
        work=work,
        solo=solo,
    )
