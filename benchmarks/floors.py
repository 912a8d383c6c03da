"""The floors: what the workload costs a loop written by hand, with a table of runs and a journal of two rows a step.

`step` journals each step by one statement, which is one commit. `group` carries as many runs as it is told through each
step together and commits once for all of them, a statement a row in psycopg's pipeline. `document` does the same by one
statement, its rows in one JSON document. `listen` is `step` that is woken by a notification, `wide` takes a run for one
of as many parallel steps as its number says. None of them retries, leases, checks or explains anything.

`python -m benchmarks.floors step|group|document|listen|wide SIZE` is a worker. It stays when nothing is left, so that
what it used can still be read.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.postgres import connect
from benchmarks.workload import STEPS, nothing, order

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

SCHEMA = "floor"
DDL = """
create schema floor;
create table floor.runs (
    id bigint primary key, state text not null default 'queued', seq int not null default 0, input jsonb not null,
    updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 70);
create index on floor.runs (id) where state = 'queued';
create table floor.journal (
    run_id bigint not null, seq int not null, kind text not null, at timestamptz not null default clock_timestamp(),
    body jsonb not null, primary key (run_id, seq)
);
"""
BELL = "floor"
START_ONE = (
    "with told as (select pg_notify('floor', '')) insert into floor.runs (id, input) select %s, %s::jsonb from told"
)
START = "insert into floor.runs (id, input) select n, %s::jsonb from generate_series(1, %s) as n"
CLAIM = """
with taken as (select id from floor.runs where state = 'queued' order by id limit %s for update skip locked)
update floor.runs r set state = 'running' from taken t where r.id = t.id returning r.id
"""
STEP = """
with head as (update floor.runs set seq = %s, state = %s, updated_at = clock_timestamp() where id = %s)
insert into floor.journal (run_id, seq, kind, body) values (%s, %s, %s, %s::jsonb), (%s, %s, %s, %s::jsonb)
"""
JOURNAL = "insert into floor.journal (run_id, seq, kind, body) values (%s, %s, %s, %s::jsonb)"
DOCUMENT = """
with heads as (update floor.runs set seq = %s, state = %s, updated_at = clock_timestamp() where id = any(%s))
insert into floor.journal (run_id, seq, kind, body)
select * from jsonb_to_recordset(%s::jsonb) as row(run_id bigint, seq int, kind text, body jsonb)
"""
ROW = '{"run_id":%d,"seq":%d,"kind":"%s","body":%s}'
HEADS = "update floor.runs set seq = %s, state = %s, updated_at = clock_timestamp() where id = any(%s)"
DONE = "select count(*) from floor.runs where state = 'done'"
IS_DONE = "select state = 'done' from floor.runs where id = %s"

GROUP = 32

Connection: TypeAlias = "psycopg.Connection[Any]"
Row: TypeAlias = tuple[int, int, str, str]


def rows_of(run: int, number: int, result: dict[str, Any]) -> tuple[Row, Row]:
    """The two rows that a step leaves."""
    begun = json.dumps({"step": f"s{number}", "attempt": 1})
    return (run, 2 * number + 1, "step_started", begun), (run, 2 * number + 2, "step_done", json.dumps(result))


def prepare(connection: Connection) -> None:
    """The tables."""
    connection.execute(DDL, prepare=False)


def start(connection: Connection, workflows: int) -> None:
    """So many runs."""
    connection.execute(START, (json.dumps(order(1)), workflows))


def start_one(connection: Connection, run: int) -> int:
    """A row, and who listens is told."""
    connection.execute(START_ONE, (run, json.dumps(order(run))))
    return run


def one_by_one(connection: Connection, runs: Sequence[int]) -> None:
    """Each run to its end, a statement a step."""
    for run in runs:
        for number in range(STEPS):
            begun, done = rows_of(run, number, nothing())
            connection.execute(STEP, (done[1], state_after(number), run, *begun, *done))


def together(connection: Connection, runs: Sequence[int]) -> None:
    """All runs through each step, a commit a step."""
    for number in range(STEPS):
        results = [(run, nothing()) for run in runs]
        with connection.pipeline(), connection.transaction():
            written = [row for run, result in results for row in rows_of(run, number, result)]
            connection.cursor().executemany(JOURNAL, written)
            connection.execute(HEADS, (2 * number + 2, state_after(number), list(runs)))


def by_document(connection: Connection, runs: Sequence[int]) -> None:
    """All runs through each step, a statement a step."""
    for number in range(STEPS):
        written = [row for run in runs for row in rows_of(run, number, nothing())]
        document = ",".join(map(ROW.__mod__, written))
        connection.execute(DOCUMENT, (2 * number + 2, state_after(number), list(runs), f"[{document}]"))


def side_by_side(connection: Connection, runs: Sequence[int]) -> None:
    """A run of as many parallel steps as its number says, 32 a statement, and one that joins them."""
    for run in runs:
        for begin in range(0, run + 2, GROUP):
            numbers = range(begin, min(begin + GROUP, run + 2))
            written = [row for number in numbers for row in rows_of(run, number, nothing())]
            state = "done" if numbers[-1] == run + 1 else "running"
            document = ",".join(map(ROW.__mod__, written))
            connection.execute(DOCUMENT, (2 * numbers[-1] + 2, state, [run], f"[{document}]"))


def state_after(number: int) -> str:
    """What the head says after a step."""
    return "done" if number == STEPS - 1 else "running"


LOOPS = {"step": one_by_one, "group": together, "document": by_document, "listen": one_by_one, "wide": side_by_side}
WOKEN = ("listen", "wide")


def main(kind: str, size: int) -> None:
    """Claim and work until nothing is left, then wait for a bell or for the end."""
    with connect(os.environ["SQUIDIE_DATABASE_URL"]) as connection:
        if kind in WOKEN:
            connection.execute(f"listen {BELL}")
        work_off(connection, kind, size)
        while kind in WOKEN:
            list(connection.notifies(timeout=0.5, stop_after=1))
            work_off(connection, kind, size)
    signal.pause()


def work_off(connection: Connection, kind: str, size: int) -> None:
    """Until nothing is left."""
    while runs := [run for (run,) in connection.execute(CLAIM, [size])]:
        LOOPS[kind](connection, runs)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
