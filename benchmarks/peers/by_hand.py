"""One Celery task a workflow, acknowledged late, that journals its five steps into Postgres itself.

It is what somebody writes who wants a journal and no library: nothing is retried step by step, leased or explained.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from celery import Celery

from benchmarks import floors
from benchmarks.peers import driver
from benchmarks.postgres import connect

app = Celery("by_hand", broker=os.environ["SQUIDIE_REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
)
BEGIN = "insert into floor.runs (id, state, input) values (%s, 'running', %s::jsonb) on conflict do nothing"
_connections: dict[int, Any] = {}


@app.task(name="five")
def five(run: int) -> None:
    connection = _connections.get(os.getpid())
    if connection is None:
        connection = _connections[os.getpid()] = connect(os.environ["SQUIDIE_DATABASE_URL"])
    connection.execute(BEGIN, (run, json.dumps({})))
    floors.one_by_one(connection, [run])


def prepare() -> None:
    with connect(os.environ["SQUIDIE_DATABASE_URL"]) as connection:
        floors.prepare(connection)


def start_one(number: int) -> int:
    five.delay(number)
    return number


def start(count: int) -> float:
    began = time.monotonic()
    for number in range(1, count + 1):
        start_one(number)
    return time.monotonic() - began


def work(processes: int) -> None:
    apart = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", "-c", str(processes), "-l", "WARNING", "-n", f"by_hand{os.getpid()}@%h", *apart])


if __name__ == "__main__":
    driver.run(prepare=prepare, start=start, work=work, solo=lambda: (start_one, driver.asking(floors.IS_DONE)))
