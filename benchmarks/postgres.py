"""What Postgres has done, by its own counters, read from a database where nobody is counted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from time import monotonic
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Json
from sqlalchemy import make_url

from squidie.errors import InvalidConfig
from squidie.testing import eventually

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
CALIBRATION = 0.5  # seconds

CONSTANT = ("definitions", "schedules", "schema_version", "workers")
EAR = "bench-ear"
"""The name of a connection that only listens, and may stay."""
DESERTED = """
select count(*) = 0 from pg_stat_activity
where datname = %s and backend_type = 'client backend' and application_name <> %s
"""
COUNTERS = """
select d.xact_commit, pg_current_wal_insert_lsn() - '0/0', (select sum(fsyncs) from pg_stat_io where object = 'wal')
from pg_stat_database d where d.datname = %s
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the server was made: commits in one database, bytes of WAL, and how often the WAL was forced to disk."""

    commits: int
    wal: int
    syncs: int

    def since(self, before: Counters) -> Counters:
        """What has happened in between."""
        return Counters(*(getattr(self, f.name) - getattr(before, f.name) for f in fields(self)))


def connect(url: str, name: str = "bench") -> psycopg.Connection[Any]:
    """A plain connection to what SQLAlchemy knows by this URL."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, prepare_threshold=0, application_name=name)


class Observer:
    """Looks at one database from another."""

    def __init__(self, database: str, beside: str) -> None:
        self._name = make_url(database).database
        self._database, self._connection = database, connect(beside)

    def counters(self) -> Counters:
        """Once everybody has left the database, and has told the statistics so."""
        eventually(self._is_deserted, 20, why="somebody is still connected to the database that is measured")
        row = self._connection.execute(COUNTERS, [self._name]).fetchone()
        assert row is not None
        return Counters(*map(int, row))

    def settle(self) -> None:
        """A clean table and a fresh checkpoint, so that each repetition begins alike."""
        with connect(self._database) as own:
            own.execute("vacuum analyze")
        self._connection.execute("checkpoint")

    def close(self) -> None:
        """Leave the server."""
        self._connection.close()

    def _is_deserted(self) -> bool:
        row = self._connection.execute(DESERTED, [self._name, EAR]).fetchone()
        return row is not None and bool(row[0])


def rows(connection: psycopg.Connection[Any], schema: str) -> dict[str, int]:
    """How many rows each table of a schema holds, but for those that do not grow with the number of runs."""
    asked = "select tablename from pg_tables where schemaname = %s and tablename <> all(%s)"
    names = [name for (name,) in connection.execute(asked, [schema, list(CONSTANT)]).fetchall()]
    count = sql.SQL("select count(*) from {}")
    return {name: _one(connection, count.format(sql.Identifier(schema, name))) for name in names}


def size_of(connection: psycopg.Connection[Any], schema: str) -> int:
    """Bytes of all tables of a schema, with their indexes."""
    asked = "select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint from pg_class where relkind = 'r'"
    row = connection.execute(f"{asked} and relnamespace = to_regnamespace(%s)", [schema]).fetchone()
    return int(row[0]) if row is not None else 0


def durable_version(url: str) -> str:
    """The server's release.

    Raises `InvalidConfig` for a server that may lose what it has committed: it would flatter everybody.
    """
    with connect(url) as connection:
        off = [name for name in DURABLE if _one(connection, sql.SQL("show {}").format(sql.Identifier(name))) != "on"]
        version = connection.info.parameter_status("server_version")
    if off:
        raise InvalidConfig(f"this Postgres is not durable: {', '.join(off)}", hint="measure one with its defaults")
    return str(version)


def as_json(value: object) -> Json:
    """A parameter for a column of JSON."""
    return Json(value)


def commits_per_second(url: str) -> float:
    """What the machine gives right now: commits of one small row, one after the other, on one connection."""
    with connect(url) as connection:
        connection.execute("create table if not exists calibration (number int)")
        began, count = monotonic(), 0
        while monotonic() - began < CALIBRATION:
            connection.execute("insert into calibration values (%s)", [count])
            count += 1
        rate = count / (monotonic() - began)
        connection.execute("drop table calibration")
    return rate


def _one(connection: psycopg.Connection[Any], statement: sql.Composed) -> Any:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]
