"""The journal as it grows (RELIABILITY M15): every fact once, however late it commits."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import text

from squidie.journal import tailing
from squidie.views.tailing import TOGETHER, Tail
from tests.support.flows import Chain, Single
from tests.support.lab import work_off
from tests.support.standing_flows import STANDING, Asking


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, Chain, delivery=bells)


def tail(squidie, **narrowed):
    return Tail(squidie._parts.journal, **narrowed)


def told(looking):
    return [(fact.run_id, fact.seq) for fact in looking.look()]


def everything(squidie):
    with squidie.engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text("select run_id, seq from squidie.facts"))}


def test_what_was_there_is_passed_over_and_what_comes_is_told_once(squidie, staffed):
    """M15"""
    old = squidie.start(Asking)
    looking = tail(squidie)
    assert told(looking) == []

    new = squidie.start(Chain)
    squidie.approve(old.id, actor="maya")
    first = told(looking)
    work_off(squidie)
    second = told(looking)

    assert first[0] == (new.id, 1)
    assert (old.id, 3) in first
    assert set(first) | set(second) == everything(squidie) - {(old.id, 1), (old.id, 2)}
    assert max(Counter(first + second).values()) == 1
    assert told(looking) == []


def test_a_start_that_commits_late_is_not_skipped(squidie, staffed, monkeypatch):
    """M15: in a host's transaction that outlasts many looks, while others start and end; by no margin of time."""
    monkeypatch.setattr("squidie.views.tailing.MARGIN", timedelta(0))
    looking = tail(squidie)
    list(looking.look())
    with squidie.engine.connect() as connection, connection.begin():
        late = squidie.start(Single, connection=connection)
        for _ in range(3):
            squidie.start(Single)
            work_off(squidie)
            assert (late.id, 1) not in told(looking)
        early = everything(squidie)
    work_off(squidie)

    assert set(told(looking)) == everything(squidie) - early


def test_nothing_is_missed_while_many_write(squidie, staffed):
    """M15: starts in transactions of their hosts that overlap, and a worker, with a look after look."""
    looking = tail(squidie)
    seen = told(looking)
    writers = [threading.Thread(target=overlapping, args=(squidie, n)) for n in range(3)]
    writers.append(threading.Thread(target=lambda: [work_off(squidie) for _ in range(8)]))
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen += told(looking)
    seen += told(looking)

    assert set(seen) == everything(squidie)
    assert len(seen) == len(set(seen))


def overlapping(squidie, n):
    """Transactions of which the first to begin is the last to end."""
    for _ in range(4):
        with ExitStack() as stack:
            for _ in range(1 + n):
                connection = stack.enter_context(squidie.engine.connect())
                stack.enter_context(connection.begin())
                squidie.start(Single, connection=connection)


def test_the_horizon_waits_for_whoever_has_not_committed(squidie, staffed):
    """M15: however long that takes; afterwards it moves on, and ended runs are forgotten."""
    looking = tail(squidie)
    list(looking.look())
    with squidie.engine.connect() as connection, connection.begin():
        squidie.start(Single, connection=connection)
        list(looking.look())
        began = looking._horizon
        for _ in range(3):
            list(looking.look())
        assert looking._horizon == began < squidie.now()
    list(looking.look())
    list(looking.look())
    assert looking._horizon > began
    assert len(looking._looks) <= 3


def test_ended_runs_are_forgotten(squidie, clock, staffed):
    """M15: what is remembered is what is open, and what was started a moment ago."""
    now = squidie.now()
    looking = tail(squidie)
    list(looking.look())
    for minute in range(3):
        clock(now + timedelta(minutes=minute))
        squidie.start_many(Single, [{}] * 5)
        work_off(squidie)
        list(looking.look())
        list(looking.look())
    assert len(looking._known) <= 10


def test_a_time_brings_what_was_written_since(squidie, staffed):
    """UX 8.2: of open runs and of ended ones, by their time."""
    run = squidie.start(Single)
    work_off(squidie)
    since = squidie.now() - timedelta(hours=1)
    looking = tail(squidie, since=since)

    assert told(looking) == [(run.id, 1), (run.id, 2), (run.id, 3)]
    assert told(looking) == []
    assert told(tail(squidie, since=squidie.now() + timedelta(hours=1))) == []


def test_it_can_be_narrowed(squidie, staffed):
    """UX 8.2: to a workflow, a partition, a run."""
    looks = {
        "workflow": tail(squidie, workflow="Chain"),
        "partition": tail(squidie, partition="north"),
    }
    for looking in looks.values():
        list(looking.look())
    board, north = squidie.start(Chain), squidie.partition("north").start(Single)

    assert told(looks["workflow"]) == [(board.id, 1)]
    assert told(looks["partition"]) == [(north.id, 1)]
    assert told(tail(squidie, only=board.id, since=squidie.now() - timedelta(hours=1))) == [(board.id, 1)]


def test_many_runs_are_read_in_portions(squidie, staffed):
    """M15"""
    looking = tail(squidie)
    list(looking.look())
    squidie.start_many(Single, [{}] * (TOGETHER + 3))
    assert len(told(looking)) == TOGETHER + 3


def test_a_look_reads_heads_by_key_and_by_the_indexes_of_what_is_open_and_what_was_written_last(squidie, staffed):
    """M15: bounded by what is open and what was just started, not by what there is."""
    squidie.start_many(Single, [{}] * 400)
    work_off(squidie)
    fits = {"workflow": None, "partition": None, "only": None}
    with squidie.engine.connect() as connection:
        connection.execute(text("analyze squidie.runs"))
        given = {"horizon": squidie.now() + timedelta(hours=1), **fits}
        statement = squidie._parts.journal.sql(f"explain {tailing.STARTED}")
        plan = "\n".join(connection.execute(statement, given).scalars())
    assert "runs_open" in plan
    assert "runs_rested" in plan
