"""What a replay would do a second time, over every way in which a step can have taken effect (SEMANTICS 8.3)."""

from datetime import timedelta

import msgspec
import pytest

from squidie.decide import gate
from squidie.errors import InvalidArgument, UnsafeReplay
from squidie.history.canonical import NULL
from squidie.history.facts import (
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    Carried,
    Disposition,
    Ended,
    ErrorRecord,
    FailureCode,
    Origin,
    ReleaseReason,
    RunCancelled,
    RunStarted,
)
from squidie.workflow.spec import Edge, Node, Spec, Trigger
from tests.pure.scene import CLAIM, DECLINED, NOON

SPEC = Spec(
    name="shop",
    triggers=(Trigger(name="go"),),
    nodes=(Node(name="a"), Node(name="charge", irreversible=True), Node(name="mail", replayable=False)),
    edges=(Edge(source="a", target="charge"), Edge(source="charge", target="mail")),
)
TIMED_OUT = ErrorRecord(kind=FailureCode.TIMED_OUT, type="TimedOut", message="late")
OF_CHARGE = {"step": "charge", "attempt": 1}
FAILED = {**OF_CHARGE, "max_attempts": 1, "claim": CLAIM, "disposition": Disposition.FATAL}


def key(step, run):
    return f"{run or 'this'}/{step}"


def unsafe(*facts, **options):
    times = [(NOON + timedelta(seconds=n), fact) for n, fact in enumerate(facts)]
    return gate.unsafe(SPEC, times, key=key, **options)


DONE = AttemptCompleted(**OF_CHARGE, claim=CLAIM)
CARRIED = RunStarted(
    workflow="shop",
    definition="d",
    trigger="go",
    payload=msgspec.Raw(b"{}"),
    queue="q",
    forked_from=Origin(run="other", step="mail", seq=3),
    carried=(Carried(step="charge", output=NULL),),
)


@pytest.mark.parametrize(
    ("fact", "known"),
    [
        (DONE, True),
        (AttemptFailed(**FAILED, error=TIMED_OUT), False),
        (AttemptExpired(**OF_CHARGE, claim=CLAIM, lost=1), False),
        (AttemptReleased(**OF_CHARGE, claim=CLAIM, reason=ReleaseReason.CHILD_DIED), False),
        (AttemptDeadLettered(**OF_CHARGE, error=DECLINED, disposition=Disposition.FATAL), False),
        (RunCancelled(reason="x", ends=(Ended(**OF_CHARGE, claim=CLAIM),)), False),
        (CARRIED, True),
    ],
    ids=lambda each: getattr(each, "kind", None),
)
def test_a_step_that_took_effect_or_may_have_must_be_named(fact, known):
    """8.3."""
    (step,) = unsafe(fact)

    assert (step["step"], step["outcome_known"]) == ("charge", known)
    assert (step["completed_at"] is not None) is known
    assert unsafe(fact, allowed=("charge",)) == []


@pytest.mark.parametrize(
    "fact",
    [
        AttemptFailed(**FAILED, error=DECLINED),
        AttemptReleased(**OF_CHARGE, claim=CLAIM, reason=ReleaseReason.GIVEN_BACK),
        AttemptReleased(**OF_CHARGE, claim=CLAIM, reason=ReleaseReason.DRAINED),
        AttemptCompleted(step="a", attempt=1, claim=CLAIM),
        RunCancelled(reason="x"),
    ],
    ids=lambda each: each.kind,
)
def test_a_step_that_surely_took_none_or_may_be_repeated_need_not_be_named(fact):
    """8.3."""
    assert unsafe(fact) == []


def test_a_completion_settles_what_was_unsure_before():
    """8.3: and says when."""
    lost = AttemptExpired(**OF_CHARGE, claim=CLAIM, lost=1)
    (step,) = unsafe(lost, DONE)

    assert step["outcome_known"]
    assert step["completed_at"] == (NOON + timedelta(seconds=1)).isoformat()


def test_only_what_would_run_again_is_asked_for():
    """18.11: a fork's gate."""
    mailed = AttemptCompleted(step="mail", attempt=1, claim=CLAIM)

    assert [each["step"] for each in unsafe(DONE, mailed)] == ["charge", "mail"]
    assert [(each["step"], each["why"]) for each in unsafe(DONE, mailed, again={"mail"})] == [
        ("mail", "not_replayable")
    ]


def test_a_carried_step_is_known_by_the_key_of_the_run_it_took_effect_in():
    """8.3, 18.11."""
    assert unsafe(CARRIED)[0]["idempotency_key"] == "other/charge"
    assert unsafe(DONE)[0]["idempotency_key"] == "this/charge"


@pytest.mark.parametrize("allowed", [True, False, None, "charge", 5, ["charge", 5], ["nowhere"], {"charge": 1}])
def test_what_is_allowed_is_named(allowed):
    """8.3: bad input"""
    with pytest.raises(InvalidArgument) as refused:
        gate.named(SPEC, allowed)

    assert refused.value.details["argument"] == "allow_irreversible"


def test_names_may_come_in_any_collection_and_order():
    """8.3."""
    assert gate.named(SPEC, {"mail", "charge"}) == gate.named(SPEC, ["charge", "mail", "mail"]) == ("charge", "mail")


def test_the_error_lists_the_steps():
    """8.3."""
    gate.check("r", [])
    with pytest.raises(UnsafeReplay) as refused:
        gate.check("r", unsafe(DONE))

    assert refused.value.steps[0]["step"] == "charge"
