"""`squidie graph`, and `squidie show` with a graph or a timeline (UX 8.2, 8.3)."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from squidie.workflow.dsl import to_spec
from tests.support.flows import Chain, Single
from tests.support.lab import NOON, staff, work_off
from tests.support.standing_flows import STANDING, Asking, Draining, Saga, Shrugged


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, Chain, delivery=bells)


@pytest.fixture
def shown(call):
    """Call `squidie …` at 80 columns; its lines, once its exit code was seen."""

    def shown(*arguments, code=0):
        result = call(*arguments, columns=80)
        assert result.exit_code == code, result.output
        return (result.stdout if code == 0 else result.stderr).splitlines()

    return shown


def tail(run):
    return run.id.hex[-6:]


def test_a_run_is_drawn_with_the_states_of_its_steps(squidie, shown):
    """13.4"""
    run = squidie.start(Shrugged, {"plan": {"check": ["fail"], "try_it": ["fail"]}})
    work_off(squidie)
    assert shown("graph", tail(run)) == [
        "✕ try_it ──▶ ✕ check ─┬──▶ ✓ around",
        "                      ╰──▶ ⊘ unneeded",
        "",
        "  check → around  on error",
    ]


def test_an_undo_stands_below_what_it_undoes(squidie, shown):
    """13.4"""
    run = squidie.start(Saga, {"plan": {"charge": ["fail"]}})
    work_off(squidie)
    assert shown("graph", tail(run)) == [
        "↩ reserve ──▶ ↩ book ──▶ ✕ charge",
        "",
        "undo  ✓ book ──▶ ✓ reserve",
    ]


def test_a_workflow_is_drawn_without_a_run_in_every_format(squidie, shown, call):
    """13.4"""
    assert shown("graph", "Draining") == ["○ reserve ─┬──▶ ○ slow", "           ╰──▶ ○ charge"]
    assert shown("graph", "Draining", "--format", "ascii")[0] == "[ ] reserve -+--> [ ] slow"
    assert shown("--ascii", "graph", "Draining") == shown("graph", "Draining", "--format", "ascii")
    assert shown("graph", "Draining", "--format", "mermaid")[0] == "flowchart LR"
    assert shown("graph", "Draining", "--format", "dot")[0] == 'digraph "Draining" {'
    assert ET.fromstring(call("graph", "Draining", "--format", "svg").stdout).tag.endswith("svg")


def test_programs_read_the_graph_as_a_document(squidie, call):
    """13.4, UX 8.4: the same with --json as with --format json; history where it is asked for."""
    run = squidie.start(Asking)
    one = json.loads(call("graph", tail(run), "--json").stdout)
    same = json.loads(call("graph", tail(run), "--format", "json").stdout)
    more = json.loads(call("graph", tail(run), "--json", "--history").stdout)

    assert one == same == squidie.inspect_run_graph(run.id).to_map()
    assert (one["schema"], one["current"], one["edges"][0]["id"]) == ("squidie.graph/1", ["ok"], "ok:ok:pay")
    assert more == squidie.inspect_run_graph(run.id, history=True).to_map()


def test_a_drawing_goes_to_a_file(squidie, shown, tmp_path):
    """UX 8.2"""
    assert shown("graph", "Saga", "--format", "svg", "-o", "saga.svg") == []
    assert (tmp_path / "saga.svg").read_text("utf-8").startswith("<svg ")
    assert "cannot be written" in shown("graph", "Saga", "-o", "nowhere/saga.txt", code=2)[0]


def test_a_spec_in_a_file_is_drawn_or_refused_with_all_that_is_wrong(squidie, shown, tmp_path):
    """13.4, 10"""
    (tmp_path / "flow.json").write_bytes(to_spec(Draining).to_json())
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "worse.json").write_text("{")

    assert shown("graph", "@flow.json") == shown("graph", "Draining")
    assert "issue(s)" in shown("graph", "@bad.json", code=2)[0]
    assert "no JSON" in shown("graph", "@worse.json", code=2)[0]
    assert "cannot be read" in shown("graph", "@none.json", code=2)[0]


def test_a_name_that_is_neither_says_what_there_is(squidie, shown):
    """13, bad input."""
    assert "Nowhere" in shown("graph", "Nowhere", code=3)[0]
    assert shown("graph", "dead12", code=3) == ["✕ there is no run dead12"]
    assert "last four hex digits" in shown("graph", "no such", code=2)[0]


def test_a_workflow_that_nobody_declares_is_drawn_from_the_journal(squidie, shell, database_url):
    """13.4: with --dsn and none of the application's code."""
    squidie.start(Saga)
    result = shell("--dsn", database_url, "graph", "Saga", env={"COLUMNS": "80"})
    assert result.stdout.splitlines() == ["○ reserve ──▶ ○ book ──▶ ○ charge"], result.stderr


def test_a_timeline_is_shown_in_order(squidie, shown, call, clock):
    """13.5"""
    clock(NOON)
    run = squidie.start(Single, actor="maya")
    work_off(squidie)
    lines = shown("show", tail(run), "--events")
    events = json.loads(call("show", tail(run), "--timeline", "--graph", "--json").stdout)

    start = next(n for n, line in enumerate(lines) if line.startswith("SEQ"))
    assert [line.split()[:3] for line in lines[start + 1 :]] == [
        ["1", "12:00:00", "run_started"],
        ["2", "12:00:00", "attempt_claimed"],
        ["2", "12:00:00", "attempt_completed"],
        ["3", "12:00:00", "run_completed"],
    ]
    assert [event["kind"] for event in events["timeline"]][1] == "attempt_claimed"
    assert (events["schema"], events["graph"]["schema"]) == ("squidie.run/1", "squidie.graph/1")


def test_a_run_is_shown_with_its_graph(squidie, shown):
    """13.4"""
    staff(squidie)
    run = squidie.start(Asking)
    assert shown("show", tail(run), "--graph")[-1] == "⏸ ok ──▶ ○ pay"
