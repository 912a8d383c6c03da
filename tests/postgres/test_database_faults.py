"""What Postgres may do to whoever asks it (RELIABILITY 6.3): each fault made by the server or by the wire to it."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from time import monotonic

import pytest
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from squidie.engine import settle as settling
from squidie.errors import InvalidTransition, JournalReadOnly, JournalUnavailable
from squidie.journal import attempts
from squidie.testing import eventually
from tests.support.flows import HOOKS, Chain, Single
from tests.support.lab import (
    change,
    claim,
    completion,
    counts,
    held,
    kinds,
    query,
    scalar,
    under_locks,
    waits_for_a_lock,
    work_off,
)

RAISING = """
create or replace function public.refuse() returns trigger language plpgsql as
$$ begin raise exception 'planned' using errcode = '{state}'; end $$;
create trigger planned before insert on {{s}}.facts for each statement execute function public.refuse();
"""


def settle(squidie, *commands, give_up=lambda: False):
    """Until each was taken or refused, or was given up; their errors."""
    verdicts = settling.settle(squidie._parts, commands, handover=None, give_up=give_up)
    return [verdict.error for verdict in verdicts]


@contextmanager
def refusing(squidie, state):
    """Each fact that is to be written is refused with this SQLSTATE."""
    change(squidie, RAISING.format(state=state))
    yield
    change(squidie, "drop trigger planned on {s}.facts")


@contextmanager
def struck(squidie, strike, times=1):
    """After a statement of ours that writes, before its commit, something is done to its backend; how often it was."""
    done = []

    def after(connection, _cursor, statement, *_):
        if "insert into" in statement and "facts" in statement and len(done) < times:
            done.append(1)
            strike(connection)

    event.listen(squidie.engine, "after_cursor_execute", after)
    yield done
    event.remove(squidie.engine, "after_cursor_execute", after)


def pid_of(connection):
    return connection.connection.driver_connection.info.backend_pid


def terminate(squidie):
    """57P01, as an administrator's fast stop says it to each session."""

    def strike(connection):
        with squidie.engine.connect() as other:
            other.execute(text("select pg_terminate_backend(:pid, 2000)"), {"pid": pid_of(connection)})

    return strike


COMMANDS = {
    "start": lambda squidie, _: squidie.start(Single, key="k"),
    "start_many": lambda squidie, _: squidie.start_many(Single, [{}, {}]),
    "cancel": lambda squidie, run: squidie.cancel(run.id, reason="x"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("times", [1, 2])
def test_a_command_whose_backend_is_terminated_is_asked_again(squidie, command, times):
    """P01: the whole of it, from a fresh read; the caller sees one answer and the journal one fact."""
    under_locks(squidie)
    run = squidie.start(Single)
    before = scalar(squidie, "select count(*) from {s}.facts")

    with struck(squidie, terminate(squidie), times) as strikes:
        COMMANDS[command](squidie, run)

    assert len(strikes) == times
    written = scalar(squidie, "select count(*) from {s}.facts") - before
    assert written == (2 if command == "start_many" else 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_not_asked_for_ever(squidie, command):
    """P01: three times in all, and then the caller is told; nothing was written."""
    under_locks(squidie)
    run = squidie.start(Single)
    before = counts(squidie)

    with struck(squidie, terminate(squidie), 99) as strikes, pytest.raises(JournalUnavailable):
        COMMANDS[command](squidie, run)

    assert len(strikes) == 3
    assert counts(squidie) == before


@pytest.mark.parametrize("state", ["ZZ999", "XX000", "22000"])
def test_a_refusal_that_nobody_knows_is_told_and_not_tried_again(squidie, state):
    """P01: an unknown SQLSTATE is fatal for this operation and never swallowed."""
    with refusing(squidie, state), pytest.raises(DBAPIError) as raised:
        squidie.start(Single)

    assert raised.value.orig.sqlstate == state


def test_an_outcome_that_postgres_gave_up_for_another_transaction_is_settled_again(squidie):
    """P03: a deadlock with a host's own locks, which Postgres ends at our cost: finished work is not thrown away."""
    run = squidie.start(Single)
    (row,) = claim(squidie)
    lock = text("select 1 from squidie.attempts where run_id = :id for update")
    with squidie.engine.connect() as host, ThreadPoolExecutor(1) as pool, host.begin():
        host.execute(text("set local deadlock_timeout to '30s'"))
        host.execute(text("set local lock_timeout to '20s'"))
        host.execute(lock, {"id": run.id})
        settled = pool.submit(settle, squidie, completion(row))
        waits_for_a_lock(squidie)
        host.execute(text("select 1 from squidie.runs where run_id = :id for update"), {"id": run.id})
        host.rollback()
        assert settled.result(20) == [None]

    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]


def test_what_a_database_prefers_is_not_what_decisions_are_made_at(squidie, make):
    """P03: 40001 does not come up by itself: whatever isolation others get, ours is READ COMMITTED."""
    name = scalar(squidie, "select current_database()")
    change(squidie, f"alter database \"{name}\" set default_transaction_isolation to 'repeatable read'")
    other = make()
    run = other.start(Single)
    with ThreadPoolExecutor(1) as pool:
        with other.engine.begin() as first:
            other.cancel(run.id, reason="first", connection=first)
            second = pool.submit(other.cancel, run.id, reason="second")
            waits_for_a_lock(other)
        with pytest.raises(InvalidTransition):
            second.result(10)


def test_an_outcome_whose_statement_took_too_long_is_settled_again(squidie):
    """P04: 57014; it waits for whoever is in the way, and nothing of it was written meanwhile."""
    run = squidie.start(Single)
    (row,) = claim(squidie)
    cancelled = text("select pg_cancel_backend(:pid)")
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, run.id):
            settled = pool.submit(settle, squidie, completion(row))
            (pid,) = waits_for_a_lock(squidie)
            with squidie.engine.connect() as connection:
                connection.execute(cancelled, {"pid": pid})
            waits_for_a_lock(squidie)
            assert kinds(squidie, run) == ["run_started"]
        assert settled.result(10) == [None]

    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]


