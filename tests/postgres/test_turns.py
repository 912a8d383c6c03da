"""A turn that goes wrong: what it held is let go, so that leases and sweeps can do their work."""

import pytest

from squidie.engine import settle as settling
from squidie.engine import turn as turns
from squidie.testing import eventually
from tests.support.flows import Single
from tests.support.lab import claim, failure


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


def _faulty(*_, **__):
    raise RuntimeError("a fault of ours")
