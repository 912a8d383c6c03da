"""Idle is cheap, crowds are harmless (RELIABILITY B14, SEMANTICS 4.11): counted in statements, not by a clock."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from sqlalchemy import event

from squidie.engine.sweep import PRESENCE_EVERY, Sweeper
from squidie.settings import Settings
from squidie.testing import eventually
from tests.support.flows import Nightly, Single
from tests.support.lab import Trials, at_once, claim, query, rows, scalar

SLOWEST = 1.2
"""A sweep's pause is its setting, plus or minus a fifth."""


@contextmanager
def counting(squidie):
    """How many statements are sent meanwhile; a commit is one, too."""
    seen = []

    def sent(*given):
        seen.append(given[2])

    event.listen(squidie.engine, "before_cursor_execute", sent)
    try:
        yield seen
    finally:
        event.remove(squidie.engine, "before_cursor_execute", sent)


def looks(squidie, number, queues=("default", "other", "third")):
    """So many looks of an idle worker's sweeper, without its thread."""
    sweeper = Sweeper(squidie._parts, lambda: queues, "worker", 4)
    for _ in range(number):
        sweeper._look()


@pytest.mark.parametrize("workflow", [Single, Nightly])
def test_an_idle_worker_asks_less_than_once_a_second(make, bells, workflow):
    """B14: looks, cron windows and the sign of life, of any number of queues, in the shortest time they can take."""
    squidie = make(workflow, delivery=bells)
    looks(squidie, PRESENCE_EVERY)  # the first ones also prepare: schedules, the server's settings

    with counting(squidie) as sent:
        looks(squidie, 4 * PRESENCE_EVERY)

    seconds = 4 * PRESENCE_EVERY * Settings().sweep * (2 - SLOWEST)
    assert len(sent) < seconds * 0.75, sent


def test_fifty_idle_workers_ask_each_as_much_as_one(make, bells):
    """B14: nothing grows with the crowd, and nobody locks anything."""
    squidie = make(Single, delivery=bells)
    looks(squidie, PRESENCE_EVERY)

    with counting(squidie) as sent:
        for _ in range(50):
            squidie.sweep(["default", "other"])

    assert len(sent) == 100
    assert not [each for each in sent if "for update" in each.lower() or each.startswith("update")]


def test_sweepers_do_not_keep_step(squidie):
    """B14: jitter is seen: each pause is another one, within a fifth."""
    from squidie.engine import ids

    pauses = {ids.jittered(5.0) for _ in range(200)}

    assert len(pauses) > 150
    assert 4.0 <= min(pauses) < 4.3
    assert 5.7 < max(pauses) <= 6.0


def test_fifty_claimers_and_one_attempt_make_one_claim(squidie):
    """B14: once, and nobody waits for a lock that long."""
    squidie.engine.pool._max_overflow = 60
    squidie.start(Single)

    taken = at_once(*[lambda: claim(squidie)] * 50)

    assert sorted(len(batch) for batch in taken) == [0] * 49 + [1]
    assert [tuple(row)[2] for row in rows(squidie)] == [True]
    assert query(squidie, "select 1 from pg_locks where not granted") == []


def test_claimers_racing_for_one_attempt_never_both_get_it(squidie):
    """B10, B14"""
    with Trials() as trials:
        for _ in range(50):
            run = squidie.start(Single)
            both = trials.race(lambda: claim(squidie), lambda: claim(squidie))
            assert sorted(len(batch) for batch in both) == [0, 1]
            squidie.cancel(run.id, reason="next")


def test_one_attempt_wakes_a_crowd_and_is_run_once(make, bells):
    """B14: fifty turns are taken for it."""
    squidie = make(Single, delivery=bells)
    squidie.engine.pool._max_overflow = 60
    run = squidie.start(Single)

    reports = at_once(*[lambda: squidie.turn(["default"])] * 50)

    assert sum(report.claimed for report in reports) == 1
    assert eventually(lambda: run.snapshot().status == "completed")
    assert scalar(squidie, "select count(*) from {s}.facts where kind = 'attempt_completed'") == 1
