"""Partitions take turns and queues can be paused (SEMANTICS 18.15, 18.14; RELIABILITY B05, B13, Q1 to Q3)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import cycle
from random import Random

import pytest

from squidie.errors import InvalidArgument, InvalidConfig, InvalidTransition, KeyReused, QueueNotFound
from squidie.history.facts import RunStarted
from tests.support.flows import HOOKS, Chain, Elsewhere, Single
from tests.support.lab import (
    NOON,
    PLANS,
    all_facts,
    claim,
    completion,
    kinds,
    plan_without,
    query,
    rows,
    scalar,
    settle,
    work_off,
)

MICROSECOND = timedelta(microseconds=1)


# ---------------------------------------------------------------- Q1 to Q3: the original's tests, one for one
def test_tenants_are_drained_apart(squidie):
    """Q1: draining A leaves B at pending 1, processing 0; then A, then B."""
    squidie.start(Single, queue="a")
    squidie.start(Single, queue="b")

    first = squidie.execute_next("a")
    assert [(row.step, row.held) for row in rows(squidie)] == [("only", False)]
    assert squidie.execute_next("a") is None
    second = squidie.execute_next("b")

    assert [kinds(squidie, run)[-1] for run in (first, second)] == ["run_completed"] * 2
    assert rows(squidie) == []


def test_priority_comes_before_order(squidie):
    """Q2: priority 0, enqueued later, before 200."""
    late = squidie.start(Single, priority=200)
    soon = squidie.start(Single, priority=0)

    assert [claim(squidie)[0].run_id for _ in range(2)] == [soon.id, late.id]


def test_what_is_delayed_is_visible_at_its_time(squidie, clock):
    """Q3: due in 60 s: invisible at +1 s, visible at exactly +60 s."""
    clock(NOON)
    squidie.start(Single, after=60)

    for seconds in (timedelta(seconds=1), timedelta(seconds=60) - MICROSECOND):
        clock(NOON + seconds)
        assert claim(squidie) == []
    clock(NOON + timedelta(seconds=60))
    assert len(claim(squidie)) == 1


# ---------------------------------------------------------------- order and turns
def test_five_hundred_attempts_come_in_the_order_of_a_sorted_list(squidie, clock):
    """B05: priority, due time, then id; what is not due does not come."""
    dice = Random(50)
    for minute in range(25):
        clock(NOON + timedelta(minutes=minute))
        for priority in dice.choices([0, 1, 99, 100, 998, 999], k=4):
            squidie.start_many(Single, [{}] * 5, priority=priority, after=dice.choice([0, 60, 86_400]))
    now = NOON + timedelta(hours=1)
    clock(now)
    columns = "select priority, due_at, run_id from {s}.attempts where due_at <= :now"
    due = sorted(map(tuple, query(squidie, columns, now=now)))

    found = []
    while batch := claim(squidie, dice.randint(1, 20)):
        found += [(row.priority, row.due_at, row.run_id) for row in batch]

    assert scalar(squidie, "select count(*) from {s}.attempts") == 500
    assert found == due


@pytest.mark.parametrize("priority", [-1, 1000, True, "1"])
def test_a_priority_that_is_none_is_refused(squidie, priority):
    """B05, 18.15"""
    with pytest.raises(InvalidArgument):
        squidie.start(Single, priority=priority)


@pytest.mark.parametrize("most", [1, 16])
@pytest.mark.parametrize("claimers", [1, 4])
def test_a_large_tenant_does_not_starve_the_small(squidie, make, most, claimers):
    """B13: A with 2,000 due and twenty with 5 each, which came later: all hundred within the first 400 claims."""
    squidie.start_many(Single, [{}] * 2000, partition="A")
    for number in range(20):
        squidie.start_many(Single, [{}] * 5, partition=f"t{number}")

    claimed = Counter()
    for each in cycle([make() for _ in range(claimers)]):
        claimed.update(row.partition for row in claim(each, most))
        if claimed.total() >= 400:
            break

    assert claimed.total() - claimed["A"] == 100


@pytest.mark.parametrize("setting", PLANS)
def test_partitions_take_turns_whatever_the_plan(squidie, setting):
    """B13: a table that grew and shrank is planned for in one way at noon and in another at night."""
    squidie.start_many(Single, [{}] * 2000, partition="z")
    for number in range(20):
        squidie.start_many(Single, [{}] * 5, partition=f"t{number:02}")
    plan_without(squidie, setting)

    singly = [claim(squidie)[0].partition for _ in range(42)]

    assert singly == [*(f"t{number:02}" for number in range(20)), "z"] * 2


def test_turns_go_by_weight(make):
    """18.15: within a round; and those without a weight, or without a partition, have one."""
    squidie = make(settings={"weights": {"b": 3}})
    for partition in ("a", "b", None):
        squidie.start_many(Single, [{}] * 30, partition=partition)

    singly = [claim(squidie)[0].partition for _ in range(10)]
    together = Counter(row.partition for _ in range(3) for row in claim(squidie, 10))

    assert singly == ["", "a", "b", "b", "b"] * 2
    assert together["b"] >= 2 * max(together["a"], together[""])


def test_priority_is_stricter_than_turns(squidie):
    """18.15"""
    squidie.start_many(Single, [{}] * 3, partition="a", priority=200)
    squidie.start_many(Single, [{}] * 3, partition="b", priority=100)

    assert [claim(squidie)[0].partition for _ in range(6)] == ["b"] * 3 + ["a"] * 3


@pytest.mark.parametrize("weights", [{"a": 0}, {"a": 1.5}, {"a": True}, [("a", 1)]])
def test_weights_are_whole_numbers(make, weights):
    with pytest.raises(InvalidConfig, match="weights"):
        make(settings={"weights": weights})


# ---------------------------------------------------------------- pauses
def test_a_paused_queue_is_not_claimed_from_and_what_is_claimed_settles(squidie, bells):
    """18.14: who, when and why are kept."""
    run = squidie.start(Chain)
    squidie.start(Elsewhere)
    (row,) = claim(squidie)

    pause = squidie.pause_queue("default", reason="the bank is down", actor="ada")

    assert (pause.queue, pause.by, pause.reason) == ("default", "ada", "the bank is down")
    assert settle(squidie, completion(row)) is None
    assert kinds(squidie, run) == ["run_started", "attempt_completed"]
    bells.rung.clear()
    assert (claim(squidie, 9), squidie.sweep(["default"]).rung) == ([], ())
    squidie.resume_queue("default", actor="bo")
    assert bells.rung == ["default"]
    assert claim(squidie) != []
    columns = "verb, receipt->>'actor' as actor, receipt->>'comment' as why"
    said = query(squidie, f"select {columns} from {{s}}.operations order by id")
    assert [tuple(row) for row in said] == [("pause", "ada", "the bank is down"), ("resume", "bo", None)]


def test_a_queue_that_is_paused_is_shown_so_also_where_nothing_is_open(squidie, clock):
    """18.14: since when, by whom and why, to every handle; the others are not."""
    clock(NOON)
    squidie.start(Single, queue="open")
    squidie.pause_queue("default", reason="the bank is down", actor="ada")

    for handle in (squidie, squidie.partition("north")):
        paused = {queue.name: queue.paused for queue in handle.queues()}
        pause = paused.pop("default")
        assert (pause.queue, pause.since, pause.by, pause.reason) == ("default", NOON, "ada", "the bank is down")
        assert set(paused.values()) <= {None}
    squidie.resume_queue("default")
    assert [(queue.name, queue.paused) for queue in squidie.queues()] == [("open", None)]


def test_nothing_is_handed_over_on_a_queue_that_is_paused(squidie):
    """18.15: a turn that is under way ends with its step, and what it made due waits."""
    run = squidie.start(Chain)
    HOOKS["a"] = lambda _ctx: squidie.pause_queue("default", reason="now")

    work_off(squidie)

    assert kinds(squidie, run) == ["run_started", "attempt_completed"]
    assert [row.held for row in rows(squidie)] == [False]
    squidie.resume_queue("default")
    work_off(squidie)
    assert kinds(squidie, run)[-1] == "run_completed"


def test_only_a_known_queue_is_paused_and_only_once(squidie):
    """18.14: `QueueNotFound`, `InvalidTransition`; a key makes it idempotent."""
    for verb in (lambda: squidie.pause_queue("nobody", reason="x"), lambda: squidie.resume_queue("nobody")):
        with pytest.raises(QueueNotFound):
            verb()
    squidie.start(Single, queue="known-by-its-work")
    squidie.pause_queue("known-by-its-work", reason="x", key="k")
    squidie.pause_queue("known-by-its-work", reason="x", key="k")
    with pytest.raises(KeyReused):
        squidie.pause_queue("known-by-its-work", reason="y", key="k")
    with pytest.raises(InvalidTransition):
        squidie.pause_queue("known-by-its-work", reason="x")
    with pytest.raises(InvalidArgument):
        squidie.pause_queue("default", reason=" ")
    squidie.resume_queue("known-by-its-work")
    with pytest.raises(InvalidTransition):
        squidie.resume_queue("known-by-its-work")
    assert scalar(squidie, "select count(*) from {s}.operations") == 2


def test_rows_carry_the_partition_of_their_run(squidie):
    """17.5: what a claim asks for is on the row; the facts have it once."""
    run = squidie.start(Chain, partition="a")
    (row,) = claim(squidie)
    settle(squidie, completion(row))

    started = all_facts(squidie, run)[0]
    assert isinstance(started, RunStarted)
    assert [row.partition, *(each.partition for each in claim(squidie))] == [started.partition] * 2
