"""Transactional steps: their rows and their outcome are one commit, whoever dies, cancels or refuses (18.17, E2)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from typing import TypedDict

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from squidie import Retry, StepContext, Workflow, manual, step
from squidie.engine.together import check
from squidie.settings import Settings
from squidie.testing import eventually
from squidie.testing.invariants import violations
from squidie.workflow.registry import Registry
from tests.support.lab import (
    all_facts,
    at_once,
    change,
    held,
    kinds,
    query,
    raises,
    run_in_a_child,
    scalar,
    work_off,
)

ROLE = "squidie_steps"
CALLS = Counter()
HOOKS = []


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]


class Name(TypedDict):
    name: str


def open_account(ctx: StepContext, name: str) -> dict:
    """Write a row, in whatever way the test has asked for."""
    CALLS[name] += 1
    ctx.session.add(Account(name=name, amount=1))
    ctx.session.execute(text("update totals set amount = amount + 1"))
    for hook in HOOKS:
        hook(ctx)
    return {"opened": name}


def look(opening: dict) -> str:
    return opening["opened"]


class Accounts(Workflow):
    payload = Name
    triggers = (manual("go"),)
    opening = step(open_account, transactional=True, timeout=20, retry=Retry(2, min=0))
    look = step(look)
    flow = opening >> look


class Brief(Workflow):
    payload = Name
    triggers = (manual("go"),)
    opening = step(open_account, transactional=True, timeout=0.3, grace=0.3)


class Once(Workflow):
    payload = Name
    triggers = (manual("go"),)
    opening = step(open_account, transactional=True)


@pytest.fixture
def bank(make, database_url, scratch):
    """A runtime with the tables of its host, and a role for its steps."""
    CALLS.clear()
    HOOKS.clear()
    with scratch.begin() as connection:
        found = connection.execute(text("select 1 from pg_roles where rolname = :role"), {"role": ROLE}).first()
        if found is None:
            connection.execute(text(f"create role {ROLE}"))
        connection.execute(text("create table accounts (name text primary key, amount int check (amount > 0))"))
        connection.execute(text("create table totals (amount int)"))
        connection.execute(text("insert into totals values (0)"))
        connection.execute(text(f"grant usage on schema public to {ROLE}"))
        connection.execute(text(f"grant all on accounts, totals to {ROLE}"))
    return make(Accounts, Brief, Once, settings={"step_role": ROLE, "lease": 30.0})


def opened(squidie):
    return sorted(row.name for row in query(squidie, "select name from accounts"))


def completed(squidie):
    """The accounts that the facts say were opened."""
    sql = """
    select body->'output'->>'opened' as name from {s}.facts
    where kind = 'attempt_completed' and body->>'step' = 'opening' order by 1
    """
    return [row.name for row in query(squidie, sql)]


def assert_rows_equal_facts(squidie):
    """E2"""
    assert opened(squidie) == completed(squidie)
    assert scalar(squidie, "select amount from totals") == len(completed(squidie))
    assert violations(squidie.engine) == []


def test_rows_and_outcome_are_one_commit(bank):
    """18.17"""
    run = bank.start(Accounts, {"name": "ada"})

    work_off(bank)

    assert run.result(1) == "ada"
    assert_rows_equal_facts(bank)


def test_a_failure_rolls_back_and_is_settled_by_itself(bank):
    """18.17: tried again, it is done once."""

    def fail(ctx):
        if ctx.attempt == 1:
            ctx.session.flush()
            raise ValueError("planned")

    HOOKS.append(fail)
    run = bank.start(Accounts, {"name": "ada"})

    bank.execute_next()

    assert opened(bank) == []
    work_off(bank)
    assert kinds(bank, run) == [
        "run_started", "attempt_failed", "attempt_completed", "attempt_completed", "run_completed",
    ]  # fmt: skip
    assert_rows_equal_facts(bank)


def test_what_is_committed_together_is_told_once_and_what_is_rolled_back_is_not(bank, make):
    """17.7, 18.17: failed once, refused once, and completed."""
    told = []
    listening = make(Accounts, Once, settings={"step_role": ROLE}, telemetry=told.append)

    def hook(ctx):
        if ctx.attempt == 1 and ctx.workflow == "Accounts":
            raise ValueError("planned")
        if ctx.workflow == "Once":
            bank.cancel(ctx.run_id, reason="meanwhile")

    HOOKS.append(hook)
    listening.start(Accounts, {"name": "ada"})
    listening.start(Once, {"name": "eve"})
    eventually(lambda: work_off(listening) or completed(bank) == ["ada"])

    assert_rows_equal_facts(bank)
    assert {event.measures["settled"] for event in told if event.name == "settle"} == {0, 1}
    names = [event.name for event in told if not event.is_span and event.run_id is not None]
    assert sorted(name for name in names if not name.startswith("claim.t")) == [
        "attempt.completed", "attempt.completed", "attempt.failed", "claim.refused", "run.completed", "run.started",
        "run.started",
    ]  # fmt: skip


def cut_at_commit(monkeypatch, squidie, *, committed):
    """Lose the connection at the commit of the step's transaction, before it or with its answer; whether it was."""
    plain = squidie.engine.dialect.do_commit
    cut = []

    def do_commit(raw):
        if CALLS["ada"] and not cut and raw.driver_connection.info.transaction_status.name == "INTRANS":
            cut.append(1)
            if committed:
                plain(raw)
            raw.driver_connection.close()
            raise raw_error(squidie)
        plain(raw)

    monkeypatch.setattr(squidie.engine.dialect, "do_commit", do_commit)
    return cut


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_answer_was_lost_is_told_if_it_has_come_about(bank, make, committed, monkeypatch):
    """17.7, 2.9: once the facts were asked."""
    told = []
    listening = make(Once, settings={"step_role": ROLE}, telemetry=told.append)
    listening.start(Once, {"name": "ada"})
    cut = cut_at_commit(monkeypatch, listening, committed=committed)
    listening.execute_next()
    monkeypatch.undo()
    assert cut
    names = [event.name for event in told if event.at is not None and not event.is_span]

    assert names == ["run.started", *(["attempt.completed", "run.completed"] if committed else ["attempt.released"])]


def test_a_cancel_meanwhile_rolls_the_rows_back(bank):
    """18.17, 7.3: the outcome is refused, and the rows go with it."""
    HOOKS.append(lambda ctx: bank.cancel(ctx.run_id, reason="meanwhile"))
    run = bank.start(Accounts, {"name": "ada"})

    bank.execute_next()

    assert kinds(bank, run) == ["run_started", "run_cancelled"]
    assert_rows_equal_facts(bank)
    assert opened(bank) == []


def test_a_claim_that_was_ended_meanwhile_rolls_the_rows_back(bank):
    """18.17: the takeover writes them, once."""

    def lose(ctx):
        HOOKS.clear()
        assert bank.child_died(os.getpid()) == 1

    HOOKS.append(lose)
    run = bank.start(Accounts, {"name": "ada"})

    bank.execute_next()

    assert kinds(bank, run) == ["run_started", "attempt_released"]
    assert opened(bank) == []
    work_off(bank)
    assert run.result(1) == "ada"
    assert_rows_equal_facts(bank)


ENDINGS = {
    "session.commit": lambda ctx: ctx.session.commit(),
    "session.rollback": lambda ctx: ctx.session.rollback(),
    "connection.commit": lambda ctx: ctx.session.connection().commit(),
    "connection.rollback": lambda ctx: ctx.session.connection().rollback(),
    "driver.commit": lambda ctx: ctx.session.connection().connection.driver_connection.commit(),
    "driver.rollback": lambda ctx: ctx.session.connection().connection.driver_connection.rollback(),
    "text": lambda ctx: ctx.session.execute(text("commit")),
    "text in disguise": lambda ctx: ctx.session.execute(text("select 1; /* really */ COMMIT")),
    "text, and chain": lambda ctx: ctx.session.execute(text("rollback and chain")),
    "role": lambda ctx: ctx.session.execute(text("reset role")),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("swallowed", [False, True])
def test_the_step_cannot_end_the_transaction(bank, ending, swallowed):
    """18.17: closed to COMMIT by the step, also for one that passes over the refusal."""

    def end(ctx):
        ctx.session.flush()
        try:
            ENDINGS[ending](ctx)
        except Exception:
            if not swallowed:
                raise

    HOOKS.append(end)
    run = bank.start(Accounts, {"name": "ada"})

    work_off(bank)

    if "driver" in ending and swallowed:  # refused by the driver, who tells nobody; nothing has happened
        assert run.snapshot().status == "completed"
    else:
        assert run.snapshot().status == "failed"
        assert opened(bank) == []
    assert_rows_equal_facts(bank)


def test_savepoints_are_the_steps_own_affair(bank):
    """18.17"""

    def try_twice(ctx):
        try:
            with ctx.session.begin_nested():
                ctx.session.execute(text("insert into accounts values ('eve', 0)"))
        except Exception:  # noqa: BLE001
            ctx.session.execute(text("update totals set amount = amount"))

    HOOKS.append(try_twice)
    run = bank.start(Accounts, {"name": "ada"})
    work_off(bank)
    assert run.result(1) == "ada"
    assert_rows_equal_facts(bank)


def test_words_in_texts_and_blocks_end_nothing(bank):
    """18.17: what looks like an end is looked at closely."""

    def write(ctx):
        ctx.session.execute(text("do $$ begin perform 1; end $$"))
        ctx.session.execute(text("select '; commit', case when true then 1 end"))

    HOOKS.append(write)
    run = bank.start(Accounts, {"name": "ada"})
    work_off(bank)
    assert run.result(1) == "ada"


def test_the_role_of_steps_cannot_write_the_journal(bank):
    """18.17"""
    seen = []

    def overreach(ctx):
        seen.append(ctx.session.execute(text("select current_user")).scalar_one())
        ctx.session.execute(text("delete from squidie.attempts"))

    HOOKS.append(overreach)
    run = bank.start(Accounts, {"name": "ada"})
    bank.execute_next()
    assert seen == [ROLE]
    assert "permission denied" in all_facts(bank, run)[1].error.message
    assert opened(bank) == []
    bank.cancel(run.id, reason="enough")


def test_a_statement_lasts_no_longer_than_its_step(bank):
    """18.17, L20: the session has a statement timeout."""
    seen = []
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
    HOOKS.append(lambda ctx: seen.extend(ctx.session.execute(text(f"show {name}")).scalar_one() for name in names))
    bank.start(Accounts, {"name": "ada"})
    work_off(bank)
    assert seen == ["20s", "20s", "2s"]


WAITS = (lambda ctx: ctx.session.execute(text("select pg_sleep(30)")), lambda ctx: time.sleep(30))


@pytest.mark.parametrize("wait", WAITS)
def test_a_timeout_rolls_back(bank, wait):
    """18.17, 18.3"""
    HOOKS.append(wait)
    run = bank.start(Brief, {"name": "ada"})

    bank.execute_next()

    assert run.snapshot().status == "failed"
    assert opened(bank) == []
    assert_rows_equal_facts(bank)


def test_a_deferred_constraint_that_fails_at_the_commit_is_the_steps_failure(bank):
    """18.17"""
    change(bank, "alter table accounts add constraint twice unique (amount) deferrable initially deferred")
    runs = [bank.start(Accounts, {"name": name}) for name in ("ada", "bob")]

    work_off(bank)

    assert [run.snapshot().status for run in runs] == ["completed", "failed"]
    assert_rows_equal_facts(bank)


def test_the_outcome_waits_for_a_run_that_somebody_holds(bank):
    """18.17, 4.12: the head is locked only at the settle, and waited for."""
    run = bank.start(Accounts, {"name": "ada"})
    entered, go_on = threading.Event(), threading.Event()

    def hold():
        with held(bank, run.id):
            entered.set()
            go_on.wait(10)

    holder = threading.Thread(target=hold)

    def wait(ctx):
        holder.start()
        entered.wait(10)
        threading.Timer(2.5, go_on.set).start()

    HOOKS.append(wait)
    bank.execute_next()
    holder.join()

    assert opened(bank) == ["ada"]
    work_off(bank)
    assert_rows_equal_facts(bank)


def test_a_host_with_the_opposite_order_of_locks(bank):
    """G16: Postgres ends one; the step runs again as a whole, or the host sees it as from its own code."""
    run = bank.start(Accounts, {"name": "ada"})
    entered = threading.Event()

    def host():
        entered.wait(10)
        with bank.engine.begin() as connection:
            bank.cancel(run.id, reason="by a host", connection=connection)
            connection.execute(text("set local lock_timeout = 0"))
            connection.execute(text("set local deadlock_timeout = '20s'"))
            connection.execute(text("update totals set amount = amount"))

    def wait(ctx):
        HOOKS.clear()
        ctx.session.flush()
        entered.set()
        time.sleep(0.3)

    HOOKS.append(wait)
    assert [each for each in at_once(host, bank.execute_next) if isinstance(each, Exception)] == []

    work_off(bank)
    assert run.snapshot().status in {"cancelled", "completed"}
    assert_rows_equal_facts(bank)


def test_bells_ring_after_the_commit(make, bank, bells):
    """4.11: for the successor, once everybody can see it."""
    seen = []
    squidie = make(Accounts, Brief, settings={"step_role": ROLE}, delivery=bells)
    squidie.start(Accounts, {"name": "ada"})
    plain = bells.ring
    bells.ring = lambda queues: (seen.append(completed(bank)), plain(queues))

    squidie.execute_next()

    eventually(lambda: seen, why="no bell rang")
    assert all(each == ["ada"] for each in seen)
    work_off(squidie)


MOST = 40


def test_killed_at_every_statement(bank):
    """18.17, E2, K09: host rows are completed facts, exactly."""
    for number in range(1, MOST):
        run = bank.start(Accounts, {"name": f"n{number:02}"})
        died, pid = dies_at(bank, number)
        assert_rows_equal_facts(bank)
        bank.child_died(pid)
        work_off(bank)
        assert run.result(1) == f"n{number:02}"
        assert_rows_equal_facts(bank)
        if not died:
            break
    else:
        raise AssertionError("there is no end to its statements")
    assert number > 10


def dies_at(squidie, number):
    seen = Counter()

    def count(*_):
        seen["statements"] += 1
        if seen["statements"] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def child():
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(squidie.engine, name, count)
        squidie.execute_next()
        os._exit(0)

    ended, pid = run_in_a_child(child)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WIFSIGNALED(ended), pid


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_answer_to_the_commit_is_found_out(bank, committed, monkeypatch):
    """2.9: the facts know the claim, or the step runs again as a whole."""
    run = bank.start(Accounts, {"name": "ada"})
    cut = cut_at_commit(monkeypatch, bank, committed=committed)
    bank.execute_next()
    monkeypatch.undo()

    assert cut
    assert opened(bank) == (["ada"] if committed else [])
    assert_rows_equal_facts(bank)
    eventually(bank.execute_next, why="it did not become due again")
    work_off(bank)
    assert run.result(1) == "ada"
    assert CALLS["ada"] == (1 if committed else 2)
    assert_rows_equal_facts(bank)


@pytest.fixture
def cut_off(scratch):
    """What ends the session of a step from outside, so often."""

    def planned(times, *, silently=False):
        def cut(ctx):
            if CALLS[ctx.payload["name"]] > times:
                return
            pid = ctx.session.execute(text("select pg_backend_pid()")).scalar_one()
            with scratch.begin() as other:
                other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            if not silently:
                ctx.session.execute(text("select 1"))

        HOOKS.append(cut)

    return planned


@pytest.mark.parametrize("silently", [False, True])
def test_a_session_that_is_ended_in_mid_step_costs_no_try(bank, cut_off, silently):
    """18.17, 2.9: through no fault of the step, so it is done again as a whole, whether or not it has noticed."""
    cut_off(1, silently=silently)
    run = bank.start(Accounts, {"name": "ada"})

    bank.execute_next()
    eventually(bank.execute_next, why="it did not become due again")
    work_off(bank)

    assert run.result(1) == "ada"
    assert kinds(bank, run) == [
        "run_started", "attempt_released", "attempt_completed", "attempt_completed", "run_completed",
    ]  # fmt: skip
    assert_rows_equal_facts(bank)


def test_a_step_whose_session_ends_each_time_fails_in_the_end(bank, cut_off):
    """It may be what the step does there that ends it."""
    cut_off(100)
    run = bank.start(Once, {"name": "ada"})

    def has_ended():
        bank.execute_next()
        return run.snapshot().status == "failed"

    eventually(has_ended, 30, why="it is done again and again")
    assert kinds(bank, run) == ["run_started", *["attempt_released"] * 5, "attempt_failed", "run_failed"]
    assert_rows_equal_facts(bank)


def raw_error(squidie):
    return squidie.engine.dialect.dbapi.OperationalError("server closed the connection unexpectedly")


def test_without_a_role_nothing_is_declared(make):
    """18.17: InvalidConfig without a database role for steps."""
    with raises("invalid_config"):
        check(Registry((Accounts,)), Settings())
    check(Registry((Accounts,)), Settings(step_role=ROLE))


def test_a_role_that_cannot_be_taken_gives_the_claim_back(make, bank):
    """4.9: a deployment's fault is no failure of the step."""
    squidie = make(Accounts, Brief, settings={"step_role": "nobody_knows_it"})
    run = squidie.start(Accounts, {"name": "ada"})

    squidie.execute_next()

    assert all_facts(squidie, run)[-1].reason == "unserved"
    squidie.cancel(run.id, reason="enough")


def test_other_steps_have_no_session(make):
    """1.23"""
    seen = []

    def peek(ctx: StepContext):
        seen.append(ctx.session)

    from tests.support import flows

    flows.HOOKS["only"] = peek
    squidie = make()
    squidie.start(flows.Single)
    squidie.execute_next()
    flows.HOOKS.clear()
    assert seen == [None]
