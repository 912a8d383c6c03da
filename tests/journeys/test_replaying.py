"""Running again what has ended: the gate, the lineage, the definition (SEMANTICS 8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie import Workflow, manual, step
from squidie.errors import InvalidArgument, InvalidTransition, UnsafeReplay
from tests.support.flows import CALLS, Nightly, Plan, Sums, act
from tests.support.lab import AFTER_LEASE, NOON, all_facts, claim, counts, end_lease, raises, steps_done, work_off
from tests.support.steering_flows import (
    STEERED,
    Awaiting,
    Charging,
    Handled,
    Parking,
    Paused,
    Trying,
    Undoable,
    notify,
)

NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Sums, Nightly, delivery=bells)


def ended(squidie, workflow, plan=None, **options):
    run = squidie.start(workflow, {"plan": plan or {}}, **options)
    work_off(squidie)
    return run


def first(squidie, run):
    return all_facts(squidie, run)[0]


def test_a_replay_is_a_new_run_of_the_same_request(squidie):
    """8.1: workflow, trigger, canonical payload and surroundings are the source's, the id is not."""
    source = squidie.start(Sums, {"number": 4}, trigger="again", queue="slow", partition="north", attributes={"a": 1})
    work_off(squidie, "slow")
    again = squidie.replay(source.id, actor="ann", reason="lost the report")
    work_off(squidie, "slow")

    old, new = first(squidie, source), first(squidie, again)
    assert again.created
    assert again.id != source.id
    assert new.replay_of == str(source.id)
    assert (new.by.verb, new.by.actor, new.by.comment) == ("replay", "ann", "lost the report")
    same = ("workflow", "trigger", "payload", "queue", "partition", "attributes", "definition")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert steps_done(squidie, again) == steps_done(squidie, source)


def test_the_schedule_context_is_kept_without_its_identity(squidie):
    """8.1."""
    options = {"window_start": NOON, "window_end": NOON + timedelta(days=1)}
    source = squidie.start_cron(Nightly, signal_id="s-1", **options)
    work_off(squidie)
    again = squidie.replay(source.id)

    told = dict(first(squidie, source).schedule)
    assert told.pop("signal_id") == "s-1"
    assert first(squidie, again).schedule == told
    assert first(squidie, again).window is None


def test_one_key_makes_one_new_run(squidie):
    """8.1, V06: with a key the id is derived from it."""
    source = ended(squidie, Paused)
    squidie.cancel(source.id, reason="x")
    one, two = (squidie.replay(source.id, key="k") for _ in range(2))

    assert (one.id, one.created, two.created) == (two.id, True, False)
    with raises("key_reused"):
        squidie.replay(source.id, key="k", queue="other")


def test_an_open_run_is_not_replayed(squidie):
    """8.2, V06."""
    run = squidie.start(Charging)
    with pytest.raises(InvalidTransition) as refused:
        squidie.replay(run.id)

    assert refused.value.details["status"] == "running"


def test_what_cannot_be_taken_back_must_be_named(squidie):
    """8.3, V06: irreversible and not replayable steps, each with when it completed and its key."""
    source = ended(squidie, Charging)
    before = counts(squidie)
    with pytest.raises(UnsafeReplay) as unsafe:
        squidie.replay(source.id)
    with raises("unsafe_replay"):
        squidie.replay(source.id, allow_irreversible=["charge"])
    assert counts(squidie) == before

    charge, mail = unsafe.value.steps
    assert (charge["step"], charge["why"]) == ("charge", "irreversible")
    assert (mail["step"], mail["why"]) == ("mail", "not_replayable")
    assert charge["outcome_known"] is True
    assert charge["completed_at"] is not None
    assert charge["idempotency_key"] in {key for name, _, key in CALLS if name == "charge"}
    again = squidie.replay(source.id, allow_irreversible=["charge", "mail"])
    work_off(squidie)
    assert steps_done(squidie, again) == ["a", "charge", "mail"]


