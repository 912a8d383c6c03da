"""What `ls` and `show` print of runs that wait, are asked about, parked or undone: at 80 columns, and in ASCII."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie import Defer
from tests.support.flows import HOOKS
from tests.support.lab import NOON, work_off
from tests.support.standing_flows import STANDING, Asking, Halting, Late, Listening, Napping, Parked, Polling, Saga

pytestmark = pytest.mark.usefixtures("staffed")


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, delivery=bells)


def begun(squidie, workflow, plan=None):
    run = squidie.start(workflow, {"plan": plan or {}})
    work_off(squidie)
    return run


def later(ctx):
    raise Defer(after=41, reason="the bank has not answered yet and will take its time over it")


@pytest.fixture
def crowd(squidie, clock):
    """A run in each state, the first one started last in the list."""
    clock(NOON)
    HOOKS["poll"] = later
    plans = {Parked: {"charge": ["fail"]}, Saga: {"charge": ["fail"]}}
    found = {}
    for second, workflow in enumerate((Asking, Halting, Listening, Napping, Parked, Polling, Saga)):
        clock(NOON + timedelta(seconds=second))
        found[workflow] = begun(squidie, workflow, plans.get(workflow))
    clock(NOON + timedelta(hours=1))
    return found


def body(shown):
    """The lines without the id at their beginning."""
    return [line[8:] for line in shown.stdout.splitlines()]


def test_a_list_of_all_that_can_be_open_at_80_columns(squidie, call, crowd):
    """13.3: the same words as in the run by itself."""
    shown = call("ls", columns=80)

    assert body(shown) == [
        "WORKFLOW   STATE          WHERE                               STEPS  AGE",
        "Saga       ↩ compensated  charge · for good                     2/3  59m",
        "Polling    ◔ queued       poll · due on default                 0/1  59m",
        "Parked     ⚠ stalled      charge +1 · parked: Fail: for good    0/2  59m",
        "Napping    ◷ waiting      nap · due 2026-03-10 13:00:03         0/2  59m",
        "Listening  ◷ waiting      paid +1 · event payment_settled o…    0/2  59m",
        "Halting    ⏸ paused       hold · paused · due 2026-03-11 12…    0/2  59m",
        "Asking     ⏸ paused       ok · role ops · due 16:00             0/2   1h",
    ]
    assert "6 open · 1 failed in 24 h" in shown.stderr


def test_every_run_fits_80_columns_and_ascii(squidie, call, crowd):
    """13.3"""
    for run in crowd.values():
        for arguments in (["show", str(run.id)], ["show", str(run.id), "--steps", "--data", "--journal"]):
            shown = call("--ascii", *arguments, columns=80)
            assert shown.exit_code == 0
            assert shown.stdout.isascii()
            table = shown.stdout[shown.stdout.index("STEP") :] if arguments[-1] != "--journal" else ""
            assert all(len(line) <= 80 for line in table.splitlines())
    assert call("--ascii", "ls", columns=80).stdout.isascii()


def test_what_people_wrote_is_told_in_ascii_by_its_numbers(squidie, call, clock):
    """13.2"""
    clock(NOON)
    run = begun(squidie, Asking)
    squidie.cancel(run.id, reason="zu spät ✓")

    assert "Cancelled after 0ms: zu sp\\xe4t ok" in call("--ascii", "show", str(run.id)).stdout


def test_ls_finds_the_statuses_of_open_runs(squidie, call, crowd):
    """13.1"""
    assert [line.split()[0] for line in body(call("ls", "status:paused"))[1:]] == ["Parked", "Halting", "Asking"]
    assert len(body(call("ls", "--status", "paused", "--status", "failed"))) == 5
    assert call("ls", "status:compensating").stdout == "No run fits.\n"


def test_an_approval_at_80_columns(squidie, call, crowd):
    """13.2, 6.6"""
    shown = call("show", str(crowd[Asking].id), columns=80).stdout

    assert "⏸ paused\nok waits for approval by role ops since 12:00, due in 3h (then reject).\n" in shown
    assert shown.endswith(
        "STEP  STATE          TRY  TOOK  WHAT\n"
        "ok    ⏸ paused              1h  role ops, due in 3h, then reject\n"
        "pay   ○ not started             after ok\n"
    )


def test_an_approval_in_full(squidie, call, clock):
    """13.2: who said what, and when."""
    clock(NOON)
    run = begun(squidie, Asking)
    squidie.approve(run.id, actor="maya")

    shown = call("show", str(run.id), "--steps").stdout

    assert "✓ completed  ok\n    kind      approval\n    role      ops\n    since     12:00:00\n" in shown
    assert "    until     16:00:00, then reject\n" in shown
    assert "    decision  approved by maya\n    settled   12:00:00\n" in shown


def test_a_parked_step_says_how_it_goes_on(squidie, call, crowd):
    """5.6, 13.2"""
    shown = call("show", str(crowd[Parked].id), columns=80).stdout

    assert "charge is parked after 1 attempt: Fail: for good; requeue or discard it." in shown
    assert "charge  ⚠ stalled  1/2        parked: Fail: for good\n" in shown
    assert "    parked    since 12:00:04; requeue or discard\n" in call("show", str(crowd[Parked].id), "--steps").stdout


def test_a_run_that_was_undone_shows_its_undo(squidie, call, crowd):
    """18.2, 13.3"""
    shown = call("show", str(crowd[Saga].id), columns=80).stdout

    assert "↩ compensated\ncharge failed after 0ms: Fail: for good; 2 steps undone\n" in shown
    assert shown.endswith(
        "STEP                STATE          TRY  TOOK  WHAT\n"
        "reserve             ↩ compensated        0ms\n"
        "book                ↩ compensated        0ms\n"
        "charge              ✕ failed             0ms  Fail: for good\n"
        "compensate:book     ✓ completed    1/5   0ms\n"
        "compensate:reserve  ✓ completed    1/2   0ms\n"
    )


def test_a_deadline_that_is_near_or_past_is_said(squidie, call, clock):
    """18.3"""
    clock(NOON)
    run = squidie.start(Late)
    clock(NOON + timedelta(minutes=61))

    shown = call("show", str(run.id)).stdout

    assert "deadline 15:00:00 UTC, on time\n" in shown
    assert "due on default for 1h1m; overdue\n" in shown
    assert "deadline  13:00:00, overdue, then escalate\n" in call("show", str(run.id), "--steps").stdout


def test_a_replay_and_its_starter_are_named(squidie, call, crowd):
    """8.1, 17.2"""
    source = crowd[Saga]
    again = squidie.replay(source.id, actor="maya")

    shown = call("show", str(again.id)).stdout
    assert " UTC by maya\n" in shown
    assert f" · replay of {source.id}" in shown


def test_run_shows_whom_it_waits_for(squidie, call, clock):
    """13.3: on stderr, while it waits."""
    clock(NOON)

    shown = call("run", "Asking", "--timeout", "200ms")

    assert shown.exit_code == 124
    assert "⏸ paused       ok  role ops, due in 4h, then reject" in shown.stderr
