"""What a run is shown as in each state it can be in (SEMANTICS 2, 13.3): produced for real, in lists and one by one."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from squidie import Defer
from squidie.history import facts as kinds_of_facts
from squidie.journal.store import Journal
from squidie.views.facts import facts_of
from squidie.views.reasons import _STATES, RANK, RULES, Reason
from squidie.views.snapshot import result_of
from squidie.views.states import State
from squidie.views.tellings import TELLINGS
from tests.support.flows import HOOKS, Chain, Single
from tests.support.lab import AFTER_LEASE, NOON, change, claim, completion, failure, settle, work_off
from tests.support.standing_flows import (
    STANDING,
    Asking,
    Board,
    Draining,
    Halting,
    Late,
    Leaving,
    Listening,
    Misread,
    Napping,
    Parked,
    Polling,
    Saga,
    Shrugged,
    Shrugging,
    Writing,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

pytestmark = pytest.mark.usefixtures("staffed")


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, Chain, delivery=bells)


@pytest.fixture
def journal(squidie):
    return Journal(squidie.engine, squidie.schema)


def begun(squidie, workflow, plan=None, **options):
    run = squidie.start(workflow, {"plan": plan or {}}, **options)
    work_off(squidie)
    return run


def states(run):
    return {step.name: step.state.value for step in run.snapshot().steps}


def step_of(run, name):
    return next(step for step in run.snapshot().steps if step.name == name)


def listed(squidie, run):
    """State and whereabouts in a list, which must agree with the run by itself."""
    row = next(row for row in squidie.list_runs().runs if row.id == run.id)
    assert (row.state, row.status) == (run.snapshot().state, run.snapshot().status)
    return row.state.value, row.where


# ---------------------------------------------------------------- people
def test_an_approval_is_paused_and_says_who_since_when_and_what_happens_then(squidie, clock):
    """13.3, 6.6: `paused`, and the headline names role, age and what follows."""
    clock(NOON)
    run = begun(squidie, Asking)
    clock(NOON + 48 * MINUTE)
    snapshot = run.snapshot()

    assert (snapshot.status, snapshot.state, snapshot.reason) == ("paused", "paused", "needs_approval")
    assert snapshot.headline == "ok waits for approval by role ops since 12:00, due in 3h12m (then reject)."
    waits = step_of(run, "ok").waits
    assert (waits.role, waits.quorum, waits.due_at, waits.then) == ("ops", 1, NOON + 4 * HOUR, "reject")
    assert [(timer.name, timer.due_at) for timer in snapshot.timers] == [("ok", NOON + 4 * HOUR)]
    assert listed(squidie, run) == ("paused", "ok · role ops · due 16:00")


def test_votes_are_counted_while_more_are_needed(squidie, clock):
    """6.5, 13.3: one of two has agreed; with work beside it the run is running, and shows that a person is needed."""
    clock(NOON)
    run = squidie.start(Board)
    squidie.approve(run.id, actor={"id": 7, "name": "maya"}, comment="fine")
    snapshot = run.snapshot()

    assert (snapshot.status, snapshot.state) == ("running", "paused")
    assert snapshot.headline == "vote waits for approval (1 of 2) since 12:00, no time limit."
    (vote,) = step_of(run, "vote").waits.votes
    assert (vote.actor, vote.decision, vote.at, vote.comment) == ({"id": 7, "name": "maya"}, "approved", NOON, "fine")
    assert listed(squidie, run) == ("paused", "vote +1 · needs approval")


def test_a_decision_is_shown_with_who_took_it_and_when(squidie, clock):
    """6.4, 13.2"""
    clock(NOON)
    run = begun(squidie, Asking)
    clock(NOON + MINUTE)
    squidie.approve(run.id, actor="maya", comment="checked")
    step = step_of(run, "ok")

    assert (step.state, step.settled_at) == ("completed", NOON + MINUTE)
    assert (step.waits.decision, step.waits.by) == ("approved", "maya")
    assert (step.output["decision"], step.output["actor"]) == ("approved", "maya")


def test_a_rejection_is_the_error_of_its_step(squidie):
    """6.3, 13.2"""
    run = begun(squidie, Asking)
    squidie.reject(run.id, actor="maya", comment="no")

    assert states(run) == {"ok": "failed", "pay": "not_started"}
    assert step_of(run, "ok").error["kind"] == run.snapshot().error["kind"] == "approval_rejected"


def test_a_pause_is_paused_until_somebody_resumes_it(squidie, clock):
    """13.3"""
    clock(NOON)
    run = begun(squidie, Halting)

    assert run.snapshot().state is State.PAUSED
    assert run.snapshot().headline == ("hold is paused since 12:00 until somebody resumes it, due in 1d (then resume).")
    assert listed(squidie, run) == ("paused", "hold · paused · due 2026-03-11 12:00")
    squidie.resume(run.id, data={"n": 1}, actor="maya")
    assert step_of(run, "hold").output == {"n": 1}


# ---------------------------------------------------------------- time and events
def test_an_event_is_waited_for_by_name_and_correlation(squidie, clock):
    """13.3, 18.4"""
    clock(NOON)
    run = begun(squidie, Listening)

    assert run.snapshot().state is State.WAITING
    assert run.snapshot().headline == (
        "paid waits for event payment_settled (correlation order-7) since 12:00, lapses in 2h. 1 more like it."
    )
    assert listed(squidie, run) == ("waiting", "paid +1 · event payment_settled order-7 · lapses 14:00")
    squidie.signal_run(run.id, event="payment_settled", correlation="order-7", payload={"sum": 3})
    assert step_of(run, "paid").output == {"sum": 3}
    assert run.snapshot().headline == "news waits for event news since 12:00, no timeout."


def test_an_event_that_did_not_come_is_the_error_of_its_step(squidie, clock):
    """18.4, 13.2"""
    clock(NOON)
    run = begun(squidie, Listening)
    clock(NOON + 2 * HOUR)
    work_off(squidie)

    assert states(run) == {"paid": "failed", "news": "cancelled"}
    assert step_of(run, "paid").error["kind"] == "event_lapsed"


def test_a_wait_waits_until_its_time_and_then_is_completed(squidie, clock):
    """13.3"""
    clock(NOON)
    run = begun(squidie, Napping)

    assert run.snapshot().headline == "nap waits until 2026-03-10 13:00:00 UTC (in 1h)."
    assert listed(squidie, run) == ("waiting", "nap · due 2026-03-10 13:00:00")
    clock(NOON + HOUR)
    assert run.snapshot().headline.endswith("any worker that looks takes it on.")
    work_off(squidie)
    assert states(run) == {"nap": "completed", "say": "completed"}
    assert [step.kind for step in run.snapshot().steps] == ["wait", "log"]


def test_a_deferral_is_waiting_and_no_retry_and_says_why_and_how_often(squidie, clock):
    """18.1, 13.3"""
    clock(NOON)

    def later(ctx):
        raise Defer(after=41, reason="not ready yet")

    HOOKS["poll"] = later
    run = begun(squidie, Polling)
    step = step_of(run, "poll")

    assert (step.state, step.reason, step.attempt, step.deferrals) == ("waiting", "deferred", 1, 1)
    assert run.snapshot().headline == "poll looks again in 41s: not ready yet (1 time so far)."
    assert listed(squidie, run) == ("waiting", "poll · looks again at 12:00:41")


def test_a_retry_after_a_deferral_is_a_retry(squidie, clock):
    """13.3"""
    clock(NOON)
    run = squidie.start(Polling, {"plan": {"poll": ["raise:no luck"]}})
    HOOKS["poll"] = _once(Defer(after=5))
    work_off(squidie)
    clock(NOON + timedelta(seconds=5))
    work_off(squidie)

    assert (step_of(run, "poll").state, step_of(run, "poll").deferrals) == ("retrying", 1)
    assert listed(squidie, run) == ("retrying", "poll · try 2 at 12:00:15")


def _once(error):
    left = [error]

    def hook(ctx):
        if left:
            raise left.pop()

    return hook


# ---------------------------------------------------------------- parked
def test_a_parked_step_is_stalled_and_outranks_an_approval(squidie, clock):
    """5.5, 13.3: the error, the attempts, and how to go on."""
    clock(NOON)
    run = begun(squidie, Parked, {"charge": ["raise:no luck", "fail"]})
    clock(NOON + timedelta(seconds=10))
    work_off(squidie)
    snapshot, step = run.snapshot(), step_of(run, "charge")

    assert (snapshot.status, snapshot.state, snapshot.reason) == ("paused", "stalled", "dead_lettered")
    assert snapshot.headline == "charge is parked after 2 attempts: Fail: for good; requeue or discard it."
    assert (step.parked.attempts, step.parked.since) == (2, NOON + timedelta(seconds=10))
    assert step.parked.go_on == ("requeue", "discard")
    assert listed(squidie, run) == ("stalled", "charge +1 · parked: Fail: for good")


def test_a_requeued_step_goes_on_counting_and_a_discarded_one_has_failed(squidie, clock):
    """5.6, 13.2: the next attempt number, with as many tries again."""
    clock(NOON)
    plan = {"charge": ["raise:no luck", "fail", "fail"]}
    run = begun(squidie, Parked, plan)
    clock(NOON + timedelta(seconds=10))
    work_off(squidie)
    squidie.requeue(run.id, "charge", reason="mended", actor="maya")
    step = step_of(run, "charge")

    assert (step.state, step.attempt, step.max_attempts, step.parked) == ("queued", 3, 4, None)
    work_off(squidie)
    squidie.discard(run.id, "charge", reason="hopeless", actor="maya")
    assert (step_of(run, "charge").state, run.snapshot().state) == ("failed", "failed")
    assert [command.verb for command in run.snapshot().commands] == ["start", "requeue", "discard"]


# ---------------------------------------------------------------- undone
def undoing(squidie, clock, plan=None):
    clock(NOON)
    run = squidie.start(Saga, {"plan": {"charge": ["fail"], **(plan or {})}})
    for _ in range(3):
        squidie.execute_next()
    return run


def test_a_run_that_is_undone_says_why_and_how_far_it_is(squidie, clock, journal):
    """18.2, 13.3: undo steps are steps of their own, and the run has no result yet."""
    run = undoing(squidie, clock)
    squidie.execute_next()
    snapshot = run.snapshot()

    assert (snapshot.status, snapshot.state, snapshot.reason) == ("compensating", "running", "compensating")
    assert snapshot.headline == (
        "The run is being undone because charge failed: 1 of 2 steps undone; compensate:reserve is queued."
    )
    assert (snapshot.undo.done, snapshot.undo.total, snapshot.undo.step) == (1, 2, "charge")
    assert states(run) == {
        "reserve": "completed",
        "book": "compensated",
        "charge": "failed",
        "compensate:book": "completed",
        "compensate:reserve": "queued",
    }
    assert (step_of(run, "reserve").undone, step_of(run, "book").undone) == ("queued", "completed")
    assert [step.kind for step in snapshot.steps][-2:] == ["compensation", "compensation"]
    assert listed(squidie, run) == ("running", "undoing reserve · 1 of 2")
    assert result_of(journal, run.id) is None
    assert [row.id for row in squidie.list_runs(status="compensating").runs] == [run.id]


def test_a_failed_run_whose_undo_has_finished_is_compensated(squidie, clock, journal):
    """13.3, 2: the error is the original one."""
    run = undoing(squidie, clock)
    work_off(squidie)
    snapshot = run.snapshot()

    assert (snapshot.status, snapshot.state, snapshot.compensation) == ("failed", "compensated", "finished")
    assert snapshot.headline == "charge failed after 0ms: Fail: for good; 2 steps undone"
    assert listed(squidie, run) == ("compensated", "charge · for good")
    status, output, error = result_of(journal, run.id)
    assert (status, output, error["step"]) == ("failed", None, "charge")


def test_a_stuck_undo_is_stalled_until_somebody_takes_it_up(squidie, clock):
    """18.2, 13.3"""
    run = undoing(squidie, clock, {"compensate:reserve": ["raise", "raise"]})
    work_off(squidie)
    clock(NOON + timedelta(seconds=10))
    work_off(squidie)

    assert (run.snapshot().state, run.snapshot().reason) == ("stalled", "compensation_stuck")
    assert run.snapshot().headline == (
        "Undoing reserve gave up after 2 attempts: ValueError: cannot be released; requeue or discard "
        "compensate:reserve. The run is being undone because charge failed: 1 of 2 steps undone."
    )
    assert listed(squidie, run)[0] == "stalled"
    squidie.discard(run.id, "compensate:reserve", reason="released by hand", actor="maya")
    ended = run.snapshot()
    assert (ended.state, ended.compensation) == ("failed", "incomplete")
    assert ended.headline.endswith("its undo is incomplete: 1 of 2 steps undone")


def test_an_undo_that_is_left_undone_is_a_tolerated_failure(squidie):
    """18.2"""
    run = begun(squidie, Shrugging, {"charge": ["fail"], "compensate:reserve": ["raise"]})

    assert run.snapshot().compensation == "incomplete"
    assert (step_of(run, "compensate:reserve").state, step_of(run, "compensate:reserve").tolerated) == ("failed", True)


def test_a_cancelled_run_that_was_undone_is_cancelled(squidie, clock):
    """7.2, 13.3"""
    clock(NOON)
    run = squidie.start(Saga)
    squidie.execute_next()
    squidie.cancel(run.id, reason="changed my mind", compensate=True)

    assert run.snapshot().headline.startswith("The run is being undone because it was cancelled (changed my mind)")
    work_off(squidie)
    assert (run.snapshot().state, run.snapshot().compensation) == ("cancelled", "finished")
    assert listed(squidie, run)[0] == "cancelled"
    assert states(run)["reserve"] == "compensated"


def test_a_run_that_drains_says_for_whom_it_waits_and_until_when(squidie, clock):
    """5.11, 13.3"""
    clock(NOON)
    run = squidie.start(Draining)
    squidie.execute_next()
    held = {row.step: row for row in claim(squidie, 2)}
    settle(squidie, failure(held["charge"]))

    assert (run.snapshot().state, run.snapshot().reason) == ("running", "draining")
    assert run.snapshot().headline == (
        "Stopping because charge failed: 1 claimed step can still finish, until 12:01 at the latest; then undoing "
        "begins."
    )
    assert listed(squidie, run) == ("running", "stopping · 1 can still finish")
    assert settle(squidie, completion(held["slow"])) is None
    assert run.snapshot().reason == "compensating"


# ---------------------------------------------------------------- workers
def worker(squidie, owner, queues, actions):
    insert = (
        "insert into {s}.workers (owner, host, pid, role, queues, actions, version, delivery, started_at, seen_at) "
        "values (:owner, 'h', 1, 'worker', :queues, :actions, '0', 'silent', {s}.clock(), {s}.clock())"
    )
    change(squidie, insert, owner=owner, queues=queues, actions=actions)


def test_a_step_that_no_living_worker_serves_is_stalled_and_says_so(squidie, clock, nobody):
    """4.9, 6.10, 13.3: `version_mismatch`; it goes on as soon as one does."""
    clock(NOON)
    run = squidie.start(Single)
    assert (run.snapshot().state, run.snapshot().reason) == ("stalled", "no_consumer")
    worker(squidie, "old:1:x", ["default"], ["other:thing"])

    assert (run.snapshot().state, run.snapshot().reason) == ("stalled", "version_mismatch")
    assert run.snapshot().headline == (
        "only: no worker here serves tests.support.flows:act (version_mismatch); it goes on when one does."
    )
    assert listed(squidie, run) == ("stalled", "only · no worker serves tests.support.flows:act")
    worker(squidie, "new:2:x", ["default"], ["tests.support.flows:act"])
    assert listed(squidie, run)[0] == "queued"


def test_a_paused_run_resolves_when_the_next_callable_exists_and_explains_the_mismatch_until_then(
    squidie, clock, nobody
):
    """6.10"""
    clock(NOON)
    run = begun(squidie, Asking)
    worker(squidie, "old:1:x", ["default"], ["other:thing"])
    assert run.snapshot().state is State.PAUSED
    squidie.approve(run.id, actor="maya")

    assert run.snapshot().reason == "version_mismatch"
    work_off(squidie)
    assert run.snapshot().state is State.COMPLETED


def test_workers_of_other_queues_and_dead_ones_serve_nothing(squidie, clock, nobody):
    """13.3, 13.6: `no_consumer`; a queue that nobody serves has no one who could lack a callable."""
    clock(NOON)
    run = squidie.start(Single)
    worker(squidie, "far:1:x", ["elsewhere"], [])
    worker(squidie, "dead:1:x", ["default"], [])
    change(squidie, "update {s}.workers set seen_at = seen_at - interval '61 s' where owner = 'dead:1:x'")

    assert listed(squidie, run) == ("stalled", "only · no worker serves default")


# ---------------------------------------------------------------- deadlines
@pytest.mark.parametrize(
    ("after", "status"),
    [
        (timedelta(), "on_time"),
        (30 * MINUTE - timedelta(microseconds=1), "on_time"),
        (30 * MINUTE, "due_soon"),
        (60 * MINUTE, "overdue"),
        (70 * MINUTE - timedelta(microseconds=1), "overdue"),
        (70 * MINUTE, "escalated"),
    ],
)
def test_a_deadline_stands_as_the_clock_has_it_and_the_boundary_counts(squidie, clock, after, status):
    """18.3: computed at read."""
    clock(NOON)
    run = squidie.start(Late)
    clock(NOON + after)
    deadline = step_of(run, "work").deadline

    assert deadline.status == status
    assert (deadline.due_at, deadline.due_soon_at) == (NOON + HOUR, NOON + 30 * MINUTE)
    assert deadline.escalates_at == NOON + 70 * MINUTE
    assert (run.snapshot().deadline.status, run.snapshot().deadline.due_at) == ("on_time", NOON + 3 * HOUR)


def test_what_has_ended_in_time_stays_in_time_and_what_was_late_stays_late(squidie, clock):
    """18.3"""
    clock(NOON)
    early = begun(squidie, Late)
    late = squidie.start(Late)
    clock(NOON + 62 * MINUTE)
    work_off(squidie)
    clock(NOON + 5 * HOUR)

    assert step_of(early, "work").deadline.status == "on_time"
    assert step_of(late, "work").deadline.status == "overdue"
    assert early.snapshot().deadline.status == late.snapshot().deadline.status == "on_time"


# ---------------------------------------------------------------- ends, lineage, commands
def test_a_failure_that_was_passed_over_is_failed_and_tolerated_and_its_output_null(squidie):
    """5.5, 13.3"""
    run = begun(squidie, Shrugged, {"try_it": ["fail"], "check": ["fail"]})
    step = step_of(run, "try_it")

    assert states(run) == {"try_it": "failed", "check": "failed", "around": "completed", "unneeded": "skipped"}
    assert (step.tolerated, step.output, step.error["code"]) == (True, None, "declined")
    assert step_of(run, "check").tolerated is False


def test_outputs_of_leaves_of_every_kind_are_put_together(squidie, clock, journal):
    """1.20, 3.6: from the facts that settled them, when they are too large to be said twice."""
    clock(NOON)
    run = begun(squidie, Leaving, {"big": ["big:65000"], "shrug": ["fail"]})
    clock(NOON + timedelta(seconds=1))
    squidie.signal_run(run.id, event="told", payload={"n": 1})
    work_off(squidie)
    assert result_of(journal, run.id) is None
    squidie.resume(run.id, data=[2], actor="maya")

    whole = {"big": "x" * 65000, "told": {"n": 1}, "held": [2], "nap": None, "shrug": None}
    assert result_of(journal, run.id) == ("completed", whole, None)
    assert run.snapshot().output == whole


def test_a_node_that_could_not_even_begin_is_the_one_that_failed(squidie):
    """13.2, 13.3"""
    run = begun(squidie, Misread)

    assert states(run) == {"nap": "failed", "after": "not_started"}
    assert step_of(run, "nap").error["kind"] == "missing_input_path"
    assert squidie.list_runs().runs[0].done == 0


def test_a_run_tells_who_started_it_and_what_was_asked_of_it(squidie, clock):
    """17.2, 13.2: each accepted command once, in the fact that it caused."""
    clock(NOON)
    run = begun(squidie, Asking, actor={"id": 1}, key="k")
    clock(NOON + MINUTE)
    squidie.approve(run.id, actor="maya", comment="checked", key="a-1")
    squidie.approve(run.id, actor="maya", comment="checked", key="a-1")
    snapshot = run.snapshot()

    assert snapshot.starter == {"id": 1}
    told = [(each.seq, each.at, each.verb, each.actor, each.comment, each.key) for each in snapshot.commands]
    assert told == [
        (1, NOON, "start", {"id": 1}, None, "k"),
        (3, NOON + MINUTE, "approve", "maya", "checked", "a-1"),
    ]
    assert snapshot.commands == squidie.command_history(run.id)


def test_a_replay_and_a_fork_name_where_they_come_from(squidie):
    """8.1, 18.11: what was carried over is completed and has no attempt of its own."""
    source = begun(squidie, Chain)
    again = squidie.replay(source.id, actor="maya")
    fork = squidie.fork(source.id, "c", actor="maya")

    assert again.snapshot().replay_of == str(source.id)
    told = fork.snapshot()
    assert (told.forked_from.run, told.forked_from.step, told.forked_from.seq) == (str(source.id), "c", 5)
    assert [(step.state, step.carried, step.attempt, step.output) for step in told.steps] == [
        ("completed", True, 0, "a1"),
        ("completed", True, 0, "b1"),
        ("queued", False, 1, None),
    ]
    row = next(row for row in squidie.list_runs().runs if row.id == fork.id)
    assert (row.done, row.steps) == (2, 3)


def test_how_often_effects_can_happen_is_said_of_steps_and_not_of_waits(make, squidie):
    """18.17: exactly once where a step writes in the journal's own transaction, else at least once."""
    asking = squidie.start(Asking)
    writing = make(Writing, settings={"step_role": "steps"}).start(Writing)

    assert [step.effects for step in asking.snapshot().steps] == [None, "at_least_once"]
    assert [step.effects for step in writing.snapshot().steps] == ["exactly_once", "at_least_once"]


