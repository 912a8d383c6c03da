"""A step is warned by its worker's own clock when its claim is not renewed; its outcome counts all the same (T04)."""

from __future__ import annotations

import pytest

from squidie.testing import eventually
from tests.support.flows import HOOKS, Single
from tests.support.lab import kinds, scalar

LEFT = "select lease_until > {s}.clock() from {s}.attempts"


@pytest.mark.parametrize("how", ["blackhole", "reset and refuse"])
def test_a_step_whose_claim_is_not_renewed_is_warned_before_its_lease_is_over_and_then_no_more(
    make, wire, database_url, how
):
    """B17, T04: the database goes away in mid-step, and comes back before a sweep: the outcome counts."""
    settings = {"lease": 3.0, "beat": 0.1}
    squidie, looker = make(database=wire.postgres_url(database_url), settings=settings), make(settings=settings)
    run = squidie.start(Single)
    seen = []

    def outlast(ctx):
        assert not ctx.lease_lost
        if how == "blackhole":
            wire.blackhole = True
        else:
            wire.refuse = True
            wire.reset()
        try:
            eventually(lambda: ctx.lease_lost, 5.0, why="the step was not warned")
            seen.append(scalar(looker, LEFT))
        finally:
            wire.heal()
        eventually(lambda: not ctx.lease_lost, 10.0, why="the warning was not taken back")

    HOOKS["only"] = outlast
    squidie.execute_next()

    assert seen == [True]
    assert kinds(looker, run) == ["run_started", "attempt_completed", "run_completed"]