def test_a_renewal_gives_up_long_before_the_lease_ends(make):
    """P04, L12: it is tried again while there is time; a step that is told of a lost lease would unwind for nothing."""
    squidie = make(settings={"lease": 3.0, "beat": 0.1})
    squidie.start(Single)
    waited = []

    def blocked(_):
        with squidie.engine.begin() as other:
            other.execute(text("lock table squidie.attempts in access exclusive mode"))
            begun = monotonic()
            waits_for_a_lock(squidie)
            eventually(lambda: "gave way" in said.text, within=2.5, every=0.01)
            waited.append(monotonic() - begun)

    HOOKS["only"] = blocked
    with heard("squidie.lease") as said:
        squidie.turn(["default"])

    assert waited[0] < 1.5  # a sixth of the lease, on a busy machine
    assert scalar(squidie, "select count(*) from {s}.runs where status = 'completed'") == 1


class Ear(logging.Handler):
    """What a logger has said."""

    text = ""

    def emit(self, record):
        self.text += record.getMessage() + "\n"


@contextmanager
def heard(name):
    logger, ear = logging.getLogger(name), Ear()
    logger.addHandler(ear)
    try:
        yield ear
    finally:
        logger.removeHandler(ear)


@pytest.mark.parametrize("what", ["cancel", "settle"])
def test_a_connection_that_is_reset_in_mid_statement_is_replaced_and_asked_again(
    make, wire, database_url, squidie, what
):
    """P05: while Postgres is at it; what was asked is done once."""
    far = make(database=wire.postgres_url(database_url))
    run = far.start(Single)
    (row,) = claim(far)
    asked = {"cancel": lambda: far.cancel(run.id, reason="x"), "settle": lambda: settle(far, completion(row))}[what]
    with ThreadPoolExecutor(1) as pool:
        with held(squidie, run.id):
            answer = pool.submit(asked)
            (pid,) = waits_for_a_lock(squidie)
            wire.reset()
            eventually(lambda: any(other != pid for other in waits_for_a_lock(squidie)), why="it was not asked again")
        answer.result(10)

    assert wire.hits["reset"] >= 1
    ended = {"cancel": ["run_cancelled"], "settle": ["attempt_completed", "run_completed"]}[what]
    assert kinds(squidie, run) == ["run_started", *ended]


@contextmanager
def exhausted(squidie):
    """Somebody has taken every connection that the pool may make."""
    pool = squidie.engine.pool
    with ExitStack() as stack:
        for _ in range(pool.size() + pool._max_overflow):
            stack.enter_context(squidie.engine.connect())
        yield


def test_a_start_that_finds_no_connection_is_refused_soon(squidie):
    """P07: nobody waits half a minute for his turn, and it is an error of ours that says so."""
    with exhausted(squidie):
        begun = monotonic()
        with pytest.raises(JournalUnavailable, match="connections") as refused:
            squidie.start(Single)
        took = monotonic() - begun

    assert refused.value.retryable
    assert took < 2.5
    assert counts(squidie) == (0, 0, 0, 0)


def test_renewals_have_a_connection_of_their_own(make):
    """P07, L12: a host that uses up the pool takes no lease from a step that runs."""
    squidie = make(settings={"lease": 0.6, "beat": 0.1})
    run = squidie.start(Single)
    other = make()

    def crowd(ctx):
        with exhausted(squidie):
            until = scalar(other, "select lease_until from {s}.attempts")
            eventually(
                lambda: scalar(other, "select lease_until > :until from {s}.attempts", until=until), why="no beat"
            )
            eventually(lambda: scalar(other, "select {s}.clock() > :until", until=until))
            assert not ctx.lease_lost

    HOOKS["only"] = crowd
    squidie.turn(["default"])

    assert run.result(1) == "only1"
    assert other.sweep().expired == 0


