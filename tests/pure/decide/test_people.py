"""Pauses and approvals: who is asked what, and what an answer does (6.1 to 6.5, 6.8 to 6.10)."""

import pytest

from squidie.decide.commands import Cancel
from squidie.errors import (
    AlreadyResolved,
    InvalidReview,
    InvalidTransition,
    NotPermitted,
    StaleRevision,
    StepNotFound,
    WrongVerb,
)
from squidie.history.canonical import plain
from squidie.history.facts import (
    Decision,
    FailureCode,
    Opening,
    OpenKind,
    PauseOpened,
    PauseResolved,
    ReviewDelegated,
    Vote,
    VoteCast,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import INLINE_EACH, NodeStatus
from squidie.workflow.spec import Compensate, Escalation, Lapse, NodeKind, PayloadField
from tests.pure.scene import NOON, RUN, Scene, after, by, graph, of_kind, where

APPROVAL = of_kind("approval", role="boss")
PAUSE = of_kind("pause")
FORM = (PayloadField(name="limit", type="integer"), PayloadField(name="note", type="string", default="none"))


def asked(text="p>b p!c", **options):
    return Scene(graph(text, p=of_kind("approval", **options)))


def refused(scene, error, answer, *args, **kwargs):
    """Nothing is written, and the error is given back."""
    before = (scene.run, dict(scene.rows), len(scene.history))
    with pytest.raises(error) as caught:
        answer(scene, *args, **kwargs)
    assert (scene.run, scene.rows, len(scene.history)) == before
    return caught.value


def test_a_question_opens_in_the_commit_that_made_it_ready_with_everything_frozen():
    """6.1."""
    then = Escalation(role="board", due=60.0)
    spec = graph(
        "a>p p>b p>end p!c",
        p=of_kind(
            "approval",
            role="boss",
            quorum=2,
            due=5.0,
            then=Lapse.ESCALATE,
            escalate=then,
            form=FORM,
            exclude=("starter",),
        ),
    )
    scene = Scene(spec)

    [_, opened] = scene.complete("a")

    assert opened == PauseOpened(
        step="p",
        pause=NodeKind.APPROVAL,
        routes={"ok": ("b", "end"), "error": ("c",)},
        role="boss",
        quorum=2,
        due_at=after(5),
        then=Lapse.ESCALATE,
        escalate=then,
        form=FORM,
        exclude=("starter",),
        opens=(Opening(step="p", attempt=1, queue="default", due_at=after(5), kind=OpenKind.TIMER),),
    )


def test_a_question_without_a_due_time_has_no_worker_no_claim_and_no_row():
    """6.1."""
    scene = Scene(graph("p", p=PAUSE))

    assert (scene.rows, scene.run.timers) == ({}, {})
    assert (scene.facts[1].due_at, scene.facts[1].then) == (None, None)
    assert scene.run.open_steps == ["p"]


def test_a_resume_gives_its_data_to_those_who_follow():
    """6.2, 6.4."""
    scene = Scene(graph("p>b", p=PAUSE))

    facts = scene.resume("p", data={"amount": 5}, actor="ann")

    [resolved] = facts
    assert isinstance(resolved, PauseResolved)
    assert (resolved.by, resolved.decision) == (by("ann"), Decision.RESUMED)
    assert (plain(resolved.output), resolved.votes) == ({"amount": 5}, ())
    assert [opened.step for opened in resolved.opens] == ["b"]


def test_a_resume_without_data_brings_a_null():
    """6.4."""
    scene = Scene(graph("p", p=PAUSE))
    scene.resume()

    assert (scene.run.status, plain(scene.run.output)) == (RunStatus.COMPLETED, None)


def test_an_approval_takes_the_ok_edges_and_says_who_when_and_why():
    """6.3, 6.4."""
    scene = asked()
    scene.now = after(9)

    [resolved] = scene.approve("p", actor="ann", comment="looks right", data={"limit": 5})

    vote = Vote(actor="ann", decision=Decision.APPROVED, at=after(9), comment="looks right")
    assert (resolved.moved.taken, resolved.moved.skipped_steps) == (("p:ok:b",), ("c",))
    assert resolved.votes == (vote,)
    assert plain(resolved.output) == {
        "decision": "approved",
        "actor": "ann",
        "decided_at": "2026-03-01T12:00:09+00:00",
        "comment": "looks right",
        "data": {"limit": 5},
        "votes": [
            {"actor": "ann", "decision": "approved", "at": "2026-03-01T12:00:09Z", "comment": "looks right"},
        ],
    }


def test_a_rejection_takes_the_error_edges_and_tells_them_why():
    """6.3, 5.9."""
    scene = Scene(graph("p>b p!c?who p!d", p=APPROVAL, who=where("error.details.actor", equals="ann")))

    [resolved] = scene.reject("p", actor="ann", comment="too much")

    assert (resolved.decision, resolved.error.kind) == (Decision.REJECTED, FailureCode.APPROVAL_REJECTED)
    assert resolved.error.message == "p was rejected by ann: too much"
    assert plain(resolved.output)["decision"] == "rejected"
    assert scene.run.open_steps == ["c"]
    assert scene.status("p") is NodeStatus.FAILED


def test_a_rejection_that_nothing_handles_fails_the_run():
    """6.3."""
    scene = asked("p>b x")

    [resolved, ended] = scene.reject("p", actor={"id": 5})

    assert (ended.step, ended.error) == ("p", resolved.error)
    assert ended.error.message == "p was rejected"
    assert (ended.by, resolved.by) == (None, by({"id": 5}))


def test_a_rejection_that_leads_to_the_end_may_complete_the_run():
    """6.3."""
    scene = asked("p>b p!end")

    assert [fact.kind for fact in scene.reject("p")] == ["pause_resolved", "run_completed"]


def test_an_approval_whose_edges_all_ask_for_something_else_fails_the_run():
    """1.19."""
    scene = Scene(graph("p>b?yes", p=APPROVAL, yes=where("p.data", equals="yes")))

    [resolved, ended] = scene.approve(data="no")

    assert resolved.moved.taken == ()
    assert ended.error.kind is FailureCode.NO_MATCHING_EDGE


def test_what_was_answered_decides_the_way():
    """1.21, 6.4."""
    scene = Scene(graph("p>b?yes p>c", p=APPROVAL, yes=where("p.data", equals="yes")))
    scene.approve(data="yes")

    assert scene.run.open_steps == ["b"]


def test_the_step_may_be_left_out_where_one_question_is_open():
    """6.2."""
    scene = Scene(graph("p q", p=PAUSE, q=PAUSE))
    error = refused(scene, InvalidReview, Scene.resume)
    assert error.details["field"] == "step"

    scene.resume("p")
    scene.resume()

    assert scene.run.status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("kind", "answer", "use"),
    [
        ("pause", Scene.approve, ["resume"]),
        ("pause", Scene.reject, ["resume"]),
        ("pause", Scene.delegate, ["resume"]),
        ("approval", Scene.resume, ["approve", "reject"]),
    ],
)
def test_each_kind_of_question_takes_its_own_answers(kind, answer, use):
    """6.2."""
    scene = Scene(graph("p", p=of_kind(kind)))

    error = refused(scene, WrongVerb, answer)

    assert error.details == {"step": "p", "kind": kind, "use": use}


