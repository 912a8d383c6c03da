"""W5: what a worker costs that has nothing to do."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from benchmarks import marks, postgres
from benchmarks.contenders import OURS, ThroughNotify
from benchmarks.figures import Line, Workload, at_most
from benchmarks.watch import Stopwatch, Trial
from squidie.testing import eventually

if TYPE_CHECKING:
    from benchmarks.contenders import Contender, Place

SETTLING = 6.0
"""Seconds until a worker that has just started does what it does every day."""
UP = 20.0
"""Seconds until all that will connect has connected, fifty workers too."""
FIFTY = 50
STATEMENT = re.compile(r"duration: [\d.]+ ms +(?:statement|execute [^:]*):")
SESSIONS = "select count(*) from pg_stat_activity where datname = %s and backend_type = 'client backend'"


def attempt(contender: Contender, place: Place) -> Trial:
    """Workers that are up are watched for as many seconds as the size says."""
    marks.clear(place.marks)
    contender.prepare(place)
    name = str(make_url(place.database).database)
    with postgres.connect(place.services.database_url) as beside:
        beside.execute(sql.SQL("alter database {} set log_min_duration_statement = 0").format(sql.Identifier(name)))
        with contender.work(place) as crew:
            with suppress(AssertionError):  # some have no session while they have nothing to do
                eventually(lambda: crew.dead() is not None or _sessions(beside, name) >= len(crew.members), UP)
            time.sleep(SETTLING)
            written, stopwatch = _log_size(beside), Stopwatch(place, crew)
            time.sleep(place.size)
            seconds, cpu = stopwatch.read()
            sent, sessions = _statements(beside, written), _sessions(beside, name)
            if (dead := crew.dead()) is not None:
                raise AssertionError(f"{dead.name} has ended; its log ends:\n{crew.said()}")
            crew.stop()
    workers = len(crew.members)
    figures = {
        "queries_per_s": sent / seconds / workers if sent is not None else None,
        "cpu_percent": None if cpu.workers is None else 100 * cpu.workers / seconds / workers,
        "postgres_cpu_percent": None if cpu.postgres is None else 100 * cpu.postgres / seconds / workers,
        "connections": sessions / workers,
        "fifty_queries_per_s": sent / seconds / workers * FIFTY if sent is not None else None,
    }
    return Trial(contender, figures, cpu.elsewhere(seconds), contender.faults(place))


def _sessions(beside: psycopg.Connection[tuple[int]], name: str) -> int:
    row = beside.execute(SESSIONS, [name]).fetchone()
    return row[0] if row is not None else 0


def _log_size(beside: psycopg.Connection[tuple[int]]) -> int | None:
    """Where the server's log ends, if it is a file that may be read."""
    try:
        row = beside.execute("select (pg_stat_file(pg_current_logfile())).size").fetchone()
    except psycopg.Error:
        return None
    return row[0] if row is not None else None


def _statements(beside: psycopg.Connection[tuple[int]], written: int | None) -> int | None:
    """How many the server was sent since its log was so long."""
    if written is None:
        return None
    row = beside.execute("select pg_read_file(pg_current_logfile(), %s, 100000000)", [written]).fetchone()
    return len(STATEMENT.findall(str(row[0]))) if row is not None else None


LINES = (
    Line("queries_per_s", "queries/s a worker", 2, at_most(1)),
    Line("cpu_percent", "% of a core a worker", 2, at_most(0.5)),
    Line("postgres_cpu_percent", "% of a core in Postgres a worker", 2),
    Line("connections", "connections a worker", 1),
    Line("fifty_queries_per_s", "queries/s of 50 workers", 0, at_most(50)),
)
W5 = Workload(
    name="W5",
    title="idle workers, {size} seconds",
    size=15,
    lines=LINES,
    attempt=attempt,
    contenders=(*OURS, ThroughNotify(1, name="squidie, notify, 50 workers", workers=FIFTY)),
    repeat=1,
    scales=False,
    note="For fifty workers the last line is measured, for one it is arithmetic. A worker is its parent and one child.",
)
