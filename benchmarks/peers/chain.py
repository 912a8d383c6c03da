"""Celery's canvas on Redis, results too: five tasks in a chain, and a group with a chord.

Nothing is journalled. Modes: `early` acknowledges a task before it runs, as Celery does by default; `late` after it.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from celery import Celery, chain, chord

from benchmarks.noop import RESULT, STEPS, nothing
from benchmarks.peers import driver

URL = os.environ["SQUIDIE_REDIS_URL"]
app = Celery("chain", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=sys.argv[2:3] == ["late"],
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
)


@app.task(name="one")
def one(before: Any) -> dict[str, Any]:
    del before
    return nothing()


@app.task(name="join")
def join(results: list[Any]) -> int:
    return len(results)


def five(_number: int) -> Any:
    return chain(one.s(RESULT), *(one.s() for _ in range(STEPS - 1))).apply_async()


def fan(width: int) -> Any:
    return chord((one.s(number) for number in range(width)), join.s()).apply_async()


def start(count: int) -> float:
    began = time.monotonic()
    for number in range(count):
        five(number)
    return time.monotonic() - began


def work(processes: int) -> None:
    apart = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", "-c", str(processes), "-l", "WARNING", "-n", f"chain{os.getpid()}@%h", *apart])


def is_done(result: Any) -> bool:
    return bool(result.ready())


if __name__ == "__main__":
    driver.run(prepare=lambda: None, start=start, work=work, solo=lambda: (five, is_done), wide=lambda: (fan, is_done))