def test_a_step_is_not_answered():
    """6.2."""
    scene = Scene(graph("a p", p=PAUSE))

    assert refused(scene, WrongVerb, Scene.resume, "a").details["use"] == []
    assert refused(scene, StepNotFound, Scene.resume, "nowhere").details["step"] == "nowhere"


@pytest.mark.parametrize("step", [None, "p"])
def test_nothing_is_answered_that_was_not_asked(step):
    """6.2."""
    scene = Scene(graph("a>p", p=PAUSE))

    assert refused(scene, InvalidTransition, Scene.resume, step).details["status"] == "running"
    scene.fail("a")
    assert refused(scene, InvalidTransition, Scene.resume, step).details["status"] == "failed"


@pytest.mark.parametrize("step", [None, "p"])
def test_a_second_decision_is_told_of_the_first(step):
    """6.9."""
    for text in ("p>b", "p"):  # the run goes on, or has ended
        scene = asked(text)
        scene.now = after(3)
        scene.approve("p", actor="ann")

        error = refused(scene, AlreadyResolved, Scene.reject, step, actor="bob")

        assert error.details == {"step": "p", "decision": "approved", "by": "ann", "at": after(3).isoformat()}


@pytest.mark.parametrize("step", [None, "p"])
def test_cancelling_closes_a_question(step):
    """6.10, 7.1."""
    scene = asked()
    scene.cancel()

    assert refused(scene, InvalidTransition, Scene.approve, step).details["status"] == "cancelled"


