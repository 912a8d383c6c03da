"""Lists cost the same however much has ended (18.6, W-7): by the rows they look at, never by a clock.

A journal with 200,000 ended runs, a hundred open ones, and attributes on each: with statistics as they are, with those
of an empty journal, and with none. Every statement runs under the generic plan that the journal's own connections ask
for.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg import sql
from sqlalchemy import create_engine, text

from squidie import migrate
from squidie.history.lifecycle import RunStatus
from squidie.journal import dead, fleet, listing, pages, retention, tailing
from squidie.journal.pages import OVER, UNENDED, Order, Query
from squidie.journal.store import Journal

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
MIDDLE = (NOW - timedelta(seconds=100_000), UUID(int=5))
ENDED = 200_000
FILL = """
insert into squidie.definitions values ('d', 'w', null, '{"nodes": []}', now());
insert into squidie.runs (run_id, workflow, definition, trigger, queue, priority, partition, attributes, started_at,
    status, fold, rev, head_hash, updated_at, ended_at, rested_at, archived)
select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, case n % 1000 when 0 then 'rare' else 'w' end,
    'd', 't', 'q', 0, case n % 500 when 0 then 'north' end,
    jsonb_build_object('customer', 'c' || (n % 20000), 'region', 'north'), now() - n * interval '1 s',
    case n % 1000 when 7 then 'failed' else 'completed' end, 1, 3, '', ended, ended, ended, n % 2000 = 3
from generate_series(1, 200000) n, lateral (select now() - greatest(n - 5, 0) * interval '1 s') e(ended);
insert into squidie.runs (run_id, workflow, definition, trigger, queue, priority, started_at, status, fold, rev,
    head_hash, updated_at)
select ('00000000-0000-7001-8000-' || lpad(n::text, 12, '0'))::uuid, 'w', 'd', 't', 'q', 0,
    now() - n * interval '1 h', 'running', 1, 3, '', now() - n * interval '1 min' from generate_series(1, 100) n;
insert into squidie.attributes select e.key, e.value, started_at, run_id from squidie.runs, jsonb_each(attributes) e;
insert into squidie.facts select run_id, seq, 'attempt_completed', updated_at, '{"step": "only"}',
    sha256(run_id::text::bytea) from squidie.runs, generate_series(1, 3) seq;
insert into squidie.attempts (run_id, step, attempt, action, queue, priority, due_at)
select run_id, 'only', 1, 'a:b', 'q', 0, now() from squidie.runs where ended_at is null;
insert into squidie.dead_letters (run_id, step, attempt, seq, workflow, queue, reason, code, fingerprint, disposition,
    error, claims, first_failed_at, at)
select run_id, 'only', 1, 3, 'w', 'q', 'step_raised', 'c', 'f', 'fatal', '{}', 1, now(), now() from squidie.runs
where status = 'failed'
"""
BIG = ("runs", "facts", "attributes", "dead_letters")


@pytest.fixture(scope="module", params=["fresh", "of an empty journal", "none"])
def crowded(services, request):
    """A connection to a journal with as many runs, and statistics like these."""
    url = services.new_database()
    engine = create_engine(url)
    migrate.upgrade(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in BIG:
            connection.execute(text(f"alter table squidie.{table} set (autovacuum_enabled = off)"))
        if request.param == "of an empty journal":
            connection.execute(text("vacuum analyze"))
        for statement in FILL.split(";\n"):
            connection.exec_driver_sql(statement.replace("%", "%%"))
        if request.param == "fresh":
            connection.execute(text("analyze"))
    engine.dispose()
    journal = Journal(url)
    with journal.reading() as connection:
        connection.connection.driver_connection.prepare_threshold = None
        yield Reader(journal, connection)
    journal.engine.dispose()
    services.drop_database(url)


class Reader:
    """Runs statements of the journal's, and says what they looked at."""

    def __init__(self, journal, connection):
        self.journal, self.connection = journal, connection

    def rows(self, statement, given):
        """Rows of the tables that grow with what has ended, kept or not; and pages of memory, of whatever kind."""
        top = self._plan(statement, given)
        scans = [node for node in _nodes(top) if node.get("Relation Name") in BIG and "Scan" in node["Node Type"]]
        seen = sum(
            node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in scans
        )
        return seen, top["Shared Hit Blocks"] + top["Shared Read Blocks"]

    def _plan(self, statement, given):
        names: list[str] = []

        def numbered(found):
            if found[1] not in names:
                names.append(found[1])
            return f"${names.index(found[1]) + 1}"

        generic = re.sub(r"(?<![:\w]):(\w+)", numbered, self.journal.sql(statement).text)
        values = [given[name] for name in names]
        plain = [sql.Literal(list(value) if isinstance(value, list) else value) for value in values]
        cursor = self.connection.connection.driver_connection.cursor()
        cursor.execute(f"prepare looked as {generic}".encode())
        asked = sql.SQL("({})").format(sql.SQL(", ").join(plain)) if plain else sql.SQL("")
        explained = sql.SQL("explain (analyze, buffers, format json) execute looked{}").format(asked)
        try:
            return cursor.execute(explained).fetchone()[0][0]["Plan"]
        finally:
            cursor.execute("deallocate looked")


def _nodes(top):
    todo = [top]
    while todo:
        node = todo.pop()
        yield node
        todo += node.get("Plans", [])


