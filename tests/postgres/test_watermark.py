"""Claims behind what cannot be cleared away (fault P18, L19): where they begin, and that nothing is missed by it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from squidie.engine.watermark import EVERY
from squidie.journal import claims
from squidie.journal.arrays import Texts
from squidie.journal.store import _prepared
from tests.support.flows import Single
from tests.support.lab import NOON, change, claim, completion, query, scalar, settle
from tests.support.limited_flows import Narrow

DONE = 50_000
FILL = """
insert into squidie.attempts (run_id, step, attempt, action, queue, priority, due_at)
select gen_random_uuid(), 'only', 1, 'a:b', 'default', 100, now() - interval '1 hour' + n * interval '1 ms'
from generate_series(1, :n) n
"""
TAKE = """
update squidie.attempts set claim_id = gen_random_uuid(), token_hash = '', owner = 'x', claimed_at = now(),
    lease_until = now() where action = 'a:b'
"""


@pytest.fixture
def crowd(scratch, squidie):
    """Fifty thousand attempts that are done, of which the rows stay: somebody's transaction still sees them."""
    snapshots = scratch.execution_options(isolation_level="REPEATABLE READ")
    with snapshots.connect() as holder, scratch.connect() as other:
        with other.begin():
            other.execute(text(FILL), {"n": DONE})
        with holder.begin():
            holder.execute(text("select count(*) from squidie.attempts"))
            for statement in (TAKE, "delete from squidie.attempts where action = 'a:b'"):
                with other.begin():
                    other.execute(text(statement))
            yield


@pytest.fixture
def slow(monkeypatch):
    """Every claim counts as slow, also where there is nothing to pass over."""
    monkeypatch.setattr("squidie.engine.watermark.SLOW", 0.0)


def buffers(squidie, since):
    """Pages that a claim's choice touches: what it then writes is the same wherever it begins."""
    given = {
        "queue": "default",
        "served": Texts(squidie.registry.served),
        "short": Texts(squidie.registry.served),
        "most": 1,
        "owner": "x",
        "token_hash": b"",
        "lease": timedelta(seconds=30),
        "surveyed": False,
        "asks": False,
        "since": since,
        **claims._given((), (claims.OPEN,), {}),
    }
    statement = claims.CLAIM if since is None else claims.CLAIM_BEHIND
    with squidie.engine.connect() as connection:
        sql = squidie._parts.journal.sql("explain (analyze, buffers, format json) " + statement)
        plan = _prepared(connection).execute(sql, given).scalar_one()[0]["Plan"]
        connection.rollback()
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def busy(squidie, claims_made):
    """Start, claim and settle so many."""
    for _ in range(claims_made):
        squidie.start(Single)
        assert settle(squidie, completion(*claim(squidie))) is None


def test_a_claim_touches_few_pages_however_many_rows_cannot_be_cleared_away(squidie, crowd):
    """P18: fifty thousand of them, and a process that has claimed for a while."""
    busy(squidie, 2)
    assert squidie._parts.watermarks.since("default") is None
    squidie.start(Single)
    assert buffers(squidie, None) > 1000

    busy(squidie, EVERY)

    since = squidie._parts.watermarks.since("default")
    squidie.start(Single)
    assert buffers(squidie, since) < 250


def test_the_place_is_given_up_when_a_look_at_everything_is_quick_again(squidie, crowd, scratch, monkeypatch):
    """P18: the transaction has ended, and what it kept was cleared away."""
    busy(squidie, EVERY)
    assert squidie._parts.watermarks.last("default") is not None

    monkeypatch.setattr("squidie.engine.watermark.SLOW", 60.0)
    squidie._parts.watermarks._marks["default"].looked_at = 0.0
    busy(squidie, 1)

    assert squidie._parts.watermarks.last("default") is None


