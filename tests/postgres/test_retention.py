"""Retention (SEMANTICS 18.7, 17.6; RELIABILITY B50): whole ended runs, past their age, through the audited door."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from squidie.engine import retention
from squidie.errors import (
    InvalidArgument,
    InvalidConfig,
    RetentionBlocked,
    RunNotFound,
    RunRetired,
    SquidieError,
    StalePlan,
)
from squidie.testing.clock import set_clock
from squidie.testing.invariants import violations
from tests.support.flows import Chain, Single
from tests.support.lab import (
    NOON,
    change,
    claim,
    completion,
    counts,
    held,
    query,
    raises,
    run_in_a_child,
    scalar,
    settle,
    work_off,
)

DAY = timedelta(days=1)
AGES = {"completed": "30d", "failed": "90d"}
FAILS = {"plan": {"only": ["fail"]}}


def aged(squidie, *starts, days=31, workflow=Single, **options):
    """Starts runs, ends them, and lets so many days pass."""
    runs = [squidie.start(workflow, payload, **options) for payload in starts]
    work_off(squidie)
    set_clock(squidie.engine, squidie.now() + days * DAY)
    return runs


@pytest.fixture
def at_noon(make):
    """A runtime with options of the test's own, at noon."""

    def at_noon(*workflows, **options):
        squidie = make(*workflows, **options)
        set_clock(squidie.engine, NOON)
        return squidie

    return at_noon


@pytest.fixture
def old(squidie, clock):
    """The same with the runtime that every test has."""
    clock(NOON)
    return partial(aged, squidie)


def ids(squidie, table="runs"):
    return {row.run_id for row in query(squidie, f"select distinct run_id from {{s}}.{table}")}


# ---------------------------------------------------------------- what is past its age
def test_a_preview_counts_what_is_past_its_age_and_writes_nothing(squidie, old):
    """18.7: by workflow and status; facts and bytes are those that would go."""
    old({}, {}, FAILS, days=31)
    old({}, days=1)
    squidie.start(Single)
    before = counts(squidie)

    plan = squidie.preview_retention(AGES)

    assert counts(squidie) == before
    assert [(row.workflow, row.status, row.runs) for row in plan.counts] == [("Single", "completed", 2)]
    measure = (
        "select count(*) as facts, sum(pg_column_size(body)) as bytes from {s}.facts join {s}.runs r using (run_id) "
        "where r.status = 'completed' and r.ended_at < {s}.clock() - interval '30 days'"
    )
    assert [(plan.facts, plan.bytes)] == [tuple(row) for row in query(squidie, measure)]
    assert (plan.runs, plan.at, plan.expires_at) == (2, squidie.now(), squidie.now() + timedelta(hours=1))
    assert dict(plan.blocked) == {}


def test_exactly_the_plan_is_removed_each_run_whole(squidie, old):
    """18.7, B50: what became too old since the plan was made stays for the next one."""
    gone = old({}, {}, FAILS, days=20)
    later = old({}, days=11)
    plan = squidie.preview_retention(AGES)
    change(squidie, "update {s}.runs set ended_at = {s}.clock() where run_id = :id", id=gone[1].id)

    report = squidie.apply_retention(plan.token)

    assert (report.removed, report.is_complete) == (1, True)
    stay = {gone[1].id, gone[2].id, later[0].id}
    assert ids(squidie) == ids(squidie, "facts") == stay
    with pytest.raises(RunRetired):
        gone[0].result(timeout=0.1)


def test_nothing_but_its_name_its_end_and_its_last_hash_is_left_of_a_run(squidie, old):
    """18.7, 17.6: no payload; its dead letters go with it."""
    (run,) = old({"plan": {"only": ["fail:canary"]}}, days=91)
    kept = query(squidie, "select workflow, status, started_at, ended_at, head_hash from {s}.runs")
    assert ids(squidie, "dead_letters") == {run.id}

    squidie.apply_retention(squidie.preview_retention(AGES).token)

    left = query(squidie, "select workflow, status, started_at, ended_at, head_hash from {s}.retired")
    assert [tuple(row) for row in left] == [tuple(row) for row in kept]
    for table in ("runs", "facts", "attempts", "dead_letters"):
        assert ids(squidie, table) == set()


