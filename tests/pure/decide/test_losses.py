"""Claims that end without an outcome: given back, expired, and lost once too often (4.3, 4.4, 4.8)."""

import msgspec
import pytest

from squidie.decide.commands import Expire, Limits
from squidie.history.facts import (
    AttemptDeadLettered,
    AttemptExpired,
    AttemptReleased,
    Disposition,
    FailureCode,
    Opening,
    ReleaseReason,
    RunFailed,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from tests.pure.scene import NOON, Scene, after

CLEAN = [reason for reason in ReleaseReason if reason is not ReleaseReason.CHILD_DIED]


@pytest.mark.parametrize("reason", ReleaseReason)
def test_a_claim_given_back_leaves_the_attempt_due_under_its_number(reason):
    """4.8, 4.9."""
    scene = Scene("a")
    claim = scene.claim("a").lease.ended(1)

    facts = scene.release("a", reason, delay=2.5)

    assert facts == [AttemptReleased(step="a", attempt=1, claim=claim, due_at=after(2.5), reason=reason)]
    assert (scene.row("a").lease, scene.row("a").due_at) == (None, after(2.5))
    assert scene.run.open_steps == ["a"]


@pytest.mark.parametrize("reason", CLEAN)
def test_a_clean_release_never_counts_as_a_loss(reason):
    """4.4."""
    scene = Scene("a", max_claims=2)
    scene.expire("a")
    for _ in range(9):
        scene.release("a", reason)

    assert scene.row("a").lost == scene.run.nodes["a"].lost == 1
    assert scene.run.nodes["a"].claims == 10


def test_an_expired_claim_counts_as_a_loss_and_the_attempt_is_due_again():
    """4.3."""
    scene = Scene("a")
    claim = scene.claim("a").lease.ended(1)

    facts = scene.expire("a", delay=1.0)

    assert facts == [AttemptExpired(step="a", attempt=1, claim=claim, due_at=after(31), lost=1)]
    assert scene.row("a").lost == 1


def test_a_lease_is_over_at_its_end():
    """0: the boundary counts"""
    for now, facts in ((after(29.999999), 0), (after(30), 1)):
        scene = Scene("a")
        key, claim_id = scene.claim("a").key, scene.row("a").lease.claim_id
        scene.now = now
        assert len(scene.ask(Expire(*key, claim_id))) == facts


def test_an_expiry_decided_on_a_renewed_lease_writes_nothing():
    """4.3."""
    scene = Scene("a")
    held = scene.claim("a")
    scene.now = after(31)
    scene.renew("a", after(60))

    assert scene.ask(Expire(*held.key, held.lease.claim_id)) == []
    assert scene.run.revision == 1


def test_an_expiry_of_a_claim_that_is_no_more_writes_nothing():
    """4.3."""
    scene = Scene("a")
    old = scene.claim("a")
    late = Expire(*old.key, old.lease.claim_id)
    scene.expire("a")
    assert scene.ask(late) == []  # nobody holds it

    scene.claim("a")
    scene.now = after(3_600)
    assert scene.ask(late) == []  # somebody else does

    scene.cancel()
    assert scene.ask(late) == []  # the row is gone


def lose(scene, step, times):
    """Every second claim by a dead child."""
    for number in range(times):
        facts = scene.release(step, ReleaseReason.CHILD_DIED) if number % 2 else scene.expire(step)
    return facts


def test_the_fifth_loss_ends_the_run_when_nothing_handles_it():
    """4.4: W-13."""
    scene = Scene("a b")
    held = scene.claim("b").lease
    assert len(lose(scene, "a", 4)) == 1

    [expired, letter, ended] = scene.expire("a")

    assert (expired.lost, expired.claim.n) == (5, 5)
    assert (letter.reason, letter.disposition) == (FailureCode.CLAIMS_EXHAUSTED, Disposition.FATAL)
    assert letter.error.kind is letter.reason
    assert letter.error.code == "claims_exhausted"
    assert ended == RunFailed(step="a", error=letter.error, ends=ended.ends)
    assert [(end.step, end.claim) for end in ended.ends] == [("b", held.ended(1))]
    assert scene.run.status is RunStatus.FAILED


def test_the_fifth_loss_takes_the_error_edge():
    """4.4, 5.5."""
    scene = Scene("a!b a>c")
    lose(scene, "a", 4)

    [_, letter] = lose(scene, "a", 1)

    assert isinstance(letter, AttemptDeadLettered)
    assert letter.disposition is Disposition.ROUTED
    assert letter.moved.taken == ("a:error:b",)
    assert letter.opens == (Opening(step="b", attempt=1, queue="default", due_at=scene.now),)
    assert (scene.run.nodes["a"].status, scene.run.nodes["c"].status) == (NodeStatus.FAILED, NodeStatus.SKIPPED)


def test_a_dead_letter_handled_by_the_end_completes_the_run():
    """1.18, 4.4."""
    scene = Scene("a!end", max_claims=1)

    [_, _, ended] = scene.release("a", ReleaseReason.CHILD_DIED)

    assert ended.kind == "run_completed"


def test_a_node_that_was_given_up_counts_the_claims_that_were_made():
    """4.4."""
    scene = Scene("a!end")
    lose(scene, "a", 5)

    assert (scene.run.nodes["a"].claims, scene.run.nodes["a"].lost) == (5, 5)


def test_losses_are_counted_for_each_attempt():
    """4.4."""
    scene = Scene("a", max_claims=2)
    scene.expire("a")
    scene.fail("a", after=1.0)

    assert len(scene.expire("a")) == 1
    assert len(scene.expire("a")) == 3


def test_a_clean_release_gives_nothing_up_though_the_bound_was_lowered():
    """4.4."""
    scene = Scene("a")
    lose(scene, "a", 4)
    scene.limits = Limits(max_claims=2)

    assert len(scene.release("a")) == 1
    assert len(scene.expire("a")) == 3


def test_a_loss_uses_no_retry():
    """4.3."""
    scene = Scene("a")
    scene.expire("a")

    assert (scene.row("a").attempt, scene.claim("a").attempt) == (1, 1)
    assert scene.complete("a")[0].claim.n == 2


def test_the_claim_that_a_fact_ends_is_named_as_last_renewed():
    """3: the facts"""
    scene = Scene("a")
    scene.claim("a")
    scene.renew("a", after(99))

    [done, _] = scene.complete("a")

    assert (done.claim.claimed_at, done.claim.lease_until) == (NOON, after(99))
    assert "token" not in msgspec.json.encode(done.claim).decode()