def test_a_fault_in_a_renewal_does_not_end_renewing(make, monkeypatch):
    """P07: what nobody is prepared for costs one beat; the thread goes on, or all leases of the process would end."""
    squidie = make(settings={"lease": 0.6, "beat": 0.1})
    run = squidie.start(Single)
    plain, faults = attempts.renew, []

    def renew_badly(*given):
        if not faults:
            faults.append(1)
            raise RuntimeError("a fault of ours")
        return plain(*given)

    monkeypatch.setattr(attempts, "renew", renew_badly)

    def wait_for_a_renewal(_):
        until = scalar(squidie, "select lease_until from {s}.attempts")
        eventually(lambda: scalar(squidie, "select lease_until > :until from {s}.attempts", until=until), within=5)

    HOOKS["only"] = wait_for_a_renewal
    squidie.turn(["default"])

    assert (faults, run.result(1)) == ([1], "only1")


ROLE = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'crowded') then
        create role crowded login connection limit 2 in role postgres;
    end if;
end $$
"""


@pytest.fixture
def others(squidie, database_url):
    """Two connections of a role that may have no more; who they are, until the stack is closed."""
    change(squidie, ROLE)
    url = make_url(database_url).set(username="crowded").render_as_string(hide_password=False)
    engine = create_engine(url, poolclass=NullPool)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(engine.connect())
        yield url, stack


def test_a_server_with_too_many_connections_is_not_stormed(squidie, make, others):
    """P08: 53300 at connect; an outcome waits with ever longer pauses, and a start is refused after three tries."""
    url, stack = others
    crowded = make(database=url)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    dials = []
    event.listen(crowded.engine, "do_connect", lambda *_: dials.append(monotonic()))

    with pytest.raises(JournalUnavailable, match="too many connections"):
        crowded.start(Single)
    assert len(dials) == 3
    with ThreadPoolExecutor(1) as pool:
        dials.clear()
        settled = pool.submit(settle, crowded, completion(row))
        eventually(lambda: len(dials) >= 5)
        assert dials[4] - dials[0] > 0.5
        stack.close()
        assert settled.result(10) == [None]

    assert kinds(squidie, run)[-1] == "run_completed"


def test_outcomes_wait_for_a_disk_that_is_full_and_are_not_split(squidie):
    """P09: 53100, here said by a trigger; the batch is tried again whole, and reading goes on."""
    runs = squidie.start_many(Single, [{} for _ in range(4)])
    held_rows = claim(squidie, 4)
    tries = []
    event.listen(squidie.engine, "rollback", lambda _: tries.append(1))
    with ThreadPoolExecutor(1) as pool:
        with refusing(squidie, "53100"):
            settled = pool.submit(settle, squidie, *map(completion, held_rows))
            eventually(lambda: len(tries) >= 3)
            assert [row.status for row in squidie.list_runs().runs] == ["running"] * 4
        assert settled.result(10) == [None] * 4

    assert [kinds(squidie, run)[-1] for run in runs] == ["run_completed"] * 4


@contextmanager
def read_only(squidie):
    """New sessions of this database write nothing, and the old ones are ended."""
    name = scalar(squidie, "select current_database()")
    change(squidie, f'alter database "{name}" set default_transaction_read_only to on')
    others = (
        "select pg_terminate_backend(pid, 2000) from pg_stat_activity where datname = :name and pid <> pg_backend_pid()"
    )
    query(squidie, others, name=name)
    squidie.engine.dispose()
    yield
    with squidie.engine.begin() as connection:
        connection.execute(text("set transaction read write"))
        connection.execute(text(f'alter database "{name}" reset default_transaction_read_only'))


def test_where_nothing_can_be_written_the_caller_is_told_so(squidie):
    """P10: 25006; reading goes on, and the sessions that could not write are replaced when it is over."""
    run = squidie.start(Single)
    with read_only(squidie):
        for ask in (lambda: squidie.start(Single), lambda: squidie.cancel(run.id, reason="x"), squidie.execute_next):
            with pytest.raises(JournalReadOnly):
                ask()
        assert run.snapshot().status == "running"

    assert squidie.start(Single).created
    work_off(squidie)
    assert run.result(1) == "only1"


def test_an_outcome_is_kept_until_it_can_be_written_again(squidie):
    """P10: finished work is not thrown away because a standby took the place of the primary for a moment."""
    run = squidie.start(Chain)
    (row,) = claim(squidie)
    with ThreadPoolExecutor(1) as pool, heard("squidie.settle") as said:
        with read_only(squidie):
            settled = pool.submit(settle, squidie, completion(row))
            eventually(lambda: said.text.count("wait") >= 2)
        assert settled.result(10) == [None]

    assert kinds(squidie, run) == ["run_started", "attempt_completed"]


def test_a_session_that_was_ended_because_it_held_still_is_replaced(squidie):
    """P13: 25P03; the whole command again from a fresh read, and its outcome is taken once."""
    run = squidie.start(Single)
    (row,) = claim(squidie)

    def freeze(connection):
        connection.connection.driver_connection.execute("set idle_in_transaction_session_timeout to '20ms'")
        alive = "select count(*) from pg_stat_activity where pid = :pid"
        eventually(lambda: scalar(squidie, alive, pid=pid) == 0) if (pid := pid_of(connection)) else None

    with struck(squidie, freeze) as strikes:
        assert settle(squidie, completion(row)) == [None]

    assert strikes == [1]
    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]
