"""Waiting for a run: what comes back, and what is raised."""

import pytest

from squidie.errors import RunUnsuccessful, WaitTimeout
from tests.support.flows import Single
from tests.support.lab import NOON, work_off
from tests.support.steering_flows import Paused


@pytest.fixture
def squidie(make, bells):
    return make(Single, Paused, delivery=bells)


def test_the_result_is_the_output_of_a_run_that_completed(squidie):
    """2.10."""
    run = squidie.start(Single)
    work_off(squidie)

    assert run.result(5) == "only1"


def test_a_run_that_failed_or_was_cancelled_is_told_with_its_error(squidie):
    """2.10."""
    failed = squidie.start(Single, {"plan": {"only": ["fail"]}})
    cancelled = squidie.start(Single, at=NOON.replace(year=2999))
    squidie.cancel(cancelled.id, reason="enough")
    work_off(squidie)

    with pytest.raises(RunUnsuccessful) as why:
        failed.result(5)
    assert (why.value.status, why.value.error["code"]) == ("failed", "declined")
    with pytest.raises(RunUnsuccessful) as why:
        cancelled.result(5)
    assert why.value.status == "cancelled"


def test_a_run_that_is_still_open_is_waited_for_only_so_long(squidie):
    """2.10: a paused run is open."""
    run = squidie.start(Paused)
    work_off(squidie)

    assert run.snapshot().status == "paused"
    with pytest.raises(WaitTimeout):
        run.result(0.05)
