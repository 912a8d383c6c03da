"""A turn that goes wrong: what it held is let go, so that leases and sweeps can do their work."""

from datetime import timedelta

import pytest

from squidie.engine import settle as settling
from squidie.engine import turn as turns
from squidie.engine.claim import claim as engine_claim
from squidie.engine.timers import EVERY
from squidie.testing import eventually, set_clock
from tests.support.flows import Single
from tests.support.lab import NOON, claim, failure
from tests.support.race_flows import Resting


def test_what_a_fault_left_unsettled_ends_by_its_lease_and_runs_again(make, monkeypatch):
    """4.3: the process lives on, but it must not go on renewing what it will never settle."""
    squidie = make(Single, settings={"lease": 0.6, "sweep": 0.2})
    run = squidie.start(Single, {})

    with monkeypatch.context() as broken:
        broken.setattr(turns, "settle", _faulty)
        with pytest.raises(RuntimeError):
            squidie.turn(["default"])

    assert eventually(lambda: squidie.sweep(["default"]).expired == 1, 5.0, why="the claim is renewed for ever")
    while squidie.turn(["default"]).claimed:
        pass
    assert run.snapshot().status == "completed"


def test_outcomes_that_carry_nothing_are_shared_out_like_any_other(make):
    squidie = make(Single)
    squidie.start_many(Single, [{}, {}])
    commands = [failure(row) for row in claim(squidie, most=2)]

    assert [len(share) for share in settling._shares(commands)] == [2]
    assert settling._shares([]) == []
    settling.settle(squidie._parts, commands, handover=None, give_up=lambda: True)


@pytest.fixture
def rested(make):
    """A runtime with a run whose wait is over."""
    squidie = make(Resting, Single)
    set_clock(squidie.engine, NOON)
    run = squidie.start(Resting, {})
    set_clock(squidie.engine, NOON + timedelta(hours=2))
    return squidie, run


def test_who_finds_nothing_to_claim_settles_the_timers_that_are_due(rested):
    """The claim itself has said that there is one."""
    squidie, run = rested

    assert squidie.turn(["default"]).claimed == 0
    assert run.snapshot().status == "completed"


def test_a_busy_worker_asks_for_timers_now_and_then(rested):
    """Not with each claim: what lies among the timers and cannot be cleared away would be walked over each time."""
    squidie, _ = rested
    squidie.start_many(Single, [{}, {}])

    assert not engine_claim(squidie._parts, "default", 1).rings
    squidie._parts.timers._looked_at -= EVERY
    assert engine_claim(squidie._parts, "default", 1).rings
    assert not squidie._parts.timers.is_time()


def _faulty(*_, **__):
    raise RuntimeError("a fault of ours")
