"""`squidie watch` (UX 8.2, 8.4): what changes, line by line, until it is over; the exit code is the result."""

from __future__ import annotations

import json
import threading
from itertools import pairwise

import pytest

from squidie.testing import eventually
from tests.support.flows import Chain, Single
from tests.support.lab import staff, work_off
from tests.support.standing_flows import STANDING, Asking, Board, Parked


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, Chain, delivery=bells)


@pytest.fixture(autouse=True)
def awake(squidie):
    staff(squidie)


def tail(run):
    return run.id.hex[-6:]


def objects(shown):
    return [json.loads(line) for line in shown.stdout.splitlines()]


def meanwhile(act):
    """Something that somebody else does while a command looks on."""
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_an_ended_run_is_shown_and_that_is_all(squidie, call):
    """UX 8.2: without --exit-status a look has no result."""
    run = squidie.start(Chain, {"plan": {"b": ["fail"]}})
    work_off(squidie)
    shown = call("watch", tail(run))

    assert shown.exit_code == 0
    lines = [line.split()[:3] for line in shown.stdout.splitlines()]
    assert lines == [["Chain", tail(run)], ["✓", "completed", "a"], ["✕", "failed", "b"], ["✕", "failed", "b"]]
    assert shown.stdout.splitlines()[-1].startswith("✕ failed  b failed after")


@pytest.mark.parametrize(
    ("plan", "code"), [({}, 0), ({"only": ["fail"]}, 10)], ids=["completed", "failed"]
)  # fmt: skip
def test_the_exit_code_is_the_result_if_it_is_asked_for(squidie, call, plan, code):
    """UX 8.4: 0 and 10."""
    run = squidie.start(Single, {"plan": plan})
    work_off(squidie)
    assert call("watch", tail(run), "--exit-status").exit_code == code


def test_a_cancelled_run_has_an_exit_code_of_its_own(squidie, call):
    """UX 8.4: 11."""
    run = squidie.start(Single)
    squidie.cancel(run.id, reason="not needed")
    shown = call("watch", tail(run), "--exit-status", "--compact")

    assert shown.exit_code == 11
    assert [line.split()[:3] for line in shown.stdout.splitlines()] == [["⊖", "cancelled", tail(run)]]


def test_a_run_that_only_people_can_move_has_one_too(squidie, call):
    """UX 8.4: 12, at once; not while something else of the run goes on."""
    run, busy, parked = squidie.start(Asking), squidie.start(Board), squidie.start(Parked)
    assert call("watch", tail(run), "--exit-status").exit_code == 12
    assert call("watch", tail(busy), "--exit-status", "--timeout", "50ms").exit_code == 124
    assert call("watch", tail(parked), "--exit-status", "--timeout", "50ms").exit_code == 124
    assert call("watch", tail(run), "--timeout", "50ms").exit_code == 124


def test_changes_are_told_as_they_come_and_each_once(squidie, call):
    """UX 8.2: watched while somebody decides and a worker works."""
    run = squidie.start(Asking)

    def go_on():
        eventually(lambda: run.snapshot().state == "paused")
        squidie.approve(run.id, actor="maya")
        work_off(squidie)

    other = meanwhile(go_on)
    shown = call("watch", tail(run), "--timeout", "30s", "--json")
    other.join()

    seen = objects(shown)
    assert {each["schema"] for each in seen} == {"squidie.run/1"}
    assert seen[-1]["state"] == "completed"
    assert [each["revision"] for each in seen] == sorted(each["revision"] for each in seen)
    told = [(each["revision"], [(step["state"], step["reason"]) for step in each["steps"]]) for each in seen]
    assert all(one != other for one, other in pairwise(told))


def test_many_runs_are_watched_until_none_is_open(squidie, call):
    """UX 8.2: a query; each change of a run is a line, its end is the last one."""
    good, bad = squidie.start_many(Asking, [{}, {"plan": {"pay": ["fail"]}}])
    squidie.start(Board)
    began = threading.Event()
    told = []

    def go_on():
        began.wait(30)
        for run in (good, bad):
            squidie.approve(run.id, actor="maya")
        work_off(squidie)

    other = meanwhile(go_on)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("squidie.cli.watch._say", lambda _, seen: (told.append(seen), began.set()))
        shown = call("watch", "workflow:Asking", "--timeout", "30s", "--exit-status")
    other.join()

    assert shown.exit_code == 10, shown.output
    assert {seen.id: seen.state for seen in told} == {good.id: "completed", bad.id: "failed"}
    assert [seen.state for seen in told][:2] == ["paused", "paused"]


def test_programs_read_many_runs_a_line_a_change(squidie, call):
    """UX 8.4"""
    run = squidie.start(Asking)
    shown = call("watch", "state:open", "--timeout", "50ms", "--json")

    assert shown.exit_code == 124
    (seen,) = objects(shown)
    assert seen == {
        "schema": "squidie.watch/1",
        "id": str(run.id),
        "short_id": tail(run),
        "workflow": "Asking",
        "status": "paused",
        "state": "paused",
        "revision": run.snapshot().revision,
        "where": squidie.list_runs().runs[0].where,
    }


def test_a_workflow_by_its_name_is_a_query_and_none_that_fits_is_no_error(squidie, call):
    """UX 8.2"""
    shown = call("watch", "Single")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", "No open run fits.\n")


@pytest.mark.parametrize(
    ("terms", "code"), [(("dead12",), 3), (("Nowhere",), 2), (("colour:red",), 2), (("Single", "--timeout", "soon"), 2)]
)
def test_what_cannot_be_watched_is_told(call, terms, code):
    """13, bad input."""
    assert call("watch", *terms).exit_code == code
