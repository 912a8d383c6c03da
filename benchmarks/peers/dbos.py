"""DBOS Transact. Tuned: 32 workflows at once in a worker, a look at its queue every 50 ms."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from dbos import DBOS, DBOSClient

from benchmarks.noop import RESULT, STEPS, nothing
from benchmarks.peers import driver

QUEUE = "bench"
TUNED = {"worker_concurrency": 32, "polling_interval_sec": 0.05}
HERE = {"queue_name": QUEUE, "app_version": "1"}
DONE = "select status = 'SUCCESS' from dbos.workflow_status where workflow_uuid = %s"


def _step(number: int) -> Any:
    def run(_order: Any) -> dict[str, Any]:
        return nothing()

    run.__name__ = run.__qualname__ = f"step{number}"
    return DBOS.step()(run)


steps = [_step(number) for number in range(STEPS)]


@DBOS.workflow(name="five")
def five(order: Any) -> Any:
    for each in steps:
        order = each(order)
    return order


@DBOS.step(name="item")
async def item(_number: int) -> dict[str, Any]:
    return nothing()


@DBOS.workflow(name="fan")
async def fan(width: int) -> int:
    return len(await asyncio.gather(*(item(number) for number in range(width))))


def launch() -> None:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": driver.URL,
            "application_version": "1",
            "log_level": "WARNING",
            "executor_id": f"bench{os.getpid()}",
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, on_conflict="always_update", **TUNED)


def client() -> DBOSClient:
    return DBOSClient(system_database_url=driver.URL, use_listen_notify=False)


def start(count: int) -> float:
    asked, began = client(), time.monotonic()
    for _ in range(count):
        asked.enqueue({**HERE, "workflow_name": "five"}, RESULT)
    return time.monotonic() - began


def work(_processes: int) -> None:
    launch()
    driver.until_told()


def asking(workflow: str, argument: Any = None) -> Any:
    asked = client()

    def begin(number: int) -> str:
        return str(asked.enqueue({**HERE, "workflow_name": workflow}, argument or number).workflow_id)

    return begin, driver.asking(DONE)


if __name__ == "__main__":
    driver.run(prepare=launch, start=start, work=work, solo=lambda: asking("five", RESULT), wide=lambda: asking("fan"))
