"""Deadlines of steps and of runs: each acts once, by a timer (18.3)."""

import pytest

from squidie.decide.commands import Complete, Elapse
from squidie.errors import StaleClaim
from squidie.history.canonical import canonical
from squidie.history.facts import DeadlinePassed, Ended, FailureCode, OpenKind
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import Compensate, Deadline, GiveUp, Overdue, Retry
from tests.pure.scene import RUN, Scene, after, graph, of_kind

TIMER = "deadline:a"


def bounded(text, then, **options):
    return Scene(graph(text, a={"deadline": Deadline(within=60.0, then=then, escalate_after=30.0), **options}))


def test_a_deadline_is_a_timer_that_opens_with_its_step():
    """18.3."""
    scene = Scene(graph("x>a", a={"deadline": Deadline(within=60.0)}))
    scene.now = after(5)

    [done] = scene.complete("x")

    assert [(opened.step, opened.kind, opened.due_at) for opened in done.opens] == [
        ("a", OpenKind.STEP, after(5)),
        (TIMER, OpenKind.TIMER, after(65)),
    ]
    assert scene.run.timers == {TIMER: 1}


@pytest.mark.parametrize("end", [Scene.complete, Scene.fail])
def test_a_step_that_ends_in_time_takes_its_deadline_along(end):
    """18.3."""
    scene = bounded("a>b a!b x", Overdue.FAIL)

    [fact] = end(scene, "a")

    assert [(closing.step, closing.kind) for closing in fact.closes] == [(TIMER, OpenKind.TIMER)]
    assert scene.run.timers == {}
    assert scene.ask(Elapse(RUN, TIMER, 1)) == []


def test_a_deadline_bounds_all_attempts_of_a_step():
    """18.3."""
    scene = bounded("a", Overdue.FAIL, retry=Retry(3), on_give_up=GiveUp.PARK)
    scene.fail("a")
    scene.expire("a")
    scene.defer("a", after=1.0)
    assert scene.run.timers == {TIMER: 1}

    scene.elapse(TIMER)

    assert scene.run.status is RunStatus.FAILED


@pytest.mark.parametrize(("then", "seconds"), [(Overdue.NOTE, 60), (Overdue.ESCALATE, 90)])
def test_a_deadline_that_is_only_noted_changes_nothing_else(then, seconds):
    """18.3."""
    scene = bounded("a>b", then)
    scene.claim("a")

    assert scene.elapse(TIMER) == [
        DeadlinePassed(step=TIMER, bounds="a", due_at=after(seconds), action=then),
    ]
    assert scene.ask(Elapse(RUN, TIMER, 1)) == []
    assert len(scene.complete("a")) == 1


def test_a_deadline_acts_to_the_microsecond():
    """0: the boundary counts"""
    scene = bounded("a", Overdue.NOTE)
    scene.now = after(59.999_999)
    assert scene.ask(Elapse(RUN, TIMER, 1)) == []

    scene.now = after(60)
    assert len(scene.ask(Elapse(RUN, TIMER, 1))) == 1


def test_a_deadline_may_end_its_step_whoever_is_at_it():
    """18.3."""
    scene = bounded("a>b a!c x", Overdue.FAIL)
    held = scene.held("a")
    lease = scene.row("a").lease

    [passed] = scene.elapse(TIMER)

    assert (passed.error.kind, passed.error.code) == (FailureCode.DEADLINE_PASSED, "deadline_passed")
    assert passed.ends == (Ended(step="a", attempt=1, claim=lease.ended(1)),)
    assert [(closing.step, closing.attempt) for closing in passed.closes] == [("a", 1)]
    assert (scene.status("a"), scene.status("b")) == (NodeStatus.FAILED, NodeStatus.SKIPPED)
    assert sorted(scene.run.open_steps) == ["c", "x"]
    assert scene.run.nodes["a"].history.unsure
    with pytest.raises(StaleClaim):
        scene.ask(Complete(*held, canonical(5)))


def test_a_deadline_ends_a_step_that_waits_for_its_next_attempt():
    """18.3."""
    scene = bounded("a a!c", Overdue.FAIL, retry=Retry(9, min=1000.0))
    scene.fail("a")

    [passed] = scene.elapse(TIMER)

    assert (passed.ends, [(closing.step, closing.attempt) for closing in passed.closes]) == ((), [("a", 2)])
    assert scene.run.open_steps == ["c"]


@pytest.mark.parametrize("on_give_up", GiveUp)
def test_a_step_that_its_deadline_ends_is_neither_parked_nor_tolerated(on_give_up):
    """18.3."""
    scene = bounded("a>b", Overdue.FAIL, on_give_up=on_give_up)

    assert [fact.kind for fact in scene.elapse(TIMER)] == ["deadline_passed", "run_failed"]


