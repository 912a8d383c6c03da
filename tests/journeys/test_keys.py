"""One key, whatever the verb and however often: one fact, one answer, also when its run is gone (17.2, 17.6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from squidie.settings import Settings
from tests.support.flows import HOOKS, Diamond, Patient, Single
from tests.support.lab import change, counts, query, raises, scalar, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Parking, Paused, Several, notify

TIMES, THREADS = 50, 8


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Diamond, Patient, Single, keep=[notify], delivery=bells)


FAILED = {"plan": {"only": ["fail"]}}
VERBS = {
    "start": (None, {}, lambda on, _: on.start(Single, key="k")),
    "send": (None, {}, lambda on, _: on.send(notify, ["ann"], key="k")),
    "resume": (Paused, {}, lambda on, run: on.resume(run, data=1, key="k")),
    "approve": (Asked, {}, lambda on, run: on.approve(run, actor="ann", key="k")),
    "vote": (Several, {}, lambda on, run: on.approve(run, actor="ann", key="k")),
    "reject": (Asked, {}, lambda on, run: on.reject(run, actor="ann", key="k")),
    "delegate": (Asked, {}, lambda on, run: on.delegate(run, to_role="board", key="k")),
    "cancel": (Paused, {}, lambda on, run: on.cancel(run, reason="x", key="k")),
    "retry_now": (Patient, {"plan": {"a": ["raise"]}}, lambda on, run: on.retry_now(run, "a", key="k")),
    "signal_run": (Awaiting, {}, lambda on, run: on.signal_run(run, event="paid", correlation="order-1", key="k")),
    "requeue, parked": (
        Parking,
        {"plan": {"b": ["raise"]}},
        lambda on, run: on.requeue(run, "b", reason="x", actor="ann", key="k"),
    ),
    "requeue, ended": (Single, FAILED, lambda on, run: on.requeue(run, "only", reason="x", actor="ann", key="k")),
    "discard, parked": (
        Parking,
        {"plan": {"b": ["raise"]}},
        lambda on, run: on.discard(run, "b", reason="x", actor="ann", key="k"),
    ),
    "discard, ended": (Single, FAILED, lambda on, run: on.discard(run, "only", reason="x", actor="ann", key="k")),
    "replay": (Single, {}, lambda on, run: on.replay(run, key="k")),
    "fork": (Single, {}, lambda on, run: on.fork(run, "only", key="k")),
}


@pytest.mark.parametrize("verb", VERBS)
def test_one_key_asked_fifty_times_from_eight_threads_is_one_fact_and_one_answer(squidie, verb):
    """17.2: proved by: each key repeated 50 times from 8 threads."""
    workflow, payload, call = VERBS[verb]
    source = squidie.start(workflow, payload) if workflow else None
    if source is not None:
        work_off(squidie)
    asked = "select count(*) from {s}.facts where body->'by'->>'key' = 'k'"
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(call, squidie, source and source.id) for _ in range(TIMES)]
        answers = [job.result(60) for job in jobs]

    assert len({answer.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) <= 1
    assert scalar(squidie, asked) == (0 if verb == "discard, ended" else 1)
    if verb == "discard, ended":
        assert query(squidie, "select closed_as from {s}.dead_letters") == [("discarded",)]
    else:
        assert scalar(squidie, "select sum(seen) from {s}.receipts where key = 'k'") == TIMES - 1


def test_a_command_under_a_key_is_told_that_its_run_is_retired(squidie):
    """17.6: its receipt outlives the run by `receipts_for`, 90 days unless it is set; then the run was never there."""
    assert Settings().receipts_for == 90 * 24 * 3600
    run = squidie.start(Paused, key="order-7")
    squidie.cancel(run.id, reason="x", key="k")
    change(squidie, "select {s}.retire(:id, interval '90 days')", id=run.id)
    before = counts(squidie)

    with raises("run_retired") as refused:
        squidie.cancel(run.id, reason="x", key="k")
    assert refused.value.details == {"run_id": str(run.id)}
    for call in (
        lambda: squidie.start(Paused, key="order-7"),
        lambda: squidie.resume(run.id, key="k"),
        lambda: squidie.replay(run.id, key="k"),
    ):
        with raises("run_retired"):
            call()
    assert counts(squidie) == before

    change(squidie, "update {s}.retired set until = {s}.clock()")
    with raises("run_not_found"):
        squidie.cancel(run.id, reason="x", key="k")
    assert squidie.start(Paused, key="order-7").id == run.id


def test_a_key_says_nothing_of_another_verb(squidie):
    """17.2"""
    HOOKS.clear()
    run = squidie.start(Paused, key="k")
    squidie.cancel(run.id, reason="x", key="k")
    again = squidie.replay(run.id, key="k")

    assert again.id != run.id


def test_a_step_that_starts_a_run_with_its_own_key_and_fails_has_started_one(squidie):
    """V12: tried again it is given the same run, whatever became of the attempt that started it."""
    begun = []

    def start_another(ctx):
        begun.append(squidie.start(Single, key=ctx.idempotency_key, queue="elsewhere"))

    HOOKS["a"] = start_another
    run = squidie.start(Patient, {"plan": {"a": ["raise", "raise"]}})
    for _ in range(3):
        work_off(squidie)
        if run.snapshot().status == "running":
            squidie.retry_now(run.id, "a")

    assert run.result(1) == "b1"
    assert [each.created for each in begun] == [True, False, False]
    assert len({each.id for each in begun}) == 1
