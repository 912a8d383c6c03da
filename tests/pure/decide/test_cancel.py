"""Ending a run by command (2.8, 5.11)."""

import pytest

from squidie.errors import InvalidTransition
from squidie.history.facts import Ended, RunCancelled
from squidie.history.lifecycle import RunStatus
from tests.pure.scene import BY, Scene

ENDS = {"completed": Scene.complete, "failed": Scene.fail, "cancelled": lambda scene, _: scene.cancel()}


def test_a_running_run_is_cancelled_at_once():
    """2.8"""
    scene = Scene("a b c")
    held = scene.claim("b").lease

    facts = scene.cancel("a mistake")

    end = Ended(step="b", attempt=1, claim=held.ended(1))
    assert facts == [RunCancelled(by=BY, reason="a mistake", ends=(end,))]
    assert (scene.run.status, scene.run.reason, scene.rows) == (RunStatus.CANCELLED, "a mistake", {})


@pytest.mark.parametrize("status", ENDS)
def test_a_run_that_has_ended_cannot_be_cancelled(status):
    """2.8"""
    scene = Scene("a")
    ENDS[status](scene, "a")
    assert scene.run.status == status

    with pytest.raises(InvalidTransition) as refused:
        scene.cancel()

    assert refused.value.details == {"status": status, "event": "cancel"}
    assert scene.run.anomalies == ()
