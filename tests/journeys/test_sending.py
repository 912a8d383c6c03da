"""One plain task as a run of one step, in the host's transaction (SEMANTICS 18.18)."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from squidie.testing.invariants import violations
from tests.support.flows import CALLS, Single
from tests.support.lab import all_facts, change, counts, raises, scalar, work_off
from tests.support.steering_flows import notify, unknown_task


class Mail:
    """What a task looks like: a name of its own, and `run`."""

    name = "shop.mail"
    queue = "mail"
    max_retries = 2
    autoretry_for = (ValueError,)
    default_retry_delay = 0
    retry_kwargs = None

    def run(self, to, subject="hello"):
        CALLS.append(("mail", to, subject))
        return f"{to}: {subject}"

    __call__ = run


MAIL = Mail()


@pytest.fixture
def squidie(make, bells):
    return make(Single, keep=[notify, MAIL], delivery=bells)


def test_a_task_is_sent_and_run_once(squidie):
    """18.18: as a run of one step, its arguments bound to parameters."""
    run = squidie.send(notify, ["ann"], {"copies": 2}, actor="sam")
    work_off(squidie)

    assert run.result() == {"user": "ann", "copies": 2}
    assert all_facts(squidie, run)[0].by.verb == "send"
    assert (run.snapshot().workflow, CALLS[0][2]) == ("send", f"{run.id}/send")


def test_what_the_task_declares_for_itself_holds(squidie, bells):
    """18.18: its queue and its retries, unless another queue is given."""
    run = squidie.send("shop.mail", ["ann"])
    assert bells.rung == ["mail"]
    work_off(squidie, "mail")
    assert run.result() == "ann: hello"
    assert run.snapshot().steps[0].max_attempts == 3

    other = squidie.send(MAIL, kwargs={"to": "bob", "subject": "x"}, queue="slow")
    work_off(squidie, "slow")
    assert other.result() == "bob: x"


def test_one_key_is_one_run_of_that_task(squidie):
    """18.18, 2.3: and other arguments are another request."""
    one, two = squidie.send(notify, ["ann"], key="k"), squidie.send(notify, ["ann"], key="k")
    other = squidie.send(MAIL, ["ann"], key="k")

    assert (one.id, one.created, two.created) == (two.id, True, False)
    assert other.created
    with raises("key_reused"):
        squidie.send(notify, ["bob"], key="k")


def test_it_is_sent_with_the_hosts_rows_or_not_at_all(squidie, bells):
    """18.18: neither or both, and bells ring only after the commit."""
    change(squidie, "create table public.orders (id int)")
    for commits in (False, True):
        with Session(squidie.engine) as session:
            session.connection().exec_driver_sql("insert into public.orders values (1)")
            run = squidie.send(notify, ["ann"], session=session)
            assert bells.rung == []
            if commits:
                session.commit()
        assert scalar(squidie, "select count(*) from public.orders") == commits
        assert scalar(squidie, "select count(*) from {s}.runs where run_id = :id", id=run.id) == commits
    assert bells.rung == ["default"]


def test_another_process_runs_it_by_its_stored_graph(squidie, make):
    """18.18, 8.5: nobody declares the workflow `send`; it runs, and is replayed, on its stored definition."""
    run = squidie.send(notify, ["ann"])
    other = make(keep=[notify])
    work_off(other)

    assert other.run(run.id).result()["user"] == "ann"
    again = other.replay(run.id)
    work_off(other)
    assert again.result()["user"] == "ann"


@pytest.mark.parametrize(
    ("task", "args", "kwargs"),
    [
        (unknown_task, ["ann"], {}),
        ("no.such.task", [], {}),
        (5, [], {}),
        (notify, [], {}),
        (notify, ["ann", 2, 3], {}),
        (notify, ["ann"], {"user": "bob"}),
        (notify, ["ann"], {"colour": "red"}),
        (notify, "ann", {}),
        (notify, ["ann"], {"a b": 1}),
    ],
)
def test_what_cannot_be_sent_says_why(squidie, task, args, kwargs):
    """18.18: bad input"""
    before = counts(squidie)
    with raises("invalid_argument"):
        squidie.send(task, args, kwargs)

    assert counts(squidie) == before


def test_arguments_pass_the_gate(squidie):
    """18.18: what has no JSON form is refused."""
    with raises("unstorable_value"):
        squidie.send(notify, [object()])


def test_a_session_on_another_database_is_refused(squidie, services):
    """18.18: there nothing would commit together."""
    url = services.new_database()
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            for _ in range(2):
                with raises("invalid_config"):
                    squidie.start(Single, connection=connection)
            connection.exec_driver_sql("select 1")
        with Session(engine) as session, raises("invalid_config"):
            squidie.send(notify, ["ann"], session=session)
    finally:
        engine.dispose()
        services.drop_database(url)
    assert violations(squidie.engine) == []


def test_the_same_database_by_another_address_is_the_same(squidie):
    """18.18."""
    engine = create_engine(squidie.engine.url.update_query_dict({"application_name": "host"}))
    try:
        with engine.begin() as connection:
            run = squidie.start(Single, connection=connection)
        assert squidie.run(run.id).id == run.id
    finally:
        engine.dispose()
