"""What is in the write-ahead log of a workflow, by table and index: 2,000 of W1's, started and worked off.

`pg_waldump` reads the segments of the server that was started for the occasion. Whole pages, which are logged at the
first change after a checkpoint, are counted apart: how many there are depends on how often there is one.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from benchmarks import postgres, workload
from benchmarks.rooms import work_off
from squidie import migrate
from squidie.testing import Services
from squidie.testing.programs import postgres_programs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import psycopg
    from rich.console import Console

LINE = re.compile(r"rmgr: (?P<manager>\S+) +len \(rec/tot\): +(?P<own>\d+)/ *(?P<whole>\d+),.*?desc: (?P<what>\S+)")
RELATION = re.compile(r"rel \d+/\d+/(\d+)")
NAMES = "select pg_relation_filenode(oid), relname from pg_class where relnamespace = 'squidie'::regnamespace"
WARMING = 300
LEAST = 10
"""Bytes a workflow; what is less is not shown."""


class Part(NamedTuple):
    """One kind of record of one table or index."""

    relation: str
    what: str


class Log(NamedTuple):
    """Bytes and numbers of records by part, and bytes of whole pages."""

    bytes: Counter[Part]
    records: Counter[Part]
    pages: int


def tell(workflows: int, console: Console) -> None:
    """Start so many, work them off, and print what either has written."""
    with Services.start(redis=False, settings={"wal_keep_size": "4GB"}) as services:
        migrate.upgrade(services.database_url)
        squidie = workload.serving(services.database_url)
        try:
            workload.start(squidie, WARMING)
            work_off(squidie)
            with postgres.connect(services.database_url) as connection:
                places = [_place(connection)]
                workload.start(squidie, workflows)
                places.append(_place(connection))
                work_off(squidie)
                places.append(_place(connection))
                names = dict(connection.execute(NAMES).fetchall())
                folder = connection.execute("show data_directory").fetchone()
        finally:
            squidie.close()
        for title, begin, end in (("start", *places[:2]), ("work", *places[1:])):
            dumped = _dump(postgres_programs(), str(folder[0]) if folder else "", begin, end)
            console.print(_table(title, _read(dumped, names), workflows))


def _place(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("select pg_current_wal_insert_lsn()").fetchone()
    assert row is not None
    connection.execute("select pg_switch_wal()")
    return str(row[0])


def _dump(programs: Path, data: str, begin: str, end: str) -> Iterable[str]:
    command = [str(programs / "pg_waldump"), "-p", f"{data}/pg_wal", "-s", begin, "-e", end]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"the log cannot be read; without SQUIDIE_DATABASE_URL a server is started: {done.stderr}")
    return done.stdout.splitlines()


def _read(lines: Iterable[str], names: dict[int, str]) -> Log:
    log = Log(Counter(), Counter(), 0)
    pages = 0
    for line in lines:
        found = LINE.match(line)
        if found is None:
            continue
        relation = RELATION.search(line)
        name = names.get(int(relation[1]), "the catalogue") if relation else "-"
        part = Part(name, f"{found['manager']} {found['what']}")
        own, whole = int(found["own"]), int(found["whole"])
        log.bytes[part] += own
        log.records[part] += 1
        pages += whole - own
    return log._replace(pages=pages)


def _table(title: str, log: Log, workflows: int) -> Table:
    table = Table(title=f"{title}: {log.bytes.total() / workflows:,.0f} bytes a workflow")
    for column in ("table or index", "record", "a workflow", "bytes"):
        table.add_column(column, justify="right" if column in {"a workflow", "bytes"} else "left")
    for part, size in log.bytes.most_common():
        if size / workflows >= LEAST:
            row = (part.relation, part.what, f"{log.records[part] / workflows:.2f}", f"{size / workflows:,.0f}")
            table.add_row(*row)
    table.add_row("whole pages", "", "", f"{log.pages / workflows:,.0f}")
    return table
