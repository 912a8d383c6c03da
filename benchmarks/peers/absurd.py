"""Absurd: durable execution kept by functions in the database.

Tuned: four loops a worker, each with a connection of its own, ten tasks a claim, a look every 50 ms. Its parallel steps
are tasks of their own, awaited one after the other.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import absurdctl
import psycopg
from absurd_sdk import Absurd

from benchmarks import marks
from benchmarks.noop import RESULT, STEPS, nothing
from benchmarks.peers import driver

LOOPS = 4
TUNED = {"batch_size": 10, "poll_interval": 0.05}
QUEUE, ITEMS = "five", "items"
DONE = "select state = 'completed' from absurd.t_five where task_id = %s"


def registered(queue: str) -> Absurd:
    absurd = Absurd(driver.URL, queue_name=queue)

    @absurd.register_task("item")
    def item(_parameters: Any, context: Any) -> Any:
        return context.step("only", nothing)

    @absurd.register_task("five")
    def five(_order: Any, context: Any) -> Any:
        return [context.step(f"step{number}", nothing) for number in range(STEPS)][-1]

    @absurd.register_task("fan")
    def fan(parameters: Any, context: Any) -> int:
        asked = Absurd(driver.URL, queue_name=ITEMS)  # the task's own connection is its context's

        def begin() -> str:
            return str(asked.spawn("item", RESULT, queue=ITEMS)["task_id"])

        begun = [context.step(f"begin{number}", begin) for number in range(parameters["width"])]
        for number, each in enumerate(begun):
            context.await_task_result(each, queue_name=ITEMS, step_name=f"join{number}")
        return len(begun)

    return absurd


def prepare() -> None:
    schema = absurdctl.BUNDLED_SCHEMA_SQL
    with psycopg.connect(driver.URL, autocommit=True) as connection:
        connection.execute(schema if isinstance(schema, str) else next(iter(schema.values())))
    absurd = Absurd(driver.URL)
    for queue in (QUEUE, ITEMS):
        absurd.create_queue(queue)


def start(count: int) -> float:
    absurd, began = registered(QUEUE), time.monotonic()
    for _ in range(count):
        absurd.spawn("five", RESULT)
    return time.monotonic() - began


def work(_processes: int) -> None:
    queues = (QUEUE, ITEMS) if marks.SIDE_BY_SIDE in os.environ else (QUEUE,)
    for queue in queues:
        for number in range(LOOPS):
            options = {"worker_id": f"{os.getpid()}-{queue}-{number}", **TUNED}
            threading.Thread(target=registered(queue).start_worker, kwargs=options, daemon=True).start()
    driver.until_told()


def solo() -> Any:
    absurd = registered(QUEUE)
    return lambda _number: absurd.spawn("five", RESULT)["task_id"], driver.asking(DONE)


def wide() -> Any:
    absurd = registered(QUEUE)
    return lambda width: absurd.spawn("fan", {"width": width})["task_id"], driver.asking(DONE)


if __name__ == "__main__":
    driver.run(prepare=prepare, start=start, work=work, solo=solo, wide=wide)