# ---------------------------------------------------------------- lists, facts, tables
def test_runs_are_found_by_the_statuses_that_are_open(squidie):
    """13.1, 2"""
    paused = begun(squidie, Asking)
    running = squidie.start(Single)

    def ids(**query):
        return {row.id for row in squidie.list_runs(**query).runs}

    assert ids(status="paused") == {paused.id}
    assert ids(open=True) == {paused.id, running.id}
    assert ids(open=True, status=["running", "failed"]) == {running.id}
    assert ids(open=False) == set()


def test_a_list_reads_the_same_when_nothing_but_facts_is_left(squidie, clock):
    """3.4, 13.9: the kept state is a cache."""
    clock(NOON)
    for workflow in (Asking, Board, Halting, Listening, Napping):
        begun(squidie, workflow)
    before = squidie.list_runs()
    change(squidie, "update {s}.runs set state = null")

    assert squidie.list_runs() == before


@pytest.mark.tampered("a fact of it was damaged")
def test_a_damaged_run_is_listed_as_such_and_harms_no_other(squidie):
    """13.1"""
    damaged, sound = begun(squidie, Asking), begun(squidie, Asking)
    change(squidie, "update {s}.runs set state = null where run_id = :id", id=damaged.id)
    change(squidie, "alter table {s}.facts disable trigger facts_are_insert_only")
    change(squidie, "update {s}.facts set kind = 'nonsense' where run_id = :id and seq = 2", id=damaged.id)

    rows = {row.id: row for row in squidie.list_runs().runs}

    assert (rows[damaged.id].state, rows[damaged.id].where) == ("stalled", "its history cannot be read")
    assert rows[sound.id].state is State.PAUSED


