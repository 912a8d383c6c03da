"""Execution, retries and the end of runs (SEMANTICS 2.6 to 2.10, 3.6, 5, 7), with histories compared exactly."""

from __future__ import annotations

import time
from datetime import timedelta

import msgspec
import pytest

from squidie import step
from squidie.engine.claim import claim as claim_work
from squidie.engine.lease import PATIENCE
from squidie.engine.turn import Turn
from squidie.history.facts import Disposition, FailureCode
from squidie.testing import eventually
from squidie.workflow.spec import Edge, Outcome
from tests.support import flows
from tests.support.flows import (
    CALLS,
    HOOKS,
    Address,
    Async,
    Careful,
    Chain,
    Context,
    Diamond,
    Large,
    Leaves,
    Missing,
    Parcel,
    Patient,
    Planned,
    Shipping,
    Single,
    Sums,
    Wide,
    act,
)
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    all_facts,
    change,
    claim,
    completion,
    kinds,
    query,
    raises,
    rows,
    scalar,
    settle,
    steps_done,
    work_off,
)

DONE, FAILED = "attempt_completed", "attempt_failed"


# ---------------------------------------------------------------- progress
def test_a_chain_goes_step_by_step_and_its_output_is_the_last_steps(squidie):
    """1.20, 2.7"""
    run = squidie.start(Chain)

    work_off(squidie)

    assert run.result(1) == "c1"
    assert kinds(squidie, run) == ["run_started", DONE, DONE, DONE, "run_completed"]
    assert steps_done(squidie, run) == ["a", "b", "c"]
    assert [[o.step for o in fact.opens] for fact in all_facts(squidie, run)] == [["a"], ["b"], ["c"], [], []]


def test_a_join_waits_for_all_its_branches_and_opens_once(squidie):
    """1.17"""
    run = squidie.start(Diamond)
    for expected in ([("a", 1)], [("b", 1), ("c", 1)], [("c", 1)], [("d", 1)], []):
        assert [(row.step, row.attempt) for row in rows(squidie)] == expected
        squidie.execute_next()

    assert run.result(1) == "d1"


def test_both_branches_of_a_join_may_settle_in_one_commit(squidie):
    """G11: contiguous facts, the join opened once."""
    run = squidie.start(Diamond)
    squidie.execute_next()
    b, c = claim(squidie, 2)

    assert settle(squidie, completion(c), completion(b)) == [None, None]

    opened = [o.step for fact in all_facts(squidie, run) for o in fact.opens]
    assert opened == ["a", "b", "c", "d"]
    assert scalar(squidie, "select count(distinct at) from {s}.facts where seq in (3, 4)") == 1


def test_the_output_of_several_leaves_is_an_object_by_name(squidie):
    """1.20"""
    run = squidie.start(Wide)

    work_off(squidie)

    assert run.result(1) == {"x": "x1", "y": "y1", "z": "z1"}


def test_parameters_bind_by_name_by_path_and_by_default(squidie):
    """1.11, 1.12"""
    run = squidie.start(Sums, {"number": 7})

    work_off(squidie)

    assert run.result(1) == {"add": 21, "reach": [7, "default"]}


def test_typed_objects_come_back_as_what_they_were(squidie):
    """1.9"""
    run = squidie.start(Shipping, {"parcel": Parcel(to=Address("Main St", 4), weight=1.5)})

    work_off(squidie)

    assert run.result(1) == "Main St 5: 3.0"
    assert run.snapshot().payload == {"parcel": {"to": {"street": "Main St", "number": 4}, "weight": 1.5}}


def test_an_input_that_does_not_fit_its_type_fails_the_step(squidie):
    """1.9, 5: `invalid_input`, and what did not fit is not repeated."""
    run = squidie.start(Shipping, {"parcel": {"to": {"street": "canary", "number": "four"}, "weight": 1.5}})

    work_off(squidie)

    error = failure(squidie, run)
    assert error.kind is FailureCode.INVALID_INPUT
    assert "four" not in error.message


def test_a_coroutine_function_is_a_step(squidie):
    run = squidie.start(Async, {"number": 1})

    work_off(squidie)

    assert run.result(1) == 2


