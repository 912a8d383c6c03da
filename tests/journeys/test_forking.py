"""A new run that goes on from a step of another (SEMANTICS 18.11, 5.6)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from squidie.errors import UnsafeReplay
from tests.support.flows import CALLS, Diamond
from tests.support.lab import all_facts, claim, counts, kinds, query, raises, steps_done, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Charging, Handled, Parking, Paused, Undoable


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Diamond, delivery=bells)


def ended(squidie, workflow, plan=None):
    run = squidie.start(workflow, {"plan": plan or {}})
    work_off(squidie)
    return run


def forked(squidie, source, step, **options):
    CALLS.clear()
    run = squidie.fork(source.id, step, **options)
    work_off(squidie)
    return run, {name for name, _, _ in CALLS}


@pytest.mark.parametrize(
    ("step", "again"), [("a", {"a", "b", "c", "d"}), ("b", {"b", "d"}), ("c", {"c", "d"}), ("d", {"d"})]
)
def test_what_is_not_after_the_step_is_carried_over_and_not_run_again(squidie, step, again):
    """18.11: at each node of a diamond; carried outputs are equal, and nothing carried is called."""
    source = ended(squidie, Diamond)
    run, called = forked(squidie, source, step)
    carried = all_facts(squidie, run)[0].carried
    outputs = {fact.step: fact.output for fact in all_facts(squidie, source) if fact.kind == "attempt_completed"}

    assert called == again
    assert {each.step for each in carried} == {"a", "b", "c", "d"} - again
    assert all(each.output == outputs[each.step] for each in carried)
    assert run.result() == source.result()


def test_a_fork_says_where_it_comes_from(squidie):
    """18.11."""
    source = ended(squidie, Diamond)
    run, _ = forked(squidie, source, "d", actor="ann", reason="again", key="k")
    first = all_facts(squidie, run)[0]

    assert (first.forked_from.run, first.forked_from.step) == (str(source.id), "d")
    assert first.forked_from.seq == len(kinds(squidie, source))
    assert (first.by.verb, first.by.actor, first.by.comment) == ("fork", "ann", "again")
    twin = squidie.fork(source.id, "d", actor="ann", reason="again", key="k")
    assert (twin.id, twin.created) == (run.id, False)


def test_a_failed_step_is_tried_again_and_siblings_that_had_ended_are_not(squidie):
    """18.11."""
    source = ended(squidie, Diamond, {"b": ["fail"]})
    assert source.snapshot().status == "failed"
    run, called = forked(squidie, source, "b", payload_changes={"plan": {}})

    assert run.snapshot().status == "completed"
    assert "a" not in called
    assert {"b", "d"} <= called


def test_routed_tolerated_and_skipped_steps_are_carried_as_they_ended(squidie):
    """18.11: a failure with its error, a tolerated one without output, a skipped one as skipped."""
    source = ended(squidie, Handled, {"b": ["fail"], "c": ["fail"]})
    run, called = forked(squidie, source, "d")
    first = all_facts(squidie, run)[0]
    carried = {each.step: each for each in first.carried}

    assert called == {"d"}
    assert carried["b"].error.code == "declined"
    assert carried["c"].tolerated
    assert run.snapshot().status == "completed"
    whole, called = forked(squidie, ended(squidie, Handled), "d")
    assert called == {"d"}
    assert all_facts(squidie, whole)[0].moved.skipped_steps == ("fallback",)


def test_answers_and_events_are_carried_over(squidie):
    """18.11: nobody is asked twice."""
    source = ended(squidie, Asked)
    squidie.approve(source.id, actor="ann", data={"amount": 3})
    work_off(squidie)
    run, called = forked(squidie, source, "pay")
    assert (called, run.snapshot().status) == ({"pay"}, "completed")

    source = ended(squidie, Awaiting)
    squidie.signal_run(source.id, event="paid", correlation="order-1", payload={"sum": 1})
    work_off(squidie)
    run, called = forked(squidie, source, "c")
    assert called == {"c"}
    assert json.loads(bytes(all_facts(squidie, run)[0].carried[1].output)) == {"sum": 1}


def test_a_fork_may_begin_with_a_question(squidie):
    """18.11."""
    source = ended(squidie, Asked)
    squidie.reject(source.id, actor="ann")
    work_off(squidie)
    run, called = forked(squidie, source, "ask")

    assert called == set()
    assert kinds(squidie, run) == ["run_started", "pause_opened"]


def test_a_fork_of_a_fork_carries_what_was_carried(squidie):
    """18.11."""
    source = ended(squidie, Diamond)
    one, _ = forked(squidie, source, "b")
    two, called = forked(squidie, one, "d")

    assert called == {"d"}
    assert {each.step for each in all_facts(squidie, two)[0].carried} == {"a", "b", "c"}


def test_the_gate_asks_only_for_what_would_run_again(squidie):
    """18.11, 8.3: a carried charge need not be named, and later it counts as having taken effect."""
    source = ended(squidie, Charging)
    with raises("unsafe_replay"):
        squidie.fork(source.id, "charge", allow_irreversible=["mail"])
    run, called = forked(squidie, source, "mail", allow_irreversible=["mail"])
    assert called == {"mail"}
    with pytest.raises(UnsafeReplay) as unsafe:
        squidie.replay(run.id)

    charge = unsafe.value.steps[0]
    assert (charge["step"], charge["idempotency_key"]) == ("charge", f"{source.id}/charge")


def test_an_open_run_is_forked_only_at_a_step_that_is_parked(squidie):
    """18.11."""
    source = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    work_off(squidie)
    with raises("invalid_transition"):
        squidie.fork(source.id, "a")
    run, called = forked(squidie, source, "b", payload_changes={"plan": {}})

    assert called == {"b", "c"}
    assert run.snapshot().status == "completed"
    assert all_facts(squidie, source)[-1].disposition == "parked"


def test_what_was_undone_is_not_carried_over(squidie):
    """18.11: the effect of a step that was undone is gone, so that nothing can go on from it."""
    source = ended(squidie, Undoable, {"b": ["fail"]})
    with raises("invalid_transition"):
        squidie.fork(source.id, "b")
    run, called = forked(squidie, source, "a", payload_changes={"plan": {}})

    assert called == {"a", "b"}
    assert run.snapshot().status == "completed"


def test_a_refused_fork_says_why(squidie):
    """18.11: bad input"""
    source = ended(squidie, Asked)
    squidie.reject(source.id, actor="ann")
    work_off(squidie)
    before = counts(squidie)
    with raises("step_not_found"):
        squidie.fork(source.id, "nowhere")
    with raises("invalid_transition"):
        squidie.fork(source.id, "pay")
    with raises("invalid_argument"):
        squidie.fork(source.id, "check", payload_changes=[1])
    with raises("invalid_payload"):
        squidie.fork(source.id, "check", payload_changes={"colour": "red"})
    with raises("invalid_argument"):
        squidie.fork(source.id, "check", allow_irreversible=True)
    with raises("run_not_found"):
        squidie.fork("00000000-0000-7000-8000-000000000000", "check")

    assert counts(squidie) == before


def letter(squidie, run):
    return query(
        squidie,
        "select step, closed_as, closed_by->>'actor', closed_why from {s}.dead_letters where run_id = :id order by seq",
        id=run.id,
    )


def test_a_parked_step_is_requeued_in_its_run(squidie):
    """5.6: the next attempt number, the same key, and the letter is closed."""
    run = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    work_off(squidie)
    CALLS.clear()
    squidie.requeue(run.id, "b", reason="the bank is back", actor="ann")
    work_off(squidie)

    assert [(name, number) for name, number, _ in CALLS] == [("b", 2), ("c", 1)]
    assert CALLS[0][2] == f"{run.id}/b"
    assert letter(squidie, run) == [("b", "requeued", "ann", "the bank is back")]
    with raises("invalid_transition"):
        squidie.requeue(run.id, "b", reason="again", actor="ann")


def test_a_failed_run_goes_on_in_a_new_one(squidie):
    """5.6: a fork at that step, with lineage, in one commit with the letter's closing."""
    run = ended(squidie, Diamond, {"d": ["fail"]})
    new = squidie.requeue(run.id, "d", reason="mended", actor="ann")

    first = all_facts(squidie, new)[0]
    assert new.id != run.id
    assert (first.forked_from.run, first.by.verb, first.by.comment) == (str(run.id), "requeue", "mended")
    assert letter(squidie, run) == [("d", "requeued", "ann", "mended")]
    before = counts(squidie)
    with raises("invalid_transition"):
        squidie.requeue(run.id, "d", reason="again", actor="bob")
    with raises("invalid_transition"):
        squidie.discard(run.id, "d", reason="again", actor="bob")
    assert counts(squidie) == before