def test_a_failed_step_that_surely_ended_need_not_be_named(squidie):
    """8.3: it completed nothing, and its outcome is known."""
    source = ended(squidie, Charging, {"charge": ["fail"]})

    assert squidie.replay(source.id).created


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_an_unknown_outcome_counts_as_done(squidie, clock, end):
    """8.3: a claim that was lost, or withdrawn by a cancel."""
    clock(NOON)
    source = squidie.start(Trying)
    (row,) = claim(squidie)
    if end == "expired":
        clock(NOON + AFTER_LEASE)
        end_lease(squidie, row)
    squidie.cancel(source.id, reason="x")
    with pytest.raises(UnsafeReplay) as unsafe:
        squidie.replay(source.id)

    assert [(each["step"], each["outcome_known"]) for each in unsafe.value.steps] == [("charge", False)]


@pytest.mark.parametrize("allowed", [True, "charge", ["nowhere"], [1], None])
def test_names_are_names_of_the_runs_steps(squidie, allowed):
    """8.3: bad input: no blanket answer, nothing unknown."""
    source = ended(squidie, Charging)
    with pytest.raises(InvalidArgument) as refused:
        squidie.replay(source.id, allow_irreversible=allowed)

    assert refused.value.details["argument"] == "allow_irreversible"


class Old(Workflow):
    """As it was."""

    name = "Parcel"
    payload = Plan
    triggers = (manual("go"),)
    a = step(act)
    b = step(act)
    flow = a >> b


class New(Workflow):
    """As it is: b is gone, c is new, and a has changed."""

    name = "Parcel"
    payload = Plan
    triggers = (manual("go"),)
    a = step(act, priority=1)
    c = step(act)
    flow = a >> c


def test_a_replay_runs_on_the_graph_of_today_or_on_its_own(make):
    """8.4."""
    old = make(Old)
    source = ended(old, Old)
    new = make(New)
    today, same = new.replay(source.id), new.replay(source.id, definition="same")
    work_off(new)

    assert steps_done(new, today) == ["a", "c"]
    assert steps_done(new, same) == ["a", "b"]


def test_the_preview_shows_the_difference_and_the_gates_verdict_and_writes_nothing(make):
    """8.4."""
    old = make(Old)
    source = ended(old, Old)
    new = make(New)
    before = counts(new)
    seen = new.preview_replay(source.id)

    assert counts(new) == before
    assert seen.is_allowed
    assert seen.difference.nodes_added == ("c",)
    assert seen.difference.nodes_removed == ("b",)
    assert seen.difference.nodes_changed == ("a",)
    assert (seen.difference.edges_added, seen.difference.edges_removed) == (("a:ok:c",), ("a:ok:b",))
    assert not new.preview_replay(source.id, definition="same").difference


def test_the_preview_says_what_must_be_named(squidie):
    """8.4, 8.6."""
    source = ended(squidie, Charging)
    seen = squidie.preview_replay(source.id, allow_irreversible=["mail"])

    assert [each["step"] for each in seen.unsafe] == ["charge"]
    assert (seen.is_allowed, seen.refused["code"]) == (False, "unsafe_replay")
    assert squidie.preview_replay(source.id, allow_irreversible=["mail", "charge"]).is_allowed


def test_a_refused_replay_says_why(squidie, make):
    """8, bad input"""
    with raises("run_not_found"):
        squidie.replay(NOWHERE)
    with raises("invalid_argument"):
        squidie.replay("no id")
    source = squidie.start(Sums, {"number": 1})
    work_off(squidie)
    with raises("invalid_argument"):
        squidie.replay(source.id, definition="newest")
    with raises("workflow_not_found"):
        make(Charging).replay(source.id)


class Narrow(Workflow):
    """The payload of today's `Sums` is another one."""

    name = "Sums"
    payload = Plan
    triggers = (manual("go"), manual("again"))
    only = step(act)


def test_a_payload_that_no_longer_fits_is_refused(squidie, make):
    """8, bad input"""
    source = squidie.start(Sums, {"number": 1})
    work_off(squidie)
    with raises("invalid_payload"):
        make(Narrow).replay(source.id)


