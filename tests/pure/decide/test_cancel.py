"""Ending a run by command, from each status (2.8, 7.1, 7.2)."""

import pytest

from squidie.errors import InvalidTransition
from squidie.history.facts import Ended, RunCancelled
from squidie.history.lifecycle import RunStatus
from squidie.workflow.spec import Compensate, Deadline, GiveUp, Retry
from tests.pure.scene import BY, Scene, graph, of_kind

ENDS = {"completed": Scene.complete, "failed": Scene.fail, "cancelled": lambda scene, _: scene.cancel()}


def test_a_running_run_is_cancelled_at_once():
    """7.1."""
    scene = Scene("a b c")
    held = scene.claim("b").lease

    facts = scene.cancel("a mistake")

    end = Ended(step="b", attempt=1, claim=held.ended(1))
    assert facts == [RunCancelled(by=BY, reason="a mistake", ends=(end,))]
    assert (scene.run.status, scene.run.reason, scene.rows) == (RunStatus.CANCELLED, "a mistake", {})


@pytest.mark.parametrize("compensate", [False, True])
@pytest.mark.parametrize(
    "waiting",
    [of_kind("pause"), of_kind("approval", due=5.0), of_kind("event", timeout=5.0), of_kind("wait", duration=5.0)],
)
def test_a_run_that_waits_is_cancelled_at_once(waiting, compensate):
    """6.10, 7.1."""
    scene = Scene(graph("w", w=waiting, limit=Deadline(within=60.0)))

    assert [fact.kind for fact in scene.cancel(compensate=compensate)] == ["run_cancelled"]
    assert (scene.rows, scene.run.timers) == ({}, {})


def test_a_run_whose_step_is_parked_or_to_be_tried_again_is_cancelled_at_once():
    """7.1."""
    for declared in ({"on_give_up": GiveUp.PARK}, {"retry": Retry(2)}):
        scene = Scene(graph("a", a=declared))
        scene.fail("a")

        assert scene.cancel() == [RunCancelled(by=BY, reason="no longer wanted")]


@pytest.mark.parametrize("asked", [{}, {"compensate": True}, {"abandon_undo": True}])
@pytest.mark.parametrize("status", ENDS)
def test_a_run_that_has_ended_cannot_be_cancelled(status, asked):
    """2.8, 7.5."""
    scene = Scene("a")
    ENDS[status](scene, "a")
    assert scene.run.status == status

    with pytest.raises(InvalidTransition) as refused:
        scene.cancel(**asked)

    assert refused.value.details == {"status": status, "event": "cancel"}
    assert scene.run.anomalies == ()


def test_abandoning_an_undo_that_nobody_has_begun_is_a_plain_cancellation():
    """7.2."""
    assert Scene("a").cancel("x", abandon_undo=True) == [RunCancelled(by=BY, reason="x")]


def test_nothing_is_undone_that_nobody_asked_to_undo():
    """7.1."""
    scene = Scene(graph("a>b", a={"compensate": Compensate(action="undo")}))
    scene.complete("a")

    assert scene.cancel("x") == [RunCancelled(by=BY, reason="x")]