def test_timers_are_no_work_that_is_due(nobody, squidie, clock):
    """13.3: a queue holds what workers claim."""
    from squidie.views.fleet import fleet

    clock(NOON)
    begun(squidie, Napping)

    assert fleet(Journal(squidie.engine)).queues == ()


def test_facts_of_waits_and_people_are_told_in_a_line_each(squidie, clock, journal):
    """13.5"""
    clock(NOON)
    run = begun(squidie, Asking)
    squidie.delegate(run.id, to_role="boss", actor="maya")
    squidie.approve(run.id, actor="zoe", comment="fine")

    assert [(fact.kind, fact.summary) for fact in facts_of(journal, run.id)] == [
        ("run_started", "Asking by start"),
        (
            "pause_opened",
            "approval by role ops due 2026-03-10 16:00:00 then reject · opens timer ok at 2026-03-10 16:00:00",
        ),
        ("review_delegated", "to role boss, due 2026-03-10 16:00:00 by maya"),
        ("pause_resolved", "approved by zoe: fine · opens pay"),
    ]


def test_facts_of_an_undo_are_told_in_a_line_each(squidie, clock, journal):
    """13.5"""
    run = undoing(squidie, clock, {"compensate:reserve": ["raise", "raise"]})
    work_off(squidie)
    clock(NOON + timedelta(seconds=10))
    work_off(squidie)
    told = {fact.kind: fact.summary for fact in facts_of(journal, run.id)}

    assert told["compensation_started"] == "charge failed; undoes book, reserve · opens compensate:book"
    assert told["compensation_stuck"] == "gave up: ValueError: cannot be released"
    assert told["attempt_failed"] == "ValueError: cannot be released (parked, 2 of 2)"


def test_every_kind_of_fact_has_its_words():
    assert set(TELLINGS) == set(kinds_of_facts.KINDS.values())


def test_every_reason_has_a_state_a_sentence_and_a_rule():
    from squidie.cli.steps import OPEN
    from squidie.views.headline import _WHOLE
    from squidie.views.sentences import SENTENCES
    from squidie.views.whereabouts import _WORDS

    assert set(_STATES) == set(RANK) == set(Reason)
    assert set(SENTENCES) | set(_WHOLE) == set(Reason)
    assert set(_WORDS) == set(OPEN) == set(SENTENCES)
    assert {found for _, found in RULES if isinstance(found, Reason)} == set(SENTENCES)


def test_a_snapshot_in_any_state_is_plain_data(squidie, clock):
    """13.4: JSON both ways."""
    clock(NOON)
    runs = [begun(squidie, each) for each in (Asking, Halting, Listening, Napping, Late)]
    claimed = squidie.start(Single)
    claim(squidie)
    clock(NOON + AFTER_LEASE)

    for run in (*runs, claimed):
        shown = run.snapshot()
        assert msgspec.json.decode(msgspec.json.encode(shown), type=type(shown)) == shown
