"""Questions that nobody answered in time (6.6)."""

import pytest

from squidie.decide.commands import Elapse
from squidie.errors import AlreadyResolved
from squidie.history.canonical import plain
from squidie.history.facts import Decision, FailureCode, OpenKind, PauseResolved, ReviewDelegated
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import Escalation, Lapse
from tests.pure.scene import RUN, Scene, after, graph, of_kind

BOARD = {"then": Lapse.ESCALATE, "escalate": Escalation(role="board", due=60.0)}


def asked(kind="approval", text="p>b p!c", **options):
    return Scene(graph(text, p=of_kind(kind, due=5.0, **options)))


@pytest.mark.parametrize("then", [None, Lapse.REJECT])
def test_an_approval_that_nobody_gives_is_rejected(then):
    """6.6."""
    scene = asked(then=then)

    [lapsed] = scene.elapse("p")

    assert isinstance(lapsed, PauseResolved)
    assert (lapsed.by, lapsed.decision) == (None, Decision.LAPSED)
    assert lapsed.error.kind is FailureCode.APPROVAL_LAPSED
    assert plain(lapsed.output) == {
        "decision": "lapsed",
        "actor": None,
        "decided_at": str(after(5).isoformat()),
        "votes": [],
    }
    assert (scene.run.open_steps, scene.run.timers) == (["c"], {})


def test_an_approval_may_count_as_given():
    """6.6."""
    scene = asked(then=Lapse.APPROVE, quorum=2)
    scene.approve(actor="ann")

    [lapsed] = scene.elapse("p")

    assert (lapsed.decision, lapsed.error) == (Decision.LAPSED, None)
    assert [vote["actor"] for vote in plain(lapsed.output)["votes"]] == ["ann"]
    assert scene.run.open_steps == ["b"]


def test_a_lapse_that_nothing_handles_fails_the_run():
    """6.6."""
    for kind in ("approval", "pause"):
        scene = asked(kind, "p>b x")
        scene.claim("x")

        [lapsed, ended] = scene.elapse("p")

        assert (ended.step, ended.error) == ("p", lapsed.error)
        assert [end.step for end in ended.ends] == ["x"]
        assert scene.run.status is RunStatus.FAILED


@pytest.mark.parametrize("then", [None, Lapse.FAIL])
def test_a_pause_that_nobody_ends_has_failed(then):
    """6.6."""
    scene = asked("pause", then=then)
    scene.elapse("p")

    assert (scene.status("p"), scene.run.open_steps) == (NodeStatus.FAILED, ["c"])


def test_a_pause_may_end_by_itself():
    """6.6."""
    scene = asked("pause", then=Lapse.RESUME)

    [lapsed] = scene.elapse("p")

    assert (lapsed.decision, plain(lapsed.output)) == (Decision.LAPSED, None)
    assert scene.run.open_steps == ["b"]


def test_an_escalation_asks_others_with_a_time_of_their_own():
    """6.6."""
    scene = asked(role="boss", **BOARD)

    [escalated] = scene.elapse("p")

    assert isinstance(escalated, ReviewDelegated)
    assert (escalated.by, escalated.role, escalated.due_at) == (None, "board", after(65))
    assert escalated.then is Lapse.REJECT
    assert [(closing.step, closing.attempt, closing.kind) for closing in escalated.closes] == [("p", 1, OpenKind.TIMER)]
    assert (scene.row("p").attempt, scene.row("p").due_at) == (2, after(65))
    assert scene.run.status is RunStatus.PAUSED


@pytest.mark.parametrize(("then", "follows"), [(Lapse.REJECT, "c"), (Lapse.APPROVE, "b")])
def test_what_happens_when_those_do_not_answer_either_was_said_with_them(then, follows):
    """6.6."""
    scene = asked(then=Lapse.ESCALATE, escalate=Escalation(role="board", due=60.0, then=then))
    scene.elapse("p")

    [lapsed] = scene.elapse("p")

    assert lapsed.decision is Decision.LAPSED
    assert (scene.run.at, scene.run.open_steps) == (after(65), [follows])


def test_an_escalation_without_a_time_waits_for_as_long_as_it_takes():
    """6.6."""
    scene = asked(then=Lapse.ESCALATE, escalate=Escalation(role="board"))

    [escalated] = scene.elapse("p")

    assert (escalated.due_at, escalated.then, scene.rows) == (None, None, {})
    assert len(scene.approve()) == 1


def test_a_timer_fires_once_and_loses_to_a_person_who_was_first():
    """6.6."""
    scene = asked()
    scene.now = after(5)
    scene.approve()
    assert scene.ask(Elapse(RUN, "p", 1)) == []

    scene = asked()
    scene.elapse("p")
    assert scene.ask(Elapse(RUN, "p", 1)) == []
    with pytest.raises(AlreadyResolved) as refused:
        scene.approve("p")
    assert refused.value.details == {"step": "p", "decision": "lapsed", "by": None, "at": after(5).isoformat()}


def test_the_timer_of_those_asked_first_does_nothing_to_those_asked_now():
    """6.6."""
    scene = asked(**BOARD)
    scene.elapse("p")

    assert scene.ask(Elapse(RUN, "p", 1)) == []
    assert scene.ask(Elapse(RUN, "p", 2)) == []  # not due yet
