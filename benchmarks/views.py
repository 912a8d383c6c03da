"""W4, its second half: what a look costs beside 1,000 ended runs and beside 200,000, and how the two compare.

The same hundred open runs stand in both journals. What has ended was written by SQL, a run a second up to now, each a
copy of one that the engine has worked off. Looks take turns, and each figure is a median. Rows that are looked at are
counted by `tests/postgres/test_list_plans.py`; these are times, and tell what people feel.
"""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.testing import CliRunner
from rich.table import Table

from benchmarks import postgres
from benchmarks.rooms import work_off
from benchmarks.workload import Five, order
from squidie import Squidie, migrate
from squidie.delivery import Silent
from squidie.testing import Services

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from rich.console import Console

FEW, MANY = 1_000, 200_000
OPEN = 100
ROUNDS = 61
GOAL = 1.2
CUSTOMERS = 500

COPIES = f"""
create temporary table copies as
select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
    || substr(md5(n::text), 4, 15))::uuid as run_id, n, at
from generate_series(%(runs)s, 1, -1) n, lateral (select now() - n * interval '1 s') t(at);
insert into squidie.runs
select (jsonb_populate_record(r, jsonb_build_object('run_id', c.run_id, 'started_at', c.at, 'updated_at', c.at,
    'ended_at', c.at, 'rested_at', c.at, 'attributes', jsonb_build_object('customer', 'c' || c.n %% {CUSTOMERS}),
    'status', case c.n %% 50 when 0 then 'cancelled' else 'completed' end))).*
from squidie.runs r, copies c where r.run_id = %(pattern)s;
insert into squidie.attributes select 'customer', r.attributes->'customer', r.started_at, r.run_id
from squidie.runs r join copies using (run_id);
insert into squidie.facts select c.run_id, f.seq, f.kind, c.at, f.body, f.hash
from squidie.facts f, copies c where f.run_id = %(pattern)s;
"""


class Place(NamedTuple):
    """A journal, and two of its runs that are looked at."""

    squidie: Squidie
    ended: UUID
    open: UUID


LOOKS: dict[str, Callable[[Place], object]] = {
    "list": lambda at: at.squidie.list_runs(),
    "list, open": lambda at: at.squidie.list_runs(open=True),
    "list, cancelled": lambda at: at.squidie.list_runs(status="cancelled", limit=20),  # as many as there are beside few
    "list, last written": lambda at: at.squidie.list_runs(order="updated"),
    "list, by an attribute": lambda at: at.squidie.list_runs(attributes={"customer": "c7"}, limit=2),
    "ls, with its footer": lambda at: _command(at, "ls"),
    "tail, its first look": lambda at: _command(at, "tail", "--no-follow"),
    "show, ended": lambda at: at.squidie.inspect_run(at.ended),
    "show, open": lambda at: at.squidie.inspect_run(at.open),
    "explain one": lambda at: at.squidie.explain_run(at.open),
    "graph": lambda at: at.squidie.inspect_run_graph(at.ended, history=True),
    "timeline": lambda at: at.squidie.inspect_run_timeline(at.ended),
    "stuck": lambda at: at.squidie.explain_many(),
    "queues": lambda at: at.squidie.queues(),
}


def tell(console: Console) -> None:
    """Measure, and print the table and a line of JSON."""
    with Services.start() as services:
        postgres.durable_version(services.database_url)
        places = [_place(services, runs) for runs in (FEW, MANY)]
        figures = {name: _figures(look, places) for name, look in LOOKS.items()}
        for place in places:
            place.squidie.close()
    table = Table(title=f"W4: looks beside {FEW:,} and {MANY:,} ended runs, ms (goal: within {GOAL} x)")
    for column in ("look", f"{FEW:,}", f"{MANY:,}", "ratio"):
        table.add_column(column, justify="left" if column == "look" else "right")
    for name, (few, many) in figures.items():
        table.add_row(name, f"{few:.2f}", f"{many:.2f}", f"{many / few:.2f}")
    console.print(table)
    told = {name: {"few_ms": few, "many_ms": many, "ratio": many / few} for name, (few, many) in figures.items()}
    click.echo(json.dumps({"schema": "squidie.bench.views/1", "few": FEW, "many": MANY, "looks": told}))


def _figures(look: Callable[[Place], object], places: list[Place]) -> tuple[float, float]:
    """The medians beside few and beside many, which take turns."""
    took: list[list[float]] = [[] for _ in places]
    for number in range(ROUNDS):
        for place, times in zip(places, took, strict=True):
            began = perf_counter()
            look(place)
            if number:  # the first one prepares statements and fills caches
                times.append((perf_counter() - began) * 1000)
    few, many = (median(times) for times in took)
    return few, many


def _place(services: Services, runs: int) -> Place:
    click.echo(f"  a journal with {runs:,} ended runs", err=True)
    url = services.new_database()
    migrate.upgrade(url)
    squidie = Squidie(url, delivery=Silent(), workflows=[Five], attributes={"customer": "string"})
    (pattern,) = squidie.start_many(Five, [order(0)])
    work_off(squidie)
    assert not isinstance(pattern, Exception)
    with postgres.connect(url) as connection:
        for statement in COPIES.strip().split(";\n"):
            connection.execute(statement.rstrip(";").encode(), {"runs": runs, "pattern": pattern.id})
        connection.execute("vacuum analyze")
    open_ = squidie.start_many(Five, [order(number) for number in range(OPEN)])
    assert not isinstance(open_[0], Exception)
    return Place(squidie, pattern.id, open_[0].id)


def _command(at: Place, *arguments: str) -> Any:
    """A command of the command line, in this process."""
    (script,) = entry_points(group="console_scripts", name="squidie")
    found = CliRunner().invoke(script.load(), arguments, obj=SimpleNamespace(app=SimpleNamespace(squidie=at.squidie)))
    assert found.exit_code == 0, found.output
    return found.output
