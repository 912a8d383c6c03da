"""Lock order (SEMANTICS 3.1, L02 to L04): heads by id, then attempts; who claims or renews waits for nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from squidie.engine.sweep import child_died
from squidie.engine.transact import transact
from squidie.errors import JournalBusy
from squidie.testing import eventually
from tests.support.flows import Single
from tests.support.lab import claim, completion, expiry, failure, held, query, release, renew, settle, waits_for_a_lock

LOCKS = """
select c.relname, l.mode from pg_locks l join pg_class c on c.oid = l.relation
where l.pid = :pid and l.granted and c.relname in ('runs', 'attempts') and l.mode <> 'AccessShareLock'
"""
COMMANDS = {
    "complete": lambda squidie, row: settle(squidie, completion(row)),
    "fail": lambda squidie, row: settle(squidie, failure(row)),
    "release": lambda squidie, row: settle(squidie, release(row)),
    "expire": lambda squidie, row: transact(squidie._parts, [expiry(row)]),
    "cancel": lambda squidie, row: squidie.cancel(row.run_id, reason="x"),
    "child died": lambda squidie, row: child_died(squidie._parts, 4242),
}
EACH = pytest.mark.parametrize("command", COMMANDS)


def one_claimed(squidie):
    squidie.start(Single)
    host, _, boot = squidie.owner.split(":")
    return claim(squidie, owner=f"{host}:4242:{boot}")[0]


@EACH
def test_a_command_that_waits_for_attempts_holds_its_heads(squidie, command):
    """3.1: attempts are never locked before heads."""
    row = one_claimed(squidie)
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, row.run_id, "attempts"):
            running = pool.submit(COMMANDS[command], squidie, row)
            (pid,) = waits_for_a_lock(squidie)
            assert ("runs", "RowShareLock") in [tuple(lock) for lock in query(squidie, LOCKS, pid=pid)]
        running.result(10)


@EACH
def test_a_command_that_waits_for_a_head_holds_no_attempts(squidie, command):
    """3.1"""
    row = one_claimed(squidie)
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, row.run_id):
            running = pool.submit(COMMANDS[command], squidie, row)
            (pid,) = waits_for_a_lock(squidie)
            assert [lock for lock in query(squidie, LOCKS, pid=pid) if lock.relname == "attempts"] == []
        running.result(10)


@pytest.mark.parametrize("table", ["runs", "attempts"])
def test_claims_and_renewals_wait_for_nobody(squidie, table):
    """3.1, L12"""
    mine, other = squidie.start_many(Single, [{}, {}])
    (row,) = claim(squidie)
    (rest,) = {mine.id, other.id} - {row.run_id}

    with held(squidie, row.run_id, table), held(squidie, rest, table):
        assert len(claim(squidie)) == (1 if table == "runs" else 0)
        assert len(renew(squidie, row)) == (1 if table == "runs" else 0)


def test_a_command_that_waited_decides_on_what_was_written_before_it(squidie):
    """3.1, M18: not on what it has seen before it had the head, and then in vain."""
    row = one_claimed(squidie)
    with ThreadPoolExecutor(1) as pool:
        with squidie.engine.begin() as connection:
            squidie.cancel(row.run_id, reason="first", connection=connection)
            settling = pool.submit(settle, squidie, completion(row))
            waits_for_a_lock(squidie)
        assert settling.result(10).code == "run_ended"


def test_heads_are_taken_in_the_order_of_their_ids(squidie):
    """3.1, L04: of a batch that waits for its first head nothing else is held either."""
    squidie.start_many(Single, [{} for _ in range(4)])
    rows = sorted(claim(squidie, 4), key=lambda row: row.run_id)

    with held(squidie, rows[0].run_id):
        verdicts = transact(squidie._parts, [completion(row) for row in reversed(rows)])

    assert [verdict.busy for verdict in verdicts] == [False, False, False, True]


def test_a_host_may_refer_to_a_run_that_is_being_decided(squidie):
    """L03, G38: a foreign key to `runs` takes no part in our locks."""
    with squidie.engine.begin() as connection:
        connection.exec_driver_sql("create table notes (run_id uuid references squidie.runs)")
    row = one_claimed(squidie)

    with squidie.engine.begin() as host:
        host.exec_driver_sql("insert into notes select run_id from squidie.runs")
        assert settle(squidie, completion(row)) is None


def test_a_busy_run_alone_is_named_busy(make):
    """L04, P04"""
    squidie = make(settings={"lock_timeout": 0.05})
    row = one_claimed(squidie)

    with held(squidie, row.run_id):
        with pytest.raises(Exception, match="somebody else holds the run"):
            squidie.cancel(row.run_id, reason="x")
        assert eventually(lambda: query(squidie, "select 1 from {s}.attempts"))


def test_the_first_run_of_each_host_transaction_is_waited_for_and_no_other(squidie):
    """3.1, L04: also on a connection that had transactions before, whose place in memory the next one takes."""
    run, other = squidie.start_many(Single, [{}, {}])
    with squidie.engine.connect() as host, ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            with host.begin():
                with held(squidie, run.id):
                    waiting = pool.submit(squidie.cancel, run.id, reason="x", key="k", connection=host)
                    waits_for_a_lock(squidie)
                assert waiting.result(10).id == run.id
                with held(squidie, other.id), pytest.raises(JournalBusy):
                    squidie.cancel(other.id, reason="x", connection=host)
