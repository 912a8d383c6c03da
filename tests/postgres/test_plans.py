"""Plans (STYLE 8, B11, L19): claims and sweeps read their partial indexes, with the clock as an index condition."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import md5
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import event, text

from squidie.journal import attempts, claims, dead, heads, limits, retention
from squidie.journal.arrays import Ints, Texts, Times, Uuids
from squidie.journal.store import _prepared
from tests.support.flows import Chain, Single, Wide
from tests.support.lab import claim, completion, settle, under_locks

FILL = """
insert into squidie.attempts (run_id, step, attempt, action, queue, priority, due_at)
select gen_random_uuid(), 'only', 1, 'a:b', 'default', case when n <= 20000 then 0 else 100 end,
       case when n <= 20000 then now() + interval '1 hour' else now() - interval '1 s' end
from generate_series(1, 20005) n
"""
HELD = """
update squidie.attempts set claim_id = gen_random_uuid(), token_hash = '', owner = 'x', claimed_at = now(),
    lease_until = now() + case when priority = 0 then interval '1 hour' else interval '-1 s' end
"""
WHOLE = re.compile(r"Seq Scan on (attempts|runs|facts)\b|(Hash|Merge) Join")
CLAIM = {
    "queue": "default",
    "served": Texts(["a:b"]),
    "short": Texts(["a:b"]),
    "most": 64,
    "owner": "x",
    "token_hash": b"",
    "lease": timedelta(seconds=30),
    "surveyed": False,
    "asks": False,
    **claims._given((), (claims.OPEN,), {}),
}


@pytest.fixture
def crowded(squidie):
    """20,000 undue attempts of the highest priority before five that are due; nothing of it is committed."""
    with squidie.engine.connect() as connection:
        connection.execute(text(FILL))
        connection.execute(text("analyze squidie.attempts"))
        yield squidie, connection
        connection.rollback()


def plan(squidie, connection, statement, given):
    """All nodes of the plan, as it ran."""
    sql = squidie._parts.journal.sql("explain (analyze, format json) " + statement)
    root = _prepared(connection).execute(sql, given).scalar_one()[0]["Plan"]
    found, todo = [], [root]
    while todo:
        node = todo.pop()
        found.append(node)
        todo += node.get("Plans", [])
    return found


def on(nodes, index):
    return [node for node in nodes if node.get("Index Name") == index]


def touched(nodes, table="attempts"):
    """Rows of the table that were looked at, kept or not."""
    scans = [node for node in nodes if node.get("Relation Name") == table and "Scan" in node["Node Type"]]
    return sum(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in scans)


def test_a_claim_reads_its_index_up_to_now(crowded):
    """B11, 18.15: one partition or none costs a few steps in the index, and 20,000 undue rows are passed over in it."""
    squidie, connection = crowded

    nodes = plan(squidie, connection, claims.CLAIM, CLAIM)

    assert_in_the_index(nodes)
    assert touched(nodes) <= 30


@pytest.mark.parametrize(
    ("before", "most_touched"),
    [
        ("update squidie.attempts set limit_key = 'full' where priority = 0", 30),
        ("update squidie.attempts set priority = 100, partition = 'a' where priority = 0", 30),
        ("update squidie.attempts set priority = 100, partition = (random() * 20)::int, due_at = now()", 250),
    ],
    ids=["limited", "of another partition", "of many partitions"],
)
def test_a_claim_leaps_over_lanes_that_it_cannot_use(crowded, before, most_touched):
    """B11, 18.14, 18.15: 20,000 rows under a limit that is full, or of other partitions, are not read."""
    squidie, connection = crowded
    connection.execute(text(before))
    connection.execute(text("analyze squidie.attempts"))

    nodes = plan(squidie, connection, claims.CLAIM, CLAIM | {"surveyed": True})

    assert_in_the_index(nodes)
    assert 5 <= touched(nodes) <= most_touched


def test_three_hundred_thousand_rows_in_front_hide_nothing(squidie):
    """B11: undue ones and limited ones of priority 0, and one that is due of 200: it costs a few steps in the index."""
    fill = """
    insert into squidie.attempts (run_id, step, attempt, action, queue, priority, due_at, limit_key)
    select gen_random_uuid(), 'only', 1, 'a:b', 'default', case when n = 1 then 200 else 0 end,
        now() + case when n % 2 = 0 then interval '1 hour' else interval '-1 s' end,
        case when n > 1 and n % 2 = 1 then 'full' else '' end
    from generate_series(1, 300001) n
    """
    with squidie.engine.connect() as connection:
        connection.execute(text(fill))
        connection.execute(text("analyze squidie.attempts"))

        nodes = plan(squidie, connection, claims.CLAIM, CLAIM | {"surveyed": True})
        connection.rollback()

    assert_in_the_index(nodes)
    assert [node["Actual Rows"] for node in nodes if node["Node Type"] == "LockRows"] == [1]
    assert touched(nodes) <= 30


def test_the_look_for_limits_leaps_from_one_to_the_next(crowded):
    """18.14: two limits with 20,000 rows."""
    squidie, connection = crowded
    connection.execute(text("update squidie.attempts set limit_key = 'l' || (random() < 0.5)::text, due_at = now()"))
    connection.execute(text("analyze squidie.attempts"))
    given = {"queue": "default", "after_limit": "", "after_rate": "", "most": 64}

    nodes = plan(squidie, connection, limits.SURVEY, given)

    assert touched(nodes) <= 20
    assert not on_the_table(nodes)


def on_the_table(nodes):
    return [node for node in nodes if node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "attempts"]


def assert_in_the_index(nodes):
    """Everything but the update of what was found is done in the index, up to now."""
    found = on(nodes, "attempts_due")
    taken = [node for node in found if node["Node Type"] == "Index Scan"]

    assert not on_the_table(nodes)
    assert all("queue" in node["Index Cond"] for node in found)
    assert len(taken) == 1
    assert "due_at <=" in taken[0]["Index Cond"]
    assert "due_at" not in taken[0].get("Filter", "")


def test_the_look_for_due_queues_reads_the_same_index(crowded):
    squidie, connection = crowded

    nodes = plan(squidie, connection, attempts.DUE_QUEUES, {"queues": Texts(["default", "other", "third"])})

    assert "due_at <=" in on(nodes, "attempts_due")[0]["Index Cond"]
    assert touched(nodes) <= 10


def test_a_sweep_reads_the_index_of_leases(crowded):
    squidie, connection = crowded
    connection.execute(text(HELD))
    connection.execute(text("analyze squidie.attempts"))

    nodes = plan(squidie, connection, attempts.EXPIRED, {"most": 500})

    assert "lease_until <=" in on(nodes, "attempts_lease")[0]["Index Cond"]
    assert touched(nodes) == 5


def test_renewals_and_settles_find_their_rows_by_key(crowded):
    squidie, connection = crowded
    connection.execute(text(HELD))
    connection.execute(text("analyze squidie.attempts"))
    some = connection.execute(text("select run_id, claim_id from squidie.attempts limit 64")).all()
    keys = {"runs": Uuids(r.run_id for r in some), "steps": Texts(["only"] * 64), "attempts": Ints([1] * 64)}
    claims = Uuids(r.claim_id for r in some)
    lease = timedelta(seconds=30)

    for statement, given in (
        (attempts.READ_ROWS, keys),
        (attempts.RENEW, keys | {"claims": claims, "lease": lease}),
        (attempts.STILL_HELD, keys | {"claims": claims}),
        (attempts.LOCK_WHOLE, {"runs": Uuids([UUID(int=n) for n in range(5)])}),
    ):
        nodes = plan(squidie, connection, statement, given)
        assert on(nodes, "attempts_pkey"), statement
        assert touched(nodes) <= 200, statement


LETTERS = """
insert into squidie.runs (run_id, workflow, definition, trigger, queue, priority, started_at, status, fold, rev,
    head_hash, updated_at, ended_at, rested_at)
