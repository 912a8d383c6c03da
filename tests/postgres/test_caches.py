"""The cached state of a run is a convenience: where it cannot be right, the facts are folded again (V14)."""

from __future__ import annotations

import pytest

from squidie.history.run import FOLD
from tests.support.flows import Chain
from tests.support.lab import change, kinds, scalar, work_off

KEEP = "update {s}.runs set state = cast(:state as json), fold = :fold"
WRONG = {
    "lost": (None, FOLD),
    "older": ('{"old": 1}', FOLD - 1),
    "newer": ('{"new": [1]}', FOLD + 1),
    "corrupt": ('{"nodes": 7}', FOLD),
    "no state": ("[]", FOLD),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_state_that_cannot_be_right_is_made_anew_from_the_facts(squidie, wrong):
    """V14, 3.4"""
    state, fold = WRONG[wrong]
    run = squidie.start(Chain)
    squidie.execute_next()
    listed = squidie.list_runs().runs

    change(squidie, KEEP, state=state, fold=fold)

    assert squidie.list_runs().runs == listed
    work_off(squidie)
    assert run.result(1) == "c1"
    assert kinds(squidie, run) == ["run_started", *["attempt_completed"] * 3, "run_completed"]


def test_a_state_of_an_earlier_revision_is_not_trusted(squidie):
    """V14: as a restore of that column alone would leave it."""
    run = squidie.start(Chain)
    stale = scalar(squidie, "select state::text from {s}.runs")
    squidie.execute_next()
    listed = squidie.list_runs().runs

    change(squidie, KEEP, state=stale, fold=FOLD)

    assert squidie.list_runs().runs == listed
    work_off(squidie)
    assert run.result(1) == "c1"
