"""The original's queue, test by test (RELIABILITY 3.2): tenants, priorities, delays, leases, backoff, letters, cron.

Time is the database's and is set; counts are what the rows say.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie import Fail, Retry, StepContext, Workflow, approval, manual, pause, step, validate_spec
from squidie.decide.backoff import after_loss
from squidie.errors import RunNotFound, StaleClaim
from squidie.testing.clock import set_clock
from tests.support.flows import Chain, Elsewhere, Nightly, Planned, Single, act
from tests.support.lab import (
    NOON,
    all_facts,
    change,
    claim,
    completion,
    counts,
    failure,
    kinds,
    query,
    renew,
    settle,
    steps_done,
    work_off,
)


class TwiceTried(Planned):
    """Two attempts, one second apart."""

    only = step(act, retry=Retry(2, min=1, backoff="fixed"))


def gateway(code: int) -> dict[str, int]:
    return {"status_code": code}


def told(ctx: StepContext) -> dict[str, object]:
    return {"run": str(ctx.run_id), "step": ctx.step, "attempt": ctx.attempt, "key": ctx.idempotency_key}


def refused(ctx: StepContext) -> None:
    raise Fail("no", details={**told(ctx), "claim": str(ctx.claim_id)})


class Routed(Workflow):
    """A number decides which way it goes."""

    triggers = (manual("go"),)
    gateway = step(gateway)
    good = step(told)
    bad = step(refused)
    flow = (gateway.when("gateway.status_code", greater_than=199) >> good, gateway.otherwise >> bad)


class Asking(Workflow):
    """An approval, then a pause."""

    triggers = (manual("go"),)
    ok = approval()
    hold = pause()
    done = step(told)
    flow = ok >> hold >> done


@pytest.fixture
def squidie(make, bells):
    return make(Single, Chain, Elsewhere, TwiceTried, Nightly, Routed, Asking, delivery=bells)


@pytest.fixture
def at(squidie):
    """Set the clock to so many seconds after noon."""

    def at(seconds=0.0):
        set_clock(squidie.engine, NOON + timedelta(seconds=seconds))

    at()
    return at


def depth(squidie, queue="default"):
    """Pending and processing, as the original counts them: due and unclaimed; claimed, whatever became of the lease."""
    (found,) = query(
        squidie,
        """
        select count(*) filter (where claim_id is null and due_at <= {s}.clock()) as pending,
               count(*) filter (where claim_id is not null) as processing
        from {s}.attempts where queue = :queue
        """,
        queue=queue,
    )
    return found.pending, found.processing


def test_tenant_queues_are_apart(squidie, at):
    """Q1, B06: draining one leaves the other as it is."""
    first, second = squidie.start(Single, queue="tenant_a"), squidie.start(Single, queue="tenant_b")

    assert squidie.execute_next("tenant_a").id == first.id
    assert (depth(squidie, "tenant_a"), depth(squidie, "tenant_b")) == ((0, 0), (1, 0))
    assert squidie.execute_next("tenant_a") is None
    assert squidie.execute_next("tenant_b").id == second.id


def test_priority_goes_before_order(squidie, at):
    """Q2, B05: what is urgent, though it came later."""
    usual = squidie.start(Single, priority=200)
    at(1)
    urgent = squidie.start(Single, priority=0)

    assert [squidie.execute_next().id for _ in range(2)] == [urgent.id, usual.id]


def test_what_is_delayed_is_seen_at_its_time(squidie, at):
    """Q3, B04: invisible a second later, visible at exactly sixty."""
    run = squidie.start(Single, after=60)

    for seconds in (1, 59.999999):
        at(seconds)
        assert claim(squidie) == []
    at(60)
    assert [row.run_id for row in claim(squidie)] == [run.id]


def test_a_lease_that_was_extended_ends_when_it_was_extended_to(squidie, at):
    """Q4, B16: extended at half a second by five, and the counts follow."""
    squidie.start(Single)
    (row,) = claim(squidie, lease=1.0)
    assert depth(squidie) == (0, 1)
    at(0.5)
    renew(squidie, row, lease=5.0)

    for seconds in (1.2, 5.499):
        at(seconds)
        assert squidie.sweep().expired == 0
        assert (claim(squidie), depth(squidie)) == ([], (0, 1))
    at(5.5)
    assert squidie.sweep().expired == 1
    at(5.5 + after_loss(1))
    assert depth(squidie) == (1, 0)
    assert len(claim(squidie)) == 1


def test_backoff_to_the_millisecond_then_a_dead_letter(squidie, at):
    """Q5, B21, B22: two attempts with a base of one second; the counts are zero in the end."""
    squidie.start(TwiceTried, {"plan": {"only": ["raise", "raise"]}})
    squidie.execute_next()

    at(0.999)
    assert claim(squidie) == []
    at(1)
    assert squidie.execute_next().snapshot().status == "failed"
    assert depth(squidie) == (0, 0)
    ((reason, step_name),) = query(squidie, "select reason, step from {s}.dead_letters")
    assert (reason, step_name) == ("step_raised", "only")


def test_a_cron_payload_is_due_at_its_time_with_its_window(squidie, at):
    """Q6, B45: not a millisecond before."""
    squidie.tick()
    window = NOON + timedelta(hours=14)
    set_clock(squidie.engine, window - timedelta(milliseconds=1))
    squidie.tick()
    assert query(squidie, "select 1 from {s}.runs") == []
    set_clock(squidie.engine, window)
    squidie.tick()

    (row,) = claim(squidie)
    started = all_facts(squidie, row.run_id)[0]
    assert (started.workflow, started.trigger, started.window) == ("Nightly", "night", window.isoformat())
    assert row.due_at == window


def test_claim_renewal_completion(squidie, at):
    """Q7, B09, B10: the lease is exact, and a second owner gets nothing."""
    squidie.start(Single)
    (row,) = claim(squidie, lease=1.0)

    assert row.lease.lease_until == NOON + timedelta(seconds=1)
    assert claim(squidie, owner="another:2:test") == []
    at(0.5)
    renew(squidie, row, lease=5.0)
    ((lease_until,),) = query(squidie, "select lease_until from {s}.attempts")
    assert lease_until == NOON + timedelta(seconds=5.5)
    assert settle(squidie, completion(row)) is None
    assert depth(squidie) == (0, 0)


def test_a_failure_is_due_again_and_then_given_up(squidie, at):
    """Q8, B22, B24: settled as failed by its holder."""
    squidie.start(TwiceTried)
    (row,) = claim(squidie)
    assert settle(squidie, failure(row, retryable=True)) is None

    at(0.999)
    assert claim(squidie) == []
    at(1)
    (again,) = claim(squidie)
    assert (again.step, again.attempt) == ("only", 2)
    assert settle(squidie, failure(again, retryable=True)) is None
    assert query(squidie, "select attempt from {s}.dead_letters") == [(2,)]


def test_a_cron_workflow_runs_to_its_end_under_a_lease(squidie, at):
    """Q9: one outcome a step."""
    squidie.tick()
    set_clock(squidie.engine, NOON + timedelta(hours=14))
    squidie.tick()

    run = squidie.execute_next()

    assert (run.snapshot().status, kinds(squidie, run)) == (
        "completed",
        ["run_started", "attempt_completed", "run_completed"],
    )


def test_a_cancel_by_signal_stands_in_the_history_with_its_key(squidie, at):
    """Q10, B43"""
    run = squidie.start(Single)
    said = {"run_id": str(run.id), "reason": "refunded", "actor": "ann", "key": "k"}

    squidie.apply_signal({"type": "cancel_run", **said})

    command = squidie.command_history(run.id)[-1]
    assert (command.verb, command.key, command.actor) == ("cancel", "k", "ann")


def test_answers_by_signal_each_have_a_receipt(squidie, at):
    """Q11, B43: approve, resume, reject; an unknown run is no run."""
    run, other = squidie.start(Asking), squidie.start(Asking)

    squidie.apply_signal({"type": "approve_run", "run_id": str(run.id), "actor": "ann", "key": "a"})
    squidie.apply_signal({"type": "resume_run", "run_id": str(run.id), "actor": "bob", "key": "b"})
    squidie.apply_signal({"type": "reject_run", "run_id": str(other.id), "actor": "eve", "key": "c"})

    said = [(command.verb, command.key) for each in (run, other) for command in squidie.command_history(each.id)[1:]]
    assert said == [("approve", "a"), ("resume", "b"), ("reject", "c")]
    nobody = "018f0000-0000-7000-8000-000000000000"
    with pytest.raises(RunNotFound):
        squidie.apply_signal({"type": "reject_run", "run_id": nobody, "actor": "eve"})


def test_a_run_that_is_not_there_is_a_structured_error(squidie, at):
    """Q12: nothing is written."""
    before = counts(squidie)

    with pytest.raises(RunNotFound) as missing:
        squidie.cancel("018f0000-0000-7000-8000-000000000000", reason="x")

    assert missing.value.to_dict()["code"] == "run_not_found"
    assert counts(squidie) == before


@pytest.mark.parametrize(("code", "status"), [(200, "completed"), (100, "failed")])
def test_a_step_is_told_its_key_and_its_claim_and_never_the_token(squidie, at, code, status):
    """Q13, Q19, Q20, B19, B44: in its output, and in the error of a try that failed."""
    run = squidie.start(Routed, {"code": code})
    squidie.execute_next()
    squidie.execute_next()

    snapshot = run.snapshot()
    about = snapshot.output if status == "completed" else snapshot.error["details"]
    name = "good" if status == "completed" else "bad"
    assert snapshot.status == status
    assert (about["run"], about["step"], about["attempt"]) == (str(run.id), name, 1)
    assert about["key"] == f"{run.id}/{name}"
    bodies = " ".join(body for (body,) in query(squidie, "select body::text from {s}.facts"))
    assert "token" not in bodies


def test_the_errors_of_retries_can_be_read_while_the_run_goes_on(squidie, at):
    """Q14: after a bounded drain has ended."""
    run = squidie.start(TwiceTried, {"plan": {"only": ["raise:the bank is shut", "ok"]}})
    squidie.execute_next()
    assert squidie.execute_next() is None

    snapshot = run.snapshot()

    assert snapshot.status == "running"
    assert "the bank is shut" in str(snapshot.steps[0])


def test_what_follows_on_another_queue_survives_the_loss_of_every_cache(squidie, at):
    """Q15, B42: each queue is drained by itself, and all that is no fact is dropped on the way."""
    run = squidie.start(Elsewhere, {"plan": {"a": ["ok"], "b": ["ok"]}})
    for queue in ("default", "other"):
        change(squidie, "update {s}.runs set state = null")
        assert squidie.execute_next(queue).id == run.id

    assert (run.snapshot().status, steps_done(squidie, run)) == ("completed", ["a", "b"])


def test_a_bounded_drain_leaves_the_rest_due(squidie, at):
    """Q16, B40: two of five."""
    squidie.start_many(Single, [{} for _ in range(5)])

    assert sum(squidie.execute_next() is not None for _ in range(2)) == 2
    assert depth(squidie) == (3, 0)


def test_a_spec_is_checked_through_registered_names(make, at):
    """Q17, 1.25: what is not registered is an issue or an error, never an import."""
    host = make(actions={"billing:gateway": gateway})
    spec = {
        "name": "Billed",
        "triggers": [{"name": "go", "kind": "manual"}],
        "payload": [{"name": "code", "type": "integer"}],
        "nodes": [{"name": "ask", "kind": "step", "action": "billing:gateway"}],
    }

    assert [issue for issue in validate_spec(spec) if issue.severity == "error"] == []
    assert "billing:gateway" in host.registry.served


def test_a_condition_on_a_number_is_data(squidie):
    """Q18, 1.21"""
    edges = squidie.to_spec("Routed").to_json()

    assert b'"greater_than":199' in (edges if isinstance(edges, bytes) else str(edges).encode())


def test_a_step_of_three_leases_keeps_its_claim_while_it_is_renewed(squidie, at):
    """Q21, B18: with its renewal stopped it is taken over, and its settle is stale."""
    squidie.start(Single)
    (row,) = claim(squidie, lease=1.0)
    for tenth in range(1, 30):
        at(tenth / 10)
        renew(squidie, row, lease=1.0)
        assert squidie.sweep().expired == 0
    at(3.9)
    assert squidie.sweep().expired == 1
    at(3.9 + after_loss(1))
    (taken,) = claim(squidie, owner="another:2:test")

    assert isinstance(settle(squidie, completion(row)), StaleClaim)
    assert settle(squidie, completion(taken)) is None


def test_an_old_run_ends_on_its_own_graph(make, at, squidie):
    """Q22: a deploy in between adds a step, and the run does not see it."""

    class Deployed(Workflow):
        name = "Asking"
        triggers = (manual("go"),)
        other = step(told)
        more = step(told)
        flow = other >> more

    run = squidie.start(Asking)
    deployed = make(Deployed, keep=[told])
    deployed.approve(run.id, actor="ann")
    deployed.resume(run.id, actor="ann")
    work_off(deployed)

    assert (run.snapshot().status, steps_done(squidie, run)) == ("completed", ["done"])


def test_what_makes_work_due_says_what_where_and_when(squidie, at):
    """B01: what the fact opens, what the row says and what the snapshot shows are the same, by the database's clock."""
    at(1.000001)
    run = squidie.start(TwiceTried, {"plan": {"only": ["raise"]}}, queue="eu", priority=7)
    squidie.execute_next("eu")

    ((opened,),) = [fact.opens for fact in all_facts(squidie, run)[1:]]
    ((run_id, *row),) = query(squidie, "select run_id, step, attempt, queue, priority, due_at from {s}.attempts")
    (shown,) = run.snapshot().steps
    due_at = NOON + timedelta(seconds=2.000001)
    assert (run_id, row) == (run.id, ["only", 2, "eu", 7, due_at])
    assert [opened.step, opened.attempt, opened.queue, opened.priority, opened.due_at] == row
    assert [shown.name, shown.attempt, shown.queue, shown.due_at] == ["only", 2, "eu", due_at]