def test_a_workflow_may_have_ages_of_its_own(squidie, old):
    """18.7"""
    single = old({}, days=0)
    chain = old({}, days=2, workflow=Chain)

    def wanted(ages):
        return squidie.preview_retention(ages).runs

    assert wanted({"completed": "1d", "workflows": {"Chain": {"completed": "3d"}}}) == 1
    assert wanted({"completed": "1d", "workflows": {"Chain": {"completed": None}}}) == 1
    assert wanted({"workflows": {"Chain": {"completed": "1d"}}}) == 1
    squidie.apply_retention(squidie.preview_retention({"completed": "1d", "workflows": {"Single": {}}}).token)
    assert ids(squidie) & {single[0].id, chain[0].id} == set()


def test_the_walk_goes_over_many_pages_and_misses_none(squidie, old, monkeypatch):
    """B50"""
    monkeypatch.setattr(retention, "SCAN", 3)
    monkeypatch.setattr(retention, "SHARE", 2)
    old(*([{}, FAILS] * 7), days=31)
    told = []

    plan = squidie.preview_retention(AGES)
    report = squidie.apply_retention(plan.token, told=told.append)

    assert (plan.runs, report.removed, told[-1]) == (7, 7, 7)
    assert {row.status for row in query(squidie, "select status from {s}.runs")} == {"failed"}


# ---------------------------------------------------------------- what stays
def test_runs_that_others_come_from_stay_until_those_have_ended(squidie, old):
    """18.7: open runs and their lineage are never removed, nor what was in use when the plan was made."""
    replayed, forked = old({}, days=0), old({}, workflow=Chain)
    squidie.replay(replayed[0].id)
    squidie.fork(forked[0].id, from_step="b")

    plan = squidie.preview_retention(AGES)
    assert (plan.runs, dict(plan.blocked)) == (0, {"lineage": 2})
    set_clock(squidie.engine, squidie.now() + timedelta(minutes=1))
    work_off(squidie)
    assert squidie.apply_retention(plan.token).removed == 0
    assert squidie.apply_retention(squidie.preview_retention(AGES).token).removed == 2


def test_a_run_that_is_replayed_after_the_plan_was_made_stays(squidie, old):
    """18.7"""
    runs = old({}, {})
    plan = squidie.preview_retention(AGES)
    squidie.replay(runs[0].id)

    report = squidie.apply_retention(plan.token)

    assert (report.removed, dict(report.blocked)) == (1, {"lineage": 1})
    assert runs[0].id in ids(squidie)


def test_the_host_says_which_runs_must_stay(at_noon):
    """18.7: a hook; what it is told is no payload."""
    seen, kept = [], set()
    squidie = at_noon(Single, retain=lambda runs: seen.extend(runs) or kept)
    first, second = (aged(squidie, {}, days=16, partition=name)[0] for name in ("a", "b"))
    set_clock(squidie.engine, NOON + 50 * DAY)
    kept.add(first.id)

    plan = squidie.preview_retention(AGES)
    report = squidie.apply_retention(plan.token)

    assert (plan.runs, report.removed, dict(report.blocked)) == (1, 1, {"host": 1})
    assert ids(squidie) == {first.id}
    assert [(run.run_id, run.workflow, run.partition, run.status) for run in seen[:2]] == [
        (first.id, "Single", "a", "completed"),
        (second.id, "Single", "b", "completed"),
    ]


def test_a_hook_that_raises_has_not_said_that_anything_may_go(at_noon):
    """18.7: `RetentionBlocked`; what it raised may hold what nobody should see."""

    def retain(runs):
        raise ValueError("canary")

    squidie = at_noon(Single, retain=retain)
    aged(squidie, {})

    with pytest.raises(RetentionBlocked, match="ValueError") as caught:
        squidie.preview_retention(AGES)

    assert "canary" not in str(caught.value)
    with pytest.raises(InvalidConfig, match="retain"):
        at_noon(Single, retain="all")


