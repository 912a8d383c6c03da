"""A journal that holds much already: real runs, copied by SQL under other ids as often as it takes.

The copies keep what their originals say, but not the chain of hashes, which covers a run's id. So the invariants are
looked at in a schema in which the journal is without them: `keep_only_ours`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from benchmarks import postgres, workload
from benchmarks.contenders import ThroughCelery
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.contenders import Place

BALLAST, KEPT = "ballast", "kept"
ORIGINALS = 100
LONG = "3650d"
MARK = "update squidie.runs set partition = %s"
IDS = """
create table public.ballast as
select run_id as of, n, (substr(time, 1, 8) || '-' || substr(time, 9, 4) || substr(run_id::text, 14, 11)
    || substr(md5(n::text || run_id::text), 1, 12))::uuid as run_id, make_interval(secs => n * 0.5) as before
from squidie.runs cross join lateral (
    select n, lpad(to_hex((extract(epoch from started_at) * 1000)::bigint - n * 500::bigint), 12, '0') as time
    from generate_series(1, %s) as n) as earlier
where partition = 'ballast' order by time
"""
MOVED = ("at", "started_at", "updated_at", "ended_at")
"""What is as much earlier as the copy's id says. When a copy is due stays as it was."""
COLUMNS = """
select column_name from information_schema.columns
where table_schema = 'squidie' and table_name = %s and is_generated = 'NEVER' order by ordinal_position
"""
OTHERS = "select tablename from pg_tables where schemaname = 'squidie' and tablename <> all(%s)"
TABLES = ("runs", "facts", "attempts")


@dataclass(frozen=True)
class Laden(ThroughCelery):
    """Squidie on a journal that holds many runs already; one journal for all repetitions."""

    fill: Callable[[str, int], None] = lambda _database, _count: None
    many: int = 0
    what: str = ""
    done: ClassVar = (
        "select count(*) from squidie.runs where ended_at is not null and not archived and status = 'completed'"
        " and started_at > now() - interval '1 hour' and partition is null"
    )
    """In an index: whoever asks again and again must not read 200,000 runs for it."""

    def load(self, database: str) -> None:
        """Before the first repetition."""
        self.fill(database, self.many)

    def scaled(self, scale: float) -> Laden:
        """The same with more runs or fewer, and with a name that says so."""
        many = max(2 * ORIGINALS, int(self.many * scale))
        return replace(self, many=many, name=f"{many:,} {self.what}")

    def faults(self, place: Place) -> list[str]:
        """Of what was not put there by SQL."""
        return super().faults(replace(place, schema=keep_only_ours(place.database)))


def end_many(database: str, count: int) -> None:
    """So many ended runs of the workload."""
    squidie = workload.serving(database)
    try:
        workload.start(squidie, ORIGINALS)
        eventually(lambda: not squidie.turn(["default"]).claimed, 60.0)
    finally:
        squidie.close()
    _multiply(database, count)


def put_to_sleep(database: str, count: int) -> None:
    """So many runs of the workload whose first step is due in ten years."""
    squidie = workload.serving(database)
    try:
        squidie.start_many(workload.Five, [workload.order(number) for number in range(ORIGINALS)], after=LONG)
    finally:
        squidie.close()
    _multiply(database, count)


def keep_only_ours(database: str) -> str:
    """The name of a schema that holds the journal without what was put there by SQL."""
    with postgres.connect(database) as connection:
        connection.execute(f"drop schema if exists {KEPT} cascade; create schema {KEPT}", prepare=False)
        kept = f"create table {KEPT}.runs as select * from squidie.runs where partition is distinct from '{BALLAST}'"
        connection.execute(f"{kept} and started_at > now() - interval '1 hour'")
        for table in TABLES[1:]:
            connection.execute(
                f"create table {KEPT}.{table} as select t.* from squidie.{table} t join {KEPT}.runs using (run_id)"
            )
        connection.execute(f"create index on {KEPT}.facts (run_id, seq); analyze {KEPT}.facts", prepare=False)
        for (table,) in connection.execute(OTHERS, [list(TABLES)]).fetchall():
            connection.execute(f"create view {KEPT}.{table} as select * from squidie.{table}")
    return KEPT


def _multiply(database: str, count: int) -> None:
    """Copies of what is there; in one go, then statistics and a checkpoint as after a long quiet time."""
    with postgres.connect(database) as connection:
        connection.execute(MARK, [BALLAST])
        connection.execute(IDS, [max(1, count // ORIGINALS - 1)])
        for table in TABLES:
            connection.execute(_copy(table, [name for (name,) in connection.execute(COLUMNS, [table]).fetchall()]))
        connection.execute("drop table public.ballast")
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def _copy(table: str, columns: Sequence[str]) -> str:
    values = {name: f"t.{name}" for name in columns} | {"run_id": "ballast.run_id"}
    values |= {name: f"t.{name} - ballast.before" for name in MOVED if name in values}
    return f"""
        insert into squidie.{table} ({", ".join(values)})
        select {", ".join(values.values())} from public.ballast join squidie.{table} t on t.run_id = ballast.of
        order by ballast.run_id
    """
