"""People, timers, events and cancels at the same moment: one wins, the others are told, and the journal is sound."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie.errors import AlreadyResolved, InvalidTransition
from tests.support.flows import Diamond
from tests.support.lab import NOON, Trials, query, scalar, work_off
from tests.support.steering_flows import STEERED, Awaiting, Escalating, Paused, Stern

TRIALS = 120


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Diamond, delivery=bells)


def kinds_of(squidie):
    return dict(query(squidie, "select kind, count(*) from {s}.facts group by kind"))


def test_two_operators_decide_once_and_the_other_is_told_who(squidie):
    """6, proved by: two at once, one decision."""
    runs = squidie.start_many(Stern, [{} for _ in range(TRIALS)])
    with Trials() as trials:
        for run in runs:
            answers = trials.race(
                lambda run=run: squidie.approve(run.id, actor="ann"),
                lambda run=run: squidie.reject(run.id, actor="bob"),
            )
            late = [each for each in answers if isinstance(each, Exception)]
            assert [type(each) for each in late] == [AlreadyResolved]
            assert late[0].details["by"] == ("ann" if isinstance(answers[1], Exception) else "bob")

    assert kinds_of(squidie)["pause_resolved"] == TRIALS


def test_a_person_races_a_timer(squidie, clock):
    """6.6."""
    clock(NOON)
    runs = squidie.start_many(Escalating, [{} for _ in range(TRIALS // 4)])
    clock(NOON + timedelta(hours=1))
    with Trials() as trials:
        for run in runs:
            answer, _ = trials.race(lambda run=run: squidie.approve(run.id, actor="ann"), squidie.sweep)
            assert not isinstance(answer, Exception)

    assert kinds_of(squidie)["pause_resolved"] == len(runs)


def test_a_cancel_races_an_answer(squidie):
    """7, proved by: cancel against approval."""
    runs = squidie.start_many(Stern, [{} for _ in range(TRIALS)])
    with Trials() as trials:
        for run in runs:
            answer, ended = trials.race(
                lambda run=run: squidie.reject(run.id, actor="ann"), lambda run=run: squidie.cancel(run.id, reason="x")
            )
            assert isinstance(answer, Exception) != isinstance(ended, Exception)
            assert isinstance(ended if isinstance(ended, Exception) else answer, InvalidTransition)

    ends = kinds_of(squidie)
    assert ends.get("run_failed", 0) + ends.get("run_cancelled", 0) == TRIALS


def test_a_cancel_races_an_event(squidie):
    """7, 18.4, proved by"""
    runs = squidie.start_many(Awaiting, [{} for _ in range(TRIALS)])
    work_off(squidie)
    with Trials() as trials:
        for run in runs:
            answer, ended = trials.race(
                lambda run=run: squidie.signal_run(run.id, event="paid", correlation="order-1"),
                lambda run=run: squidie.cancel(run.id, reason="x"),
            )
            assert not isinstance(ended, Exception)
            assert not isinstance(answer, Exception) or isinstance(answer, InvalidTransition)

    assert kinds_of(squidie)["run_cancelled"] == TRIALS


def test_two_requeues_of_one_letter_make_one_run(squidie):
    """5.6: the letter is closed in the commit that begins the new run."""
    sources = [squidie.start(Diamond, {"plan": {"d": ["fail"]}}) for _ in range(TRIALS // 4)]
    work_off(squidie)
    with Trials() as trials:
        for run in sources:
            call = lambda run=run: squidie.requeue(run.id, "d", reason="x", actor="ann")  # noqa: E731 - twice the same
            answers = trials.race(call, call)
            assert sorted(isinstance(each, InvalidTransition) for each in answers) == [False, True]

    assert scalar(squidie, "select count(*) from {s}.runs") == 2 * len(sources)


def test_one_replay_key_in_two_threads_is_one_run(squidie):
    """8, proved by: one key, one new run."""
    sources = squidie.start_many(Paused, [{} for _ in range(TRIALS // 4)])
    squidie.cancel_many({}, reason="x")
    with Trials() as trials:
        for run in sources:
            call = lambda run=run: squidie.replay(run.id, key="k")  # noqa: E731 - twice the same
            one, two = trials.race(call, call)
            assert (one.id, one.created ^ two.created) == (two.id, True)

    assert scalar(squidie, "select count(*) from {s}.runs") == 2 * len(sources)


def test_one_webhook_from_two_threads_is_one_fact(squidie):
    """18.4: by the workflow, with the provider's id."""
    with Trials() as trials:
        for number in range(TRIALS // 4):
            run = squidie.start(Awaiting)
            work_off(squidie)
            call = lambda: squidie.signal_run(  # noqa: E731 - twice the same
                workflow=Awaiting,
                event="paid",
                correlation="order-1",
                key=f"evt-{number}",  # noqa: B023
            )
            answers = trials.race(call, call)
            assert [getattr(each, "id", each) for each in answers] == [run.id, run.id]
            work_off(squidie)

    assert kinds_of(squidie)["event_received"] == TRIALS // 4
