"""Why a run is where it is (SEMANTICS 13.6 to 13.9): each cause is made, and the answer says who, what next and why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie import Defer, Limit, Rate, step
from squidie.errors import InvalidArgument, RunNotFound, StepNotFound
from squidie.views.blockers import _ANSWERS
from squidie.views.reasons import RULES, Reason
from tests.support.flows import HOOKS, Chain, Planned, Single, act
from tests.support.lab import AFTER_LEASE, NOON, change, claim, completion, failure, settle, staff, work_off
from tests.support.standing_flows import (
    STANDING,
    Asking,
    Board,
    Draining,
    Halting,
    Listening,
    Napping,
    Parked,
    Polling,
    Saga,
)

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ACT = "tests.support.flows:act"


class Far(Planned):
    """A step on a queue of its own."""

    resize = step(act, queue="gpu")


class Bounded(Planned):
    """A step that is stopped after a minute."""

    slow = step(act, timeout="1m")


class Shared(Planned):
    """One at a time."""

    call = step(act, limit=Limit("gateway", 1))


class Metered(Planned):
    """One a minute."""

    ask = step(act, rate=Rate("api", 1, per="1m"))


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, Chain, Far, Bounded, Shared, Metered, delivery=bells)


@pytest.fixture
def told(squidie, clock):
    """Start a run at noon, with a worker that is alive; what its explanation says later on."""

    def told(workflow=None, plan=None, *, later=timedelta(), run=None, **options):
        if run is None:
            run = squidie.start(workflow, {"plan": plan or {}}, **options)
            work_off(squidie)
        if later:
            clock(NOON + later)
        explanation = squidie.explain_run(run.id)
        snapshot = run.snapshot()
        assert (explanation.code, explanation.state) == (snapshot.reason or snapshot.state, snapshot.state)
        assert (explanation.headline, explanation.revision) == (snapshot.headline, snapshot.revision)
        return explanation

    clock(NOON)
    return told


def verbs(explanation):
    return [action.verb for action in explanation.actions]


def first(explanation):
    (blocker, *_) = explanation.blockers
    assert blocker.code == explanation.code
    return blocker


# ---------------------------------------------------------------- nobody could be found without one
def test_every_reason_of_a_step_has_an_answer_and_a_rule():
    """13.6: total; there is none for what is not known."""
    of_steps = {found for _, found in RULES if isinstance(found, Reason)}

    assert of_steps == set(_ANSWERS) == set(Reason) - {Reason.DRAINING, Reason.COMPENSATING}
    assert "unknown" not in {reason.value for reason in Reason}


# ---------------------------------------------------------------- workers
def test_a_queue_without_a_consumer_says_who_served_it_last(squidie, told, clock):
    """13.6, row 10"""
    run = squidie.start(Far)
    staff(squidie, "gpu")
    gone = "owner = 'w2:7:x', left_at = {s}.clock(), seen_at = {s}.clock(), delivery = 'celery'"
    change(squidie, f"update {{s}}.workers set {gone}")
    found = told(run=run, later=5 * MINUTE)

    assert (found.code, found.state) == ("no_consumer", "stalled")
    assert found.headline == (
        "No worker serves queue gpu: resize has been due for 5m; nothing is lost, it starts as soon as one does."
    )
    blocker = first(found)
    assert (blocker.who, blocker.next.what, blocker.next.at) == ("operations", "it starts when a worker comes", None)
    assert blocker.actions[0].command == "celery -A PROJECT worker -Q gpu"
    assert blocker.evidence["last_consumer"] == {"owner": "w2:7:x", "seen_at": NOON}
    staff(squidie, "gpu", owner="w3:1:y")
    assert told(run=run).code == "queued"


def test_a_timer_that_is_over_while_nobody_is_alive_is_no_consumer(squidie, told):
    """13.6, row 10: for timers: no live worker at all."""
    run = squidie.start(Napping)

    assert told(run=run).code == "waiting_timer"
    assert told(run=run, later=HOUR).code == "no_consumer"
    staff(squidie)
    assert told(run=run).code == "waiting_timer"


def test_a_callable_that_no_worker_has_is_a_mismatch_and_one_that_others_have_is_missing(squidie, told):
    """13.6, rows 11 and 12"""
    run = squidie.start(Single)
    staff(squidie, "default", owner="old:1:x", actions=["other:thing"], code_version="1.0")

    mismatch = told(run=run)
    assert mismatch.code == "version_mismatch"
    assert first(mismatch).evidence["workers"] == [{"owner": "old:1:x", "version": "1.0"}]
    assert (first(mismatch).who, first(mismatch).evidence["callable"]) == ("developer", ACT)

    staff(squidie, "elsewhere", owner="new:1:y", code_version="2.0")
    missing = told(run=run)
    assert missing.code == "missing_callable"
    assert first(missing).evidence["elsewhere"] == [{"owner": "new:1:y", "version": "2.0", "queues": ["elsewhere"]}]


def test_a_queue_that_is_paused_says_by_whom_and_why(squidie, told, staffed):
    """13.6, row 13"""
    run = squidie.start(Single)
    squidie.pause_queue("default", reason="the bank is down", actor="ada")
    found = told(run=run, later=MINUTE)

    assert (found.code, found.state, found.next[0].what) == ("queue_paused", "stalled", "nothing")
    assert first(found).evidence == {"queue": "default", "by": "ada", "since": NOON, "reason": "the bank is down"}
    assert found.actions[0].command == "squidie queues resume default"


def test_a_lease_that_is_over_says_that_the_next_sweep_takes_it(squidie, told, staffed):
    """13.6, row 14"""
    run = squidie.start(Single)
    claim(squidie)
    found = told(run=run, later=AFTER_LEASE)

    assert (found.code, first(found).who) == ("lease_expired", "nobody")
    assert first(found).evidence["lease_until"] == NOON + 30 * SECOND
    assert "its result still counts" in found.next[0].what


def test_bells_that_fail_are_told_with_the_time_of_the_last_that_rang(squidie, told):
    """13.6, row 15"""
    run = squidie.start(Single)
    staff(squidie, bell_failed_at=NOON - MINUTE, bell_ok_at=NOON - HOUR)
    found = told(run=run)

    assert (found.code, found.state) == ("broker_unreachable", "queued")
    assert (first(found).evidence["since"], first(found).evidence["last_bell_ok"]) == (NOON - MINUTE, NOON - HOUR)


def test_a_worker_says_itself_that_its_bells_fail(squidie, bells, told):
    """13.6, row 15: and that they ring again."""
    run = squidie.start(Single)
    bells.reachable = False
    staff(squidie)
    assert told(run=run).code == "broker_unreachable"
    bells.reachable = True
    staff(squidie)
    assert told(run=run).code == "queued"


def test_what_is_due_for_long_though_a_worker_is_idle_is_a_late_pickup(squidie, told):
    """13.6, row 16: over two sweeps; a worker without a free slot is not idle."""
    run = squidie.start(Single)
    staff(squidie, slots=1)

    assert told(run=run, later=10 * SECOND).code == "queued"
    late = told(run=run, later=11 * SECOND)
    assert (late.code, len(first(late).evidence["idle"])) == ("late_pickup", 1)
    other = squidie.start(Single, priority=0)
    (row,) = claim(squidie, owner=late.blockers[0].evidence["idle"][0])
    assert row.run_id == other.id
    assert told(run=run).code == "queued"


# ---------------------------------------------------------------- running
def test_a_step_that_has_used_most_of_its_time_runs_long(squidie, told, staffed):
    """13.6, rows 19 and 20"""
    run = squidie.start(Bounded)
    claim(squidie, lease=120)

    running = told(run=run, later=48 * SECOND)
    assert (running.code, first(running).who) == ("running", "nobody")
    assert (first(running).next.what, first(running).next.at) == ("it is stopped by its timeout", NOON + MINUTE)
    long = told(run=run, later=49 * SECOND)
    assert (long.code, verbs(long)) == ("running_long", ["inspect_run", "cancel"])
    assert long.headline == "slow is running for 49s on lab:1:test; it times out in 11s."


def test_a_step_that_takes_three_times_as_long_as_usual_runs_long(squidie, told, clock, staffed):
    """13.6, row 19: the p95 of the last completions, where twenty are known."""
    for number in range(21):
        done = squidie.start(Single)
        (row,) = claim(squidie)
        clock(NOON + number * MINUTE + 2 * SECOND)
        settle(squidie, completion(row))
        clock(NOON + (number + 1) * MINUTE)
        assert done.snapshot().state == "completed"
    run = squidie.start(Single)
    claim(squidie)

    assert told(run=run, later=21 * MINUTE + 6 * SECOND).code == "running"
    long = told(run=run, later=21 * MINUTE + 7 * SECOND)
    assert (long.code, first(long).evidence["usual"]) == ("running_long", 2.0)
    assert long.headline == "only is running for 7s on lab:1:test, usually 2s."


# ---------------------------------------------------------------- limits
def test_a_limit_that_is_full_names_who_holds_it_and_when_the_first_lease_is_over(squidie, told, staffed):
    """13.6, row 21"""
    holder = squidie.start(Shared)
    claim(squidie)
    found = told(Shared)

    assert (found.code, found.state) == ("concurrency_limited", "queued")
    assert first(found).evidence == {
        "limit": "gateway",
        "used": 1,
        "n": 1,
        "holders": [{"run_id": holder.id, "step": "call"}],
    }
    assert (found.next[0].at, found.actions[0].command) == (NOON + 30 * SECOND, "squidie limits set gateway N")


def test_a_rate_that_is_used_up_says_when_its_next_token_comes(squidie, told, staffed):
    """13.6, row 22: and it comes true."""
    squidie.start(Metered)
    assert len(claim(squidie)) == 1
    run = squidie.start(Metered)
    found = told(run=run, later=20 * SECOND)

    assert (found.code, first(found).next.at) == ("rate_limited", NOON + MINUTE)
    assert claim(squidie) == []
    assert told(run=run, later=MINUTE).code == "queued"
    assert len(claim(squidie)) == 1


def test_what_is_queued_says_how_many_are_ahead_and_how_busy_its_workers_are(squidie, told):
    """13.6, row 23"""
    staff(squidie, slots=4)
    squidie.start_many(Single, [{}] * 3, priority=0)
    squidie.start(Single, priority=500)
    claim(squidie)
    found = told(run=squidie.start(Single))

    assert found.code == "queued"
    assert {name: first(found).evidence[name] for name in ("queue", "ahead", "slots")} == {
        "queue": "default",
        "ahead": 2,
        "slots": 4,
    }


# ---------------------------------------------------------------- time, people, events
def test_a_retry_says_which_attempt_comes_when_and_can_be_hastened(squidie, told, staffed):
    """13.6, row 24: the offered command is accepted, and the next comes true."""
    found = told(Polling, {"poll": ["raise:no luck"]})

    assert (found.code, found.state, found.next[0].what) == ("retry_backoff", "retrying", "attempt 2 of 3")
    assert (found.next[0].at, verbs(found)) == (NOON + 10 * SECOND, ["retry_now"])
    assert first(found).evidence["error"]["message"] == "no luck"
    squidie.retry_now(found.run_id, "poll")
    assert squidie.explain_run(found.run_id).code == "queued"


def test_a_deferral_says_when_it_looks_again_and_why(squidie, told, staffed):
    """13.6, row 25"""

    def later(ctx):
        raise Defer(after="5m", reason="not there yet")

    HOOKS["poll"] = later
    found = told(Polling)

    assert (found.code, found.next[0].at) == ("deferred", NOON + 5 * MINUTE)
    assert first(found).evidence == {"reason": "not there yet", "deferrals": 1, "until": NOON + 5 * MINUTE}


def test_an_approval_says_who_acts_and_what_follows_if_nobody_does(squidie, told, staffed):
    """13.6, row 8"""
    found = told(Asking, later=MINUTE)
    blocker = first(found)

    assert (found.code, blocker.who, blocker.since) == ("needs_approval", "role ops", NOON)
    assert (blocker.next.what, blocker.next.at) == ("reject", NOON + 4 * HOUR)
    assert verbs(found) == ["approve", "reject", "delegate"]
    assert found.actions[0].command == f"squidie approve {found.short_id} --step ok"
    assert {name: blocker.evidence[name] for name in ("role", "votes", "quorum")} == {
        "role": "ops",
        "votes": 0,
        "quorum": 1,
    }


def test_all_that_is_open_is_listed_the_most_pressing_first(squidie, told, staffed):
    """13.6: one blocker for each open node."""
    run = squidie.start(Board)
    squidie.approve(run.id, actor="maya")
    found = told(run=run)

    assert [(blocker.code, blocker.step) for blocker in found.blockers] == [
        ("needs_approval", "vote"),
        ("queued", "aside"),
    ]
    assert found.blockers[0].evidence["votes"] == 1
    assert [each.what for each in found.next] == ["nothing", "it starts when a worker is free"]


def test_a_pause_an_event_and_a_wait_say_until_when(squidie, told, staffed):
    """13.6, rows 9, 26 and 28"""
    paused, napping = told(Halting), told(Napping)
    waiting = told(Listening)

    assert (paused.code, paused.next[0].what, paused.next[0].at) == ("needs_resume", "resume", NOON + timedelta(days=1))
    assert (napping.code, napping.next[0].at) == ("waiting_timer", NOON + HOUR)
    assert waiting.code == "waiting_signal"
    assert [(each.what, each.at) for each in waiting.next] == [
        ("the wait lapses", NOON + 2 * HOUR),
        ("nothing", None),
    ]
    assert waiting.actions[0].command == (f"squidie signal {waiting.short_id} payment_settled --correlation order-7")


def test_a_parked_step_can_be_requeued_and_discarded(squidie, told, clock, staffed):
    """13.6, row 6: and what is offered is accepted."""
    found = told(Parked, {"charge": ["raise:no", "raise:no"]}, later=10 * SECOND)
    assert found.code == "needs_approval"
    work_off(squidie)
    found = squidie.explain_run(found.run_id)

    assert (found.code, first(found).who, first(found).next.what) == ("dead_lettered", "operator", "nothing")
    assert verbs(found)[:2] == ["requeue", "discard"]
    assert first(found).evidence["attempts"] == 2
    squidie.dead_letters.requeue(found.run_id, "charge", reason="mended", actor="ada")
    assert squidie.explain_run(found.run_id).code == "needs_approval"


def test_a_run_that_is_undone_says_how_far_it_is(squidie, told, clock, staffed):
    """13.6, rows 7, 17 and 18"""
    run = squidie.start(Draining)
    squidie.execute_next()
    held = {row.step: row for row in claim(squidie, 2)}
    settle(squidie, failure(held["charge"]))
    draining = told(run=run)
    assert (draining.code, first(draining).next.at) == ("draining", NOON + MINUTE)
    assert first(draining).evidence["claims"] == [{"step": "slow", "owner": "lab:1:test"}]

    settle(squidie, completion(held["slow"]))
    undoing = told(run=run)
    assert (undoing.code, first(undoing).evidence) == ("compensating", {"cause": "failed", "done": 0, "total": 1})

    run = squidie.start(Saga, {"plan": {"charge": ["fail"], "compensate:reserve": ["raise", "raise"]}})
    work_off(squidie)
    clock(NOON + 10 * SECOND)
    work_off(squidie)
    stuck = told(run=run)
    assert (stuck.code, first(stuck).evidence["undoes"]) == ("compensation_stuck", "reserve")
    assert verbs(stuck) == ["requeue", "discard"]


# ---------------------------------------------------------------- the end, and one step
def test_an_ended_run_says_how_it_ended_and_that_nothing_follows(squidie, told, staffed):
    """13.6, rows 1 to 3"""
    done, failed = told(Single), told(Single, {"only": ["fail"]})
    cancelled = squidie.start(Asking)
    squidie.cancel(cancelled.id, reason="too late")

    assert [(each.code, each.blockers, each.next[0].what) for each in (done, failed, told(run=cancelled))] == [
        ("completed", (), "nothing"),
        ("failed", (), "nothing"),
        ("cancelled", (), "nothing"),
    ]
    assert failed.evidence["error"]["step"] == "only"


def test_a_step_that_has_not_begun_says_what_it_waits_for(squidie, told, staffed):
    """13.7, row 29"""
    run = squidie.start(Chain)

    begun, waiting = squidie.explain_run(run.id, "a"), squidie.explain_run(run.id, "b")
    work_off(squidie)
    ended = squidie.explain_run(run.id, "b")

    assert (begun.code, waiting.code, ended.code) == ("queued", "waiting_dependency", "completed")
    assert waiting.headline == "b waits for a (queued)."
    assert waiting.evidence["sources"] == [{"step": "a", "state": "queued"}]


def test_what_is_not_there_is_named(squidie, told):
    """13, bad input."""
    run = squidie.start(Single)
    with pytest.raises(StepNotFound):
        squidie.explain_run(run.id, "nobody")
    with pytest.raises(RunNotFound):
        squidie.explain_run("00000000-0000-7000-8000-000000000000")
    with pytest.raises(RunNotFound):
        squidie.partition("other").explain_run(run.id)


# ---------------------------------------------------------------- many
def test_many_are_rolled_up_by_what_they_wait_for(squidie, told, clock):
    """13.8: "312 runs: no consumer for gpu since 14:02"."""
    squidie.start_many(Far, [{}] * 12)
    clock(NOON + MINUTE)
    staff(squidie, "default")
    for _ in range(3):
        squidie.start(Asking)
    squidie.start(Single)
    clock(NOON + 10 * MINUTE)

    found = squidie.explain_many()

    assert [(group.code, group.subject, group.runs, group.since) for group in found.groups] == [
        ("needs_approval", "Asking.ok", 3, NOON + MINUTE),
        ("no_consumer", "gpu", 12, NOON),
    ]
    assert found.groups[1].headline == "12 runs for a worker on queue gpu: nobody serves it, since 12:00"
    assert (len(found.groups[1].examples), found.open) == (5, 16)
    assert [group.code for group in squidie.explain_many(older_than="10m").groups] == ["no_consumer"]
    assert squidie.explain_many(workflow="Asking").groups[0].runs == 3
    assert [group.code for group in squidie.explain_many(everything=True).groups][-1] == "queued"


@pytest.mark.parametrize("wrong", [{"older_than": "soon"}, {"open": False}, {"status": "failed"}, {"limit": 3}])
def test_a_roll_up_is_about_open_runs(squidie, told, wrong):
    """13, bad input."""
    with pytest.raises(InvalidArgument):
        squidie.explain_many(**wrong)


def test_a_bound_handle_rolls_up_its_own(squidie, told):
    """17.5"""
    for name in ("a", "b", "b"):
        squidie.start(Single, partition=name)

    assert [squidie.partition(name).explain_many().open for name in ("a", "b", "c")] == [1, 2, 0]
    with pytest.raises(InvalidArgument):
        squidie.partition("a").explain_many(partition="b")
