"""What a run is called while it is open (section 2)."""

import pytest

from squidie.history.lifecycle import RunStatus
from squidie.workflow.spec import Compensate, Deadline, GiveUp
from tests.pure.scene import Scene, graph, of_kind

RUNNING, PAUSED, COMPENSATING = RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.COMPENSATING


@pytest.mark.parametrize(
    ("nodes", "status"),
    [
        ({"p": of_kind("pause")}, PAUSED),
        ({"p": of_kind("approval", due=5.0)}, PAUSED),
        ({"p": of_kind("pause"), "q": of_kind("approval", quorum=2)}, PAUSED),
        ({"p": of_kind("pause"), "e": of_kind("event")}, RUNNING),
        ({"p": of_kind("pause"), "w": of_kind("wait", duration=5.0)}, RUNNING),
        ({"p": of_kind("pause"), "a": {}}, RUNNING),
        ({"e": of_kind("event")}, RUNNING),
        ({"w": of_kind("wait", duration=5.0)}, RUNNING),
        ({"p": of_kind("pause"), "limit": Deadline(within=5.0)}, PAUSED),
    ],
)
def test_a_run_is_paused_when_every_open_node_waits_for_a_person(nodes, status):
    """2: `paused`"""
    scene = Scene(graph(" ".join(name for name in nodes if name != "limit"), **nodes))

    assert scene.run.status is status


def test_a_run_is_paused_with_the_last_step_that_moves_and_runs_again_with_the_first():
    """2: `running`, `paused`"""
    scene = Scene(graph("p>b a", p=of_kind("pause"), a={"on_give_up": GiveUp.PARK}))
    scene.fail("a")
    assert scene.run.status is PAUSED

    scene.requeue("a")
    assert scene.run.status is RUNNING

    scene.complete("a")
    assert scene.run.status is PAUSED

    scene.resume()
    assert scene.run.status is RUNNING


def test_a_delegation_and_a_vote_leave_a_run_paused():
    """2: `paused`, 6.5"""
    scene = Scene(graph("p", p=of_kind("approval", quorum=2)))
    scene.delegate("board")
    scene.approve()

    assert scene.run.status is PAUSED


def test_a_run_is_compensating_from_the_drain_to_the_end_also_where_its_undo_is_stuck():
    """2: `compensating`"""
    scene = Scene(graph("a>x a>s", a={"compensate": Compensate(action="undo")}))
    scene.complete("a")
    scene.claim("s")
    seen = []
    for happen in (
        lambda: scene.fail("x"),
        lambda: scene.complete("s"),
        *[lambda: scene.fail("compensate:a")] * 5,
        lambda: scene.requeue("compensate:a"),
        lambda: scene.complete("compensate:a"),
    ):
        happen()
        seen.append(scene.run.status)

    assert seen == [COMPENSATING] * 8 + [RunStatus.FAILED]