def test_a_step_may_know_where_it_stands(squidie):
    """1.11: `ctx`"""
    run = squidie.start(Context, {"number": 2})

    work_off(squidie)

    assert run.result(1) == {
        "run_id": str(run.id),
        "workflow": "Context",
        "step": "note",
        "attempt": 1,
        "max_attempts": 7,
        "key": f"{run.id}/note",
        "claimed": True,
        "payload": {"number": 2},
        "outputs": {"double": {"twice": 4, "far": {"below": [2]}}},
        "stop": [False, False],
    }


# ---------------------------------------------------------------- large values
@pytest.mark.parametrize("size", [8 * 1024 - 2, 8 * 1024 - 1, 40 * 1024, 300 * 1024])
def test_outputs_that_the_state_does_not_hold_still_bind(squidie, size):
    """3.6: 8 KiB each (a text of 8,190 characters and its quotes), 64 KiB in sum."""
    run = squidie.start(Large, {"size": size, "filler": "z"})

    work_off(squidie)

    assert run.result(1) == {"grow": size, "again": size, "filler": 1}


def test_a_payload_that_the_state_does_not_hold_still_binds(squidie):
    """3.6"""
    run = squidie.start(Large, {"size": 1, "filler": "z" * 200_000})

    assert scalar(squidie, "select length(state::text) from {s}.runs") < 2000
    work_off(squidie)

    assert run.result(1)["filler"] == 200_000
    assert len(run.snapshot().payload["filler"]) == 200_000


def test_an_output_that_is_said_once_is_still_the_runs_result(squidie):
    """1.20, 3.6: leaves too large to be repeated in the last fact."""
    run = squidie.start(Leaves, {"size": 50_000, "filler": ""})

    work_off(squidie)

    assert {name: len(value) for name, value in run.result(1).items()} == {"grow": 50_000, "again": 50_000}
    assert all_facts(squidie, run)[-1].leaves == ("grow", "again")
    assert run.snapshot().output == run.result(1)


def test_small_outputs_that_are_many_are_left_in_their_facts_too(squidie):
    """3.6: 64 KiB in sum"""
    names = [f"s{number:02}" for number in range(12)]
    steps = {name: step(act) for name in names}
    many = type("Many", (Planned,), {**steps, "last": (last := step(act)), "flow": list(steps.values()) >> last})
    squidie = squidie_with(squidie, many)
    run = squidie.start(many, {"plan": {name: ["big:8000"] for name in names}})
    seen = {}
    HOOKS["last"] = lambda ctx: seen.update({name: len(value) for name, value in ctx.outputs.items()})

    work_off(squidie)

    assert run.result(1) == "last1"
    assert seen == dict.fromkeys(names, 8000)
    squidie.close()


# ---------------------------------------------------------------- failures and retries
def failure(squidie, run):
    return next(fact for fact in reversed(all_facts(squidie, run)) if fact.kind == "run_failed").error


def test_an_exception_without_a_policy_fails_the_run_with_a_letter(squidie):
    """5.2, 5.5, 5.6, 5.8"""
    run = squidie.start(Single, {"plan": {"only": ["raise:password=hunter2 is wrong"]}})

    work_off(squidie)

    assert kinds(squidie, run) == ["run_started", FAILED, "run_failed"]
    error = failure(squidie, run)
    assert (error.kind, error.code, error.type, error.attempt) == ("step_raised", "step_raised", "ValueError", 1)
    assert "hunter2" not in str(all_facts(squidie, run))
    assert error.frames[-1].endswith(" _obey")
    letter = query(squidie, "select step, attempt, seq, workflow, queue, reason from {s}.dead_letters")
    assert letter == [("only", 1, 2, "Single", "default", "step_raised")]
    with raises("run_unsuccessful") as ended:
        run.result(1)
    assert (ended.value.status, ended.value.error["step"]) == ("failed", "only")


def test_a_step_that_succeeds_on_its_third_attempt(squidie, clock):
    """5.1, 5.4: exactly ten seconds apart; the same idempotency key each time (5.10)."""
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise", "raise"]}})

    squidie.execute_next()
    assert scalar(squidie, "select due_at from {s}.attempts") == NOON + timedelta(seconds=10)
    clock(NOON + timedelta(seconds=10) - timedelta(microseconds=1))
    assert squidie.execute_next() is None
    for seconds in (10, 20, 20):
        clock(NOON + timedelta(seconds=seconds))
        squidie.execute_next()

    assert run.result(1) == "b1"
    assert kinds(squidie, run) == ["run_started", FAILED, FAILED, DONE, DONE, "run_completed"]
    assert [fact.disposition for fact in all_facts(squidie, run)[1:3]] == [Disposition.RETRIED] * 2
    assert [("a", 1, f"{run.id}/a"), ("a", 2, f"{run.id}/a"), ("a", 3, f"{run.id}/a"), ("b", 1, f"{run.id}/b")] == CALLS
    assert query(squidie, "select * from {s}.dead_letters") == []


