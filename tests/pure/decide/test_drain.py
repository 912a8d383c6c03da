"""A run that will be undone first lets end what is running: nothing new begins (5.11)."""

import pytest

from squidie.decide.commands import Complete, Elapse, Limits
from squidie.decide.course import DRAIN
from squidie.errors import StaleClaim
from squidie.history.bodies import Cause
from squidie.history.canonical import canonical
from squidie.history.facts import (
    AttemptExpired,
    AttemptReleased,
    Closing,
    CompensationStarted,
    Disposition,
    DrainStarted,
    Ended,
    Opening,
    OpenKind,
    ReleaseReason,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import Compensate, Deadline, GiveUp, Retry
from tests.pure.scene import DECLINED, RUN, Scene, after, graph, of_kind

UNDO = {"compensate": Compensate(action="undo")}
UNSURE = {"compensate": Compensate(action="undo", when_unsure=True)}


def draining(text="a>x a>s s>t", **nodes):
    """`a` is done, `s` is running, and `x` has failed: that drains the run."""
    scene = Scene(graph(text, **{"a": UNDO, **nodes}), limits=Limits(max_claims=2, drain=30.0))
    scene.complete("a")
    scene.claim("s", lease=300)
    scene.fail("x")
    return scene


def test_without_any_compensation_the_run_fails_in_its_own_commit():
    """5.11."""
    scene = Scene("a>x a>s")
    scene.complete("a")
    held = scene.claim("s").lease

    assert [fact.kind for fact in scene.fail("x")] == ["attempt_failed", "run_failed"]
    assert scene.facts[-1].ends == (Ended(step="s", attempt=1, claim=held.ended(1)),)


def test_a_failure_drains_a_run_in_which_something_is_running():
    """5.11."""
    scene = draining()

    drain = scene.facts[-1]
    assert drain == DrainStarted(
        cause=Cause.FAILED,
        step="x",
        error=DECLINED,
        opens=(Opening(step=DRAIN, attempt=1, queue="default", due_at=after(30), kind=OpenKind.TIMER),),
    )
    assert scene.run.status is RunStatus.COMPENSATING
    assert scene.run.open_steps == ["s"]


def test_what_nobody_is_at_is_withdrawn():
    """5.11: unclaimed siblings, open waits and timers"""
    scene = Scene(
        graph(
            "a>x a>s idle p w e parked late",
            a=UNDO,
            p=of_kind("approval", due=60.0),
            w=of_kind("wait", duration=60.0),
            e=of_kind("event"),
            parked={"on_give_up": GiveUp.PARK},
            late={"deadline": Deadline(within=60.0), "retry": Retry(2, min=60.0)},
            limit=Deadline(within=600.0),
        )
    )
    scene.fail("parked")
    scene.fail("late")
    scene.complete("a")
    scene.claim("s")

    [_, drain] = scene.fail("x")

    timers = {("p", 1), ("w", 1), ("deadline:late", 1), ("deadline:run", 1)}
    assert {(each.step, each.attempt) for each in drain.closes if each.kind is OpenKind.TIMER} == timers
    assert {(each.step, each.attempt) for each in drain.closes if each.kind is OpenKind.STEP} == {
        ("idle", 1),
        ("late", 2),
    }
    assert {each.step for each in drain.closes if each.kind is OpenKind.WAIT} == {"p", "w", "e"}
    assert Closing(step="parked", kind=OpenKind.PARKED) in drain.closes
    assert {name for name, node in scene.run.nodes.items() if node.status is NodeStatus.WITHDRAWN} == {
        *("idle", "late", "p", "w", "e", "parked")
    }
    assert scene.rows.keys() == {(RUN, "s", 1), (RUN, DRAIN, 1)}


def test_a_step_that_settles_in_the_drain_plans_no_successor_and_then_the_undo_begins():
    """5.11."""
    scene = draining(s=UNDO)

    [done, begun] = scene.complete("s", 5)

    assert (done.moved.taken, done.opens) == ((), ())
    assert isinstance(begun, CompensationStarted)
    assert (begun.order, begun.step, begun.error) == (("s", "a"), "x", DECLINED)
    assert begun.closes == (Closing(step=DRAIN, attempt=1, kind=OpenKind.TIMER),)
    assert "t" not in scene.run.nodes


def test_a_step_that_fails_in_the_drain_is_not_tried_again():
    """5.11."""
    for declared in ({"retry": Retry(9)}, {"on_give_up": GiveUp.PARK}, {"on_give_up": GiveUp.TOLERATE}):
        scene = draining("a>x a>s s!t", s=declared)

        [failed, begun] = scene.fail("s", after=1.0)

        assert (failed.disposition, failed.opens, begun.order) == (Disposition.FATAL, (), ("a",))
        assert begun.error == DECLINED


def test_the_drain_goes_on_while_another_is_running():
    """5.11."""
    scene = Scene(graph("a>x a>s a>t", a=UNDO))
    scene.complete("a")
    scene.claim("s")
    scene.claim("t")
    scene.fail("x")

    assert len(scene.complete("s")) == 1
    assert [fact.kind for fact in scene.fail("t")] == ["attempt_failed", "compensation_started"]


@pytest.mark.parametrize("reason", ReleaseReason)
def test_a_claim_given_back_in_the_drain_takes_its_attempt_with_it(reason):
    """5.11."""
    scene = draining()

    [released, begun] = scene.release("s", reason, delay=5.0)

    assert isinstance(released, AttemptReleased)
    assert (released.due_at, released.closes) == (None, (Closing(step="s", attempt=1),))
    assert begun.kind == "compensation_started"
    assert scene.status("s") is NodeStatus.WITHDRAWN


def test_a_claim_that_expires_in_the_drain_takes_its_attempt_with_it():
    """5.11."""
    scene = draining(s=UNSURE)

    [expired, begun] = scene.expire("s")

    assert isinstance(expired, AttemptExpired)
    assert (expired.due_at, expired.lost, expired.closes) == (None, 1, (Closing(step="s", attempt=1),))
    assert begun.order == ("s", "a")  # whether it took effect nobody knows


def test_the_last_loss_in_the_drain_leaves_no_letter():
    """5.11."""
    scene = Scene(graph("a>x a>s", a=UNDO), max_claims=1)
    scene.complete("a")
    scene.claim("s")
    scene.fail("x")

    assert [fact.kind for fact in scene.expire("s")] == ["attempt_expired", "compensation_started"]


def test_a_deferral_in_the_drain_takes_its_attempt_with_it():
    """5.11, 18.1."""
    scene = draining(s=UNSURE)

    [deferred, begun] = scene.defer("s", after=60.0)

    assert deferred.closes == (Closing(step="s", attempt=1),)
    assert begun.order == ("a",)
    assert scene.status("s") is NodeStatus.WITHDRAWN


def test_what_still_runs_when_the_drain_is_over_is_withdrawn_and_named():
    """5.11."""
    scene = draining(s=UNSURE)
    held, lease = scene.held("s"), scene.row("s").lease

    [begun] = scene.elapse(DRAIN)

    assert scene.run.at == after(30)
    assert begun.ends == (Ended(step="s", attempt=1, claim=lease.ended(1)),)
    assert {(each.step, each.kind) for each in begun.closes} == {("s", OpenKind.STEP), (DRAIN, OpenKind.TIMER)}
    assert begun.order == ("s", "a")
    assert scene.run.nodes["s"].history.unsure
    with pytest.raises(StaleClaim):
        scene.ask(Complete(*held, canonical(5)))


def test_without_when_unsure_what_was_withdrawn_is_not_undone():
    """5.11, 18.2."""
    scene = draining(s=UNDO)

    [begun] = scene.elapse(DRAIN)

    assert begun.order == ("a",)


def test_where_nothing_is_to_be_undone_the_drain_ends_with_the_run():
    """5.11."""
    scene = Scene(graph("x s", s=UNDO))
    scene.claim("s")
    scene.fail("x")

    [ended] = scene.elapse(DRAIN)

    assert (ended.kind, ended.error, ended.compensation) == ("run_failed", DECLINED, "none")
    assert [end.step for end in ended.ends] == ["s"]


def test_a_drain_that_is_over_already_is_not_over_again():
    """5.11: though its row was read before the last step settled"""
    scene = draining()
    rows = dict(scene.rows)
    scene.complete("s")
    scene.rows, scene.now = rows, after(60)

    assert scene.ask(Elapse(RUN, DRAIN, 1)) == []


def test_what_the_failing_commit_itself_has_opened_is_withdrawn_too():
    """5.11."""
    scene = Scene(graph("a>b a>w", a=UNDO, b={"deadline": Deadline(within=5.0)}, w=of_kind("wait", until="payload.no")))

    facts = scene.complete("a")

    assert [opened.step for opened in facts[0].opens] == ["b", "deadline:b"]
    assert [fact.kind for fact in facts][-1] == "compensation_started"
    assert {(each.step, each.kind) for each in facts[-1].closes} == {
        ("b", OpenKind.STEP),
        ("deadline:b", OpenKind.TIMER),
    }
    assert scene.run.open_steps == ["compensate:a"]
