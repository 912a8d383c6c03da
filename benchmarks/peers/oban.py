"""oban-py, its open source: jobs without workflows. Each of five jobs enqueues the next. Tuned: a hundred at once."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import uvloop
from oban import Oban, worker
from oban.schema import install as schema

from benchmarks.noop import RESULT, STEPS, nothing
from benchmarks.peers import driver

LIMIT = 100
DONE = """
select count(*) = 5 from oban_jobs where state = 'completed' and args @> jsonb_build_object('run', %s::bigint)
"""


@worker(queue="default")
class Step:
    enqueue: Any

    async def process(self, job: Any) -> None:
        result, number = nothing(), job.args["number"]
        if number < STEPS - 1:
            await Step.enqueue({"number": number + 1, "run": job.args["run"], "order": result})


async def with_pool(call: Any) -> Any:
    pool = await Oban.create_pool(driver.URL)
    try:
        return await call(pool)
    finally:
        await pool.close()


async def serve(pool: Any) -> None:
    await Oban(pool=pool, queues={"default": LIMIT}).start()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()


def start(count: int) -> float:
    async def all_of_them(pool: Any) -> float:
        Oban(pool=pool)
        began = time.monotonic()
        for number in range(count):
            await Step.enqueue({"number": 0, "run": number, "order": RESULT})
        return time.monotonic() - began

    return float(uvloop.run(with_pool(all_of_them)))


def solo() -> Any:
    loop = driver.loop_beside()
    pool = asyncio.run_coroutine_threadsafe(Oban.create_pool(driver.URL), loop).result()

    async def client() -> Any:
        return Oban(pool=pool)

    asyncio.run_coroutine_threadsafe(client(), loop).result()

    def begin(number: int) -> int:
        order = {"number": 0, "run": number, "order": RESULT}
        asyncio.run_coroutine_threadsafe(Step.enqueue(order), loop).result()
        return number

    return begin, driver.asking(DONE)


if __name__ == "__main__":
    driver.run(
        prepare=lambda: uvloop.run(with_pool(schema)),
        start=start,
        work=lambda _processes: uvloop.run(with_pool(serve)),
        solo=solo,
    )