def test_a_run_that_rows_of_the_host_refer_to_stays_and_its_mates_go(squidie, old):
    """18.7: a foreign key to `runs` is the host's way to say so, too."""
    runs = old({}, {}, {})
    change(squidie, "create table orders (id int, run_id uuid references {s}.runs)")
    change(squidie, "insert into orders values (1, :id)", id=runs[1].id)

    report = squidie.apply_retention(squidie.preview_retention(AGES).token)

    assert (report.removed, dict(report.blocked)) == (2, {"referred": 1})
    assert ids(squidie) == {runs[1].id}


def test_a_run_that_somebody_holds_stays_and_its_mates_go(at_noon):
    """18.7, L04"""
    squidie = at_noon(Single, settings={"lock_timeout": 0.2})
    runs = aged(squidie, {}, {}, {})
    plan = squidie.preview_retention(AGES)

    with held(squidie, runs[0].id):
        report = squidie.apply_retention(plan.token)

    assert (report.removed, dict(report.blocked)) == (2, {"busy": 1})
    assert squidie.apply_retention(plan.token).removed == 1


# ---------------------------------------------------------------- the door
def test_who_has_removed_what_is_recorded_with_each_commit(squidie, old, monkeypatch):
    """18.7, S-16: and the record cannot be changed."""
    monkeypatch.setattr(retention, "SHARE", 2)
    old({}, {}, {})
    plan = squidie.preview_retention(AGES)

    report = squidie.apply_retention(plan.token, actor="ada", reason="the law")

    columns = "name, verb, receipt->>'actor' as actor, receipt->>'comment' as why, change->>'runs' as runs"
    said = query(squidie, f"select {columns} from {{s}}.operations where subject = 'retention' order by id")
    assert [tuple(row) for row in said] == [
        (report.plan, "apply", "ada", "the law", "2"),
        (report.plan, "apply", "ada", "the law", "1"),
    ]
    with pytest.raises(Exception, match="insert-only"):
        change(squidie, "delete from {s}.operations")


def test_facts_of_others_cannot_be_deleted_while_a_run_is_removed(squidie, old):
    """3.2: the door opens for the run that it removes, and closes behind it."""
    runs = old({}, {})
    squidie.apply_retention(squidie.preview_retention(AGES).token, most=1)
    (left,) = ids(squidie)

    with squidie.engine.connect() as connection:
        connection.execute(text(f"select set_config('squidie.retiring', '{runs[0].id}', true)"))
        with pytest.raises(Exception, match="insert-only"):
            connection.execute(text("delete from squidie.facts where run_id = :id"), {"id": left})


@pytest.mark.parametrize("most", [0, -1, 1.5, True, "2"])
def test_how_many_are_removed_at_once_is_a_whole_number(squidie, old, most):
    """18.7"""
    old({})
    token = squidie.preview_retention(AGES).token
    with pytest.raises(InvalidArgument):
        squidie.apply_retention(token, most=most)
    assert counts(squidie)[0] == 1


def test_a_call_may_take_a_part_and_the_next_goes_on(squidie, old):
    """18.7"""
    old(*[{}] * 5)
    token = squidie.preview_retention(AGES).token

    reports = [squidie.apply_retention(token, most=2) for _ in range(3)]

    assert [(each.removed, each.is_complete) for each in reports] == [(2, False), (2, False), (1, True)]


def test_a_token_that_is_over_or_was_altered_removes_nothing(squidie, old, clock):
    """18.7: `StaleRevision`"""
    old({})
    token = squidie.preview_retention(AGES).token
    with pytest.raises(StalePlan):
        squidie.apply_retention(token[:-2])
    clock(squidie.now() + timedelta(hours=1, microseconds=1))
    with pytest.raises(StalePlan, match="was good until"):
        squidie.apply_retention(token)
    assert counts(squidie)[0] == 1


def test_a_policy_may_stand_in_the_settings(make, squidie, old):
    """18.7: checked with everything else; the one that is given comes first."""
    old({}, FAILS)
    with pytest.raises(InvalidArgument, match="neither here nor"):
        squidie.preview_retention()
    with pytest.raises(InvalidConfig, match=r"settings\.retention\.completed"):
        make(Single, settings={"retention": {"completed": "soon"}})
    configured = make(Single, settings={"retention": {"failed": "1d"}})

    assert configured.preview_retention().counts[0].status == "failed"
    assert configured.preview_retention({"completed": "1d"}).counts[0].status == "completed"


