"""People, timers, events and letters at the same moment, 500 trials a pair: one wins, the other is told by whom."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from squidie.errors import AlreadyResolved, EventMismatch, InvalidTransition
from tests.support.flows import Single
from tests.support.lab import (
    NOON,
    Trials,
    claim,
    completion,
    elapse,
    failure,
    no_deadlock,
    query,
    scalar,
    settle,
    timers,
)
from tests.support.race_flows import ABOUT, RACED, TRIALS, Agreeing, Asking, Parked, Rising, Told, Winners
from tests.support.steering_flows import Open, Stern


@pytest.fixture
def squidie(make, bells):
    return make(Single, Stern, Open, *RACED, delivery=bells)


@pytest.fixture(autouse=True)
def nobody_was_ended_by_postgres(squidie, scratch):
    with no_deadlock(squidie, scratch):
        yield


def started(squidie, workflow):
    return squidie.start_many(workflow, [{} for _ in range(TRIALS)])


def kinds_of(squidie):
    return dict(query(squidie, "select kind, count(*) from {s}.facts group by kind"))


def statuses(squidie):
    return dict(query(squidie, "select status, count(*) from {s}.runs group by status"))


def refusals(answers):
    return [each for each in answers if isinstance(each, Exception)]


def resolved_at(squidie, run):
    sql = "select at from {s}.facts where run_id = :id and kind = 'pause_resolved'"
    return scalar(squidie, sql, id=run.id)


def test_two_operators_decide_once_and_the_other_is_told_who_and_when(squidie):
    """6.9, V10: proved by; approve against reject."""
    won = Winners()
    with Trials() as trials:
        for run in started(squidie, Stern):
            answers = trials.race(
                lambda run=run: squidie.approve(run.id, actor="ann"),
                lambda run=run: squidie.reject(run.id, actor="bob"),
            )
            (late,) = refusals(answers)
            assert isinstance(late, AlreadyResolved)
            first = "bob" if late is answers[0] else "ann"
            assert (late.details["by"], late.details["decision"]) == (
                first,
                {"ann": "approved", "bob": "rejected"}[first],
            )
            assert datetime.fromisoformat(late.details["at"]) == resolved_at(squidie, run)
            won[first] += 1

    won.check("ann", "bob")
    assert kinds_of(squidie)["pause_resolved"] == TRIALS


@pytest.mark.parametrize("keys", [("click", "click"), ("one tab", "another")])
def test_a_double_click_is_one_fact_and_two_tabs_are_one_answer_and_a_refusal(squidie, keys):
    """6.9, V09."""
    one, other = keys
    with Trials() as trials:
        for run in started(squidie, Asking):
            answers = trials.race(
                lambda run=run: squidie.approve(run.id, actor="ann", key=one),
                lambda run=run: squidie.approve(run.id, actor="ann", key=other),
            )
            late = refusals(answers)
            assert [type(each) for each in late] == ([] if one == other else [AlreadyResolved])
            assert all(each.details["by"] == "ann" for each in late)
            assert {each.id for each in answers if each not in late} == {run.id}

    assert kinds_of(squidie)["pause_resolved"] == TRIALS
    assert statuses(squidie) == {"completed": TRIALS}


def test_two_votes_of_a_quorum_both_count(squidie):
    """6.5: whoever comes second resolves it."""
    with Trials() as trials:
        for run in started(squidie, Agreeing):
            answers = trials.race(
                lambda run=run: squidie.approve(run.id, actor="ann"),
                lambda run=run: squidie.approve(run.id, actor="bob"),
            )
            assert refusals(answers) == []

    voted = query(squidie, "select body->'by'->>'actor', count(*) from {s}.facts where kind = 'vote_cast' group by 1")
    Winners(dict(voted)).check("ann", "bob")
    assert statuses(squidie) == {"completed": TRIALS}


def test_an_answer_against_the_time_in_which_it_was_due(squidie, clock):
    """6.6: proved by: approved, or lapsed and the person is told so."""
    clock(NOON)
    runs = started(squidie, Asking)
    due = timers(squidie, "ask")
    clock(NOON + timedelta(hours=1))
    won = Winners()
    with Trials() as trials:
        for run in runs:
            answer, facts = trials.race(
                lambda run=run: squidie.approve(run.id, actor="ann"), lambda run=run: elapse(squidie, due[run.id])
            )
            assert isinstance(answer, Exception) is bool(facts)
            if facts:
                assert isinstance(answer, AlreadyResolved)
                assert (answer.details["decision"], answer.details["by"]) == ("lapsed", None)
                assert datetime.fromisoformat(answer.details["at"]) == NOON + timedelta(hours=1)
            won["failed" if facts else "completed"] += 1

    won.check("failed", "completed")
    assert statuses(squidie) == won
    assert kinds_of(squidie)["pause_resolved"] == TRIALS


def test_an_answer_against_the_time_in_which_somebody_else_is_asked(squidie, clock):
    """6.6: proved by: it was handed on first or not at all; the answer counts either way."""
    clock(NOON)
    runs = started(squidie, Rising)
    due = timers(squidie, "ask")
    clock(NOON + timedelta(hours=1))
    won = Winners()
    with Trials() as trials:
        for run in runs:
            answer, facts = trials.race(
                lambda run=run: squidie.approve(run.id, actor="ann"), lambda run=run: elapse(squidie, due[run.id])
            )
            assert not isinstance(answer, Exception)
            won["handed on" if facts else "answered"] += 1

    won.check("handed on", "answered")
    assert kinds_of(squidie)["review_delegated"] == won["handed on"]
    assert statuses(squidie) == {"completed": TRIALS}
    assert query(squidie, "select * from {s}.attempts") == []


def test_an_event_against_the_time_in_which_it_was_due(squidie, clock):
    """18.4: proved by: each race."""
    clock(NOON)
    runs = started(squidie, Told)
    due = timers(squidie, "paid")
    clock(NOON + timedelta(hours=1))
    won = Winners()
    with Trials() as trials:
        for run in runs:
            answer, facts = trials.race(
                lambda run=run: squidie.signal_run(run.id, **ABOUT), lambda run=run: elapse(squidie, due[run.id])
            )
            assert isinstance(answer, Exception) is bool(facts)
            if facts:
                assert isinstance(answer, InvalidTransition)
                assert answer.details["status"] == "failed"
            won["failed" if facts else "completed"] += 1

    won.check("failed", "completed")
    assert statuses(squidie) == won


@pytest.mark.parametrize(("workflow", "refusal"), [(Told, InvalidTransition), (Open, EventMismatch)])
def test_an_event_against_an_event(squidie, workflow, refusal):
    """18.4: proved by: one is received, the other has nobody left to await it."""
    won = Winners()
    with Trials() as trials:
        for run in started(squidie, workflow):
            answers = trials.race(
                *[
                    lambda run=run, who=who: squidie.signal_run(run.id, actor=who, key=who, **ABOUT)
                    for who in ("bank", "card")
                ]
            )
            (late,) = refusals(answers)
            assert isinstance(late, refusal)
            won["card" if late is answers[0] else "bank"] += 1

    won.check("bank", "card")
    sql = "select body->'by'->>'actor', count(*) from {s}.facts where kind = 'event_received' group by 1"
    assert dict(query(squidie, sql)) == won


@pytest.mark.parametrize("workflow", [Single, Parked], ids=["ended", "parked"])
@pytest.mark.parametrize("verbs", [("requeue", "requeue"), ("requeue", "discard")], ids="-".join)
def test_a_letter_is_taken_up_or_put_away_once(squidie, workflow, verbs):
    """5.6: closed in the commit that tries again, of a run that has ended or in one where the step is parked."""
    sources = started(squidie, workflow)
    settle(squidie, *[failure(row) for row in claim(squidie, TRIALS)])
    won = Winners()
    with Trials() as trials:
        for run in sources:
            answers = trials.race(
                *[
                    lambda run=run, verb=verb, who=who: getattr(squidie, verb)(run.id, "only", reason="race", actor=who)
                    for verb, who in zip(verbs, ("ann", "bob"), strict=True)
                ]
            )
            (late,) = refusals(answers)
            assert isinstance(late, InvalidTransition)
            won["bob" if late is answers[0] else "ann"] += 1

    won.check("ann", "bob")
    closed = query(squidie, "select closed_as, closed_by->>'actor', count(*) from {s}.dead_letters group by 1, 2")
    again = {"ann": "requeued", "bob": f"{verbs[1]}ed".replace("eed", "ed")}
    assert {(how, who): count for how, who, count in closed} == {(again[who], who): won[who] for who in won}
    requeued = sum(won[who] for who in won if again[who] == "requeued")
    if workflow is Single:
        assert scalar(squidie, "select count(*) from {s}.runs") == TRIALS + requeued
    else:
        assert kinds_of(squidie)["step_requeued"] == requeued


def test_one_replay_key_in_two_threads_is_one_run(squidie):
    """8.1: proved by: one key, one new run."""
    sources = started(squidie, Single)
    settle(squidie, *[completion(row) for row in claim(squidie, TRIALS)])
    with Trials() as trials:
        for run in sources:
            call = lambda run=run: squidie.replay(run.id, key="k")  # noqa: E731 - twice the same
            one, two = trials.race(call, call)
            assert (one.id, one.created ^ two.created) == (two.id, True)

    assert scalar(squidie, "select count(*) from {s}.runs") == 2 * TRIALS


def test_one_webhook_from_two_threads_is_one_fact(squidie):
    """18.4: by the workflow, with the provider's id."""
    with Trials() as trials:
        for number in range(TRIALS):
            run = squidie.start(Told)
            call = lambda key=f"evt-{number}": squidie.signal_run(workflow=Told, key=key, **ABOUT)  # noqa: E731 - twice
            answers = trials.race(call, call)
            assert [getattr(each, "id", each) for each in answers] == [run.id, run.id]

    assert kinds_of(squidie)["event_received"] == TRIALS
