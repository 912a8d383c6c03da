"""Pauses and approvals: who may answer, what an answer does, and what the second one is told (SEMANTICS 6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie.errors import AlreadyResolved, InvalidReview, NotPermitted, StaleRevision
from tests.support.flows import Sums
from tests.support.lab import NOON, all_facts, counts, kinds, raises, steps_done, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Escalating, Paused, Several, Stern, Twice


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, delivery=bells)


def at_the_question(squidie, workflow=Asked, **options):
    run = squidie.start(workflow, **options)
    work_off(squidie)
    return run


def test_a_question_is_opened_by_the_commit_that_made_it_ready_and_takes_no_worker(squidie):
    """6.1."""
    run = at_the_question(squidie)

    assert kinds(squidie, run) == ["run_started", "attempt_completed", "pause_opened"]
    assert squidie.execute_next() is None
    assert run.snapshot().status == "paused"


def test_an_approval_takes_the_ok_edges_and_says_who_decided(squidie):
    """6.2, 6.3, 6.4."""
    run = at_the_question(squidie)
    squidie.approve(run.id, actor="ann", comment="fine", data={"amount": 3})
    work_off(squidie)

    assert steps_done(squidie, run) == ["check", "pay"]
    output = next(fact for fact in all_facts(squidie, run) if fact.kind == "pause_resolved").output
    assert b'"actor":"ann"' in bytes(output)
    assert b'"amount":3' in bytes(output)
    assert b'"comment":"fine"' in bytes(output)


def test_a_rejection_takes_the_error_edges_and_may_still_complete_the_run(squidie):
    """6.3."""
    run = at_the_question(squidie)
    squidie.reject(run.id, actor={"id": 7, "name": "bob"})
    work_off(squidie)

    assert steps_done(squidie, run) == ["check", "refuse"]
    assert run.snapshot().status == "completed"


def test_a_rejection_without_a_way_fails_the_run(squidie):
    """6.3."""
    run = at_the_question(squidie, Stern)
    squidie.reject(run.id, actor="bob")

    ended = run.snapshot()
    assert (ended.status, ended.error["kind"]) == ("failed", "approval_rejected")


def test_the_output_of_a_pause_is_the_data_it_was_resumed_with(squidie):
    """6.4."""
    run = at_the_question(squidie, Paused)
    squidie.resume(run.id, data={"go": [1, 2]})

    assert bytes(all_facts(squidie, run)[-1].output) == b'{"go":[1,2]}'


def test_several_must_agree_and_nobody_twice(squidie):
    """6.5: each vote is a fact, and the same person is one voice."""
    run = at_the_question(squidie, Several)
    squidie.approve(run.id, actor="ann")
    with raises("already_resolved"):
        squidie.approve(run.id, actor="ann")
    assert run.snapshot().status == "paused"
    squidie.approve(run.id, actor="bob")
    work_off(squidie)

    assert kinds(squidie, run)[1:4] == ["pause_opened", "vote_cast", "pause_resolved"]
    assert steps_done(squidie, run) == ["pay"]


def test_one_rejection_rejects_and_the_starter_is_excluded(squidie):
    """6.5."""
    run = at_the_question(squidie, Several, actor="sam")
    with pytest.raises(NotPermitted):
        squidie.approve(run.id, actor="sam")
    squidie.reject(run.id, actor="ann")

    assert run.snapshot().status == "failed"


def test_a_question_is_handed_to_others(squidie):
    """6.5: who may act is changed, and the hook is told so."""
    run = at_the_question(squidie, Several)
    squidie.delegate(run.id, to_role="council", due="2h", actor="ann")

    handed = all_facts(squidie, run)[-1]
    assert (handed.kind, handed.role) == ("review_delegated", "council")
    assert handed.due_at is not None


def test_nobody_answers_and_somebody_else_is_asked_and_then_it_lapses(squidie, clock):
    """6.6: escalation, then its own due; each fires once."""
    clock(NOON)
    run = at_the_question(squidie, Escalating)
    clock(NOON + timedelta(hours=1))
    squidie.sweep()
    squidie.sweep()
    assert [fact.role for fact in all_facts(squidie, run) if fact.kind == "review_delegated"] == ["boss"]

    clock(NOON + timedelta(hours=2))
    squidie.sweep()
    assert run.snapshot().error["kind"] == "approval_lapsed"


def test_the_hook_is_told_actor_verb_run_and_role_and_its_no_is_final(make):
    """6.7: asked with the role as it was last handed on; None is no opinion."""
    told = []

    def authorize(actor, verb, run, step):
        told.append((actor, verb, run.workflow, str(run.status), step and (step.name, step.role)))
        return {"eve": False, "ann": True}.get(actor)

    squidie = make(*STEERED, authorize=authorize)
    run = at_the_question(squidie)
    before = counts(squidie)
    with raises("not_permitted"):
        squidie.approve(run.id, actor="eve")
    assert counts(squidie) == before
    squidie.delegate(run.id, to_role="board")
    squidie.approve(run.id, actor="ann")

    assert told == [
        ("eve", "approve", "Asked", "paused", ("ask", "finance")),
        (None, "delegate", "Asked", "paused", ("ask", "finance")),
        ("ann", "approve", "Asked", "paused", ("ask", "board")),
    ]


def test_expect_is_refused_only_where_the_step_was_touched_since(squidie):
    """6.8, V10."""
    run = at_the_question(squidie, Twice)
    seen = run.snapshot().revision
    squidie.resume(run.id, step="left")
    squidie.resume(run.id, step="right", expect=seen)

    other = at_the_question(squidie, Several)
    seen = other.snapshot().revision
    squidie.approve(other.id, actor="ann")
    with pytest.raises(StaleRevision) as stale:
        squidie.approve(other.id, actor="bob", expect=seen)
    assert stale.value.details["by"] == "ann"


def test_a_double_click_is_one_fact_and_somebody_else_is_told_who_was_first(squidie):
    """6.9, V09: one key, one answer; without it a second decision is `AlreadyResolved`."""
    run = at_the_question(squidie)
    for _ in range(3):
        assert squidie.approve(run.id, actor="ann", key="click").id == run.id

    assert kinds(squidie, run).count("pause_resolved") == 1
    with pytest.raises(AlreadyResolved) as late:
        squidie.approve(run.id, actor="bob", key="another")
    assert (late.value.details["decision"], late.value.details["by"]) == ("approved", "ann")
    with raises("key_reused"):
        squidie.approve(run.id, actor="bob", key="click")


def test_a_question_outlives_the_runtime_that_asked_it(squidie, make):
    """6.10."""
    run = at_the_question(squidie)
    squidie.close()
    later = make(*STEERED)
    later.approve(run.id, actor="ann")
    work_off(later)

    assert steps_done(later, run) == ["check", "pay"]


def test_a_question_outlives_the_workflow_that_asked_it(squidie, make):
    """6.10: after a deploy without it, it is answered by the graph that the run keeps."""
    run = at_the_question(squidie)
    squidie.close()
    without = make(Sums)
    without.approve(run.id, actor="ann", data={"amount": 1})
    assert without.execute_next() is None
    assert kinds(without, run)[-1] == "pause_resolved"
    later = make(*STEERED)
    work_off(later)

    assert steps_done(later, run) == ["check", "pay"]


def test_a_cancelled_run_asks_nobody_any_more(squidie):
    """6.10."""
    run = at_the_question(squidie)
    squidie.cancel(run.id, reason="not wanted")

    with raises("invalid_transition"):
        squidie.approve(run.id, actor="ann")


@pytest.mark.parametrize(
    ("verb", "given", "field"),
    [
        ("approve", {}, "actor"),
        ("reject", {"actor": None}, "actor"),
        ("approve", {"actor": " "}, "actor"),
        ("approve", {"actor": 7}, "actor"),
        ("approve", {"actor": "ann", "comment": 5}, "comment"),
        ("resume", {"metadata": "text"}, "metadata"),
        ("resume", {"expect": "5"}, "expect"),
    ],
)
def test_a_malformed_answer_is_refused_before_the_run_is_looked_up(squidie, verb, given, field):
    """6, bad input"""
    nowhere = "00000000-0000-7000-8000-000000000000"
    with pytest.raises(InvalidReview) as refused:
        getattr(squidie, verb)(nowhere, **given)

    assert refused.value.details["field"] == field


def test_what_cannot_be_answered_says_why(squidie):
    """6, bad input: no run, several questions, the wrong verb, nothing asked, data against the form."""
    with raises("run_not_found"):
        squidie.approve("00000000-0000-7000-8000-000000000000", actor="ann")
    with raises("invalid_review"):
        squidie.resume(at_the_question(squidie, Twice).id)
    run = at_the_question(squidie)
    with raises("wrong_verb"):
        squidie.resume(run.id)
    with raises("step_not_found"):
        squidie.approve(run.id, step="nowhere", actor="ann")
    with raises("invalid_review"):
        squidie.approve(run.id, actor="ann", data={"amount": "much"})
    with raises("invalid_transition"):
        squidie.resume(at_the_question(squidie, Awaiting).id)
