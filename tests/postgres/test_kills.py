"""A process that dies at any statement of any command (SEMANTICS 2, B02): all or nothing, and asking again ends it."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import event

from squidie.engine import settle as settling
from squidie.testing.clock import set_clock
from squidie.testing.invariants import violations
from tests.support.flows import Chain, Nightly, Single
from tests.support.lab import (
    NOON,
    claim,
    completion,
    counts,
    kinds,
    query,
    release,
    run_in_a_child,
    scalar,
    work_off,
)

MOST = 25
"""More statements than any command takes."""


def dies_at(squidie, number, call):
    """Call it in a child that is killed before its statement of that number; whether it got that far."""
    seen = Counter()

    def count(*_):
        seen["statements"] += 1
        if seen["statements"] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def child():
        for name in ("before_cursor_execute", "commit"):
            event.listen(squidie.engine, name, count)
        call()
        os._exit(0)

    ended, _ = run_in_a_child(child)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0
    return os.WIFSIGNALED(ended)


def at_each_statement(squidie, prepare, command, check):
    """Once for each statement: prepare, die there, look, and check; how many there were."""
    for number in range(1, MOST):
        given = prepare(number)
        died = dies_at(squidie, number, lambda given=given: command(given))
        assert violations(squidie.engine) == []
        check(given)
        if not died:
            return number - 1
    raise AssertionError("there is no end to its statements")


def test_a_start(squidie):
    """B02, B03: nothing or all of it; the same key gives one run."""

    def check(key):
        before = counts(squidie)[0]
        run = squidie.start(Single, key=key)
        assert counts(squidie)[0] - before == run.created

    assert at_each_statement(squidie, str, lambda key: squidie.start(Single, key=key), check) >= 3
    assert scalar(squidie, "select count(*) from {s}.runs") == scalar(squidie, "select count(*) from {s}.attempts")


def test_a_cancel(squidie):
    """7.5"""

    def check(run):
        squidie.cancel(run.id, reason="x", key="c")
        assert kinds(squidie, run) == ["run_started", "run_cancelled"]

    died = at_each_statement(
        squidie, lambda _: squidie.start(Single), lambda run: squidie.cancel(run.id, reason="x", key="c"), check
    )

    assert died >= 4


@pytest.mark.parametrize("outcome", [completion, release])
def test_a_batch_of_outcomes(squidie, outcome):
    """2.7, B02, B41: what its holder may still say is said again by somebody else, or was said already."""

    def prepare(_):
        squidie.start_many(Chain, [{} for _ in range(3)], priority=1)
        return [outcome(row) for row in claim(squidie, 3)]

    def settle(commands):
        return settling.settle(squidie._parts, commands, handover=None, give_up=lambda: False)

    def check(commands):
        settle(commands)
        assert query(squidie, "select 1 from {s}.attempts where claim_id is not null") == []
        for command in commands:
            assert len(kinds(squidie, command.run_id)) == 2
            squidie.cancel(command.run_id, reason="next")

    assert at_each_statement(squidie, prepare, settle, check) >= 4


def test_a_turn(squidie, clock):
    """2, 3: claims, outcomes and successors of a whole run; leases end, somebody else goes on."""
    clock(NOON)

    def check(run):
        later = NOON
        while run.snapshot().status == "running":
            later += timedelta(minutes=10)
            clock(later)
            squidie.sweep()
            work_off(squidie)
        assert run.result(1) == "c1"
        clock(NOON)

    assert at_each_statement(squidie, lambda _: squidie.start(Chain), lambda _: squidie.turn(["default"]), check) >= 8


def test_a_sweep(squidie, clock):
    """4.3: a claim is ended once, whoever did not live to tell."""

    def prepare(_):
        clock(NOON)
        runs = squidie.start_many(Single, [{}, {}])
        claim(squidie, 2)
        clock(NOON + timedelta(hours=1))
        return runs

    def check(runs):
        squidie.sweep()
        for run in runs:
            assert kinds(squidie, run) == ["run_started", "attempt_expired"]
            squidie.cancel(run.id, reason="next")

    assert at_each_statement(squidie, prepare, lambda _: squidie.sweep(), check) >= 6


def test_a_tick(make):
    """Promise 11: one run for a window, however its opener died."""
    squidie = make(Nightly)

    def prepare(number):
        set_clock(squidie.engine, NOON + timedelta(days=number))
        squidie.tick()
        set_clock(squidie.engine, NOON + timedelta(days=number + 1))
        return number

    def check(number):
        squidie.tick()
        assert scalar(squidie, "select count(*) from {s}.runs") == number

    assert at_each_statement(squidie, prepare, lambda _: squidie.tick(), check) >= 5
