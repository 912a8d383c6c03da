"""What runs are found by, and whether lists show them (SEMANTICS 18.6, 18.7)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from squidie.errors import InvalidConfig, NotPermitted
from tests.support.flows import ATTRIBUTES, Chain, Single
from tests.support.lab import all_facts, counts, kinds, query, raises, scalar, work_off

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def ids(squidie, **asked):
    return [row.id for row in squidie.list_runs(**asked).runs]


def found_by(squidie, run):
    return sorted(query(squidie, "select name, value from {s}.attributes where run_id = :run", run=run.id))


def test_a_run_is_found_by_what_it_was_started_with(squidie):
    """18.6: every type, and each of a list."""
    given = {"customer": "x", "a": 7, "amount": 1.5, "paid": True, "due": NOON, "tags": ["new", "big"]}
    run = squidie.start(Single, attributes=given)
    squidie.start(Single, attributes={"customer": "y", "tags": ["big"]})

    for name, value in given.items():
        assert ids(squidie, attributes={name: value[0] if name == "tags" else value}) == [run.id]
    assert len(ids(squidie, attributes={"tags": "big"})) == 2
    assert ids(squidie, attributes={"tags": "big", "customer": "x"}) == [run.id]
    assert ids(squidie, attributes={"tags": "big", "customer": "x", "paid": False}) == []
    assert ids(squidie, attributes={"due": "2026-03-10T13:00:00+01:00"}) == [run.id]
    assert ids(squidie, attributes={"amount": 1.50}, status="failed") == []
    assert run.snapshot().attributes == {**given, "due": "2026-03-10T12:00:00Z"}
    assert all_facts(squidie, run)[0].attributes == run.snapshot().attributes


def test_many_runs_are_found_by_what_they_have_in_common(squidie):
    """18.6, 2.2"""
    runs = squidie.start_many(Single, [{}] * 3, attributes={"customer": "x"})

    assert set(ids(squidie, attributes={"customer": "x"})) == {run.id for run in runs}


def test_attributes_change_on_open_and_on_ended_runs(squidie):
    """18.6: null removes; the rest stays; what a run was found by it is found by no more."""
    open_, over = squidie.start(Chain, attributes={"customer": "x", "tags": ["a", "b"]}), squidie.start(Single)
    work_off(squidie)
    for run in (open_, over):
        squidie.update_attributes(run.id, {"customer": "y", "tags": ["b", "c"]}, actor="ann")
        squidie.update_attributes(run.id, {"customer": None, "a": 1}, comment="moved")

    for run in (open_, over):
        assert run.snapshot().attributes == {"tags": ["b", "c"], "a": 1}
        assert found_by(squidie, run) == [("a", 1), ("tags", "b"), ("tags", "c")]
        assert kinds(squidie, run)[-2:] == ["attributes_changed"] * 2
    assert ids(squidie, attributes={"customer": "x"}) == ids(squidie, attributes={"tags": "a"}) == []
    assert set(ids(squidie, attributes={"tags": "c"})) == {open_.id, over.id}
    told = squidie.command_history(over.id)[-1]
    assert (told.verb, told.fact, told.comment) == ("update_attributes", "attributes_changed", "moved")


def test_a_note_changes_nothing_of_how_a_run_has_ended(squidie, clock):
    """2.8, 2.10: its end stays where it was, and so do its result and its headline."""
    clock(NOON)
    failed = squidie.start(Chain, {"plan": {"a": ["fail"]}})
    work_off(squidie)
    before, shown = failed.snapshot(), squidie.list_runs().runs[0]

    clock(NOON.replace(hour=13))
    squidie.update_attributes(failed.id, {"customer": "x"})
    squidie.archive_run(failed.id, "known")

    after = failed.snapshot()
    same = ("status", "state", "error", "ended_at", "headline", "compensation", "steps")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    (row,) = squidie.list_runs(archived=True).runs
    assert (row.where, row.state, row.ended_at) == (shown.where, shown.state, shown.ended_at)
    assert row.updated_at == NOON.replace(hour=13)
    assert squidie.ended(failed.id)[0] == "failed"
    assert squidie.explain_run(failed.id).code == "failed"


def test_the_same_change_under_one_key_is_one_fact(squidie):
    """18.6, 17.2: from eight threads, fifty times; another change under the key is refused."""
    run = squidie.start(Single)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: squidie.update_attributes(run.id, {"a": 1}, key="k"), range(50)))

    assert kinds(squidie, run) == ["run_started", "attributes_changed"]
    assert scalar(squidie, "select seen from {s}.receipts where run_id = :run", run=run.id) == 49
    with raises("key_reused"):
        squidie.update_attributes(run.id, {"a": 2}, key="k")


def test_a_change_in_a_hosts_transaction_is_the_hosts(squidie):
    """18.18: rolled back with it, row and fact alike."""
    run = squidie.start(Single, attributes={"a": 1})
    before = counts(squidie)
    with squidie.engine.connect() as connection:
        squidie.update_attributes(run.id, {"a": 2, "customer": "x"}, connection=connection)
        seen = connection.execute(text("select count(*) from squidie.attributes")).scalar()
        connection.rollback()

    assert seen == 2
    assert counts(squidie) == before
    assert found_by(squidie, run) == [("a", 1)]


def test_a_replay_is_found_by_what_its_source_is_found_by(squidie):
    """18.6, 8.1"""
    run = squidie.start(Single, attributes={"customer": "x"})
    work_off(squidie)
    squidie.update_attributes(run.id, {"a": 1})

    again = squidie.replay(run.id, actor="ann", reason="once more")

    assert set(ids(squidie, attributes={"customer": "x"})) == {run.id, again.id}
    assert again.snapshot().attributes == {"customer": "x", "a": 1}


def test_nobody_is_found_by_a_run_that_was_removed(squidie, make):
    """18.6, 18.7: what it was found by goes with it."""
    gone, stays = squidie.start_many(Single, [{}] * 2, attributes={"customer": "x", "tags": ["a", "b"]})
    work_off(squidie)
    with squidie.engine.begin() as connection:
        connection.execute(text("select squidie.retire(:run, interval '1 day')"), {"run": gone.id})

    assert ids(squidie, attributes={"customer": "x"}) == [stays.id]
    assert found_by(squidie, gone) == []


def test_what_ended_is_hidden_from_lists_until_it_is_asked_for(squidie):
    """18.7"""
    run, other = squidie.start(Single), squidie.start(Single)
    work_off(squidie)
    waiting = squidie.start(Single)

    squidie.archive_run(run.id, "the year is over", actor="ann")

    assert ids(squidie) == ids(squidie, order="updated") == [waiting.id, other.id]
    assert ids(squidie, open=False) == [other.id]
    assert ids(squidie, archived=True) == ids(squidie, archived=True, order="updated") == [run.id]
    assert ids(squidie, archived=True, open=True) == []
    assert set(ids(squidie, archived=None)) == {run.id, other.id, waiting.id}
    assert run.snapshot().archived
    told = squidie.command_history(run.id)[-1]
    assert (told.verb, told.actor, told.fact) == ("archive_run", "ann", "run_archived")
    assert all_facts(squidie, run)[-1].reason == "the year is over"

    squidie.unarchive_run(run.id, comment="not yet")
    assert set(ids(squidie)) == {run.id, other.id, waiting.id}


def test_what_is_open_or_archived_already_is_not_archived(squidie):
    """18.7: bad input; refusals write nothing."""
    open_, over = squidie.start(Chain), squidie.start(Single)
    squidie.execute_next()
    squidie.execute_next()
    squidie.archive_run(over.id, "x", key="k")
    before = counts(squidie)

    for ask in (
        lambda: squidie.archive_run(open_.id, "x"),
        lambda: squidie.archive_run(over.id, "x"),
        lambda: squidie.unarchive_run(open_.id),
    ):
        with raises("invalid_transition"):
            ask()
    assert squidie.archive_run(over.id, "x", key="k").id == over.id
    assert counts(squidie) == before


def test_the_hosts_policy_is_asked_before_a_note(make, bells):
    """17.2: as for any command."""
    asked = []
    squidie = make(delivery=bells, authorize=lambda actor, verb, _run, _step: asked.append(verb) or actor == "ann")
    run = squidie.start(Single)
    work_off(squidie)

    for note in (
        lambda **by: squidie.update_attributes(run.id, {"a": 1}, **by),
        lambda **by: squidie.archive_run(run.id, "x", **by),
        lambda **by: squidie.unarchive_run(run.id, **by),
    ):
        with pytest.raises(NotPermitted):
            note(actor="eve")
        note(actor="ann")
    assert asked == [verb for verb in ("update_attributes", "archive_run", "unarchive_run") for _ in "12"]


def test_a_bound_handle_finds_and_notes_its_own_runs_only(squidie):
    """17.5, 18.6"""
    north = squidie.partition("north")
    mine, other = north.start(Single, attributes={"a": 1}), squidie.start(Single, attributes={"a": 1})

    assert ids(north, attributes={"a": 1}) == [mine.id]
    with raises("run_not_found"):
        north.update_attributes(other.id, {"a": 2})
    with raises("run_not_found"):
        squidie.archive_run(uuid4(), "x")


def test_a_name_that_is_not_declared_any_more_stays_on_the_runs_that_have_it(squidie, make):
    """18.6: a deploy takes nothing away."""
    run = squidie.start(Single, attributes={"customer": "x", "a": 1})
    later = make(attributes={"a": "integer"})

    later.update_attributes(run.id, {"a": 2})

    assert run.snapshot().attributes == {"customer": "x", "a": 2}
    with raises("invalid_attributes"):
        later.list_runs(attributes={"customer": "x"})


def test_a_wrong_schema_is_told_with_everything_else_that_is_wrong(make):
    """18.6, 17.4"""
    with pytest.raises(InvalidConfig) as refused:
        make(attributes={**ATTRIBUTES, "Bad": "string", "b": "text"}, queue="*")

    said = str(refused.value)
    assert "'Bad' is no name" in said
    assert "attributes.b is none of" in said
    assert "queue" in said