def test_a_step_whose_attempts_are_used_up_fails_the_run(squidie, clock):
    """5.5"""
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise"] * 5}})
    for seconds in (0, 10, 20, 30):
        clock(NOON + timedelta(seconds=seconds))
        squidie.execute_next()

    facts = all_facts(squidie, run)
    assert [fact.kind for fact in facts] == ["run_started", FAILED, FAILED, FAILED, "run_failed"]
    assert (facts[3].disposition, facts[3].attempt, facts[3].max_attempts) == (Disposition.FATAL, 3, 3)


def test_fail_skips_retries(squidie):
    """5.3"""
    run = squidie.start(Patient, {"plan": {"a": ["fail"]}})

    work_off(squidie)

    error = failure(squidie, run)
    assert (error.kind, error.code, error.details) == ("step_failed", "declined", {"why": "planned"})
    assert kinds(squidie, run) == ["run_started", FAILED, "run_failed"]


def test_retry_later_uses_an_attempt_and_its_own_delay(squidie, clock):
    """5.3: it implies four attempts where there is no policy."""
    clock(NOON)
    run = squidie.start(Single, {"plan": {"only": ["later:3", "later:0", "later:0", "later:0"]}})

    squidie.execute_next()
    assert scalar(squidie, "select due_at from {s}.attempts") == NOON + timedelta(seconds=3)
    clock(NOON + timedelta(seconds=3))
    work_off(squidie)

    assert kinds(squidie, run) == ["run_started", *[FAILED] * 4, "run_failed"]
    assert [fact.max_attempts for fact in all_facts(squidie, run)[1:5]] == [4] * 4


@pytest.mark.parametrize("policy", [Single, Patient])
def test_a_result_that_fails_the_gate_fails_the_step_and_is_not_tried_again(squidie, policy):
    """3.5"""
    run = squidie.start(policy, {"plan": {"only": ["bad"], "a": ["bad"]}})

    work_off(squidie)

    assert kinds(squidie, run) == ["run_started", FAILED, "run_failed"]
    error = failure(squidie, run)
    assert error.kind is FailureCode.INVALID_OUTPUT
    assert error.details["path"] == "output.inf"


def test_an_output_over_the_limit_fails_the_step(squidie):
    """3.5"""
    run = squidie.start(Single, {"plan": {"only": [f"big:{1024 * 1024}"]}})

    work_off(squidie)

    assert failure(squidie, run).kind is FailureCode.INVALID_OUTPUT


def test_a_path_that_is_not_there_fails_the_step_at_once(squidie):
    """1.15: not retried, though the step has a policy."""
    run = squidie.start(Missing, {"number": 1})

    work_off(squidie)

    error = failure(squidie, run)
    assert error.kind is FailureCode.MISSING_INPUT_PATH
    assert error.details == {"parameter": "nowhere", "path": "double.far.beyond", "missing_at": "double.far.beyond"}
    assert kinds(squidie, run) == ["run_started", DONE, FAILED, "run_failed"]


def test_the_end_of_a_failed_run_names_the_claims_of_its_siblings(squidie):
    """5.11: unclaimed siblings are withdrawn, claimed ones are told and fenced."""
    run = squidie.start(Wide)
    x, y = claim(squidie, 2)

    settle(squidie, failing(x))

    failed = all_facts(squidie, run)[-1]
    assert [(end.step, end.claim.id) for end in failed.ends] == [("y", str(y.lease.claim_id))]
    assert rows(squidie) == []
    assert settle(squidie, completion(y)).code == "run_ended"


def failing(row):
    from tests.support.lab import failure as failed

    return failed(row)