select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'w', 'd', 't', 'q', 0, now(), 'failed', 1, 1, '',
    now(), now(), now() from generate_series(1, 20000) n;
insert into squidie.dead_letters (run_id, step, attempt, seq, workflow, queue, reason, code, fingerprint, disposition,
    error, claims, first_failed_at, at, closed_at, closed_as)
select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 's', 1, 1, 'w', 'q', 'step_raised', 'c',
    md5((n % 40)::text), 'fatal', '{}', 1, now(), now() - n * interval '1 s',
    case when n % 100 > 0 then now() end, case when n % 100 > 0 then 'discarded' end from generate_series(1, 20000) n;
analyze squidie.runs; analyze squidie.dead_letters
"""


@pytest.fixture
def lettered(squidie):
    """20,000 dead letters, of which 200 are open; nothing of it is committed."""
    with squidie.engine.connect() as connection:
        for statement in LETTERS.split(";"):
            connection.execute(text(statement))
        yield squidie, connection
        connection.rollback()


def letters_touched(nodes):
    scans = [node for node in nodes if node.get("Relation Name") == "dead_letters"]
    return sum(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in scans)


def test_a_page_of_open_letters_reads_no_closed_one(lettered):
    """B23, UX 4.5: newest first, straight out of the index; the page after it begins where it stopped."""
    squidie, connection = lettered
    place = {"place_at": datetime.now(UTC), "place_run": UUID(int=7), "place_step": "s", "place_attempt": 1}
    for where in ({}, place):
        statement = f"{dead.PAGE} where {dead.narrowed(where, is_open=True)} {dead.NEWEST_FIRST}"

        nodes = plan(squidie, connection, statement, {**where, "limit": 20})

        assert on(nodes, "dead_letters_open")
        assert letters_touched(nodes) <= 40


def test_a_page_of_all_letters_reads_its_index(lettered):
    squidie, connection = lettered

    nodes = plan(squidie, connection, f"{dead.PAGE} where true {dead.NEWEST_FIRST}", {"limit": 20})

    assert on(nodes, "dead_letters_at")
    assert letters_touched(nodes) <= 40


def test_groups_of_open_letters_read_no_closed_one(lettered):
    """UX 4.5"""
    squidie, connection = lettered
    statement = f"{dead.GROUPS} where {dead.narrowed({}, is_open=True)} {dead.MOST_FREQUENT_FIRST}"

    nodes = plan(squidie, connection, statement, {"limit": 50})

    assert letters_touched(nodes) <= 400


def test_the_walk_of_retention_reads_the_heads_it_looks_at_and_no_more(lettered):
    """B50, 18.7: from the oldest on, merged from what lists read; a page ends where it was told to."""
    squidie, connection = lettered
    before = datetime.now(UTC) + timedelta(days=1)
    given = {
        "started_at": None,
        "run_id": retention.FIRST[1],
        "newest": before,
        "workflows": Texts(["", "w"]),
        "statuses": Texts(["completed", "failed"]),
        "befores": Times([before, before]),
        "most": 100,
    }

    nodes = plan(squidie, connection, retention.PAGE, given)

    assert on(nodes, "runs_over")
    assert touched(nodes, "runs") <= 110


def test_one_group_is_found_by_its_fingerprint(lettered):
    squidie, connection = lettered
    where = {"fingerprint": md5(b"0", usedforsecurity=False).hexdigest()}
    statement = f"{dead.COUNT} where {dead.narrowed(where, is_open=True)}"

    nodes = plan(squidie, connection, statement, where)

    assert on(nodes, "dead_letters_alike")
    assert letters_touched(nodes) <= 200


LONG = """
insert into squidie.facts (run_id, seq, kind, at, body, hash)
select run_id, seq + n, 'note', at, '{}', hash from squidie.facts, generate_series(1, 10000) n where run_id = :run;
update squidie.runs set rev = 10001, state = cast(:state as json) where run_id = :run;
insert into squidie.runs select (jsonb_populate_record(r, jsonb_build_object('run_id', gen_random_uuid()))).*
from squidie.runs r, generate_series(1, 10000) n where r.run_id = :run;
analyze squidie.facts; analyze squidie.runs
"""
READ = """
select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) from pg_stat_xact_user_tables
where schemaname = 'squidie'
"""


@pytest.mark.tampered("facts that mean nothing, and runs without any")
def test_a_settle_reads_as_little_of_a_long_history_as_of_a_short_one(squidie):
    """P16: in rows, not by a clock: 10,000 facts in its run, and 10,000 runs beside it."""
    short, long = squidie.start_many(Single, [{}, {}])
    with squidie.engine.begin() as connection:
        state = connection.scalar(text("select state::text from squidie.runs where run_id = :run"), {"run": long.id})
        told = heads.encode(msgspec.structs.replace(heads.decode(state), revision=10001))
        for statement in LONG.split(";"):
            given = {"run": long.id, "state": told.decode()}
            connection.execute(text(statement), {name: given[name] for name in given if f":{name}" in statement})
    by_run = {row.run_id: row for row in claim(squidie, 2)}
    read = []
    event.listen(squidie.engine, "commit", lambda connection: read.append(connection.scalar(text(READ))))

    for run in (short, long):
        assert settle(squidie, completion(by_run[run.id])) is None

    assert read[0] > 0
    assert read[1] < read[0] + 10


def test_what_was_prepared_while_there_was_little_reads_no_table_as_a_whole(make):
    """B11, L19: a plan is kept until Postgres counts the table again, and by then there may be very much in it."""
    squidie = make()
    _work(squidie)
    under_locks(squidie)
    _work(squidie)

    with squidie.engine.connect() as connection:
        prepared = connection.execute(text("select name, statement, parameter_types from pg_prepared_statements")).all()
        plans = {each.statement: _kept_plan(connection, each.name, each.parameter_types) for each in prepared}

    assert any("with gone as" in statement for statement in plans)
    assert any("with held as materialized" in statement for statement in plans)
    assert {statement: plan for statement, plan in plans.items() if WHOLE.search(plan)} == {}


def _work(squidie):
    """Everything that a worker does, often enough to be prepared."""
    for _ in range(8):
        squidie.cancel(squidie.start(Chain).id, reason="planned")
        squidie.start_many(Wide, [{}] * 3)
        squidie.start(Chain)
        while squidie.turn(["default"]).claimed:
            pass
        squidie.sweep()


def _kept_plan(connection, name, types):
    given = f"({', '.join(['null'] * len(types))})" if types else ""
    return "\n".join(connection.execute(text(f"explain execute {name}{given}")).scalars())