def test_a_question_that_was_withdrawn_by_an_undo_cannot_be_answered():
    """5.11, 6.10."""
    scene = Scene(graph("a>p a>b", p=PAUSE, a={"compensate": Compensate(action="undo")}))
    scene.complete("a")
    scene.fail("b")

    assert scene.status("p") is NodeStatus.WITHDRAWN
    assert refused(scene, InvalidTransition, Scene.resume, "p").details["status"] == "compensating"


def test_a_quorum_resolves_with_the_last_vote_and_each_vote_is_a_fact():
    """6.5."""
    scene = asked(quorum=3)
    assert scene.approve(actor="ann", comment="yes") == [
        VoteCast(by=by("ann", "yes"), step="p", decision=Decision.APPROVED)
    ]
    scene.now = after(5)
    assert scene.approve(actor="bob", data=5) == [VoteCast(by=by("bob"), step="p", decision=Decision.APPROVED, data=5)]
    assert scene.run.status is RunStatus.PAUSED

    [resolved] = scene.approve(actor="eve")

    assert [(vote.actor, vote.at, vote.comment) for vote in resolved.votes] == [
        ("ann", NOON, "yes"),
        ("bob", after(5), None),
        ("eve", after(5), None),
    ]
    assert len(plain(resolved.output)["votes"]) == 3


def test_one_rejection_rejects_whatever_was_said_before():
    """6.5."""
    scene = asked(quorum=3)
    scene.approve(actor="ann")

    [resolved] = scene.reject(actor="bob")

    assert [vote.decision for vote in resolved.votes] == [Decision.APPROVED, Decision.REJECTED]
    assert scene.run.open_steps == ["c"]


def test_nobody_counts_twice():
    """6.5."""
    scene = asked(quorum=2)
    scene.approve(actor={"id": 5})

    error = refused(scene, AlreadyResolved, Scene.approve, actor={"id": 5})
    assert (error.details["by"], error.details["decision"]) == ({"id": 5}, "approved")
    refused(scene, AlreadyResolved, Scene.reject, actor={"id": 5})

    assert len(scene.approve(actor={"id": 6})) == 1


def test_who_started_the_run_may_be_kept_out():
    """6.5."""
    options = of_kind("approval", exclude=("starter",))
    scene = Scene(graph("p>b", p=options), by=by("ann"))

    assert refused(scene, NotPermitted, Scene.approve, actor="ann").details == {"step": "p", "reason": "starter"}
    assert len(scene.approve(actor="bob")) == 1


def test_a_run_that_nobody_is_known_to_have_started_keeps_nobody_out():
    """6.5."""
    scene = asked(exclude=("starter",))

    assert scene.run.starter is None
    assert len(scene.approve(actor="ann")) == 1


def test_an_answer_satisfies_the_form_that_was_frozen():
    """6.4."""
    scene = asked(form=FORM)
    assert refused(scene, InvalidReview, Scene.approve).details["field"] == "data"
    assert refused(scene, InvalidReview, Scene.approve, data={"limit": "secret"}).details["field"] == "data"
    assert "secret" not in str(refused(scene, InvalidReview, Scene.approve, data={"limit": "secret"}))

    [resolved] = scene.approve(data={"limit": 5})

    assert plain(resolved.output)["data"] == {"limit": 5, "note": "none"}


def test_delegation_asks_others_and_leaves_them_the_time_there_was():
    """6.5."""
    scene = asked(role="boss", due=60.0)
    timers = dict(scene.rows)

    assert scene.delegate("board") == [
        ReviewDelegated(by=by("ann"), step="p", role="board", due_at=after(60), then=Lapse.REJECT)
    ]
    assert scene.run.nodes["p"].waiting.role == "board"
    assert scene.rows == timers


def test_delegation_may_give_another_time_and_a_timer_of_its_own():
    """6.5."""
    scene = asked(role="boss", due=60.0)
    scene.now = after(10)

    [handed] = scene.delegate("board", due=5.0)

    assert (handed.due_at, handed.then) == (after(15), Lapse.REJECT)
    assert [(closing.step, closing.attempt, closing.kind) for closing in handed.closes] == [("p", 1, OpenKind.TIMER)]
    assert (scene.row("p").attempt, scene.row("p").due_at) == (2, after(15))


def test_delegation_may_set_a_time_where_there_was_none():
    """6.5."""
    scene = asked()

    [handed] = scene.delegate("board", due=5.0)

    assert (handed.then, handed.closes, scene.row("p").attempt) == (Lapse.REJECT, (), 1)