def test_a_requeue_under_a_key_is_answered_as_the_first(squidie):
    """5.6, 17.2."""
    run = ended(squidie, Diamond, {"d": ["fail"]})
    one, two = (squidie.requeue(run.id, "d", reason="mended", actor="ann", key="k") for _ in range(2))

    assert (one.id, one.created, two.created) == (two.id, True, False)
    with raises("key_reused"):
        squidie.requeue(run.id, "d", reason="another", actor="ann", key="k")


def parked_twice(squidie):
    """A step that was parked, requeued under a key, and is parked again."""
    run = squidie.start(Parking, {"plan": {"b": ["fail", "fail"]}})
    work_off(squidie)
    squidie.requeue(run.id, "b", reason="mended", actor="ann", key="k")
    work_off(squidie)
    return run


@pytest.mark.parametrize("verb", ["cancel", "discard"])
def test_a_requeue_that_comes_again_after_the_end_of_its_run_does_nothing(squidie, verb):
    """17.2: the key stands for what it did in the run, however that has ended since."""
    run = parked_twice(squidie)
    ends = {"cancel": squidie.cancel, "discard": lambda *given, **said: squidie.discard(*given, "b", **said)}
    ends[verb](run.id, reason="hopeless", actor="ann", key="k")
    before = counts(squidie)
    again = squidie.requeue(run.id, "b", reason="mended", actor="ann", key="k")

    assert (again.id, again.created) == (run.id, False)
    assert counts(squidie) == before
    with raises("key_reused"):
        squidie.requeue(run.id, "b", reason="another", actor="ann", key="k")