def test_a_key_gives_run_retired_until_it_is_forgotten_and_then_a_new_run(at_noon):
    """17.6: and that run can be removed as well."""
    squidie = at_noon(Single, settings={"receipts_for": 10 * DAY.total_seconds()})
    for _ in range(2):
        (run,) = aged(squidie, {}, key="order-7")
        assert squidie.apply_retention(squidie.preview_retention(AGES).token).removed == 1
        with raises("run_retired"):
            squidie.start(Single, key="order-7")
        set_clock(squidie.engine, squidie.now() + 10 * DAY)
        with pytest.raises(RunNotFound):
            squidie.cancel(run.id, reason="x")
    assert squidie.apply_retention(squidie.preview_retention(AGES).token).forgotten == 1
    assert ids(squidie, "retired") == ids(squidie, "receipts") == set()


# ---------------------------------------------------------------- under load, and killed
def test_a_plan_that_was_broken_off_goes_on_where_it_was_killed(squidie, old, monkeypatch):
    """B50, 18.7: SIGKILL between two commits; the rest verifies."""
    monkeypatch.setattr(retention, "SHARE", 10)
    old(*[{}] * 45, FAILS)
    token = squidie.preview_retention(AGES).token

    def die(removed):
        if removed == 20:
            os.kill(os.getpid(), signal.SIGKILL)

    ended, _ = run_in_a_child(lambda: squidie.apply_retention(token, told=die))

    assert os.WIFSIGNALED(ended)
    assert scalar(squidie, "select count(*) from {s}.runs") == 26
    assert violations(squidie.engine) == []
    assert squidie.apply_retention(token).removed == 25
    assert scalar(squidie, "select sum((change->>'runs')::int) from {s}.operations") == 45


def test_work_goes_on_while_the_past_is_removed(squidie, make, old, monkeypatch):
    """B50: two remove one plan, others start, work, replay and cancel; each run goes once, no other is harmed."""
    monkeypatch.setattr(retention, "SHARE", 5)
    ancient = old(*[{}] * 120)
    token = squidie.preview_retention(AGES).token
    ended, removed, fresh = threading.Event(), [], []

    def busy():
        host = make()
        while not ended.is_set():
            fresh.append(host.start(Chain).id)
            for verb in (lambda: host.replay(ancient[-1].id), lambda: host.cancel(fresh[-1], reason="x")):
                with suppress(SquidieError):
                    verb()
            host.sweep()
            work_off(host)

    def remove():
        removed.append(make().apply_retention(token).removed)

    workers = [threading.Thread(target=busy) for _ in range(2)]
    removers = [threading.Thread(target=remove) for _ in range(2)]
    for thread in (*workers, *removers):
        thread.start()
    for thread in removers:
        thread.join(60)
    ended.set()
    for thread in workers:
        thread.join(60)
    work_off(squidie)

    gone = ids(squidie, "retired")
    assert gone <= {run.id for run in ancient}
    assert sum(removed) == len(gone) >= 119
    assert set(fresh) <= ids(squidie)
    assert violations(squidie.engine) == []


def test_an_outcome_that_comes_after_its_run_was_removed_is_refused_as_that_of_an_ended_run(squidie, clock):
    """B20, 18.7: a worker that slept for a month."""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    squidie.cancel(run.id, reason="x")
    clock(NOON + 31 * DAY)
    squidie.apply_retention(squidie.preview_retention({"cancelled": "30d"}).token)

    assert settle(squidie, completion(row)).code == "run_ended"


def test_whoever_looks_at_a_run_that_was_removed_is_told_so(squidie, old):
    """17.6: `RunRetired`, by every view and verb."""
    (run,) = old({})
    squidie.apply_retention(squidie.preview_retention(AGES).token)

    for look in (squidie.inspect_run, squidie.command_history, squidie.ended, squidie.replay):
        with raises("run_retired"):
            look(run.id)
