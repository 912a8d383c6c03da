"""`squidie tail` (UX 8.2): the journal, live."""

from __future__ import annotations

import json

import pytest

from tests.support.flows import Single
from tests.support.lab import NOON, work_off
from tests.support.standing_flows import STANDING, Asking


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, delivery=bells)


def test_what_was_written_is_told_a_line_a_fact(squidie, call, clock):
    """UX 8.2"""
    clock(NOON)
    run = squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    tail = run.id.hex[-6:]
    shown = call("tail", "--since", "1h", "--no-follow", columns=80)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines() == [
        f"12:00:00  Single {tail}  run_started  Single by start · opens only",
        f"12:00:00  Single {tail}  attempt_failed only  Fail: for good (fatal, 1 of 1)",
        f"12:00:00  Single {tail}  run_failed only  Fail: for good",
    ]
    assert call("tail", "--no-follow").stdout == ""


def test_it_is_narrowed_to_a_run_a_workflow_and_kinds(squidie, call):
    """UX 8.2, 8.4: with --json each fact is an object on a line."""
    run = squidie.start(Asking)
    other = squidie.start(Single)

    def told(*arguments):
        shown = call("tail", *arguments, "--since", "1h", "--no-follow", "--json")
        assert shown.exit_code == 0, shown.output
        return [json.loads(line) for line in shown.stdout.splitlines()]

    assert {fact["run_id"] for fact in told(str(other.id))} == {str(other.id)}
    assert {fact["run_id"] for fact in told("Asking")} == {fact["run_id"] for fact in told("workflow:Asking")}
    (opened,) = told("--kinds", "pause_opened")
    assert list(opened) == [
        *("schema", "seq", "at", "kind", "step", "attempt", "summary", "by", "hash"),
        *("run_id", "short_id", "workflow"),
    ]
    assert (opened["schema"], opened["run_id"], opened["step"]) == ("squidie.fact/1", str(run.id), "ok")


def test_it_goes_on_until_it_is_stopped(squidie, call, monkeypatch):
    """UX 8.2, 8.4: Ctrl-C ends it with 130."""
    meanwhile = iter([lambda: squidie.start(Single), lambda: None])

    def rest(_):
        act = next(meanwhile, None)
        if act is None:
            raise KeyboardInterrupt
        act()

    monkeypatch.setattr("squidie.cli.tail.time.sleep", rest)
    shown = call("tail")

    assert shown.exit_code == 130
    assert [line.split()[3] for line in shown.stdout.splitlines()] == ["run_started"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("dead12",), 3), (("status:failed",), 2), (("--kinds", "run_ended"), 2), (("--since", "soon"), 2)],
)
def test_what_cannot_be_told_is_refused(call, arguments, code):
    """13, bad input."""
    assert call("tail", *arguments, "--no-follow").exit_code == code