@pytest.mark.parametrize("times", [1, 2])
def test_the_key_that_made_a_run_from_a_letter_may_be_used_in_that_run(squidie, times):
    """17.2: the identity of a start is another one than the run's."""
    run = parked_twice(squidie)
    squidie.cancel(run.id, reason="start over", actor="ann")
    for _ in range(times):
        new = squidie.requeue(run.id, "b", reason="mended", actor="ann", key="k2")
    work_off(squidie)
    squidie.requeue(new.id, "b", reason="mended", actor="ann", key="k2")

    assert kinds(squidie, new).count("step_requeued") == 1


def test_a_discarded_parked_step_lets_its_failure_take_its_course(squidie):
    """5.6."""
    run = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    work_off(squidie)
    squidie.discard(run.id, "b", reason="hopeless", actor="ann")

    assert run.snapshot().status == "failed"
    assert letter(squidie, run) == [("b", "discarded", "ann", "hopeless")]


def test_of_an_ended_run_only_the_letter_is_closed(squidie):
    """5.6: and its row keeps who and why."""
    run = ended(squidie, Diamond, {"d": ["fail"]})
    before = kinds(squidie, run)
    for _ in range(2):
        squidie.discard(run.id, "d", reason="hopeless", actor="ann", key="k")

    assert kinds(squidie, run) == before
    assert letter(squidie, run) == [("d", "discarded", "ann", "hopeless")]
    with raises("key_reused"):
        squidie.discard(run.id, "d", reason="another", actor="ann", key="k")
    with raises("invalid_transition"):
        squidie.discard(run.id, "d", reason="hopeless", actor="ann")


def test_taking_up_needs_a_letter_a_reason_and_somebody(squidie):
    """5.6: bad input"""
    run = ended(squidie, Diamond)
    for verb in (squidie.requeue, squidie.discard):
        with raises("dead_letter_not_found"):
            verb(run.id, "d", reason="x", actor="ann")
        with raises("run_not_found"):
            verb("00000000-0000-7000-8000-000000000000", "d", reason="x", actor="ann")
        with raises("invalid_argument"):
            verb(run.id, "d", reason=" ", actor="ann")
        with raises("invalid_argument"):
            verb(run.id, "d", reason="x")


def test_a_scheduled_retry_is_made_due_and_keeps_its_number(make, bells, clock):
    """5.7: the attempt number stays; 5, bad input: no retry, no step."""
    from tests.support.flows import Patient
    from tests.support.lab import NOON, rows

    squidie = make(Patient, delivery=bells)
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise"]}})
    with raises("step_not_found"):
        squidie.retry_now(run.id, "a")
    squidie.execute_next()
    assert squidie.execute_next() is None
    squidie.retry_now(run.id, "a", actor="ann")

    assert [(row.step, row.attempt) for row in rows(squidie, run)] == [("a", 2)]
    assert squidie.execute_next().id == run.id
    assert "attempt_hastened" in kinds(squidie, run)
    with raises("step_not_found"):
        squidie.retry_now(run.id, "nowhere")
    with raises("run_not_found"):
        squidie.retry_now("00000000-0000-7000-8000-000000000000", "a")


def test_an_attempt_made_due_after_the_clock_stepped_back_overlaps_no_other(make, bells):
    """0 (clock), 5.7: the claim before it ended later by the clock, and earlier in truth; that is no violation."""
    from squidie.testing.clock import set_clock
    from tests.support.flows import Single
    from tests.support.lab import NOON, completion, end_lease, settle

    squidie = make(Single, delivery=bells)
    set_clock(squidie.engine, NOON)
    run = squidie.start(Single)
    [row] = claim(squidie)
    set_clock(squidie.engine, NOON + timedelta(seconds=60))
    end_lease(squidie, row)
    set_clock(squidie.engine, NOON + timedelta(seconds=40))
    assert claim(squidie) == []
    squidie.retry_now(run.id, "only")
    [row] = claim(squidie)

    assert settle(squidie, completion(row)) is None
    assert run.snapshot().status == "completed"


def test_a_claimed_sibling_of_a_parked_step_is_left_alone_by_a_fork(squidie):
    """18.11: the source goes on as if nothing had been asked."""
    source = squidie.start(Paused)
    with raises("invalid_transition"):
        squidie.fork(source.id, "hold")
    assert claim(squidie) == []
    assert steps_done(squidie, source) == []
