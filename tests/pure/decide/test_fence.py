"""Whose outcome counts (4.5, 4.6)."""

from uuid import UUID

import pytest

from squidie.decide.commands import Complete, Fail, Release
from squidie.errors import RunEnded, StaleClaim, UnknownAttempt
from squidie.history.canonical import canonical
from squidie.history.facts import ReleaseReason
from tests.pure.scene import DECLINED, RUN, Scene

ENDS = {
    "complete": lambda held: Complete(*held, canonical(5)),
    "fail": lambda held: Fail(*held, DECLINED, retryable=True, dice=0.0),
    "release": lambda held: Release(*held, ReleaseReason.DRAINED),
}
every_outcome = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def refused(scene, command, error):
    """The outcome is refused, names its claim, and changes nothing."""
    with pytest.raises(error) as caught:
        scene.ask(command)
    assert caught.value.details == {
        "run_id": str(RUN),
        "step": command.step,
        "attempt": command.attempt,
        "claim_id": str(command.claim_id),
    }


@every_outcome
def test_an_outcome_after_the_end_of_the_run_is_told_so_before_anything_else(end):
    """4.6."""
    scene = Scene("a b")
    held = scene.held("a")
    scene.cancel()

    refused(scene, end(held), RunEnded)
    refused(scene, end((RUN, "nowhere", 9, UUID(int=9), b"")), RunEnded)


@every_outcome
@pytest.mark.parametrize("lose", [Scene.expire, Scene.release])
def test_a_claim_that_a_fact_has_ended_is_stale(end, lose):
    """4.6."""
    scene = Scene("a")
    held = scene.held("a")

    lose(scene, "a")
    refused(scene, end(held), StaleClaim)

    scene.claim("a")
    refused(scene, end(held), StaleClaim)  # and taken by another


@every_outcome
def test_an_attempt_that_has_settled_is_stale(end):
    """4.6."""
    scene = Scene("a>b")
    held = scene.held("a")
    scene.complete("a")

    refused(scene, end(held), StaleClaim)


@every_outcome
def test_an_attempt_that_was_tried_again_is_stale(end):
    """5.4: a stale failure can schedule nothing"""
    scene = Scene("a")
    held = scene.held("a")
    scene.fail("a", after=1.0)

    refused(scene, end(held), StaleClaim)


@every_outcome
def test_the_token_is_asked_for_and_not_only_the_claim(end):
    """4.5."""
    scene = Scene("a")
    held = scene.held("a")

    refused(scene, end((*held[:4], b"a guess")), StaleClaim)
    refused(scene, end((*held[:3], UUID(int=99), held[4])), StaleClaim)


@every_outcome
def test_an_attempt_that_the_run_never_opened_is_unknown(end):
    """4.6."""
    scene = Scene("a>b a!c c>d e")
    claim = (UUID(int=9), b"")

    refused(scene, end((RUN, "a", 2, *claim)), UnknownAttempt)
    refused(scene, end((RUN, "b", 1, *claim)), UnknownAttempt)
    refused(scene, end((RUN, "nowhere", 1, *claim)), UnknownAttempt)

    scene.complete("a")
    refused(scene, end((RUN, "c", 1, *claim)), UnknownAttempt)  # it was skipped


@every_outcome
def test_what_holds_its_claim_is_taken(end):
    """4.5."""
    scene = Scene("a>b b>c")

    assert scene.ask(end(scene.held("a")))
