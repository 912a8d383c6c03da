"""`squidie explain` (UX 3, 8.2): one run, one step, or all that is stuck."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.support.flows import Chain, Elsewhere, Single
from tests.support.lab import NOON, staff, work_off
from tests.support.standing_flows import STANDING, Asking, Board

MINUTE = timedelta(minutes=1)


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, Chain, Elsewhere, delivery=bells)


@pytest.fixture
def told(call, clock):
    """Call `squidie explain …` at 80 columns; its lines, once its exit code was seen."""

    def told(*arguments, code=0):
        result = call("explain", *arguments, columns=80)
        assert result.exit_code == code, result.output
        return (result.stdout if code == 0 else result.stderr).splitlines()

    clock(NOON)
    return told


def tail(run):
    return run.id.hex[-6:]


def test_a_run_is_explained_with_who_acts_and_what_to_type(squidie, told, clock):
    """UX 3: the first blocker is the headline, the others follow by number."""
    run = squidie.start(Board)
    squidie.approve(run.id, actor="maya")
    clock(NOON + 5 * MINUTE)

    assert told(tail(run)) == [
        f"Board {tail(run)}  ⏸ paused",
        "vote waits for approval (1 of 2) since 12:00, no time limit.",
        "",
        "  code      needs_approval",
        "  since     12:00:00 (5m)",
        "  who acts  whoever may approve",
        "  next      nothing",
        f"  do        squidie approve {tail(run)} --step vote",
        f"            squidie reject {tail(run)} --step vote",
        f"            squidie delegate {tail(run)} ROLE --step vote",
        "  evidence  votes 1 · quorum 2",
        "",
        "2. No worker serves queue default: aside has been due for 5m; nothing is lost, it starts as soon as one does.",
        "  code      no_consumer",
        "  since     12:00:00 (5m)",
        "  who acts  operations",
        "  next      it starts when a worker comes",
        "  do        squidie worker -Q default",
        "  evidence  queue default · due at 12:00:00",
    ]


def test_what_to_type_can_be_typed(squidie, call, told):
    """13.6: the offered commands are accepted."""
    run = squidie.start(Asking)
    line = next(line for line in told(tail(run)) if line.startswith("  do"))

    result = call(*line.split()[2:])

    assert result.exit_code == 0, result.output
    assert run.snapshot().steps[0].state == "completed"


def test_a_step_and_an_end_are_explained_in_a_line(squidie, told):
    """13.6, 13.7"""
    run = squidie.start(Asking)
    assert told(tail(run), "--step", "pay") == [
        f"Asking {tail(run)}  ○ not started",
        "pay waits for ok (paused).",
        "",
        "  evidence  sources ok paused",
    ]
    ended = squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    assert told(tail(ended))[:2] == [f"Single {tail(ended)}  ✕ failed", "only failed after 0ms: Fail: for good"]


def test_what_is_stuck_is_rolled_up(squidie, told, clock):
    """13.8"""
    squidie.start_many(Single, [{}] * 7)
    squidie.start(Asking)
    clock(NOON + 5 * MINUTE)
    shown = told("--stuck")

    assert shown[0] == "⏸  paused   1 run for an approval at Asking.ok, since 12:00"
    assert shown[2] == "⚠  stalled  7 runs for a worker on queue default: nobody serves it, since 12:00"
    assert shown[3].endswith(" …")
    assert told("--stuck", "workflow:Asking", "--older-than", "6m") == ["No run is stuck for that long; 1 run open."]
    staff(squidie)
    assert len(told("--stuck")) == 2
    assert told("--stuck", "--all")[2].startswith("◔  queued   7 runs due on queue default")


def test_programs_read_documents(squidie, call, clock):
    """UX 8.1: named and versioned."""
    clock(NOON)
    run = squidie.start(Asking)

    one = json.loads(call("explain", tail(run), "--json").stdout)
    many = json.loads(call("explain", "--stuck", "--json").stdout)

    assert (one["schema"], one["code"], one["blockers"][0]["next"]["what"]) == (
        "squidie.explanation/1",
        "needs_approval",
        "reject",
    )
    assert (many["schema"], many["groups"][0]["subject"], many["open"]) == ("squidie.explanations/1", "Asking.ok", 1)


@pytest.mark.parametrize("arguments", [(), ("--stuck", "--step", "x"), ("a", "b"), ("--stuck", "status:failed")])
def test_what_is_neither_one_run_nor_all_is_a_usage_error(told, arguments):
    """13, bad input."""
    assert told(*arguments, code=2)