def test_a_replay_in_a_host_transaction_lives_and_dies_with_it(squidie):
    """18.18: a replay is written with the host's rows, or not at all."""
    source = ended(squidie, Handled)
    before = counts(squidie)
    with squidie.engine.connect() as connection:
        squidie.replay(source.id, connection=connection)
        connection.rollback()

    assert counts(squidie) == before


def compensating(squidie):
    run = squidie.start(Undoable)
    squidie.execute_next()
    squidie.cancel(run.id, reason="x", compensate=True)
    return run


OPEN = {
    "running": lambda on: on.start(Charging),
    "waiting": lambda on: ended(on, Awaiting),
    "paused": lambda on: ended(on, Paused),
    "parked": lambda on: ended(on, Parking, {"b": ["raise"]}),
    "compensating": compensating,
}


@pytest.mark.parametrize("status", OPEN)
def test_a_run_in_any_open_status_is_not_replayed_and_the_preview_says_so(squidie, status):
    """8.2, 8.6: whatever it waits for."""
    run = OPEN[status](squidie)
    before = counts(squidie)
    with pytest.raises(InvalidTransition) as refused:
        squidie.replay(run.id)

    assert refused.value.details["status"] == str(run.snapshot().status)
    assert squidie.preview_replay(run.id).refused == refused.value.to_dict()
    assert counts(squidie) == before


ENDS = {
    "completed": lambda on: ended(on, Handled),
    "failed": lambda on: ended(on, Charging, {"a": ["fail"]}),
    "cancelled": lambda on: on.cancel(on.start(Paused).id, reason="x"),
}


@pytest.mark.parametrize("status", ENDS)
def test_a_run_in_any_end_is_replayed_and_the_preview_says_so(squidie, status):
    """8.2, 8.6"""
    run = ENDS[status](squidie)

    assert run.snapshot().status == status
    assert squidie.preview_replay(run.id).is_allowed
    assert squidie.replay(run.id).created


@pytest.mark.parametrize("code", ["unsafe_replay", "workflow_not_found", "invalid_payload"])
def test_the_preview_gives_the_very_reason_of_the_refusal(squidie, make, code):
    """8.6: and where it allows a replay there is none."""
    source = ended(squidie, Charging) if code == "unsafe_replay" else squidie.start(Sums, {"number": 1})
    work_off(squidie)
    other = {"unsafe_replay": squidie, "workflow_not_found": make(Charging), "invalid_payload": make(Narrow)}[code]
    with raises(code) as refused:
        other.replay(source.id)

    seen = other.preview_replay(source.id)
    assert (seen.is_allowed, seen.refused) == (False, refused.value.to_dict())


def test_what_was_sent_is_replayed_where_its_task_is_known(make):
    """8.5: on its stored graph; where the task is not known any more it is refused, and the preview says so."""
    squidie, without = make(keep=[notify]), make(Charging)
    source = squidie.send(notify, ["ann"])
    work_off(squidie)
    before = counts(squidie)
    with raises("invalid_spec") as refused:
        without.replay(source.id)

    (issue,) = refused.value.issues
    assert (issue.path, issue.code) == ("nodes.send.action", "unknown_action")
    assert without.preview_replay(source.id).refused["code"] == "invalid_spec"
    assert counts(squidie) == before
    assert squidie.preview_replay(source.id).is_allowed


class Lenient(Workflow):
    """As it is today: the charge may be repeated."""

    name = "Charging"
    payload = Plan
    triggers = (manual("start"),)
    a = step(act)
    charge = step(act)
    mail = step(act)
    flow = a >> charge >> mail


def test_the_sources_own_definition_says_what_cannot_be_taken_back(squidie, make):
    """8.3, 8.5: not that of today, on which it would run."""
    source = ended(squidie, Charging)
    with pytest.raises(UnsafeReplay) as unsafe:
        make(Lenient).replay(source.id)

    assert [each["step"] for each in unsafe.value.steps] == ["charge", "mail"]
