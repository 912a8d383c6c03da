"""What a fork takes over of a run that ended in an unusual way (SEMANTICS 18.11)."""

import msgspec
import pytest

from squidie.decide import forking
from squidie.errors import InvalidTransition, StepNotFound
from squidie.history.bodies import ErrorRecord, FailureCode
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeRun, NodeStatus, Run
from tests.pure.scene import RUN, graph, where

OUT = msgspec.Raw(b'{"n":1}')
BROKEN = ErrorRecord(kind=FailureCode.STEP_RAISED, type="ValueError", message="no")


def ended(status=RunStatus.FAILED, edges=(), **nodes):
    """A run whose nodes stand like this, and whose settled edges are these (`-` before one that was skipped)."""
    found = {name: NodeRun(NodeStatus(status), seq=2) for name, status in nodes.items()}
    settled = {edge.lstrip("-"): not edge.startswith("-") for edge in edges}
    return Run(status=status, nodes=found, edges=settled)


def planned(spec, run, step, **results):
    return forking.plan(spec, run, RUN, step, results)


def test_a_step_that_ended_while_the_run_drained_leads_on_now():
    """18.11, 5.11: its successor was not planned then, and is now."""
    run = ended(edges=["a:ok:b", "a:ok:s"], a="done", b="failed", s="done")
    plan = planned(graph("a>b a>s s>t b>d t>d"), run, "b", a=OUT, s=OUT, b=BROKEN)

    assert [each.step for each in plan.carried] == ["a", "s"]
    assert "s:ok:t" in plan.moved.taken
    assert plan.begins == ("b", "t")
    assert plan.again == {"b", "t", "d"}


def test_its_condition_is_looked_at_now():
    """18.11, 5.11: what the condition skips is skipped, with everything behind it."""
    spec = graph("a>b a>s s>t?many s>u b>d t>d u>d", many=where("s.n", greater_than=5))
    run = ended(edges=["a:ok:b", "a:ok:s"], a="done", b="failed", s="done")
    plan = planned(spec, run, "b", a=OUT, s=OUT, b=BROKEN)

    assert plan.moved.skipped_steps == ("t",)
    assert plan.begins == ("b", "u")


def test_a_step_that_found_no_edge_runs_again():
    """18.11: it ended, and nothing could follow it."""
    spec = graph("a>t?many b>d", many=where("a.n", greater_than=5))
    run = ended(a="done", b="failed")
    plan = planned(spec, run, "b", a=OUT, b=BROKEN)

    assert plan.carried == ()
    assert plan.begins == ("a", "b")


def test_what_was_withdrawn_or_failed_elsewhere_begins_again():
    """18.11: a sibling without an outcome, and one whose failure nothing handled."""
    run = ended(edges=["a:ok:b", "a:ok:c", "a:ok:e"], a="done", b="failed", c="withdrawn", e="failed")
    plan = planned(graph("a>b a>c a>e"), run, "b", a=OUT, b=BROKEN, e=BROKEN)

    assert plan.begins == ("b", "c", "e")


def test_the_last_attempts_error_goes_along_where_it_was_handled():
    """18.11."""
    spec = graph("a>z a!b b>c")
    run = ended(edges=["-a:ok:z", "a:error:b", "b:ok:c"], a="failed", b="done", c="failed", z="skipped")
    plan = planned(spec, run, "c", a=BROKEN, b=OUT, c=BROKEN)

    assert {each.step: each.error for each in plan.carried} == {"a": BROKEN, "b": None}
    assert plan.moved.skipped_steps == ("z",)
    assert plan.moved.skipped_edges == ("a:ok:z",)


@pytest.mark.parametrize("step", ["b", "c"])
def test_a_step_that_was_never_reached_is_no_place_to_begin(step):
    """18.11: bad input"""
    run = ended(a="failed")
    with pytest.raises(InvalidTransition):
        planned(graph("a>b b>c"), run, step, a=BROKEN)


def test_a_skipped_step_is_no_place_to_begin():
    """18.11: bad input"""
    run = ended(RunStatus.COMPLETED, ["a:ok:c", "-a:ok:b"], a="done", b="skipped", c="done")
    with pytest.raises(InvalidTransition):
        planned(graph("a>b a>c"), run, "b", a=OUT, c=OUT)


def test_a_step_that_is_none_is_not_found():
    """18.11: bad input"""
    with pytest.raises(StepNotFound):
        planned(graph("a>b"), ended(a="done"), "nowhere")


@pytest.mark.parametrize("status", ["done", "open", "failed"])
def test_nothing_goes_on_from_what_was_undone(status):
    """18.11, 18.2: also where its undo has not ended; the step itself may be run again."""
    run = ended(edges=["a:ok:b"], a="done", b="failed")
    run.nodes["compensate:a"] = NodeRun(NodeStatus(status), seq=5)
    with pytest.raises(InvalidTransition):
        planned(graph("a>b"), run, "b", a=OUT, b=BROKEN)

    assert planned(graph("a>b"), run, "a", a=OUT, b=BROKEN).begins == ("a",)


def test_an_open_source_must_be_parked_there():
    """18.11."""
    run = ended(RunStatus.PAUSED, ["a:ok:b"], a="done", b="parked")
    assert planned(graph("a>b b>c"), run, "b", a=OUT).begins == ("b",)
    with pytest.raises(InvalidTransition):
        planned(graph("a>b b>c"), run, "a", a=OUT)