def test_a_missed_deadline_that_nothing_handles_fails_the_run():
    """18.3."""
    scene = bounded("a>b x", Overdue.FAIL)
    scene.claim("a")
    scene.claim("x")

    [passed, ended] = scene.elapse(TIMER)

    assert [end.step for end in passed.ends] == ["a"]
    assert [end.step for end in ended.ends] == ["x"]
    assert (ended.step, ended.error) == ("a", passed.error)


def test_a_missed_deadline_is_undone_like_any_other_failure():
    """18.2, 18.3."""
    undo = {"compensate": Compensate(action="undo", when_unsure=True)}
    scene = Scene(graph("x>a", x=undo, a={"deadline": Deadline(within=60.0, then=Overdue.FAIL), **undo}))
    scene.complete("x")
    scene.claim("a")

    scene.elapse(TIMER)

    assert scene.run.undo.order == ("a", "x")  # whether a took effect nobody knows


def test_a_deadline_may_cancel_the_run():
    """18.3."""
    scene = bounded("a>b x", Overdue.CANCEL)
    scene.claim("x")

    [passed, ended] = scene.elapse(TIMER)

    assert (passed.action, ended.reason) == (Overdue.CANCEL, "a has not ended by its deadline")
    assert [end.step for end in ended.ends] == ["x"]
    assert scene.run.status is RunStatus.CANCELLED


def test_a_parked_step_has_no_deadline_and_a_requeued_one_a_fresh_one():
    """5.6, 18.3."""
    scene = bounded("a", Overdue.FAIL, on_give_up=GiveUp.PARK)
    scene.fail("a")
    assert scene.run.timers == {}

    scene.now = after(1000)
    scene.requeue("a")

    assert scene.row(TIMER).due_at == after(1060)


def of_run(then, text="a>b"):
    return Scene(graph(text, limit=Deadline(within=60.0, then=then), b=of_kind("pause")))


def test_a_run_has_a_deadline_of_its_own_that_stays_until_it_ends():
    """18.3."""
    scene = of_run(Overdue.FAIL)
    assert scene.run.timers == {"deadline:run": 1}
    scene.complete("a")
    assert scene.run.status is RunStatus.PAUSED

    scene.resume()

    assert (scene.run.timers, scene.rows) == ({}, {})


def test_a_run_deadline_counts_from_the_start_whenever_its_steps_begin():
    """2.1, 18.3."""
    spec = graph("a", limit=Deadline(within=60.0), a={"deadline": Deadline(within=60.0)})
    scene = Scene(spec, at=after(1000))

    assert (scene.row("deadline:run").due_at, scene.row("a").due_at) == (after(60), after(1000))
    assert scene.row(TIMER).due_at == after(1060)


@pytest.mark.parametrize("step", [None, "b"])
def test_a_run_that_misses_its_deadline_may_fail(step):
    """18.3."""
    scene = of_run(Overdue.FAIL)
    if step:
        scene.complete("a")

    [passed, ended] = scene.elapse("deadline:run")

    assert (passed.bounds, passed.closes) == (None, ())
    assert (ended.step, ended.error) == (None, passed.error)
    assert ended.error.message == "the run has not ended by its deadline"


@pytest.mark.parametrize(("then", "status"), [(Overdue.NOTE, "running"), (Overdue.CANCEL, "cancelled")])
def test_a_run_that_misses_its_deadline_may_go_on_or_be_cancelled(then, status):
    """18.3."""
    scene = of_run(then)

    scene.elapse("deadline:run")

    assert (scene.run.status, scene.run.timers) == (status, {})


def test_a_run_that_misses_its_deadline_is_undone_before_it_fails():
    """18.2, 18.3."""
    spec = graph("a>b", limit=Deadline(within=60.0, then=Overdue.FAIL), a={"compensate": Compensate(action="undo")})
    scene = Scene(spec)
    scene.complete("a")
    scene.claim("b")

    assert [fact.kind for fact in scene.elapse("deadline:run")] == ["deadline_passed", "drain_started"]
    scene.complete("b")
    [_, ended] = scene.complete("compensate:a")
    assert (ended.step, ended.error.kind) == (None, FailureCode.DEADLINE_PASSED)


def test_a_deadline_against_a_completion_is_won_by_who_is_first():
    """18.3."""
    scene = bounded("a", Overdue.FAIL)
    scene.now = after(60)
    scene.complete("a")
    assert scene.ask(Elapse(RUN, TIMER, 1)) == []
    assert scene.run.status is RunStatus.COMPLETED
