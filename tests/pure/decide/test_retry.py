"""A step that failed: tried again, handled by an error edge, or the end of the run (5.1 to 5.5, 5.11)."""

from datetime import timedelta

import pytest

from squidie.history.facts import AttemptFailed, Claim, Disposition, Ended, Moved, Opening, RunFailed
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import Retry
from tests.pure.scene import DECLINED, NOON, Scene, after, graph


def scene(text="charge", **retry):
    return Scene(graph(text, charge={"retry": Retry(**retry)} if retry else {}))


def waits(scene, times, **how):
    """The delay after each of these failures."""
    found = []
    for _ in range(times):
        [fact] = scene.fail("charge", **how)
        found.append((fact.opens[0].due_at - scene.now).total_seconds())
        scene.now = fact.opens[0].due_at
    return found


def test_a_failed_step_with_attempts_left_is_tried_again_later():
    """5.1, 5.4."""
    run = scene(max_attempts=2, min=10.0)
    run.now = after(1)

    facts = run.fail("charge")

    claim = Claim(id=run.claimed[0], n=1, owner="host:1:boot", claimed_at=after(1), lease_until=after(31))
    again = Opening(step="charge", attempt=2, queue="default", due_at=after(11))
    assert facts == [
        AttemptFailed(
            step="charge",
            attempt=1,
            max_attempts=2,
            error=DECLINED,
            claim=claim,
            disposition=Disposition.RETRIED,
            opens=(again,),
        )
    ]


def test_without_a_policy_a_failure_fails_the_run_at_once():
    """5.2, 5.5."""
    run = scene()

    [failed, ended] = run.fail("charge")

    assert (failed.disposition, failed.max_attempts, failed.opens) == (Disposition.FATAL, 1, ())
    assert ended == RunFailed(step="charge", error=DECLINED)
    assert (run.run.status, run.run.step, run.run.error) == (RunStatus.FAILED, "charge", DECLINED)


def test_attempts_are_counted_with_the_first_one():
    """5.1."""
    run = scene(max_attempts=3)

    assert waits(run, 2) == [1.0, 2.0]
    assert [fact.kind for fact in run.fail("charge")] == ["attempt_failed", "run_failed"]


def test_a_step_may_succeed_on_its_third_attempt():
    """5.1."""
    run = scene(max_attempts=3)
    waits(run, 2)

    [done, _] = run.complete("charge")

    assert (done.attempt, done.claim.n) == (3, 1)
    assert run.run.status is RunStatus.COMPLETED


def test_what_is_not_to_be_retried_fails_at_once():
    """5.2, 5.3."""
    run = scene(max_attempts=3)

    [failed, _] = run.fail("charge", retryable=False)

    assert (failed.disposition, failed.max_attempts) == (Disposition.FATAL, 3)


def test_the_delay_is_drawn_by_the_dice_that_the_command_carries():
    """5.1."""
    run = scene(max_attempts=3, min=8.0, jitter=True)

    assert waits(run, 1, dice=0.25) == [6.0]


def test_an_attempt_goes_to_the_same_queue_with_the_same_urgency():
    """5.4."""
    run = Scene(graph("charge", charge={"retry": Retry(2), "queue": "gpu", "priority": 3}))

    [failed] = run.fail("charge")

    assert (failed.opens[0].queue, failed.opens[0].priority) == ("gpu", 3)


def test_retry_later_without_a_policy_implies_four_attempts():
    """5.3."""
    run = scene()

    assert waits(run, 3, after=7.0) == [7.0, 7.0, 7.0]
    [failed, _] = run.fail("charge", after=7.0)
    assert (failed.disposition, failed.max_attempts) == (Disposition.FATAL, 4)


def test_retry_later_uses_an_attempt_of_the_policy_and_its_own_delay():
    """5.3."""
    run = scene(max_attempts=2, min=1.0)

    assert waits(run, 1, after=0.0) == [0.0]
    assert len(run.fail("charge", after=0.0)) == 2


@pytest.mark.parametrize(("passed", "retried"), [(0, True), (50, True), (50.000001, False), (61, False)])
def test_no_attempt_is_made_that_would_begin_after_the_bound(passed, retried):
    """5.1: `within` bounds the whole"""
    run = scene(max_attempts=9, min=10.0, within=60.0)
    run.now = after(passed)

    [failed, *_] = run.fail("charge")

    assert (failed.disposition is Disposition.RETRIED) is retried


def test_the_bound_counts_from_the_opening_of_the_first_attempt():
    """5.1."""
    run = scene(max_attempts=9, min=10.0, within=60.0)

    assert waits(run, 2) == [10.0, 20.0]
    assert len(run.fail("charge")) == 2  # 30 s have passed, and 40 more would be too many


def test_an_error_edge_handles_what_cannot_be_tried_again():
    """1.18, 5.5."""
    run = scene("a>charge charge>ship charge!refund")
    run.complete("a")

    [failed] = run.fail("charge")

    assert failed.disposition is Disposition.ROUTED
    assert failed.moved == Moved(
        taken=("charge:error:refund",), skipped_edges=("charge:ok:ship",), skipped_steps=("ship",)
    )
    assert failed.opens == (Opening(step="refund", attempt=1, queue="default", due_at=NOON),)
    assert run.run.nodes["charge"].status is NodeStatus.FAILED
    assert run.run.status is RunStatus.RUNNING


def test_an_error_edge_waits_until_the_attempts_are_exhausted():
    """5.5."""
    run = scene("charge!refund", max_attempts=2)

    waits(run, 1)
    [failed] = run.fail("charge")

    assert (failed.attempt, failed.disposition) == (2, Disposition.ROUTED)


def test_a_routed_failure_leaves_siblings_alone():
    """1.18."""
    run = scene("charge!end other")

    [failed] = run.fail("charge")

    assert failed.disposition is Disposition.ROUTED
    assert run.run.open_steps == ["other"]


def test_a_fatal_failure_names_the_claims_of_siblings_that_it_ends():
    """5.11."""
    run = scene("charge held lost idle")
    held = run.claim("held").lease
    run.expire("lost")
    lost = run.claim("lost").lease

    [_, ended] = run.fail("charge")

    assert ended.ends == (
        Ended(step="held", attempt=1, claim=held.ended(1)),
        Ended(step="lost", attempt=1, claim=lost.ended(2)),
    )
    assert run.rows == {}


def test_a_retry_of_years_stays_in_the_calendar():
    """0: durations"""
    run = scene(max_attempts=9, min=1e300, max=1e300)

    assert waits(run, 1) == [timedelta(days=366).total_seconds()]