QUERIES = {
    "everything": Query(),
    "a page in the middle": Query(after=MIDDLE),
    "open": Query(statuses=UNENDED),
    "paused": Query(statuses=(RunStatus.PAUSED,)),
    "ended": Query(statuses=OVER, after=MIDDLE),
    "failed": Query(statuses=(RunStatus.FAILED,)),
    "cancelled": Query(statuses=(RunStatus.CANCELLED,)),
    "a rare workflow": Query(workflow="rare"),
    "a rare workflow's failures": Query(workflow="rare", statuses=(RunStatus.FAILED,)),
    "a workflow that there is not": Query(workflow="none", after=MIDDLE),
    "a partition": Query(partition="north"),
    "since an hour ago": Query(since=NOW - HOUR),
    "until the middle": Query(until=MIDDLE[0]),
    "archived": Query(archived=(True,)),
    "archived or not": Query(archived=(False, True)),
    "last written": Query(order=Order.UPDATED),
    "last written, in the middle": Query(order=Order.UPDATED, after=MIDDLE),
    "last written, since": Query(order=Order.UPDATED, since=NOW - HOUR),
    "a customer's": Query(attributes=(("customer", '"c5"'),)),
    "a region's, of all": Query(attributes=(("region", '"north"'),), after=MIDDLE),
    "a customer's in a region": Query(attributes=(("customer", '"c5"'), ("region", '"north"'))),
    "a customer's, last written": Query(attributes=(("customer", '"c5"'),), order=Order.UPDATED),
    "a region's, last written": Query(attributes=(("region", '"north"'),), order=Order.UPDATED, is_found_by_name=False),
    "nobody's": Query(attributes=(("customer", '"nobody"'),)),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_page_looks_at_what_it_shows_and_little_more(crowded, name):
    """18.6, 13.1: 200,000 ended runs, of which it looks at some hundred rows."""
    query = QUERIES[name]

    rows, memory = crowded.rows(pages.statement(query), pages.given(query, 51))

    assert rows <= 400
    assert memory <= 1000


def test_the_rest_of_a_page_since_a_time_looks_at_what_ended_since(crowded):
    """18.6: what had started before is looked for only where a page is not filled; 3,600 have ended within the hour."""
    query = QUERIES["since an hour ago"]

    rows, _ = crowded.rows(pages.statement(query, late=True), pages.given(query, 51))

    assert rows <= 4000


def test_a_list_by_several_attributes_begins_with_the_rarest(crowded):
    """18.6: whatever was named first."""
    named = Query(attributes=(("region", '"north"'), ("customer", '"c5"')))

    ranked = pages._rarest_first(crowded.journal, crowded.connection, named)

    assert [name for name, _ in ranked.attributes] == ["customer", "region"]
    assert len(pages.page(crowded.journal, crowded.connection, named, 51)) == 10
    for name, value in named.attributes:
        rows, _ = crowded.rows(pages.HAVE, {"name": name, "value": value, "most": pages.MANY})
        assert rows <= pages.MANY


def test_the_footer_counts_so_far_and_no_farther(crowded):
    """UX 8.3: of each kind at most a thousand, though 86,400 have ended within a day."""
    rows, _ = crowded.rows(pages.COUNTS, {"most": pages.COUNTED + 1})

    assert rows <= pages.COUNTED + 400
    counted = pages.counts(crowded.journal, crowded.connection)
    assert counted == {"running": 100, "completed": 1001, "failed": 87, "cancelled": 0}


SOME = [UUID(f"00000000-0000-7000-8000-{n:012d}") for n in range(1000, 1050)]
FITS = {"workflow": None, "partition": None, "only": None}
LOW = "000000005000"[::-1]
READS = {
    "the first look of a tail": (tailing.BEFORE, {"since": NOW + HOUR, **FITS}, 120),
    "a look of a tail": (tailing.STARTED, {"horizon": NOW - timedelta(seconds=20), **FITS}, 200),
    "facts after those that were read": (tailing.AFTER, {"runs": SOME, "seqs": [1] * 50}, 120),
    "runs that have moved": (tailing.MOVED, {"runs": SOME, "seqs": [3] * 50}, 60),
    "one head": (listing.ONE, {"run_id": SOME[0]}, 1),
    "its facts": ("select * from {s}.facts where run_id = :run_id order by seq", {"run_id": SOME[0]}, 3),
    "how runs ended": (listing.ENDINGS, {"runs": SOME}, 200),
    "how far runs have come": (listing.PROGRESS, {"runs": SOME}, 200),
    "a run by the end of its id": (listing.BY_TAIL, {"low": LOW, "high": LOW + "g", "ends": "5000$", "limit": 10}, 10),
    "how long steps take": (listing.USUAL, {"workflow": "w", "definition": "d", "steps": ["only"]}, 2400),
    "what is open on queues": (fleet.COUNTS, {"within": None}, 250),
    "what queues need": (fleet.WANTED, {"within": None}, 0),
    "a page of dead letters": (
        f"{dead.PAGE} where {dead.narrowed({}, is_open=True)} {dead.NEWEST_FIRST}",
        {"limit": 50},
        450,
    ),
    "which runs others come from": (retention.IN_USE, {"at": NOW + HOUR, "since": NOW - HOUR}, 250),
}


@pytest.mark.parametrize("name", READS)
def test_what_else_is_shown_looks_at_nothing_that_has_ended_long_ago(crowded, name):
    """13.2, 13.6, 13.8: a tail, one run, its explanation, the roll-up, the fleet."""
    statement, given, most = READS[name]

    rows, memory = crowded.rows(statement, given)

    assert rows <= most
    assert memory <= 3000