def test_an_error_edge_goes_on_and_leaves_no_letter(squidie):
    """1.18, 5.5: declared in the spec, since the DSL has no word for it yet."""
    routed = type("Routed", (Chain,), {"a": step(act), "b": step(act), "c": step(act)})
    edges = (Edge(source="a", target="b"), Edge(source="a", target="c", on=Outcome.ERROR))
    routed.spec = msgspec.structs.replace(routed.spec, name="Routed", edges=edges)
    squidie = squidie_with(squidie, routed)
    run = squidie.start(routed, {"plan": {"a": ["raise"]}})

    work_off(squidie)

    facts = all_facts(squidie, run)
    assert [fact.kind for fact in facts] == ["run_started", FAILED, DONE, "run_completed"]
    assert (facts[1].disposition, facts[1].moved.skipped_steps) == (Disposition.ROUTED, ("b",))
    assert query(squidie, "select * from {s}.dead_letters") == []
    assert run.result(1) == "c1"
    squidie.close()


def squidie_with(squidie, *workflows):
    from squidie import Squidie

    return Squidie(squidie.engine.url.render_as_string(hide_password=False), workflows=workflows)


# ---------------------------------------------------------------- cancel
def test_cancel_ends_the_run_at_once_and_names_what_was_claimed(squidie):
    """7.1"""
    run = squidie.start(Wide)
    (held,) = claim(squidie)

    squidie.cancel(run.id, reason=" enough ", actor={"id": 7}, comment="by phone")

    cancelled = all_facts(squidie, run)[-1]
    assert (cancelled.kind, cancelled.reason) == ("run_cancelled", "enough")
    assert (cancelled.by.actor, cancelled.by.comment) == ({"id": 7}, "by phone")
    assert [end.claim.id for end in cancelled.ends] == [str(held.lease.claim_id)]
    assert rows(squidie) == []
    assert squidie.execute_next() is None
    assert settle(squidie, completion(held)).code == "run_ended"


def test_a_second_cancel_with_the_same_key_answers_as_the_first(squidie):
    """7.5"""
    run = squidie.start(Single)
    squidie.cancel(run.id, reason="enough", key="c1")

    assert squidie.cancel(run.id, reason="enough", key="c1").id == run.id
    with raises("key_reused"):
        squidie.cancel(run.id, reason="another", key="c1")
    for other in ({}, {"key": "c2"}):
        with raises("invalid_transition") as refused:
            squidie.cancel(run.id, reason="enough", **other)
        assert refused.value.details["status"] == "cancelled"
    assert kinds(squidie, run) == ["run_started", "run_cancelled"]


@pytest.mark.parametrize(("plan", "status"), [({}, "completed"), ({"plan": {"only": ["raise"]}}, "failed")])
def test_an_ended_run_cannot_be_cancelled(squidie, plan, status):
    """7.5"""
    run = squidie.start(Single, plan)
    work_off(squidie)

    with raises("invalid_transition") as refused:
        squidie.cancel(run.id, reason="late")

    assert refused.value.details["status"] == status


def test_a_cancel_needs_a_reason_and_a_run(squidie):
    """7, bad input"""
    run = squidie.start(Single)
    for reason in ("", "  ", None, 5):
        with raises("invalid_argument"):
            squidie.cancel(run.id, reason=reason)
    with raises("invalid_argument"):
        squidie.cancel("nobody", reason="x")
    with raises("run_not_found"):
        squidie.cancel("00000000-0000-0000-0000-000000000000", reason="x")
    assert kinds(squidie, run) == ["run_started"]


def test_a_cancelled_run_between_retries_is_not_tried_again(squidie, clock):
    """7.1"""
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise"]}})
    squidie.execute_next()

    squidie.cancel(run.id, reason="enough")

    clock(NOON + timedelta(hours=1))
    assert squidie.execute_next() is None
    assert rows(squidie) == []


def test_a_running_step_is_told_and_its_outcome_is_not_taken(make):
    """7.3: within one heartbeat; the step that looks unwinds."""
    squidie = make(settings={"lease": 0.6, "beat": 0.05})
    run = squidie.start(Single)
    told = []

    def look(ctx):
        squidie.cancel(run.id, reason="while it runs")
        eventually(lambda: ctx.cancelled, why="the step was not told")
        told.append(ctx.lease_lost)
        ctx.check()

    HOOKS["only"] = look
    squidie.execute_next()

    assert told == [True]
    assert kinds(squidie, run) == ["run_started", "run_cancelled"]


