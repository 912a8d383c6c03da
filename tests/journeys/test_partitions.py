"""A handle to one partition, and how a `Squidie` is made (SEMANTICS 17.4, 17.5)."""

from __future__ import annotations

import pytest

from squidie import Squidie
from squidie.errors import InvalidConfig, MissingConfig
from tests.support.flows import Single, act
from tests.support.lab import counts, raises, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Paused

URL = "postgresql+psycopg://nobody@nowhere/none"


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Single, delivery=bells)


def test_a_partitions_handle_starts_sees_lists_and_steers_its_own(squidie):
    """17.5."""
    north = squidie.partition("north")
    run = north.start(Paused, key="k")
    (sent,) = north.start_many(Paused, [{}], keys=["l"])
    north.resume(run.id)
    work_off(squidie)

    assert run.snapshot().status == "completed"
    assert run.result() is not None
    assert {row.id for row in north.list_runs().runs} == {run.id, sent.id}
    assert north.start(Paused, key="k").id == run.id
    assert north.cancel_many({}, reason="x").cancelled == (sent.id,)


def test_the_runs_of_others_are_not_there(squidie):
    """17.5: for every verb, and with the same key."""
    north, south = squidie.partition("north"), squidie.partition("south")
    run = south.start(Asked, key="k")
    work_off(squidie)
    before = counts(squidie)
    asked = [
        lambda: north.run(run.id),
        lambda: north.inspect_run(run.id),
        lambda: north.ended(run.id),
        lambda: north.command_history(run.id),
        lambda: north.cancel(run.id, reason="x"),
        lambda: north.approve(run.id, actor="ann"),
        lambda: north.resume(run.id),
        lambda: north.delegate(run.id, to_role="x"),
        lambda: north.retry_now(run.id, "check"),
        lambda: north.requeue(run.id, "check", reason="x", actor="ann"),
        lambda: north.discard(run.id, "check", reason="x", actor="ann"),
        lambda: north.signal_run(run.id, event="paid"),
        lambda: north.signal_run(workflow=Awaiting, event="paid"),
        lambda: north.replay(run.id),
        lambda: north.preview_replay(run.id),
        lambda: north.fork(run.id, "check"),
        lambda: north.apply_signal({"type": "cancel_run", "run_id": str(run.id), "reason": "x"}),
    ]
    for verb in asked:
        with raises("run_not_found"):
            verb()

    assert counts(squidie) == before
    assert north.list_runs().runs == ()
    assert north.cancel_many({}, reason="x").matched == 0
    assert north.start(Asked, key="k").id != run.id


def test_a_bound_handle_does_not_reach_beyond_itself(squidie):
    """17.5."""
    north = squidie.partition("north")
    with raises("invalid_argument"):
        north.start(Paused, partition="south")
    with raises("invalid_argument"):
        north.list_runs(partition="south")
    with raises("invalid_argument"):
        squidie.partition("no such name")
    with raises("invalid_argument"):
        squidie.partition(None)


def test_an_event_by_workflow_stays_in_the_partition(squidie):
    """17.5, 18.4."""
    ours, theirs = (squidie.partition(name).start(Awaiting) for name in ("north", "south"))
    work_off(squidie)
    about = {"workflow": Awaiting, "event": "paid", "correlation": "order-1"}

    assert squidie.partition("south").signal_run(**about).id == theirs.id
    assert squidie.signal_run(**about).id == ours.id


def test_runs_that_name_no_partition_belong_to_the_runtimes(make):
    """17.4."""
    squidie = make(Single, partition="north")
    run = squidie.start(Single)

    assert [row.id for row in squidie.list_runs(partition="north").runs] == [run.id]
    assert squidie.start(Single, partition="south").id not in {
        row.id for row in squidie.partition("north").list_runs().runs
    }


def test_everything_that_is_wrong_is_said_at_once():
    """17.4."""
    with pytest.raises(InvalidConfig) as refused:
        Squidie(
            "sqlite://canary-1",
            schema="No Schema",
            queue="unacked",
            partition="a b",
            authorize="canary-2",
            delivery="pigeon",
            aliases={"old:name": "new:name"},
            settings={"lease": -1, "drain": "x"},
        )

    problems = refused.value.details["problems"]
    assert len(problems) == 8
    for word in (
        "database",
        "schema",
        "queue",
        "partition",
        "authorize",
        "pigeon",
        "alias",
        "settings.lease",
        "settings.drain",
    ):
        assert any(word in problem for problem in problems), word
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("given", [{"queue": "a b"}, {"settings": {"colour": 1}}, {"partition": ""}, {"authorize": 5}])
def test_one_wrong_setting_is_invalid_config(given):
    """17.4."""
    with raises("invalid_config"):
        Squidie(URL, **given)


def test_a_missing_database_is_said():
    """17.4."""
    with pytest.raises(MissingConfig):
        Squidie("")


def test_names_of_ones_own_and_old_names_lead_to_callables():
    """17.4: `actions` and `aliases` reach the registry."""
    squidie = Squidie(URL, actions={"shop.act": act}, aliases={"old.act": "shop.act"})

    assert {"shop.act", "old.act"} <= squidie.registry.served


def test_specs_are_at_the_door(squidie):
    """17.1: `to_spec`, `validate_spec`."""
    assert squidie.to_spec("Single") == squidie.to_spec(Single) == Single.spec
    assert squidie.validate_spec(Single.spec) == ()
    assert squidie.validate_spec({"name": "x"})
    with raises("workflow_not_found"):
        squidie.to_spec("Nobody")
