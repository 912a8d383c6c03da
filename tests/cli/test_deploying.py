"""`squidie check`, `workflows`, `status`: what a deploy would strand, what there is, how things are (17.10, UX 8.2)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from squidie import StepContext, Workflow, event, manual, step
from tests.support import shop
from tests.support.flows import Chain, Diamond, Single, act
from tests.support.lab import NOON, change, claim, completion, settle, staff, work_off
from tests.support.standing_flows import Asking


def release() -> None:
    """What undoes."""


def other(ctx: StepContext, colour: str) -> None:
    """Takes something that old graphs do not give."""


class Saved(Workflow):
    """One step that can be undone, and one more."""

    triggers = (manual("start"),)
    reserve = step(act, compensate=release)
    charge = step(act)
    flow = reserve >> charge


class Elsewhere(Workflow):
    """Of other code."""

    triggers = (manual("start"),)
    only = step(release)


@pytest.fixture
def old(make, bells):
    """The code before the deploy."""
    return make(Chain, Single, Diamond, Saved, Asking, delivery=bells)


@pytest.fixture
def deployed(make, bells, call):
    """The code after it; `squidie` is called on it."""

    def deployed(*workflows, **options):
        call.squidie = make(*workflows, delivery=bells, **options)
        return call.squidie

    return deployed


# ---------------------------------------------------------------- check
def test_runs_that_the_new_code_can_go_on_with_are_no_finding(old, deployed, call):
    """17.10"""
    old.start(Chain)
    deployed(Elsewhere, keep=[act])

    shown = call("check")
    assert (shown.exit_code, shown.stdout) == (0, "✓ This code can go on with all 1 open run.\n")


def test_a_callable_that_is_gone_strands_the_runs_that_need_it(old, deployed, call, clock):
    """17.10: which, since when, and what helps; exit 1."""
    clock(NOON)
    runs = [old.start(Chain) for _ in range(7)]
    clock(NOON + timedelta(hours=2))
    deployed(Elsewhere)

    shown = call("check")

    first = min(runs, key=lambda run: run.id)
    assert shown.exit_code == 1
    assert shown.stdout.startswith("✕  Chain  7 open runs keep definition ")
    assert "and need tests.support.flows:act, which this code lacks" in shown.stdout
    assert f"  at a; oldest {first.id.hex[-6:]} (2h), then " in shown.stdout
    assert "keep=[...]" in shown.stderr
    document = json.loads(call("check", "--json").stdout)
    assert (document["schema"], document["ok"], document["open"], document["groups"][0]["runs"]) == (
        "squidie.check/1", False, 7, 7,
    )  # fmt: skip


def test_what_a_run_has_behind_it_is_not_asked_for(old, deployed, call):
    """17.10: the last step of one is left, of the other the first."""
    done = old.start(Saved)
    settle(old, completion(claim(old)[0]))
    settle(old, completion(claim(old)[0]))
    assert done.snapshot().status == "completed"
    old.start(Asking)
    deployed(Elsewhere)

    groups = json.loads(call("check", "--json").stdout)["groups"]
    assert [(group["workflow"], group["step"]) for group in groups] == [("Asking", "pay")]


def test_what_undoes_a_step_is_needed_as_long_as_it_may_be(old, deployed, call):
    """17.10, 5: the step itself is done; its undo is not."""
    old.start(Saved)
    settle(old, completion(claim(old)[0]))
    deployed(Chain)

    (group,) = json.loads(call("check", "--json").stdout)["groups"]
    assert (group["step"], group["why"]) == ("compensate:reserve", "is not here")


def test_a_callable_that_is_called_in_another_way_strands_too(old, deployed, call):
    """17.10, 4.4: it needs an argument that the graph does not give."""
    old.start(Single)
    deployed(Elsewhere, actions={"tests.support.flows:act": other})

    shown = call("check")
    assert (shown.exit_code, "which now needs colour" in shown.stdout) == (1, True)


def test_an_alias_or_a_kept_function_is_all_that_it_takes(old, deployed, call):
    """4.4"""
    old.start(Chain)
    deployed(Elsewhere, aliases={"tests.support.flows:act": release})

    assert call("check").exit_code == 1, "an alias that takes other arguments is none"
    deployed(Elsewhere, aliases={"tests.support.flows:act": act})
    assert call("check").exit_code == 0


@pytest.mark.tampered("a definition is taken away")
def test_runs_that_cannot_be_looked_at_are_said(old, deployed, call):
    """17.10: exit 8 with --strict, since nobody knows."""
    old.start(Chain)
    change(old, "delete from {s}.definitions")
    deployed(Elsewhere)

    assert "1 run could not be looked at" in call("check").stdout
    assert (call("check").exit_code, call("check", "--strict").exit_code) == (0, 8)


def test_check_needs_the_code(call, database_url):
    call.squidie = None
    shown = call("--dsn", database_url, "check", "--json")
    assert (shown.exit_code, json.loads(shown.stderr)["error"]["code"]) == (1, "missing_config")


def test_python_may_ask_as_well(old, deployed):
    """17.1"""
    old.start(Chain)
    found = deployed(Elsewhere).check()
    assert [(group.workflow, group.runs) for group in found.groups] == [("Chain", 1)]


# ---------------------------------------------------------------- workflows
def test_workflows_that_only_the_journal_knows_are_marked(old, deployed, call):
    """UX 4.8"""
    old.start(Chain)
    deployed(Elsewhere)

    shown = call("workflows", columns=80)
    assert [line.split()[:2] for line in shown.stdout.splitlines()[1:]] == [["Chain", "?"], ["Elsewhere", "start"]]
    assert "not declared here" in shown.stderr
    assert "not declared here" in call("workflows", "show", "Chain").stdout


def test_each_graph_that_runs_keep_is_listed(old, make, deployed, call, bells):
    """4.4: two deploys, two graphs."""
    old.start(Single)

    class Changed(Workflow):
        """The same name, one step more."""

        name = "Single"
        triggers = (manual("start"),)
        only = step(act)
        more = step(act)
        flow = only >> more

    deployed(Changed)
    found = json.loads(call("workflows", "show", "Single", "--json").stdout)["definitions"]
    assert [(each["is_declared"], each["runs"], each["open"]) for each in found] == [(False, 1, 1), (True, 0, 0)]


# ---------------------------------------------------------------- status
def test_an_empty_journal_has_a_status(deployed, call):
    deployed(Single)
    shown = call("status", columns=80)
    assert shown.exit_code == 0
    assert "⚠ nobody works" in shown.stdout
    assert shown.stdout.endswith("No run is open.\n")


def test_status_is_strict_only_if_it_is_asked_to_be(deployed, call):
    """17.10: exit 8 if something does not go on by itself."""
    squidie = deployed(Single, Asking)
    staff(squidie)
    squidie.start(Single)
    assert "Everything goes on by itself." in call("status").stdout
    assert call("status", "--strict").exit_code == 0
    squidie.start(Asking)
    assert call("status").exit_code == 0
    assert call("status", "--strict").exit_code == 8


def test_a_status_names_what_is_late(deployed, call):
    """17.10: a schedule that nobody opens, a worker that was lost."""
    squidie = deployed(*shop.ALL)
    squidie.schedules.sync()
    staff(squidie)
    change(squidie, "update {s}.schedules set next_at = now() - interval '1 minute'")
    change(squidie, "update {s}.workers set seen_at = now() - interval '2 minutes'")

    shown = call("status").stdout
    assert "1 schedule due and not opened: NightlySync.nightly" in shown
    assert "1 lost" in shown


def test_of_very_many_runs_the_newest_are_looked_at(deployed, call, monkeypatch):
    """One screen, and one that comes soon."""
    from squidie.views import status, stuck

    squidie = deployed(Single)
    staff(squidie)
    squidie.start_many(Single, [{}] * 5)
    monkeypatch.setattr(status, "MOST", 2)
    monkeypatch.setattr(stuck, "MOST", 2)

    assert "5 open: 2 queued, of the newest 2" in call("status").stdout


def test_more_than_fits_is_counted(deployed, call):
    squidie = deployed(Single)
    staff(squidie)
    for number in range(9):
        squidie.start(Single, queue=f"q{number}")
    work_off(squidie, "q0")

    shown = call("status", columns=80)
    assert "and 3 more: squidie queues" in shown.stdout
    assert len(shown.stdout.splitlines()) <= 24


# ---------------------------------------------------------------- validate, diff
class Unheard(Workflow):
    """Waits for what may never come."""

    triggers = (manual("start"),)
    paid = event("paid")


def test_what_is_doubtful_about_a_workflow_is_said(deployed, call):
    """1.2, UX 8.2: warnings refuse nothing, and count with --strict."""
    deployed(Single, Unheard)

    assert call("workflows", "validate", "Single").stdout == "✓ Single\n"
    shown = call("workflows", "validate")
    assert "⚠ Unheard: steps.paid\n  waits without end" in shown.stdout
    assert (shown.exit_code, call("workflows", "validate", "--strict").exit_code) == (0, 8)


def test_a_spec_in_a_file_is_judged_without_being_run(deployed, call, tmp_path):
    """10, 1.2: all that is wrong, each with its place."""
    deployed(Single)
    (tmp_path / "flow.json").write_text('{"name": "not a name", "triggers": [], "nodes": []}', encoding="utf-8")

    shown = call("workflows", "validate", "@flow.json")
    assert shown.exit_code == 1
    assert shown.stdout.count("✕ @flow.json") > 1
    assert call("workflows", "validate", "@nowhere.json").exit_code == 2
    assert call("workflows", "validate", "Nowhere").exit_code == 3


def test_two_graphs_of_a_workflow_are_held_against_each_other(old, deployed, call):
    """4.4, UX 8.2: the one that runs keep, and the one of today."""
    old.start(Single)

    class Changed(Workflow):
        """One step more."""

        name = "Single"
        triggers = (manual("start"),)
        only = step(act)
        more = step(act)
        flow = only >> more

    deployed(Changed)
    kept = json.loads(call("workflows", "show", "Single", "--json").stdout)["definitions"][0]["definition"]

    assert call("workflows", "diff", "Single", kept[:6]).stdout.splitlines()[0].split() == ["nodes", "added", "more"]
    assert call("workflows", "diff", "Single", kept[:6], kept[:8]).stdout.startswith("Nothing:")
    found = json.loads(call("workflows", "diff", "Single", kept, "--json").stdout)
    assert (found["before"], found["difference"]["nodes_added"]) == (kept, ["more"])
    for wrong, code in (("ffffff", 2), (kept[:3], 2)):
        assert call("workflows", "diff", "Single", wrong).exit_code == code
    assert call("workflows", "diff", "Nowhere", "ffff").exit_code == 3
