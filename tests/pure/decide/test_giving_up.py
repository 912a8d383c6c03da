"""What becomes of a step that has failed for good, and of one that is parked (5.5 to 5.7)."""

import pytest

from squidie.errors import InvalidTransition, StepNotFound
from squidie.history.canonical import plain
from squidie.history.facts import (
    AttemptHastened,
    Disposition,
    FailureCode,
    Opening,
    ReleaseReason,
    StepDiscarded,
    StepRequeued,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import GiveUp, Retry
from tests.pure.scene import DECLINED, Scene, after, by, graph

PARK, TOLERATE = {"on_give_up": GiveUp.PARK}, {"on_give_up": GiveUp.TOLERATE}


def refused(scene, error, ask, *args):
    before = (scene.run, dict(scene.rows))
    with pytest.raises(error) as caught:
        ask(scene, *args)
    assert (scene.run, scene.rows) == before
    return caught.value.details


def test_by_default_the_run_fails():
    """5.5."""
    [failed, ended] = Scene("a").fail("a")

    assert (failed.disposition, ended.kind) == (Disposition.FATAL, "run_failed")


def test_a_parked_step_keeps_the_run_open_for_a_person():
    """5.5."""
    scene = Scene(graph("a>b", a=PARK))

    [failed] = scene.fail("a")

    assert (failed.disposition, failed.opens) == (Disposition.PARKED, ())
    assert (scene.status("a"), scene.rows) == (NodeStatus.PARKED, {})
    assert scene.run.status is RunStatus.PAUSED
    assert scene.run.open_steps == ["a"]


def test_a_tolerated_failure_goes_on_as_if_it_had_brought_a_null():
    """5.5."""
    scene = Scene(graph("a>b a>end", a=TOLERATE, b=TOLERATE))

    [failed] = scene.fail("a")
    assert (failed.disposition, [opened.step for opened in failed.opens]) == (Disposition.TOLERATED, ["b"])
    assert scene.status("a") is NodeStatus.TOLERATED

    [failed, ended] = scene.fail("b")
    assert ended.kind == "run_completed"
    assert plain(scene.run.output) is None


@pytest.mark.parametrize("declared", [PARK, TOLERATE])
def test_a_matching_error_edge_comes_first(declared):
    """5.5."""
    scene = Scene(graph("a>b a!c", a=declared))

    [failed] = scene.fail("a")

    assert failed.disposition is Disposition.ROUTED
    assert scene.run.open_steps == ["c"]


@pytest.mark.parametrize(
    ("declared", "disposition"),
    [(PARK, Disposition.PARKED), (TOLERATE, Disposition.TOLERATED), ({}, Disposition.FATAL)],
)
def test_an_attempt_that_was_lost_too_often_takes_the_same_course(declared, disposition):
    """4.4, 5.5."""
    scene = Scene(graph("a>b", a=declared), max_claims=1)

    [_, letter, *_] = scene.release("a", ReleaseReason.CHILD_DIED)

    assert (letter.disposition, letter.error.kind) == (disposition, FailureCode.CLAIMS_EXHAUSTED)


@pytest.mark.parametrize("declared", [PARK, TOLERATE])
def test_a_step_gives_up_only_when_its_attempts_are_used_up(declared):
    """5.5."""
    scene = Scene(graph("a", a={"retry": Retry(2), **declared}))

    assert scene.fail("a")[0].disposition is Disposition.RETRIED
    assert scene.fail("a")[0].disposition is not Disposition.RETRIED


def test_a_requeued_step_gets_its_next_number_and_a_fresh_budget():
    """5.6."""
    scene = Scene(graph("a>b", a={"retry": Retry(2, min=8.0, within=60.0), "queue": "gpu", **PARK}))
    scene.fail("a")
    scene.fail("a")
    scene.now = after(1000)

    facts = scene.requeue("a", "the card is fixed")

    again = Opening(step="a", attempt=3, queue="gpu", due_at=after(1000))
    assert facts == [StepRequeued(by=by("ann"), step="a", reason="the card is fixed", opens=(again,))]
    assert scene.run.status is RunStatus.RUNNING
    [failed] = scene.fail("a")
    assert (failed.disposition, failed.attempt, failed.max_attempts) == (Disposition.RETRIED, 3, 4)
    assert failed.opens[0].due_at == after(1008)  # the first delay of the policy, and `within` counts anew
    assert scene.fail("a")[0].disposition is Disposition.PARKED


def test_a_requeued_step_may_succeed_and_its_run_goes_on():
    """5.6."""
    scene = Scene(graph("a>b", a=PARK))
    scene.fail("a")
    scene.requeue("a")

    [done] = scene.complete("a", 5)

    assert (done.attempt, scene.run.open_steps) == (2, ["b"])


def test_losses_count_anew_after_a_requeue():
    """4.4, 5.6."""
    scene = Scene(graph("a", a=PARK), max_claims=2)
    scene.expire("a")
    scene.expire("a")
    scene.requeue("a")

    assert len(scene.expire("a")) == 1


def test_discarding_a_parked_step_fails_the_run():
    """5.6."""
    scene = Scene(graph("a>b x", a=PARK))
    scene.claim("x")
    scene.fail("a")

    [discarded, ended] = scene.discard("a", "it was a test")

    assert discarded == StepDiscarded(by=by("ann"), step="a", reason="it was a test")
    assert (ended.step, ended.error.kind) == ("a", FailureCode.STEP_DISCARDED)
    assert ended.error.message == "a was given up: it was a test"
    assert [end.step for end in ended.ends] == ["x"]


@pytest.mark.parametrize("ask", [Scene.requeue, Scene.discard])
def test_only_a_parked_step_is_taken_up(ask):
    """5.6."""
    scene = Scene(graph("a>b b>c x", a=PARK))
    assert refused(scene, InvalidTransition, ask, "a")["status"] == "open"
    assert refused(scene, InvalidTransition, ask, "b")["status"] == "running"
    assert refused(scene, StepNotFound, ask, "nowhere")["step"] == "nowhere"
    scene.fail("a")
    scene.requeue("a")
    assert refused(scene, InvalidTransition, ask, "a")["status"] == "open"  # a letter is requeued once

    scene.fail("a")
    scene.cancel()
    assert refused(scene, InvalidTransition, ask, "a")["status"] == "cancelled"


def test_a_retry_is_made_due_now_and_keeps_its_number():
    """5.7."""
    scene = Scene(graph("a", a={"retry": Retry(3, min=1000.0)}))
    scene.fail("a")
    scene.now = after(5)

    facts = scene.hasten("a")

    assert facts == [AttemptHastened(by=by("ann"), step="a", attempt=2, due_at=after(5))]
    assert (scene.row("a").due_at, scene.row("a").attempt) == (after(5), 2)
    assert scene.fail("a")[0].attempt == 2


def test_a_delayed_start_is_made_due_now():
    """5.7."""
    scene = Scene("a b", at=after(1000))
    scene.hasten("b")

    assert [scene.row(step).due_at for step in "ab"] == [after(1000), after(0)]


def test_only_what_is_scheduled_is_made_due():
    """5.7."""
    scene = Scene(graph("a>b", a={"retry": Retry(2, min=1000.0)}))
    for step in ("a", "b", "nowhere", "deadline:a"):
        assert refused(scene, StepNotFound, Scene.hasten, step)["step"] == step  # due already, or not there

    scene.fail("a")
    scene.now = after(2000)
    scene.claim("a")
    scene.now = after(1)
    refused(scene, StepNotFound, Scene.hasten, "a")  # somebody is at it

    scene.cancel()
    refused(scene, StepNotFound, Scene.hasten, "a")


def test_what_failed_is_there_for_those_who_look():
    """5.8."""
    scene = Scene(graph("a", a=PARK))
    scene.fail("a")

    assert plain(scene.run.nodes["a"].output)["message"] == DECLINED.message


def test_a_requeued_step_forgets_how_it_failed_before():
    """3.6, 5.6."""
    scene = Scene(graph("a>b", a=PARK))
    scene.fail("a")
    assert scene.run.inline == len(scene.run.nodes["a"].output)

    scene.requeue("a")

    assert (scene.run.inline, scene.run.nodes["a"].output) == (0, None)
