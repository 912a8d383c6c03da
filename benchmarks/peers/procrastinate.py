"""procrastinate: each of five jobs defers the next. Tuned: sixteen at once, a pool of ten to twenty connections."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

from procrastinate import App, PsycopgConnector

from benchmarks.noop import RESULT, STEPS, nothing
from benchmarks.peers import driver

CONCURRENCY = 16
DONE = """
select count(*) = 0 from procrastinate_jobs where status in ('todo', 'doing') and (args->>'run')::bigint = %s
"""
app = App(connector=PsycopgConnector(conninfo=driver.URL, min_size=10, max_size=20))


@app.task(name="step")
async def step(number: int, run: int, order: Any) -> Any:
    del order
    result = nothing()
    if number < STEPS - 1:
        await step.defer_async(number=number + 1, run=run, order=result)
    return result


async def prepare() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def serve() -> None:
    async with app.open_async():
        working = asyncio.create_task(app.run_worker_async(install_signal_handlers=False, concurrency=CONCURRENCY))
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        await told.wait()
        working.cancel()


async def start(count: int) -> float:
    async with app.open_async():
        began = time.monotonic()
        for number in range(count):
            await step.defer_async(number=0, run=number, order=RESULT)
        return time.monotonic() - began


def solo() -> Any:
    loop = driver.loop_beside()
    asyncio.run_coroutine_threadsafe(app.open_async().__aenter__(), loop).result()

    def begin(number: int) -> int:
        asyncio.run_coroutine_threadsafe(step.defer_async(number=0, run=number, order=RESULT), loop).result()
        return number

    return begin, driver.asking(DONE)


if __name__ == "__main__":
    driver.run(
        prepare=lambda: asyncio.run(prepare()),
        start=lambda count: asyncio.run(start(count)),
        work=lambda _processes: asyncio.run(serve()),
        solo=solo,
    )
