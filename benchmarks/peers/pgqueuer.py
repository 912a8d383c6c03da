"""pgqueuer: each of five jobs enqueues the next. Tuned: a hundred a batch, a pool of four to sixteen connections."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from benchmarks.noop import RESULT, STEPS, nothing
from benchmarks.peers import driver

BATCH = 100
DONE = "select count(*) = 0 and %s is not null from pgqueuer"


def order(number: int, run: int, result: Any) -> bytes:
    return json.dumps({"number": number, "run": run, "order": result}).encode()


async def prepare() -> None:
    connection = await asyncpg.connect(driver.URL)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()


async def serve() -> None:
    pool = await asyncpg.create_pool(driver.URL, min_size=4, max_size=16)
    queuer = PgQueuer.from_asyncpg_pool(pool)

    @queuer.entrypoint("step")
    async def step(job: Any) -> None:
        given = json.loads(job.payload)
        result = nothing()
        if given["number"] < STEPS - 1:
            await queuer.qm.queries.enqueue("step", order(given["number"] + 1, given["run"], result))

    working = asyncio.create_task(queuer.run(batch_size=BATCH))
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await asyncio.wait({working, asyncio.create_task(told.wait())}, return_when=asyncio.FIRST_COMPLETED)
    os._exit(0)  # its own way of ending waits for its pool


async def start(count: int) -> float:
    queries = Queries(AsyncpgDriver(await asyncpg.connect(driver.URL)))
    began = time.monotonic()
    for number in range(count):
        await queries.enqueue("step", order(0, number, RESULT))
    return time.monotonic() - began


def solo() -> Any:
    loop = driver.loop_beside()

    async def connected() -> Queries:
        return Queries(AsyncpgDriver(await asyncpg.connect(driver.URL)))

    queries = asyncio.run_coroutine_threadsafe(connected(), loop).result()

    def begin(number: int) -> int:
        asyncio.run_coroutine_threadsafe(queries.enqueue("step", order(0, number, RESULT)), loop).result()
        return number

    return begin, driver.asking(DONE)


if __name__ == "__main__":
    driver.run(
        prepare=lambda: uvloop.run(prepare()),
        start=lambda count: uvloop.run(start(count)),
        work=lambda _processes: uvloop.run(serve()),
        solo=solo,
    )