def test_moving_on_costs_a_step_in_the_index_for_each_lane(squidie, crowd):
    """P18: it begins where it began before, not at the oldest row."""
    busy(squidie, EVERY)
    since = squidie._parts.watermarks.last("default")
    with squidie.engine.connect() as connection:
        sql = squidie._parts.journal.sql("explain (analyze, buffers, format json) " + claims.OLDEST)
        plan = _prepared(connection).execute(sql, {"queue": "default", "since": since}).scalar_one()[0]["Plan"]

    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 50


def test_a_process_that_claims_little_looks_at_everything_with_one_statement(squidie):
    """L19, B14"""
    statements = []
    event.listen(squidie.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

    claim(squidie)

    assert len(statements) == 1


def test_where_claims_are_quick_they_always_look_at_everything(squidie):
    """L19: and cost what they did."""
    busy(squidie, 2 * EVERY)

    assert squidie._parts.watermarks.last("default") is None


@pytest.mark.tampered("a row lies under a limit that its facts do not name")
def test_the_place_is_the_oldest_due_time_of_all_lanes(squidie, clock):
    """L19: of other priorities, partitions and limits, too; and no later than now."""
    clock(NOON)
    first = squidie.start(Single, priority=900, partition="other")
    clock(NOON + timedelta(hours=1))
    squidie.start(Single, after=timedelta(days=1))
    journal = squidie._parts.journal

    def oldest(since=None):
        with journal.reading() as connection:
            return claims.oldest(journal, connection, "default", since)

    assert oldest() == NOON
    assert oldest(NOON + timedelta(seconds=1)) == NOON + timedelta(hours=1)
    change(squidie, "update {s}.attempts set limit_key = 'l' where run_id = :id", id=first.id)
    assert oldest() == NOON
    assert oldest(NOON + timedelta(days=2)) == NOON + timedelta(hours=1)


def late(squidie, run):
    """The run's work becomes visible with a due time of long ago, as after a long transaction."""
    change(squidie, "update {s}.attempts set due_at = due_at - interval '1 hour' where run_id = :id", id=run.id)


@pytest.mark.tampered("due times are other ones than facts say")
def test_the_first_claim_of_a_turn_finds_what_is_older_than_its_place(slow, squidie):
    """P18, G17: a bell that nothing new answers is answered by the old."""
    busy(squidie, EVERY)
    run = squidie.start(Single)
    late(squidie, run)

    assert squidie._parts.watermarks.since("default") is not None
    squidie.turn(["default"])

    assert run.result(1) == "only1"
    assert squidie._parts.watermarks.since("default") is None, "there may be more of it"


@pytest.mark.tampered("due times are other ones than facts say")
def test_one_claim_in_a_sweeps_interval_looks_at_everything(slow, make, bells):
    """P18, L19: also where there is always something new."""
    squidie = make(Single, delivery=bells, settings={"sweep": 0.2})
    busy(squidie, EVERY)
    old, new = squidie.start(Single), squidie.start(Single)
    late(squidie, old)
    squidie._parts.watermarks._marks["default"].looked_at -= 0.2

    assert [row.run_id for row in claim(squidie)] == [old.id]
    assert [row.run_id for row in claim(squidie)] == [new.id]


def test_a_clock_that_goes_back_hides_nothing(slow, squidie, clock):
    """T02, P18"""
    clock(NOON)
    busy(squidie, EVERY)
    clock(NOON - timedelta(minutes=5))
    run = squidie.start(Single)

    assert [row.run_id for row in claim(squidie)] == [run.id]


def test_work_under_limits_is_claimed_from_that_place_too(slow, make, bells):
    """P18, 18.14"""
    squidie = make(Single, Narrow, delivery=bells)
    busy(squidie, EVERY)
    limited, free = squidie.start(Narrow), squidie.start(Single)

    taken = {row.run_id for row in claim(squidie, 2)}

    assert taken == {limited.id, free.id}
    assert scalar(squidie, "select count(*) from {s}.attempts where claim_id is null") == 0
    assert query(squidie, "select 1 from {s}.limits") != []
