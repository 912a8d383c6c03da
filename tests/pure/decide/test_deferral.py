"""A step that asks to be called later: observed, not failed (18.1)."""

from squidie.decide.retry import MOST_DEFERRALS
from squidie.history.facts import AttemptCompleted, AttemptDeferred, Disposition, FailureCode
from squidie.history.run import NodeStatus
from squidie.workflow.spec import GiveUp, Retry
from tests.pure.scene import Scene, after, graph


def put_off(scene, step, times):
    for _ in range(times):
        facts = scene.defer(step, after=1.0)
    return facts


def test_a_deferral_keeps_the_attempt_and_makes_it_due_later():
    """18.1."""
    scene = Scene("a")
    claim = scene.claim("a").lease.ended(1)

    facts = scene.defer("a", due_at=after(60.000_001), reason="not ready")

    assert facts == [
        AttemptDeferred(step="a", attempt=1, claim=claim, due_at=after(60.000_001), n=1, reason="not ready")
    ]
    assert (scene.row("a").lease, scene.row("a").due_at, scene.row("a").attempt) == (None, after(60.000_001), 1)


def test_a_deferral_may_say_how_long_from_now():
    """18.1."""
    for seconds, due in ((0.000_001, 5.000_001), (None, 5)):
        scene = Scene("a")
        scene.now = after(5)
        assert scene.defer("a", after=seconds)[0].due_at == after(due)


def test_ten_deferrals_and_a_success_use_one_attempt_and_no_retry():
    """18.1."""
    scene = Scene(graph("a", a={"retry": Retry(2)}))
    put_off(scene, "a", 10)

    [done, _] = scene.complete("a")

    assert (done.attempt, done.claim.n, scene.run.nodes["a"].lost) == (1, 11, 0)
    assert [fact.n for fact in scene.facts if isinstance(fact, AttemptDeferred)] == list(range(1, 11))


def test_deferrals_are_counted_beside_retries_and_losses():
    """18.1."""
    scene = Scene(graph("a", a={"retry": Retry(3)}))
    scene.defer("a", after=1.0)
    scene.expire("a")
    scene.fail("a")

    assert scene.defer("a", after=1.0)[0].n == 2


def test_a_step_that_is_put_off_for_ever_has_failed():
    """18.1."""
    scene = Scene("a>b a!c")
    assert MOST_DEFERRALS == 1000
    put_off(scene, "a", MOST_DEFERRALS)

    [failed] = scene.defer("a", after=1.0)

    assert failed.disposition is Disposition.ROUTED
    assert (failed.error.kind, failed.error.code) == (FailureCode.STEP_FAILED, "too_many_deferrals")
    assert scene.run.open_steps == ["c"]


def test_a_step_that_was_put_off_too_often_and_is_requeued_may_be_put_off_again():
    """5.6, 18.1: a fresh budget"""
    scene = Scene(graph("a", a={"on_give_up": GiveUp.PARK}))
    put_off(scene, "a", MOST_DEFERRALS + 1)
    assert scene.status("a") is NodeStatus.PARKED
    scene.requeue("a")

    [deferred] = scene.defer("a", after=1.0)

    assert (deferred.kind, deferred.n, deferred.attempt) == ("attempt_deferred", 1, 2)


def test_what_was_deferred_may_be_made_due_at_once():
    """5.7."""
    scene = Scene("a")
    scene.defer("a", after=3600.0)

    scene.hasten("a")

    assert scene.row("a").due_at == scene.now


def test_a_deferral_after_the_first_of_two_steps_leaves_the_other_alone():
    """18.1."""
    scene = Scene("a b")
    scene.defer("a", after=3600.0)

    [done] = scene.complete("b")

    assert isinstance(done, AttemptCompleted)
    assert scene.run.open_steps == ["a"]
