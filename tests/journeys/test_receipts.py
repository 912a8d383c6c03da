"""Who did what: receipts in facts, repetitions counted, refusals in the audit's log, keys that outlive runs."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from squidie.errors import SquidieError
from tests.support.flows import Single
from tests.support.lab import all_facts, change, counts, kinds, query, raises, scalar, work_off
from tests.support.steering_flows import STEERED, Asked, Paused

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Single, delivery=bells)


def test_a_command_leaves_its_receipt_in_the_first_fact_that_it_causes(squidie):
    """17.2: and only there."""
    run = squidie.start(Paused, actor="sam", source="cli")
    squidie.resume(
        run.id, actor="ann", comment="go on", metadata={"ip": "::1", "token": "hush"}, source="dashboard", key="k"
    )
    work_off(squidie)

    found = [fact.by for fact in all_facts(squidie, run) if fact.by is not None]
    assert [(by.verb, by.actor, by.source, by.key) for by in found] == [
        ("start", "sam", "cli", None),
        ("resume", "ann", "dashboard", "k"),
    ]
    assert found[1].comment == "go on"
    assert found[1].metadata == {"ip": "::1", "token": "***"}


def test_the_command_history_is_those_facts(squidie):
    """17.2."""
    run = squidie.start(Asked, actor="sam")
    work_off(squidie)
    squidie.delegate(run.id, to_role="board", actor="ann", key="d")
    squidie.approve(run.id, actor={"id": 7}, comment="fine")

    told = squidie.command_history(run.id)
    assert [(each.seq, each.verb, each.actor, each.fact) for each in told] == [
        (1, "start", "sam", "run_started"),
        (4, "delegate", "ann", "review_delegated"),
        (5, "approve", {"id": 7}, "pause_resolved"),
    ]
    with raises("run_not_found"):
        squidie.command_history(NOBODY)


def test_a_repetition_writes_no_fact_and_is_counted(squidie):
    """17.2."""
    run = squidie.start(Paused, key="start")
    squidie.start(Paused, key="start")
    squidie.cancel(run.id, reason="x", key="k")
    before = counts(squidie)
    for _ in range(3):
        squidie.cancel(run.id, reason="x", key="k")

    assert counts(squidie) == before
    seen = dict(query(squidie, "select verb, seen from {s}.receipts"))
    assert seen == {"start": 1, "cancel": 3}


def test_one_key_from_eight_threads_is_one_fact(squidie):
    """17, proved by: fifty times."""
    run = squidie.start(Paused)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(squidie.resume, run.id, data=1, key="k") for _ in range(50)]
        answers = [job.result(60) for job in jobs]

    assert {answer.id for answer in answers} == {run.id}
    assert kinds(squidie, run).count("pause_resolved") == 1
    assert scalar(squidie, "select seen from {s}.receipts where verb = 'resume'") == 49


def test_one_key_is_another_for_each_verb_and_each_run(squidie):
    """17.2: the identity is run, verb and key."""
    one, two = squidie.start(Asked), squidie.start(Asked)
    work_off(squidie)
    squidie.delegate(one.id, to_role="board", key="k")
    squidie.approve(one.id, actor="ann", key="k")
    squidie.approve(two.id, actor="ann", key="k")

    assert [kinds(squidie, run)[-1] for run in (one, two)] == ["pause_resolved"] * 2


def test_refusals_and_repetitions_reach_the_audit_log_and_not_the_history(squidie, caplog):
    """17.2: with who and why, and no value."""
    run = squidie.start(Paused)
    before = kinds(squidie, run)
    with caplog.at_level(logging.INFO, "squidie.audit"):
        with raises("invalid_review"):
            squidie.resume(run.id, actor="eve", metadata="canary-9")
        with raises("run_not_found"):
            squidie.cancel(NOBODY, reason="canary-9", actor="eve")
        with raises("invalid_payload"):
            squidie.start(Paused, {"canary-9": 1}, actor="eve")
        assert kinds(squidie, run) == before
        squidie.resume(run.id, actor="ann", key="k")
        squidie.resume(run.id, actor="ann", key="k")
        squidie.start(Single, key="s", actor="sam")
        squidie.start(Single, key="s", actor="sam")

    said = [record.getMessage() for record in caplog.records if record.name == "squidie.audit"]
    assert [line.partition(" of ")[0] for line in said] == [
        "refused: resume", "refused: cancel", "refused: start", "repeated: resume", "repeated: start",
    ]  # fmt: skip
    assert said[0].endswith("by eve: invalid_review")
    assert "by ann" in said[3]
    assert "canary-9" not in " ".join(said)


def test_a_key_outlives_its_run(squidie):
    """17.6: a repeated start is `RunRetired`, never a new run; so is every verb on it."""
    run = squidie.start(Single, key="order-7")
    work_off(squidie)
    with squidie.engine.begin() as connection:
        from sqlalchemy import text

        retired = text(f"select \"{squidie.schema}\".retire(:id, interval '90 days')")
        assert connection.execute(retired, {"id": run.id}).scalar()
    before = counts(squidie)
    with raises("run_retired"):
        squidie.start(Single, key="order-7")
    with raises("run_retired"):
        squidie.start(Single, {"plan": {"other": []}}, key="order-7")
    with raises("run_retired"):
        squidie.start(Single, run_id=run.id)
    for verb in (squidie.cancel, squidie.replay):
        with raises("run_retired"):
            verb(run.id, reason="x")
    (refused,) = squidie.start_many(Single, [{}], keys=["order-7"], partial=True)

    assert isinstance(refused, SquidieError)
    assert refused.code == "run_retired"
    assert counts(squidie) == before
    assert squidie.start(Single, key="order-8").created


def test_a_key_is_forgotten_when_its_time_is_over(squidie):
    """17.6."""
    run = squidie.start(Single, key="order-7")
    work_off(squidie)
    change(squidie, "select {s}.retire(:id, interval '0 seconds')", id=run.id)

    assert squidie.start(Single, key="order-7").created
