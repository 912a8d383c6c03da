"""Every window once, whatever happens to beats, broker and database meanwhile (B45, B46, T05, T06).

Three beats, one of them killed every second; eight sweepers; Redis gone for a sixth of the time; all connections to
Postgres cut again and again. SQUIDIE_CHAOS_SECONDS says how long (20); SQUIDIE_CHAOS_STOCK=1 lets three beats with
Celery's own scheduler suffer the same beside it, for the table.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis as redis_client
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from squidie import Squidie
from squidie.testing import Beat, Redis, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from chaos_flows import EverySecond  # noqa: E402

SECONDS = float(os.environ.get("SQUIDIE_CHAOS_SECONDS", "20"))
WITH_STOCK = bool(os.environ.get("SQUIDIE_CHAOS_STOCK"))
BEATS, SWEEPERS = 3, 8
CUT = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""
OPENED = """
with opened as (select at, (body->>'window')::timestamptz as due from squidie.facts where kind = 'run_started')
select due, extract(epoch from at - due)::float8 as lag from opened order by 1
"""


class Fleet:
    """Three beats of one kind; the next in turn is killed and replaced."""

    def __init__(self, start: Callable[[int], Beat]) -> None:
        self._start, self._numbers = start, count()
        self.beats = [start(next(self._numbers)) for _ in range(BEATS)]

    def kill_one(self) -> None:
        self.beats.pop(0).close()
        self.beats.append(self._start(next(self._numbers)))

    def close(self) -> None:
        for beat in self.beats:
            beat.close()


class Arrivals:
    """When the stock entry's messages reach a consumer, and at which second each was."""

    def __init__(self, url: str) -> None:
        self.at: list[float] = []
        self._url, self._over = url, threading.Event()
        self._thread = threading.Thread(target=self._consume, daemon=True)
        self._thread.start()

    def _consume(self) -> None:
        while not self._over.is_set():
            with (
                suppress(redis_client.RedisError),
                redis_client.Redis.from_url(self._url, socket_timeout=2) as connection,
            ):
                while not self._over.is_set():
                    if connection.blpop(["stock"], timeout=0.5):
                        self.at.append(time.time())
            self._over.wait(0.05)

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)


@pytest.fixture
def env(database_url: str, redis: Redis) -> dict[str, str]:
    return {"SQUIDIE_DATABASE_URL": database_url, "SQUIDIE_REDIS_URL": redis.url, "SQUIDIE_APP": "chaos_flows:squidie"}


@pytest.fixture
def fleets(env: dict[str, str], tmp_path: Path) -> Iterator[list[Fleet]]:
    def ours(number: int) -> Beat:
        return Beat("celery_app", "-s", str(tmp_path / f"ours{number}"), name=f"ours{number}", env=env, cwd=HERE)

    def stock(number: int) -> Beat:
        options = ("-S", "celery.beat:PersistentScheduler", "-s", str(tmp_path / f"stock{number}"))
        return Beat("stock_app", *options, name=f"stock{number}", env=env, cwd=HERE)

    fleets = [Fleet(ours)] + ([Fleet(stock)] if WITH_STOCK else [])
    yield fleets
    for fleet in fleets:
        fleet.close()


@pytest.fixture
def sweepers(database_url: str) -> Iterator[list[Any]]:
    """Those of eight workers."""
    alive = [Squidie(database_url, workflows=[EverySecond], settings={"sweep": 0.5}) for _ in range(SWEEPERS)]
    alive[0].tick()
    sweepers = [squidie.sweeper(lambda: ("default",)) for squidie in alive]
    for sweeper in sweepers:
        sweeper.start()
    yield sweepers
    for sweeper, squidie in zip(sweepers, alive, strict=True):
        sweeper.stop()
        squidie.close()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, pool_pre_ping=True)
    yield engine
    engine.dispose()


def test_every_window_once_while_beats_broker_and_connections_die(
    sweepers: list[Any], fleets: list[Fleet], engine: Engine, redis: Redis
) -> None:
    arrivals = Arrivals(redis.url) if WITH_STOCK else None
    began = time.time()
    _torment(fleets, engine, redis)
    ended = time.time()
    with engine.connect() as connection:
        now = connection.execute(text("select now()")).scalar_one()

    rows = eventually(lambda: _opened(engine, until=now), 15, why="windows were not caught up")

    assert rows[-1].due - rows[0].due >= timedelta(seconds=SECONDS - 2)
    _report("squidie", len(rows), 0, 0, [row.lag for row in rows])
    if arrivals is not None:
        arrivals.close()
        each = Counter(int(at) for at in arrivals.at if began <= at <= ended)
        whole = range(int(began) + 1, int(ended))
        missed = sum(not each[second] for second in whole)
        _report("stock", len(whole), missed, sum(each[second] - 1 for second in whole if each[second] > 1), None)


def _torment(fleets: list[Fleet], engine: Engine, redis: Redis) -> None:
    """One beat a second, and everybody's connections every third; the broker is gone in the second third."""
    began, rounds = time.monotonic(), count(1)
    is_down = False
    while (passed := time.monotonic() - began) < SECONDS:
        wants_down = SECONDS / 3 <= passed < SECONDS / 2
        if wants_down is not is_down:
            redis.kill() if wants_down else redis.start()
            is_down = wants_down
        for fleet in fleets:
            fleet.kill_one()
        number = next(rounds)
        if number % 3 == 0:
            with suppress(DBAPIError), engine.begin() as connection:
                connection.execute(text(CUT))
        threading.Event().wait(max(0.0, began + number - time.monotonic()))
    if is_down:
        redis.start()


def _opened(engine: Engine, *, until: Any) -> list[Any] | None:
    """All windows, once nothing is missing until then; more than one run for any is an error at once."""
    with engine.connect() as connection:
        rows = list(connection.execute(text(OPENED)))
    windows = [row.due for row in rows]
    assert len(windows) == len(set(windows)), "a window has two runs"
    if not windows or windows[-1] < until - timedelta(seconds=1):
        return None
    expected = int((windows[-1] - windows[0]).total_seconds()) + 1
    return rows if len(windows) == expected else None


def _report(who: str, windows: int, missed: int, double: int, lags: list[float] | None) -> None:
    said = f"{who:8} {windows} windows, {missed} missed, {double} double"
    if lags:
        ordered = sorted(lags)
        p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        said += f", lag p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, most {ordered[-1] * 1000:.0f} ms"
    print(f"\n{said}")  # noqa: T201 the numbers are for people
