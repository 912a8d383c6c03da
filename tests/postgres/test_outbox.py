"""A host that dies around its commit, at a hundred points: its rows and what it asked for, or neither (18.18)."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from squidie.testing.invariants import violations
from tests.support.flows import Diamond, Single
from tests.support.lab import change, query, run_in_a_child, scalar, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Parking, Paused, notify

POINTS, NEAR = 100, 12
"""So many instants, so many of them right before and after the commit."""


@pytest.fixture
def squidie(make, bells):
    squidie = make(*STEERED, Diamond, Single, keep=[notify], delivery=bells)
    change(squidie, "create table public.orders (number int primary key)")
    return squidie


def prepared(squidie):
    """Runs that wait for something, one for each verb."""
    given = {
        "cancel": squidie.start(Paused),
        "resume": squidie.start(Paused),
        "approve": squidie.start(Asked),
        "signal": squidie.start(Awaiting),
        "requeue": squidie.start(Parking, {"plan": {"b": ["fail"]}}),
        "replay": squidie.start(Single),
    }
    work_off(squidie)
    return {name: run.id for name, run in given.items()}


def order(squidie, number, runs):
    """One transaction of a host: a row of its own, and every kind of thing that may be asked with it."""
    with Session(squidie.engine) as session:
        session.execute(text("insert into orders values (:number)"), {"number": number})
        squidie.start(Single, key=f"start-{number}", session=session)
        squidie.send(notify, ["ann"], key=f"send-{number}", session=session)
        squidie.start_many(Single, [{}, {}], session=session)
        squidie.cancel(runs["cancel"], reason="x", session=session)
        squidie.resume(runs["resume"], session=session)
        squidie.approve(runs["approve"], actor="ann", session=session)
        squidie.signal_run(runs["signal"], event="paid", correlation="order-1", session=session)
        squidie.requeue(runs["requeue"], "b", reason="x", actor="ann", session=session)
        squidie.replay(runs["replay"], session=session)
        session.commit()


WHOLE = Counter(start=3, send=1, cancel=1, resume=1, approve=1, signal_run=1, requeue=1, replay=1)


def told(squidie):
    """How often the journal was asked what."""
    sql = "select body->'by'->>'verb', count(*) from {s}.facts where body->'by'->>'verb' is not null group by 1"
    return Counter(dict(query(squidie, sql)))


@contextmanager
def each_instant(squidie, do):
    """Do something before and after each statement, and before and after each COMMIT."""
    dialect, plain = squidie.engine.dialect, squidie.engine.dialect.do_commit

    def do_commit(raw):
        do()
        plain(raw)
        do()

    def at_statement(*_):
        do()

    dialect.do_commit = do_commit
    for name in ("before_cursor_execute", "after_cursor_execute"):
        event.listen(squidie.engine, name, at_statement)
    yield
    dialect.do_commit = plain
    for name in ("before_cursor_execute", "after_cursor_execute"):
        event.remove(squidie.engine, name, at_statement)


def dies_at(squidie, number, call):
    """Call it in a child that is killed at its instant of that number; how it ended."""
    seen = Counter()

    def count():
        seen["instants"] += 1
        if seen["instants"] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def child():
        with each_instant(squidie, count):
            call()
        os._exit(seen["instants"])

    return run_in_a_child(child)[0]


def spread(last):
    """A hundred of them: the last ones all, the others evenly."""
    near = range(last - NEAR + 1, last + 1)
    far = [1 + number * (last - NEAR) // (POINTS - NEAR) for number in range(POINTS - NEAR)]
    return sorted({*far, *near})


def test_neither_or_both_at_a_hundred_points_around_the_hosts_commit(squidie):
    """18.18: proved by: killed before and after statements, before and after COMMIT."""
    runs = prepared(squidie)
    lived = dies_at(squidie, 0, lambda: order(squidie, 0, runs))
    assert os.WIFEXITED(lived)
    points = spread(os.WEXITSTATUS(lived))
    assert len(points) == POINTS
    runs, outcomes = prepared(squidie), Counter()
    for number in points:
        before = told(squidie)
        assert os.WIFSIGNALED(dies_at(squidie, number, lambda n=number, runs=runs: order(squidie, n, runs)))
        is_there = scalar(squidie, "select count(*) from orders where number = :n", n=number)
        assert told(squidie) - before == (WHOLE if is_there else Counter())
        outcomes[is_there] += 1
        runs = prepared(squidie) if is_there else runs

    assert set(outcomes) == {0, 1}
    assert violations(squidie.engine) == []
