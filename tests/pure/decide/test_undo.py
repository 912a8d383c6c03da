"""Undoing what has completed, the last first (18.2)."""

import pytest

from squidie.errors import InvalidTransition
from squidie.history.bodies import Cause, Undoing
from squidie.history.facts import (
    AttemptDeadLettered,
    CompensationStarted,
    CompensationStuck,
    Disposition,
    FailureCode,
    Opening,
    OpenKind,
    ReleaseReason,
    RunCancelled,
    RunFailed,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import UNDO_RETRY, Compensate, GiveUp, OnStuck, Retry
from tests.pure.scene import BY, DECLINED, NOON, Scene, after, graph


def undo(**options):
    return {"compensate": Compensate(action="shop:undo", **options)}


def failed(text="a>b b>c c>x", **nodes):
    """Everything has completed but `x`, which has failed."""
    declared = {name: undo() for name in "abc"} | nodes
    scene = Scene(graph(text, **declared))
    while "x" not in scene.run.nodes:
        scene.complete(next(iter(scene.rows.values())).step)
    scene.fail("x")
    return scene


def undone(scene, *steps):
    for step in steps:
        facts = scene.complete(f"compensate:{step}")
    return facts


def stuck(scene, step):
    """Its undo fails as often as it may."""
    for _ in range(scene.spec.work[f"compensate:{step}"].retry.max_attempts):
        facts = scene.fail(f"compensate:{step}")
    return facts


def test_completed_steps_are_undone_in_reverse_order_one_at_a_time():
    """18.2."""
    scene = failed()

    begun = scene.facts[-1]
    assert begun == CompensationStarted(
        cause=Cause.FAILED,
        order=("c", "b", "a"),
        step="x",
        error=DECLINED,
        opens=(Opening(step="compensate:c", attempt=1, queue="default", due_at=NOON, kind=OpenKind.COMPENSATION),),
    )
    [done] = undone(scene, "c")
    assert [opened.step for opened in done.opens] == ["compensate:b"]
    assert scene.run.open_steps == ["compensate:b"]


def test_when_all_is_undone_the_run_fails_with_the_original_error():
    """18.2."""
    scene = failed()

    [_, ended] = undone(scene, "c", "b", "a")

    assert ended == RunFailed(step="x", error=DECLINED, compensation=Undoing.FINISHED)
    assert scene.run.status is RunStatus.FAILED


def test_a_step_without_a_compensation_is_passed_over():
    """18.2."""
    scene = failed(b={})

    assert scene.run.undo.order == ("c", "a")


def test_parallel_arms_are_undone_by_when_they_ended():
    """18.2."""
    spec = graph("a b c d x", **{name: undo() for name in "abcd"})
    scene = Scene(spec)
    for step in "cab":
        scene.complete(step)
    scene.fail("x")

    assert scene.run.undo.order == ("b", "a", "c")
    assert scene.status("d") is NodeStatus.WITHDRAWN


def test_of_equal_rank_the_names_decide():
    """18.2."""
    unsure = undo(when_unsure=True)
    scene = Scene(graph("d b c x", d=unsure, b=unsure, c=unsure))
    for step in "dbc":
        scene.claim(step)
    scene.fail("x")

    [begun] = scene.elapse("drain:run")

    assert begun.order == ("b", "c", "d")


def test_an_undo_is_worked_where_its_step_was_unless_it_says_where():
    """18.2."""
    scene = failed(c={"queue": "gpu", "priority": 7, **undo()}, b={"queue": "gpu", **undo(queue="slow")})

    row = scene.row("compensate:c")
    assert (row.action, row.queue, row.priority, row.kind) == ("shop:undo", "gpu", 7, OpenKind.COMPENSATION)
    undone(scene, "c")
    assert scene.row("compensate:b").queue == "slow"


def test_an_undo_is_tried_again_by_its_own_policy():
    """18.2."""
    scene = failed(c=undo(retry=Retry(3, min=8.0)), b=undo())

    [first] = scene.fail("compensate:c")
    assert (first.disposition, first.max_attempts) == (Disposition.RETRIED, 3)
    assert first.opens[0].due_at == after(8)
    assert first.opens[0].kind is OpenKind.COMPENSATION

    undone(scene, "c")
    assert scene.fail("compensate:b")[0].max_attempts == UNDO_RETRY.max_attempts == 5


def test_a_retry_of_an_undo_is_made_due_now():
    """5.7, 18.2."""
    scene = failed(c=undo(retry=Retry(3, min=800.0)))
    scene.fail("compensate:c")

    assert scene.hasten("compensate:c")[0].attempt == 2


def test_a_lost_claim_on_an_undo_is_taken_again():
    """4.3, 18.2."""
    scene = failed()

    assert scene.expire("compensate:c")[0].due_at is not None
    assert scene.release("compensate:c")[0].due_at is not None
    assert scene.defer("compensate:c", after=1.0)[0].closes == ()
    assert scene.run.open_steps == ["compensate:c"]


def test_an_undo_that_gives_up_is_parked_until_somebody_takes_it_up():
    """18.2."""
    scene = failed()

    [gave_up, told] = stuck(scene, "c")

    assert (gave_up.disposition, gave_up.opens) == (Disposition.PARKED, ())
    assert told == CompensationStuck(step="compensate:c", error=DECLINED)
    assert (scene.rows, scene.run.open_steps) == ({}, ["compensate:c"])
    assert scene.run.status is RunStatus.COMPENSATING


def test_a_stuck_undo_that_is_requeued_goes_on_and_finishes():
    """5.6, 18.2."""
    scene = failed()
    stuck(scene, "c")

    [requeued] = scene.requeue("compensate:c")
    assert (requeued.opens[0].attempt, requeued.opens[0].kind) == (6, OpenKind.COMPENSATION)
    assert scene.fail("compensate:c")[0].disposition is Disposition.RETRIED  # a fresh budget
    [_, ended] = undone(scene, "c", "b", "a")

    assert ended.compensation is Undoing.FINISHED


def test_a_stuck_undo_that_is_discarded_is_passed_over_and_the_run_says_so():
    """5.6, 18.2."""
    scene = failed()
    stuck(scene, "c")

    [discarded] = scene.discard("compensate:c")
    assert [opened.step for opened in discarded.opens] == ["compensate:b"]
    [_, ended] = undone(scene, "b", "a")

    assert ended == RunFailed(step="x", error=DECLINED, compensation=Undoing.INCOMPLETE)


def test_the_last_undo_may_be_discarded():
    """5.6, 18.2."""
    scene = failed("a>x")
    stuck(scene, "a")

    [_, ended] = scene.discard("compensate:a")

    assert (ended.error, ended.compensation) == (DECLINED, Undoing.INCOMPLETE)


def test_an_undo_may_be_left_undone():
    """18.2."""
    scene = failed(c=undo(retry=Retry(1), on_stuck=OnStuck.CONTINUE), a=undo(retry=Retry(1), on_stuck=OnStuck.CONTINUE))

    [gave_up, told] = stuck(scene, "c")
    assert (gave_up.disposition, [opened.step for opened in gave_up.opens]) == (
        Disposition.TOLERATED,
        ["compensate:b"],
    )
    assert told.kind == "compensation_stuck"

    undone(scene, "b")
    [_, _, ended] = stuck(scene, "a")
    assert (ended.step, ended.error, ended.compensation) == ("x", DECLINED, Undoing.INCOMPLETE)


def test_an_undo_whose_claims_are_lost_too_often_is_stuck():
    """4.4, 18.2."""
    scene = failed()
    for _ in range(4):
        scene.release("compensate:c", ReleaseReason.CHILD_DIED)

    [_, letter, told] = scene.expire("compensate:c")

    assert isinstance(letter, AttemptDeadLettered)
    assert (letter.disposition, told.error.kind) == (Disposition.PARKED, FailureCode.CLAIMS_EXHAUSTED)


def test_where_nothing_has_completed_the_run_fails_at_once():
    """18.2."""
    scene = Scene(graph("x>a", a=undo()))

    [_, ended] = scene.fail("x")

    assert (ended.kind, ended.compensation) == ("run_failed", Undoing.NONE)


@pytest.mark.parametrize(
    ("lose", "order"),
    [
        (lambda scene: scene.expire("c"), ("c", "a")),
        (lambda scene: scene.release("c", ReleaseReason.CHILD_DIED), ("c", "a")),
        (lambda scene: scene.release("c", ReleaseReason.GIVEN_BACK), ("a",)),
        (lambda scene: scene.fail("c"), ("a",)),
        (lambda scene: scene.fail("c", error=TIMED_OUT), ("c", "a")),
    ],
)
def test_with_when_unsure_an_attempt_of_which_nobody_knows_is_undone_as_well(lose, order):
    """18.2."""
    scene = Scene(graph("a>c a>x", a=undo(), c={"retry": Retry(9), **undo(when_unsure=True)}))
    scene.complete("a")
    lose(scene)
    scene.fail("x")

    assert scene.run.undo.order == order


TIMED_OUT = type(DECLINED)(kind=FailureCode.TIMED_OUT, type="TimedOut", message="too long")


def test_a_step_that_timed_out_for_good_may_have_taken_effect():
    """18.2, 18.3."""
    scene = Scene(graph("a>x", a=undo(), x=undo(when_unsure=True)))
    scene.complete("a")
    scene.fail("x", error=TIMED_OUT)

    assert scene.run.undo.order == ("x", "a")


def test_a_step_whose_claims_were_all_lost_may_have_taken_effect():
    """4.4, 18.2."""
    scene = Scene(graph("x", x=undo(when_unsure=True)), max_claims=1)
    scene.expire("x")

    assert scene.run.undo.order == ("x",)
    [_, ended] = undone(scene, "x")
    assert ended.error.kind is FailureCode.CLAIMS_EXHAUSTED


def test_a_failure_that_was_handled_undoes_nothing():
    """18.2."""
    scene = Scene(graph("a>x x!y", a=undo()))
    scene.complete("a")
    scene.fail("x")

    assert (scene.run.undo, scene.run.open_steps) == (None, ["y"])


def test_a_cancellation_may_ask_for_the_undo():
    """7.2, 18.2."""
    scene = Scene(graph("a>b b>c", a=undo(), b=undo()))
    scene.complete("a")
    scene.complete("b")

    [begun] = scene.cancel("a mistake", compensate=True)
    assert (begun.by, begun.cause, begun.reason, begun.order) == (BY, Cause.CANCELLED, "a mistake", ("b", "a"))
    assert [(closing.step, closing.attempt) for closing in begun.closes] == [("c", 1)]
    assert scene.run.status is RunStatus.COMPENSATING

    [_, ended] = undone(scene, "b", "a")
    assert ended == RunCancelled(reason="a mistake", compensation=Undoing.FINISHED)


def test_a_cancellation_with_undo_lets_what_runs_settle_first():
    """5.11, 7.2."""
    scene = Scene(graph("a>b b>c", a=undo(), b=undo()))
    scene.complete("a")
    scene.claim("b")

    [drain] = scene.cancel(compensate=True)
    assert (drain.kind, drain.by) == ("drain_started", BY)
    [_, begun] = scene.complete("b")

    assert begun.order == ("b", "a")


@pytest.mark.parametrize("declared", [{}, undo()])
def test_a_cancellation_with_nothing_to_undo_ends_at_once(declared):
    """7.2."""
    scene = Scene(graph("a", a=declared))

    assert scene.cancel("x", compensate=True) == [RunCancelled(by=BY, reason="x")]


def test_a_run_that_is_being_undone_is_cancelled_only_by_abandoning_that():
    """7.2."""
    scene = failed()
    held = scene.claim("compensate:c").lease
    for compensate in (False, True):
        with pytest.raises(InvalidTransition) as refused:
            scene.cancel(compensate=compensate)
        assert refused.value.details["status"] == "compensating"

    [ended] = scene.cancel("let it be", abandon_undo=True)

    assert (ended.compensation, ended.reason) == (Undoing.INCOMPLETE, "let it be")
    assert [(end.step, end.claim) for end in ended.ends] == [("compensate:c", held.ended(1))]
    assert scene.run.status is RunStatus.CANCELLED


def test_abandoning_may_be_asked_in_a_drain():
    """7.2."""
    scene = Scene(graph("a>x a>s", a=undo()))
    scene.complete("a")
    scene.claim("s")
    scene.fail("x")

    [ended] = scene.cancel(abandon_undo=True)

    assert (ended.compensation, [end.step for end in ended.ends]) == (Undoing.INCOMPLETE, ["s"])


def test_discarding_a_parked_step_starts_the_undo():
    """5.6, 18.2."""
    scene = Scene(graph("a>b", a=undo(), b={"on_give_up": GiveUp.PARK}))
    scene.complete("a")
    scene.fail("b")

    [discarded, begun] = scene.discard("b")

    assert (discarded.kind, begun.order, begun.error.kind) == ("step_discarded", ("a",), FailureCode.STEP_DISCARDED)


def test_undone_steps_are_no_leaves_and_parts_of_the_graph_stay_as_they_were():
    """1.20, 18.2."""
    scene = failed()
    edges = dict(scene.run.edges)
    undone(scene, "c", "b", "a")

    assert scene.run.edges == edges
    assert [scene.status(name) for name in ("a", "compensate:a")] == [NodeStatus.DONE, NodeStatus.DONE]
