"""Ending runs by command: from every status, at once or after the undo, one and many (SEMANTICS 7)."""

from __future__ import annotations

from inspect import signature

import pytest

from squidie.errors import InvalidTransition
from tests.support.flows import HOOKS, Patient
from tests.support.lab import all_facts, claim, completion, counts, held, kinds, raises, rows, settle, work_off
from tests.support.steering_flows import STEERED, Awaiting, Parking, Paused, Undoable


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Patient, delivery=bells)


def test_a_cancel_ends_the_run_at_once_and_names_what_was_claimed(squidie):
    """7.1, 7.4."""
    run = squidie.start(Undoable)
    (row,) = claim(squidie)
    squidie.cancel(run.id, reason="enough", actor="ann")

    ended = all_facts(squidie, run)[-1]
    assert (ended.kind, ended.reason, ended.by.actor) == ("run_cancelled", "enough", "ann")
    assert [end.claim.id for end in ended.ends] == [str(row.lease.claim_id)]
    assert rows(squidie, run) == []
    assert settle(squidie, completion(row)).code == "run_ended"


OPEN = [(Paused, {}), (Awaiting, {}), (Parking, {"b": ["raise"]}), (Patient, {"a": ["raise"]})]


@pytest.mark.parametrize(("workflow", "plan"), OPEN)
def test_a_cancel_ends_a_run_in_every_open_status(squidie, workflow, plan):
    """7.1: paused, waiting for an event, parked, between two attempts."""
    run = squidie.start(workflow, {"plan": plan})
    work_off(squidie)
    squidie.cancel(run.id, reason="enough")

    assert run.snapshot().status == "cancelled"
    assert rows(squidie, run) == []


def test_with_compensate_the_undo_comes_first(squidie):
    """7.2."""
    run = squidie.start(Undoable)
    squidie.execute_next()
    squidie.cancel(run.id, reason="enough", compensate=True)
    assert run.snapshot().status == "compensating"
    work_off(squidie)

    assert run.snapshot().status == "cancelled"
    assert kinds(squidie, run)[-3:] == ["compensation_started", "attempt_completed", "run_cancelled"]


def test_a_run_that_is_being_undone_is_cancelled_only_by_leaving_the_rest(squidie):
    """7.2."""
    run = squidie.start(Undoable)
    squidie.execute_next()
    squidie.cancel(run.id, reason="enough", compensate=True)
    with raises("invalid_transition"):
        squidie.cancel(run.id, reason="at once")
    squidie.cancel(run.id, reason="at once", abandon_undo=True)

    assert all_facts(squidie, run)[-1].compensation == "incomplete"


def test_the_same_cancel_again_is_answered_as_the_first_and_another_is_not(squidie):
    """7.5."""
    run = squidie.start(Undoable)
    for _ in range(2):
        assert squidie.cancel(run.id, reason="enough", key="once").id == run.id
    with raises("key_reused"):
        squidie.cancel(run.id, reason="another", key="once")
    with pytest.raises(InvalidTransition) as late:
        squidie.cancel(run.id, reason="enough")

    assert late.value.details["status"] == "cancelled"
    assert kinds(squidie, run) == ["run_started", "run_cancelled"]


def test_a_completed_run_cannot_be_cancelled(squidie):
    """7.5."""
    run = squidie.start(Undoable)
    work_off(squidie)

    with raises("invalid_transition"):
        squidie.cancel(run.id, reason="too late")


def test_many_are_counted_first_and_each_stands_alone(squidie):
    """7.6."""
    runs = [squidie.start(Paused) for _ in range(3)]
    other = squidie.start(Undoable)
    before = counts(squidie)
    with raises("limit_reached"):
        squidie.cancel_many({"workflow": "Paused"}, reason="all of them", limit=2)
    assert counts(squidie) == before
    done = squidie.cancel_many({"workflow": "Paused"}, reason="all of them", actor="ann")

    assert (done.matched, set(done.cancelled), done.refused) == (3, {run.id for run in runs}, {})
    assert other.snapshot().status == "running"
    assert squidie.cancel_many({"workflow": "Paused"}, reason="again").matched == 0


def test_one_of_many_that_cannot_be_cancelled_harms_only_itself(squidie):
    """7.6."""
    paused, undone = squidie.start(Paused), squidie.start(Undoable)
    squidie.execute_next()
    squidie.cancel(undone.id, reason="undo", compensate=True)
    done = squidie.cancel_many({}, reason="all")

    assert done.cancelled == (paused.id,)
    assert done.refused[undone.id].code == "invalid_transition"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"reason": ""}, "invalid_argument"),
        ({"reason": None}, "invalid_argument"),
        ({"reason": "x", "compensate": "yes"}, "invalid_argument"),
        ({"reason": "x", "comment": 5}, "invalid_argument"),
        ({"reason": "x", "metadata": [1]}, "invalid_argument"),
        ({"reason": "x", "actor": ""}, "invalid_argument"),
        ({"reason": "x", "source": "a b"}, "invalid_argument"),
        ({"reason": "x"}, "run_not_found"),
    ],
)
def test_a_refused_cancel_says_why(squidie, given, code):
    """7, bad input"""
    with raises(code):
        squidie.cancel("00000000-0000-7000-8000-000000000000", **given)


def test_a_refused_query_says_why(squidie):
    """7.6: bad input"""
    with raises("invalid_argument"):
        squidie.cancel_many({"colour": "red"}, reason="x")
    with raises("invalid_argument"):
        squidie.cancel_many({}, reason="x", limit=0)


def test_a_cancel_in_a_host_transaction_that_rolls_back_changes_nothing(squidie):
    """7, proved by"""
    run = squidie.start(Paused)
    with squidie.engine.connect() as connection:
        squidie.cancel(run.id, reason="enough", connection=connection)
        connection.rollback()

    assert kinds(squidie, run)[-1] == "pause_opened"


def test_one_of_many_that_somebody_holds_harms_only_itself(make):
    """7.6, 7.4: the others do not wait for it, and it is named."""
    squidie = make(*STEERED, settings={"lock_timeout": 0.05})
    runs = [squidie.start(Paused) for _ in range(3)]
    with held(squidie, runs[1].id):
        done = squidie.cancel_many({}, reason="all")

    assert done.matched == 3
    assert set(done.cancelled) == {runs[0].id, runs[2].id}
    assert {run: error.code for run, error in done.refused.items()} == {runs[1].id: "journal_busy"}
    assert squidie.cancel_many({}, reason="again").cancelled == (runs[1].id,)


def test_as_many_as_are_allowed_are_cancelled_each_with_its_receipt(squidie):
    """7.6: a batch of single cancels; a thousand unless another limit is given."""
    runs = [squidie.start(Paused) for _ in range(3)]
    done = squidie.cancel_many({"workflow": "Paused"}, reason="all", limit=3, actor="ann", key="k")

    assert len(done.cancelled) == done.matched == 3
    assert {all_facts(squidie, run)[-1].by.key for run in runs} == {"k"}
    assert signature(squidie.cancel_many).parameters["limit"].default == 1000


def test_a_cancel_waits_for_no_step_and_for_no_row_that_others_read(squidie):
    """7.4: it is told at once while a step is running, whoever renews its claim."""
    run = squidie.start(Undoable)
    ended = []

    def cancel(ctx):
        squidie.cancel(ctx.run_id, reason="while it runs")
        ended.append(kinds(squidie, run)[-1])

    HOOKS["a"] = cancel
    squidie.execute_next()

    assert ended == ["run_cancelled"]
    assert kinds(squidie, run) == ["run_started", "run_cancelled"]