@pytest.mark.parametrize("workflow", [Single, Careful])
def test_a_step_that_runs_alone_is_never_called_once_its_run_was_cancelled(squidie, workflow):
    """2.6, G10: cancelled between its claim and its call, however short that is; nothing is written for it."""
    run = squidie.start(workflow)
    work = claim_work(squidie._parts, "default", 1).work
    squidie.cancel(run.id, reason="between claim and call")
    Turn(squidie._parts, ("default",), lambda: False).work_off(work, "default", hand_over=False)

    assert CALLS == []
    assert kinds(squidie, run) == ["run_started", "run_cancelled"]
    (end,) = all_facts(squidie, run)[-1].ends
    assert end.claim.id == str(work[0].holding.row.lease.claim_id)


def test_a_claim_that_was_lost_before_its_call_is_not_begun(squidie, clock):
    """2.6: its row is seen with another claim on it, or with none."""
    clock(NOON)
    run = squidie.start(Careful)
    work = claim_work(squidie._parts, "default", 1).work
    clock(NOON + AFTER_LEASE)
    squidie.sweep()
    (row,) = claim(squidie, 1)
    Turn(squidie._parts, ("default",), lambda: False).work_off(work, "default", hand_over=False)

    assert CALLS == []
    assert kinds(squidie, run) == ["run_started", "attempt_expired"]
    assert settle(squidie, completion(row)) is None


def test_a_cancelled_member_of_a_batch_is_not_begun_once_the_cancel_is_250_ms_old(make):
    """2.6, G10, G08: what has not begun is given back while a mate runs long."""
    squidie = quick(make())
    runs = {run.id: run for run in squidie.start_many(Single, [{}, {}])}

    def linger(ctx):
        if len(CALLS) == 1:
            (other,) = runs.keys() - {ctx.run_id}
            squidie.cancel(other, reason="while a mate runs")
            eventually(lambda: not any(hand.waits for hand in squidie._parts.renewer._hands), why="nothing given back")

    HOOKS["only"] = linger
    squidie.turn(["default"])

    ((_, _, key),) = CALLS
    ended = {run.id: kinds(squidie, run) for run in runs.values()}
    assert sorted(ended.values()) == [["run_started", DONE, "run_completed"], ["run_started", "run_cancelled"]]
    (cancelled,) = (run for run in runs.values() if ended[run.id][-1] == "run_cancelled")
    assert not key.startswith(str(cancelled.id))
    assert len(all_facts(squidie, cancelled)[-1].ends) == 1


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_batch_that_was_stopped_looks_again_before_its_members_are_called(make, handed_over):
    """2.6, G10, L15: by SIGSTOP, say: then nobody of its process was there to give back what has not begun."""
    squidie = quick(make())
    runs = squidie.start_many(Chain if handed_over else Single, [{}, {}])
    turn = Turn(squidie._parts, ("default",), lambda: False)
    work = claim_work(squidie._parts, "default", 64).work
    if handed_over:
        work = turn.work_off(work, "default")
    called = len(CALLS)
    squidie.cancel(runs[0].id, reason="while they are stopped")
    until = time.monotonic() + PATIENCE
    eventually(lambda: time.monotonic() > until, every=0.01)

    turn.work_off(work, "default", hand_over=False)

    assert len(work) == 2
    assert [key.startswith(str(runs[1].id)) for _, _, key in CALLS[called:]] == [True]
    assert kinds(squidie, runs[0])[-1] == "run_cancelled"


def test_what_has_not_begun_is_given_back_when_a_mate_runs_long(make):
    """4.8, L15, G07: no loss is counted, and somebody else begins it at once."""
    squidie, helper = quick(make()), make()
    runs = {run.id for run in squidie.start_many(Single, [{}, {}])}

    def linger(ctx):
        if len(CALLS) == 1:
            (other,) = runs - {ctx.run_id}
            eventually(lambda: "attempt_released" in kinds(squidie, other), why="nothing was given back")
            assert helper.execute_next().id == other

    HOOKS["only"] = linger
    squidie.turn(["default"])

    plain = ["run_started", DONE, "run_completed"]
    assert sorted(kinds(squidie, run) for run in runs) == [plain, ["run_started", "attempt_released", *plain[1:]]]
    assert len(CALLS) == 2


def test_what_was_given_back_is_not_said_to_be_lost(make, caplog):
    """4.7: a beat that is due at that very moment does not miss it."""
    squidie = quick(make(settings={"beat": 0.01}))
    runs = {run.id for run in squidie.start_many(Single, [{}, {}])}

    def linger(ctx):
        if len(CALLS) == 1:
            (other,) = runs - {ctx.run_id}
            eventually(lambda: "attempt_released" in kinds(squidie, other), why="nothing was given back")
            renewed = scalar(squidie, "select lease_until from {s}.attempts where claim_id is not null")
            sql = "select lease_until > :then from {s}.attempts where claim_id is not null"
            eventually(lambda: query(squidie, sql, then=renewed)[0][0], why="nothing is renewed any more")

    HOOKS["only"] = linger
    squidie.turn(["default"])

    assert "was ended by somebody else" not in caplog.text


