"""What every driver does: `python -m benchmarks.peers.NAME VERB MODE [N]`, with an answer in one line of JSON.

prepare      make tables, queues
start N      start so many workflows of five steps, one call each; the seconds that took
work N       a worker with N processes, until SIGTERM
solo N       so many workflows, one at a time
wide N       one workflow of N parallel steps
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import marks, solo

if TYPE_CHECKING:
    from collections.abc import Callable

    Asking = tuple[Callable[[int], Any], Callable[[Any], bool]]

URL = os.environ.get("SQUIDIE_DATABASE_URL", "").replace("postgresql+psycopg:", "postgresql:")
"""The database, for libpq."""


def run(
    *,
    prepare: Callable[[], object],
    start: Callable[[int], float],
    work: Callable[[int], object],
    solo: Callable[[], Asking],
    wide: Callable[[], Asking] | None = None,
) -> None:
    """Do what the command line says. `solo` and `wide` give how one is started, and how to see that it has ended."""
    verb, count = sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 0
    answer: dict[str, Any] = {}
    match verb:
        case "prepare":
            prepare()
        case "start":
            answer = {"seconds": start(count)}
        case "work":
            work(count)
        case "solo":
            answer = _solo(count, *solo())
        case "wide":
            assert wide is not None
            answer = _wide(count, *wide())
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)  # threads and pools of a peer keep no process here


def _solo(count: int, start: Callable[[int], Any], is_done: Callable[[Any], bool]) -> dict[str, Any]:
    return solo.one_at_a_time(Path(os.environ[marks.FOLDER]), count, start, is_done)


def _wide(width: int, start: Callable[[int], Any], is_done: Callable[[Any], bool]) -> dict[str, Any]:
    return solo.wide(width, start, is_done)


def until_told() -> None:
    """Wait for SIGTERM."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    told.wait()


def asking(question: str) -> Callable[[Any], bool]:
    """Whether a row says so, by one prepared statement on a connection of its own."""
    import psycopg  # noqa: PLC0415 - not every peer's environment has it

    connection = psycopg.connect(URL, autocommit=True, prepare_threshold=0)

    def is_so(handle: Any) -> bool:
        row = connection.execute(question, [handle]).fetchone()
        return row is not None and bool(row[0])

    return is_so


def loop_beside() -> asyncio.AbstractEventLoop:
    """An event loop in a thread of its own, for peers that know no other calls."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop
