"""Starts (SEMANTICS 2.1 to 2.5): one commit, one run for a key, all or nothing; a host's transaction stays usable."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from squidie.errors import InvalidArgument, InvalidPayload, KeyReused, SquidieError
from squidie.testing import eventually
from tests.support.flows import Chain, Elsewhere, Single, Sums
from tests.support.lab import (
    NOON,
    all_facts,
    at_once,
    change,
    counts,
    held,
    kinds,
    query,
    raises,
    rows,
    scalar,
    work_off,
)

NOTHING = (0, 0, 0, 0)


# ---------------------------------------------------------------- what a start writes
def test_a_start_writes_head_first_fact_and_first_work_together(squidie):
    """2.1"""
    run = squidie.start(Chain, {}, priority=7, attributes={"team": "blue"}, actor="ann", metadata={"ip": "::1"})

    assert run.created
    assert counts(squidie) == (1, 1, 1, 0)
    started = all_facts(squidie, run)[0]
    assert (started.kind, started.workflow, started.trigger, started.priority) == ("run_started", "Chain", "start", 7)
    assert (started.by.verb, started.by.actor, started.by.metadata) == ("start", "ann", {"ip": "::1"})
    assert [opening.step for opening in started.opens] == ["a"]
    assert query(squidie, "select step, attempt, queue, priority, due_at from {s}.attempts") == [
        ("a", 1, "default", 7, started.opens[0].due_at)
    ]
    assert run.snapshot().attributes == {"team": "blue"}


def test_a_run_has_a_version_7_uuid_unless_a_key_or_the_caller_names_it(squidie):
    """2.3"""
    mine = uuid4()

    assert squidie.start(Single).id.version == 7
    assert squidie.start(Single, key="k").id.version == 5
    assert squidie.start(Single, run_id=mine).id == mine
    assert squidie.start(Single, run_id=str(mine)).created is False


def test_a_step_waits_on_its_own_queue_with_its_own_priority(squidie):
    """2.1, 1.17"""
    run = squidie.start(Elsewhere, queue="Mixed-Case.queue_64", priority=700)

    work_off(squidie, "Mixed-Case.queue_64")

    assert query(squidie, "select step, queue, priority from {s}.attempts") == [("b", "other", 5)]
    assert squidie.execute_next("other") is not None
    assert run.result(1) == "b1"


@pytest.mark.parametrize("name", ["Sums", Sums])
def test_a_workflow_is_named_by_its_class_or_its_name(squidie, name):
    run = squidie.start(name, {"number": 3})

    work_off(squidie)

    assert run.result(1) == {"add": 9, "reach": [3, "default"]}


# ---------------------------------------------------------------- at, after
def test_at_delays_the_first_steps_and_not_the_run(squidie, clock):
    """2.1, B04: invisible one microsecond before its time, claimable at it."""
    clock(NOON)
    later = NOON + timedelta(hours=1)
    run = squidie.start(Single, at=later.astimezone(tz=None))

    assert kinds(squidie, run) == ["run_started"]
    clock(later - timedelta(microseconds=1))
    assert squidie.execute_next() is None
    clock(later)
    assert squidie.execute_next().id == run.id


@pytest.mark.parametrize(
    ("after", "seconds"), [("90s", 90), ("4h30m", 16200), (timedelta(milliseconds=1), 0.001), (2.5, 2.5), (0, 0)]
)
def test_after_is_a_duration_by_the_journals_clock(squidie, clock, after, seconds):
    """2.1, 0 (durations)"""
    clock(NOON)

    squidie.start(Single, after=after)

    assert scalar(squidie, "select due_at from {s}.attempts") == NOON + timedelta(seconds=seconds)


def test_a_time_in_the_past_means_now(squidie, clock):
    """B04"""
    clock(NOON)

    squidie.start(Single, at=NOON - timedelta(days=400))

    assert scalar(squidie, "select due_at from {s}.attempts") == NOON


# ---------------------------------------------------------------- identity
def test_the_same_key_and_payload_find_the_same_run(squidie):
    """2.3: naming the default trigger or none is the same, and nothing is written the second time."""
    first = squidie.start(Sums, {"number": 1}, key="k")
    before = counts(squidie)

    again = squidie.start(Sums, {"number": 1}, key="k", trigger="go")

    assert (first.created, again.created, again.id) == (True, False, first.id)
    assert counts(squidie) == before


def test_an_ended_run_is_still_found_by_its_key(squidie):
    """2.3"""
    first = squidie.start(Sums, {"number": 1}, key="k")
    work_off(squidie)

    again = squidie.start(Sums, {"number": 1}, key="k")

    assert (again.created, again.id) == (False, first.id)
    assert again.result(1) == {"add": 3, "reach": [1, "default"]}


def test_a_key_belongs_to_a_workflow_and_a_trigger(squidie):
    """2.3"""
    ids = {
        squidie.start(Sums, {"number": 1}, key="k").id,
        squidie.start(Sums, {"number": 1}, key="k", trigger="again").id,
        squidie.start(Single, {}, key="k").id,
        squidie.start(Sums, {"number": 1}, key="K").id,
    }

    assert len(ids) == 4


@pytest.mark.parametrize("identity", [{"key": "k"}, {"run_id": uuid4()}])
def test_the_same_identity_with_another_payload_is_refused(squidie, identity):
    """2.3"""
    run = squidie.start(Sums, {"number": 1}, **identity)
    before = counts(squidie)

    with raises("key_reused") as refused:
        squidie.start(Sums, {"number": 2}, **identity)

    assert refused.value.details["run_id"] == str(run.id)
    assert counts(squidie) == before


def test_fifty_threads_that_start_one_key_make_one_run(squidie):
    """B03, 2.3: one run, made once."""
    runs = at_once(*[lambda: squidie.start(Sums, {"number": 4}, key="order-4")] * 50)

    assert len({run.id for run in runs}) == 1
    assert sum(run.created for run in runs) == 1
    assert counts(squidie)[:3] == (1, 1, 1)


def test_a_key_that_a_host_has_not_committed_yet_is_busy_and_no_hang(make):
    """G17"""
    squidie = make(settings={"lock_timeout": 0.2})
    with squidie.engine.begin() as host:
        squidie.start(Single, key="k", connection=host)

        with raises("journal_busy"):
            squidie.start(Single, key="k")

    assert squidie.start(Single, key="k").created is False


# ---------------------------------------------------------------- many
def test_start_many_makes_a_run_for_each_payload_in_order(squidie):
    """2.2"""
    runs = squidie.start_many(Sums, [{"number": n} for n in range(20)], keys=[f"k{n}" for n in range(20)])

    work_off(squidie)

    assert [run.result(1)["add"] for run in runs] == [3 * n for n in range(20)]
    assert [r.id for r in squidie.start_many(Sums, [{"number": 5}], keys=["k5"])] == [runs[5].id]


@pytest.mark.parametrize(
    "bad", [{"number": "5"}, {}, {"number": 1, "more": 2}, {"number": float("nan")}, {"number": 2**70}]
)
def test_start_many_starts_all_or_none(squidie, bad):
    """2.2"""
    with pytest.raises(SquidieError):
        squidie.start_many(Sums, [{"number": 1}, bad, {"number": 3}])

    assert counts(squidie) == NOTHING


def test_start_many_starts_none_when_one_key_is_taken(squidie):
    """2.2, 2.3: the refusal comes from the journal, and takes the whole batch along."""
    squidie.start(Sums, {"number": 0}, key="taken")
    before = counts(squidie)

    with raises("key_reused"):
        squidie.start_many(Sums, [{"number": n} for n in (1, 2)], keys=["free", "taken"])

    assert counts(squidie) == before


def test_with_partial_a_bad_member_harms_only_itself(squidie):
    """2.2"""
    squidie.start(Sums, {"number": 0}, key="taken")
    payloads = [{"number": 1}, {"number": "x"}, {"number": 3}, {"number": 4}]

    one, bad, reused, four = squidie.start_many(Sums, payloads, keys=["a", "b", "taken", "d"], partial=True)

    assert (one.created, four.created) == (True, True)
    assert isinstance(bad, InvalidPayload)
    assert isinstance(reused, KeyReused)
    assert counts(squidie)[0] == 3


def test_the_same_key_twice_in_one_batch_makes_one_run(squidie):
    """2.2, 2.3"""
    one, two, other = squidie.start_many(
        Sums, [{"number": 1}, {"number": 1}, {"number": 2}], keys=["k", "k", "k"], partial=True
    )

    assert (one.id, one.created, two.created) == (two.id, True, False)
    assert isinstance(other, KeyReused)
    assert counts(squidie)[0] == 1


def test_start_many_of_nothing_is_nothing(squidie):
    assert squidie.start_many(Sums, []) == []
    assert counts(squidie) == NOTHING


# ---------------------------------------------------------------- in a host's transaction
@pytest.fixture
def host(squidie, database_url):
    """A host's own engine, with a table of its own."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("create table orders (id int primary key)"))
    yield engine
    engine.dispose()


def orders(engine):
    with engine.connect() as connection:
        return connection.execute(text("select count(*) from orders")).scalar_one()


def test_a_run_lives_with_the_hosts_commit(squidie, bells, host):
    """2.4"""
    with Session(host) as session, session.begin():
        session.execute(text("insert into orders values (1)"))
        run = squidie.start(Single, key="order-1", session=session)
        assert counts(squidie) == NOTHING
        assert bells.rung == []

    assert (orders(host), counts(squidie)[0]) == (1, 1)
    assert bells.rung == ["default"]
    assert squidie.execute_next().id == run.id


def test_a_run_dies_with_the_hosts_rollback(squidie, bells, host):
    """2.4, G18"""
    with Session(host) as session:
        session.execute(text("insert into orders values (1)"))
        squidie.start(Single, session=session)
        squidie.start_many(Sums, [{"number": 1}] * 3, session=session)
        session.rollback()

    assert (orders(host), counts(squidie), bells.rung) == (0, NOTHING, [])


def test_a_savepoint_that_is_rolled_back_takes_its_run_along(squidie, bells, host):
    """G18"""
    with Session(host) as session, session.begin():
        savepoint = session.begin_nested()
        squidie.start(Single, session=session)
        savepoint.rollback()
        kept = squidie.start(Single, session=session)

    assert [row.run_id for row in query(squidie, "select run_id from {s}.runs")] == [kept.id]


def test_no_bell_rings_before_the_host_commits_though_its_savepoint_has_ended(squidie, bells, host):
    """2.4, B34: the end of a savepoint is no commit."""
    with Session(host) as session, session.begin():
        with session.begin_nested():
            squidie.start(Single, session=session)
        assert bells.rung == []

    assert bells.rung == ["default"]


def test_a_host_that_fails_at_its_commit_leaves_no_run_and_no_bell(squidie, bells, host):
    """G18"""
    with host.begin() as connection:
        connection.execute(text("create table lines (id int references orders deferrable initially deferred)"))

    with Session(host) as session:
        session.execute(text("insert into lines values (7)"))
        squidie.start(Single, session=session)
        with pytest.raises(IntegrityError, match="violates foreign key"):
            session.commit()

    assert (counts(squidie), bells.rung) == (NOTHING, [])


def test_a_raw_connection_is_a_host_too(squidie, bells, host):
    """2.4, G19: SQLAlchemy tells of its commit a moment early, so the bell follows shortly after."""
    with host.begin() as connection:
        connection.execute(text("insert into orders values (1)"))
        squidie.start(Single, connection=connection)
        assert bells.rung == []

    eventually(lambda: "default" in bells.rung, why="no bell after the commit")
    assert squidie.execute_next() is not None


def test_a_scoped_session_is_a_host_too(squidie, bells, host):
    """2.4: what web frameworks hand around."""
    maker = sessionmaker(host)
    session, other = scoped_session(maker), maker()

    squidie.start(Single, session=session)
    other.execute(text("select 1"))
    other.commit()
    assert bells.rung == []
    session.commit()

    assert bells.rung == ["default"]
    session.remove()
    other.close()


@pytest.mark.parametrize(
    ("payload", "options"),
    [
        ({"number": "no"}, {}),
        ({"number": 2}, {"key": "taken"}),
        ({"number": 2}, {"priority": 5000}),
        ({"number": 2}, {"trigger": "none"}),
    ],
)
def test_a_refused_start_leaves_the_hosts_transaction_usable(squidie, bells, host, payload, options):
    """2.4, 0 refusals"""
    squidie.start(Sums, {"number": 1}, key="taken")
    before = counts(squidie)
    bells.rung.clear()

    with Session(host) as session, session.begin():
        session.execute(text("insert into orders values (1)"))
        with pytest.raises(SquidieError):
            squidie.start(Sums, payload, session=session, **options)
        session.execute(text("insert into orders values (2)"))

    assert (orders(host), counts(squidie), bells.rung) == (2, before, [])


def test_a_start_that_the_database_refuses_leaves_the_hosts_transaction_usable(make, host):
    """2.4: here because the schema is missing, an error of Postgres itself."""
    elsewhere = make(schema="nowhere")

    with Session(host) as session, session.begin():
        with raises("schema_mismatch"):
            elsewhere.start(Single, session=session)
        session.execute(text("insert into orders values (1)"))

    assert orders(host) == 1


@pytest.mark.parametrize("verb", ["start", "cancel"])
def test_a_command_that_postgres_refuses_leaves_the_hosts_transaction_usable(squidie, host, verb):
    """2.4, G15: here by a constraint, in the middle of the writing."""
    change(squidie, "alter table {s}.facts add constraint no_poison check (body::text not like '%poison%')")
    run = squidie.start(Single)
    calls = {
        "start": lambda session: squidie.start(Single, {"plan": {"poison": []}}, session=session),
        "cancel": lambda session: squidie.cancel(run.id, reason="poison", session=session),
    }

    with Session(host) as session, session.begin():
        session.execute(text("insert into orders values (1)"))
        with pytest.raises(IntegrityError, match="no_poison"):
            calls[verb](session)
        session.execute(text("insert into orders values (2)"))

    assert (orders(host), counts(squidie)[:2]) == (2, (1, 1))


def test_a_repeatable_read_host_that_loses_a_race_is_told_to_try_again(squidie, host):
    """2.4"""
    with host.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        connection.execute(text("select count(*) from orders"))
        squidie.start(Single, key="k")

        with raises("journal_busy"):
            squidie.start(Single, key="k", connection=connection)


def test_a_session_and_a_connection_together_are_refused(squidie, host):
    """2, bad input"""
    with Session(host) as session, host.connect() as connection, raises("invalid_argument"):
        squidie.start(Single, session=session, connection=connection)


def test_the_first_start_of_a_workflow_in_an_open_transaction_holds_nobody_up(squidie, make):
    """2, better than the original (W-2): starters never wait for one another."""
    other = make(settings={"lock_timeout": 0.3})
    with squidie.engine.begin() as host:
        squidie.start(Single, connection=host)

        assert other.start(Single).created


def test_a_second_command_in_a_hosts_transaction_does_not_wait(squidie, make, host):
    """G15, L16: the host's lock order is not ours to know."""
    patient = make(settings={"lock_timeout": 20})
    one, two = squidie.start_many(Single, [{}, {}])

    with Session(host) as session, session.begin():
        patient.cancel(two.id, reason="first", session=session)
        with held(squidie, one.id), raises("journal_busy"):
            patient.cancel(one.id, reason="second", session=session)
        session.execute(text("insert into orders values (1)"))

    assert orders(host) == 1
    assert kinds(squidie, two) == ["run_started", "run_cancelled"]
    assert kinds(squidie, one) == ["run_started"]


def test_a_cancel_in_a_transaction_that_rolls_back_changes_nothing(squidie, host):
    """7, proved by"""
    run = squidie.start(Single)

    with Session(host) as session:
        squidie.cancel(run.id, reason="no", session=session)
        session.rollback()

    assert kinds(squidie, run) == ["run_started"]
    assert squidie.execute_next().result(1) == "only1"


def test_a_host_with_an_engine_of_its_own_does_not_wait_for_ever(make, squidie, host):
    """L16, L20: the first command waits `lock_timeout`, whoever made the connection."""
    run = squidie.start(Single)
    hurried = make(database=host, settings={"lock_timeout": 0.2})
    with held(squidie, run.id), host.connect() as connection:
        with connection.begin():
            connection.execute(text("set local statement_timeout = '3s'"))
            with raises("journal_busy"):
                hurried.cancel(run.id, reason="busy", connection=connection)
        assert connection.execute(text("show lock_timeout")).scalar_one() == "0"


# ---------------------------------------------------------------- execute_next
def test_execute_next_does_one_attempt_and_hands_nothing_over(squidie):
    """2.5"""
    run = squidie.start(Chain)

    assert squidie.execute_next().id == run.id
    assert [(row.step, row.held) for row in rows(squidie)] == [("b", False)]
    assert squidie.execute_next("another") is None


def test_a_run_that_fails_is_a_successful_call(squidie):
    """2.5"""
    run = squidie.start(Single, {"plan": {"only": ["raise"]}})

    assert squidie.execute_next().id == run.id
    assert squidie.execute_next() is None
    assert run.snapshot().status == "failed"


def test_a_handle_waits_for_the_end(squidie):
    """2.10"""
    run = squidie.start(Single)
    with raises("wait_timeout"):
        run.result(0.05)
    squidie.cancel(run.id, reason="enough")

    with raises("run_unsuccessful") as ended:
        squidie.run(str(run.id)).result(1)

    assert ended.value.status == "cancelled"
    for unknown in (uuid4(), str(UUID(int=1))):
        with raises("run_not_found"):
            squidie.run(unknown)


def test_a_journal_on_a_hosts_engine_does_not_wait_for_ever_either(make, squidie, host):
    """L20: in transactions of its own as well."""
    run = squidie.start(Single)
    hurried = make(database=host, settings={"lock_timeout": 0.1})

    with held(squidie, run.id), raises("journal_busy"):
        hurried.cancel(run.id, reason="busy")


def test_a_key_belongs_to_its_partition(squidie):
    """2.3, 17.5"""
    ours = squidie.start("Sums", {"number": 3}, key="k", partition="acme")
    theirs = squidie.start("Sums", {"number": 4}, key="k", partition="umbrella")

    assert ours.id != theirs.id
    assert not squidie.start("Sums", {"number": 3}, key="k", partition="acme").created
    with pytest.raises(InvalidArgument):
        squidie.start("Sums", {"number": 3}, partition="no such name")
