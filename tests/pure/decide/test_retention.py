"""How long ended runs are kept, and the plan that removes them (SEMANTICS 18.7, RELIABILITY B50)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from squidie.decide.retention import Cutoff, Plan, RetentionPolicy, plan_of, policy_of, token_of
from squidie.errors import InvalidArgument, StalePlan, StaleRevision

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = 86_400.0
POLICY = {"completed": "30d", "failed": 90 * DAY, "workflows": {"Digest": {"completed": timedelta(days=1)}}}


def plan(policy, **given):
    return Plan(**{"id": "abc", "at": NOW, "policy": policy_of(policy), "runs": 7, **given})


def test_a_policy_is_written_in_the_words_of_durations():
    """18.7: what is not named is kept for ever."""
    assert policy_of(POLICY) == RetentionPolicy(
        {"completed": 30 * DAY, "failed": 90 * DAY}, {"Digest": {"completed": DAY}}
    )
    assert policy_of(policy_of(POLICY)) == policy_of(POLICY)


def test_a_policy_says_from_which_moment_on_a_run_is_too_old():
    """18.7: a workflow may have ages of its own, and be kept for ever though others are not."""
    wanted = {**POLICY, "workflows": {"Digest": {"completed": "1d", "failed": None}}}

    assert plan(wanted).cutoffs() == [
        Cutoff("", "completed", NOW - timedelta(days=30)),
        Cutoff("", "failed", NOW - timedelta(days=90)),
        Cutoff("Digest", "completed", NOW - timedelta(days=1)),
        Cutoff("Digest", "failed", datetime(1, 1, 1, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (None, "policy"),
        (30, "policy"),
        ([], "policy"),
        ({}, "policy"),
        ({"completed": None}, "policy"),
        ({"workflows": {"A": {}}}, "policy"),
        ({"done": "30d"}, "policy"),
        ({3: "30d"}, "policy"),
        ({"running": "30d"}, "policy"),
        ({"completed": "soon"}, "policy.completed"),
        ({"completed": -1}, "policy.completed"),
        ({"completed": True}, "policy.completed"),
        ({"completed": "1d", "workflows": []}, "policy.workflows"),
        ({"completed": "1d", "workflows": {"": {}}}, "policy.workflows"),
        ({"completed": "1d", "workflows": {"A": "30d"}}, "policy.workflows.A"),
        ({"completed": "1d", "workflows": {"A": {"failed": "x"}}}, "policy.workflows.A.failed"),
    ],
)
def test_what_is_no_policy_is_refused_by_its_place(wrong, where):
    """18.7, bad input."""
    with pytest.raises(InvalidArgument) as caught:
        policy_of(wrong)
    assert caught.value.details["argument"] == where


def test_a_token_is_the_plan_and_stands_for_an_hour():
    """18.7"""
    wanted = plan(POLICY)

    assert plan_of(f" {token_of(wanted)}\n") == wanted
    assert wanted.expires_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("place", [0, 8, 20, 40, -1])
def test_an_altered_token_is_refused(place):
    """18.7: `StaleRevision`; wherever it was altered."""
    letters = list(token_of(plan(POLICY)))
    letters[place] = "A" if letters[place] != "A" else "B"

    with pytest.raises(StaleRevision, match="altered"):
        plan_of("".join(letters))


@pytest.mark.parametrize("word", [None, 7, "", "x", "é", "AAAA", b"AAAA", msgspec.json.encode({"id": "1"}).decode()])
def test_what_is_no_token_is_refused(word):
    """18.7"""
    with pytest.raises(StalePlan):
        plan_of(word)