@pytest.mark.parametrize("due", [None, 7.0])
def test_who_is_asked_in_the_end_stays_so_whoever_was_asked_in_between(due):
    """6.5, 6.6."""
    scene = asked(due=5.0, then=Lapse.ESCALATE, escalate=Escalation(role="board"))
    scene.delegate("deputy", due=due)

    [escalated] = scene.elapse("p")

    assert (escalated.role, scene.run.nodes["p"].waiting.role) == ("board", "board")
    assert scene.run.timers == {}


def test_votes_survive_a_delegation():
    """6.5."""
    scene = asked(quorum=2)
    scene.approve(actor="ann")
    scene.delegate("board")
    refused(scene, AlreadyResolved, Scene.approve, actor="ann")

    assert scene.approve(actor="bob")[0].decision is Decision.APPROVED


def test_an_answer_to_what_has_changed_since_is_refused_and_says_by_whom():
    """6.8."""
    scene = asked(quorum=2)
    seen = scene.run.revision
    scene.now = after(5)
    scene.approve(actor="bob")

    error = refused(scene, StaleRevision, Scene.approve, actor="ann", expect=seen)

    assert error.details == {"step": "p", "revision": seen + 1, "by": "bob", "at": after(5).isoformat()}
    assert len(scene.approve(actor="ann", expect=seen + 1)) == 1


@pytest.mark.parametrize("compensate", [False, True])
def test_an_answer_to_what_has_ended_since_is_refused_and_says_by_whom(compensate):
    """6.8: a run that was cancelled, or is being undone; without `expect` the status tells."""
    scene = Scene(graph("a>p p>b", p=of_kind("approval"), a={"compensate": Compensate(action="undo:a")}))
    scene.complete("a")
    seen = scene.run.revision
    scene.now = after(5)
    scene.ask(Cancel(RUN, by("eve"), "x", compensate))

    error = refused(scene, StaleRevision, Scene.approve, actor="ann", expect=seen)

    assert (error.details["by"], error.details["at"]) == ("eve", after(5).isoformat())
    assert error.details["revision"] == seen + 1
    refused(scene, InvalidTransition, Scene.approve, actor="ann")
    refused(scene, InvalidTransition, Scene.approve, actor="ann", expect=scene.run.revision)


def test_what_happened_elsewhere_in_the_run_makes_no_answer_stale():
    """6.8."""
    scene = asked("p>b a>c")
    seen = scene.run.revision
    scene.complete("a")
    scene.fail("c", after=1.0)

    assert len(scene.approve(expect=seen)) == 1


def test_a_delegation_touches_the_question():
    """6.8."""
    scene = asked()
    seen = scene.run.revision
    scene.delegate("board")

    assert refused(scene, StaleRevision, Scene.approve, expect=seen).details["by"] == "ann"


def test_questions_stand_anywhere_beside_running_siblings():
    """W-20"""
    scene = Scene(graph("a>p a>b p>j b>j q>j", p=APPROVAL, q=PAUSE))
    scene.complete("a")
    scene.resume("q")
    scene.complete("b")
    scene.approve()

    assert scene.run.open_steps == ["j"]


def test_an_answer_ends_the_timer_of_its_question():
    """6.6: a person and a timer race, and one of them wins"""
    scene = asked(due=60.0)
    scene.approve()
    assert scene.run.timers == {}
    assert [row.step for row in scene.rows.values()] == ["b"]


def test_a_large_answer_is_the_output_all_the_same():
    """3.6, 6.4."""
    scene = Scene(graph("p a", p=PAUSE))
    scene.resume(data="x" * INLINE_EACH)
    scene.complete("a", 5)

    assert plain(scene.run.output) == {"a": 5, "p": "x" * INLINE_EACH}


def test_what_was_frozen_counts_and_not_what_a_later_graph_says():
    """6.1, 6.10."""
    scene = asked(quorum=2, due=60.0, form=FORM)
    scene.spec = graph("p>b p!c", p=of_kind("approval", quorum=1, due=5.0, then=Lapse.APPROVE))

    refused(scene, InvalidReview, Scene.approve, actor="ann")
    assert [fact.kind for fact in scene.approve(actor="ann", data={"limit": 5})] == ["vote_cast"]
    [lapsed] = scene.elapse("p")
    assert (scene.run.at, lapsed.error.kind) == (after(60), FailureCode.APPROVAL_LAPSED)