def quick(squidie):
    """It has learned that all steps are short, and takes many together."""
    squidie._parts.pace.short = frozenset(squidie.registry.served)
    squidie._parts.pace._size = 64
    return squidie


@pytest.mark.parametrize(
    ("raised", "kind"), [(SystemExit(3), "attempt_failed"), (KeyboardInterrupt(), "attempt_released")]
)
def test_a_step_that_leaves_by_itself_has_failed_and_one_that_is_interrupted_is_given_back(squidie, raised, kind):
    """5.2, B30: `sys.exit` given back would begin again for ever; a worker's stop is known to its delivery."""

    def leave(ctx):
        raise raised

    run = squidie.start(Single)
    HOOKS["only"] = leave

    squidie.execute_next()

    assert kinds(squidie, run)[1] == kind


def test_a_draining_worker_settles_what_runs_and_takes_no_successor(squidie):
    """G36, B30"""
    run = squidie.start(Chain)
    draining = []
    HOOKS["a"] = lambda ctx: draining.append(True)

    squidie.turn(["default"], draining=lambda: bool(draining))

    assert steps_done(squidie, run) == ["a"]
    assert [(row.step, row.held) for row in rows(squidie)] == [("b", False)]


def test_a_turn_goes_on_with_the_successors(squidie):
    """2.5, 4.2: a whole chain in one turn, each step claimed by the settle before it."""
    run = squidie.start(Chain)

    report = squidie.turn(["default"])

    assert (report.claimed, report.settled, report.left) == (3, 3, False)
    assert run.result(1) == "c1"


# ---------------------------------------------------------------- the cache
def test_dropping_the_cached_state_changes_nothing(squidie):
    """3.4, C1"""
    runs = squidie.start_many(Diamond, [{} for _ in range(5)])
    for _ in range(20):
        change(squidie, "update {s}.runs set state = null")
        before = [run.snapshot() for run in runs]
        squidie.execute_next()
        change(squidie, "update {s}.runs set fold = 0 where fold <> 0")
        assert [run.snapshot().steps for run in runs[1:]] or before

    work_off(squidie)

    assert [run.result(1) for run in runs] == ["d1"] * 5
    assert flows.CALLS.count(CALLS[0]) == 1


def test_an_ended_run_keeps_no_state(squidie):
    """3.6"""
    squidie.start(Single)
    work_off(squidie)

    assert query(squidie, "select state, ended_at = updated_at from {s}.runs") == [(None, True)]


# ---------------------------------------------------------------- containment
@pytest.mark.tampered("a body was damaged")
def test_a_damaged_run_harms_only_itself(squidie):
    """3.7: its mates in the batch are claimed, run and settled."""
    good, bad, fine = squidie.start_many(Single, [{}, {}, {}])
    damage(squidie, bad)
    quick(squidie)

    squidie.turn(["default"])

    assert [good.result(1), fine.result(1)] == ["only1", "only1"]
    with raises("corrupt_history"):
        bad.snapshot()


@pytest.mark.tampered("a body was damaged")
def test_a_run_that_is_damaged_while_it_is_held_does_not_take_its_mates_along(squidie):
    """3.7"""
    good, bad = squidie.start_many(Single, [{}, {}])
    held = sorted(claim(squidie, 2), key=lambda row: row.run_id == bad.id)
    damage(squidie, bad)

    errors = settle(squidie, *map(completion, held))

    assert [None if error is None else error.code for error in errors] == [None, "corrupt_history"]
    assert good.result(1) == "done"


def damage(squidie, run):
    """Its cached state is gone, and its first fact cannot be read."""
    change(squidie, "alter table {s}.facts disable trigger facts_are_insert_only")
    change(squidie, "update {s}.facts set body = '{\"nonsense\": 1}' where run_id = :id", id=run.id)
    change(squidie, "alter table {s}.facts enable trigger facts_are_insert_only")
    change(squidie, "update {s}.runs set state = null where run_id = :id", id=run.id)
