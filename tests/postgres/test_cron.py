"""Cron windows: rows in the journal, opened once by whoever looks (promise 11, B33, M20)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from squidie import Workflow, cron, step
from squidie.testing import eventually
from squidie.testing.clock import set_clock
from tests.support.flows import Hourly, Nightly, report
from tests.support.lab import all_facts, at_once, change, kinds, query, scalar, work_off

EVENING = datetime(2026, 3, 10, 20, tzinfo=UTC)
TWO = datetime(2026, 3, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def squidie(make, bells):
    return make(Nightly, delivery=bells)


def runs(squidie):
    return query(squidie, "select run_id, started_at from {s}.runs order by started_at")


def next_at(squidie):
    return scalar(squidie, "select next_at from {s}.schedules")


def test_a_new_schedule_starts_from_now_and_fills_nothing_in(squidie, clock):
    clock(EVENING)

    assert squidie.tick() == 5.0

    assert runs(squidie) == []
    assert next_at(squidie) == TWO


def test_a_window_opens_at_its_time_with_its_input(squidie, bells, clock):
    """1.6: not one microsecond early; `window.start` is the time that was intended."""
    clock(EVENING)
    squidie.tick()
    clock(TWO - timedelta(microseconds=1))
    assert 0 <= squidie.tick() < 0.001
    assert runs(squidie) == []

    clock(TWO)
    squidie.tick()

    eventually(lambda: "default" in bells.rung, why="no bell after the commit")
    started = all_facts(squidie, runs(squidie)[0].run_id)[0]
    assert (started.trigger, started.window, started.by.verb) == ("night", TWO.isoformat(), "start_cron")
    assert started.schedule["late_by"] == 0.0
    work_off(squidie)
    assert squidie.run(runs(squidie)[0].run_id).result(1) == TWO.isoformat()
    assert next_at(squidie) == TWO + DAY


def test_the_seconds_until_the_next_window_are_told(squidie, clock):
    clock(EVENING)
    squidie.tick()

    clock(TWO - timedelta(seconds=2))

    assert squidie.tick() == pytest.approx(2.0)


def test_any_number_of_tickers_open_a_window_once(squidie, make, clock):
    """Promise 11: three runtimes, in threads, over ten windows."""
    tickers = [squidie, make(Nightly), make(Nightly)]
    clock(EVENING)
    for ticker in tickers:
        ticker.tick()
    for night in range(10):
        clock(TWO + night * DAY)
        for ticker in tickers:
            ticker.engine.dispose()
        results = at_once(*[ticker.tick for ticker in tickers for _ in range(2)])
        assert {type(result) for result in results} == {float}

    windows = query(squidie, "select body->>'window' from {s}.facts where kind = 'run_started' order by 1")
    assert [window for (window,) in windows] == [(TWO + night * DAY).isoformat() for night in range(10)]


def test_a_schedule_that_was_away_opens_the_latest_window_only(squidie, clock):
    clock(EVENING)
    squidie.tick()

    clock(TWO + 30 * DAY + timedelta(hours=3))
    squidie.tick()

    ((run_id, _),) = runs(squidie)
    started = all_facts(squidie, run_id)[0]
    assert (started.window, started.schedule["late_by"]) == ((TWO + 30 * DAY).isoformat(), 3 * 3600.0)
    assert next_at(squidie) == TWO + 31 * DAY


def test_a_sweep_opens_windows_too(squidie, clock):
    """Without beat, cron still runs."""
    clock(EVENING)
    squidie.sweep()
    clock(TWO)

    squidie.sweep()

    assert len(runs(squidie)) == 1


def test_an_edited_expression_starts_from_now(make, squidie, clock):
    clock(EVENING)
    squidie.tick()
    clock(TWO - timedelta(hours=1))
    spec = Nightly.spec
    trigger = msgspec.structs.replace(spec.triggers[0], expression="0 0 * * *")
    edited = type("Edited", (Nightly,), {"report": step(report)})
    edited.spec = msgspec.structs.replace(spec, triggers=(trigger, *spec.triggers[1:]))

    make(edited).tick()

    assert runs(squidie) == []
    assert next_at(squidie) == datetime(2026, 3, 12, tzinfo=UTC)


def test_a_changed_input_leaves_the_time_alone(make, squidie, clock):
    clock(EVENING)
    squidie.tick()
    change(squidie, 'update {s}.schedules set input = \'{"day": "old"}\'')

    make(Nightly).tick()

    assert next_at(squidie) == TWO


def test_a_schedule_that_is_off_opens_nothing(squidie, clock):
    clock(EVENING)
    squidie.tick()
    change(squidie, "update {s}.schedules set paused_at = now()")

    clock(TWO)

    assert squidie.tick() == 5.0
    assert runs(squidie) == []


def test_a_window_that_exists_is_not_opened_again_when_the_clock_steps_back(squidie, clock):
    """M20: the window is the run's identity."""
    clock(EVENING)
    squidie.tick()
    clock(TWO)
    squidie.tick()
    change(squidie, "update {s}.schedules set next_at = :two", two=TWO)

    squidie.tick()

    assert len(runs(squidie)) == 1
    assert next_at(squidie) == TWO + DAY


def test_the_hour_that_comes_twice_and_the_one_that_does_not_come(make):
    """T07, M20: an hourly job goes on through both changes of the local clock, once an hour by real time."""
    squidie = make(Hourly)
    for day in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        change(squidie, "delete from {s}.schedules")
        squidie._parts.schedules_synced = False
        set_clock(squidie.engine, day)
        squidie.tick()
        for hour in range(4):
            set_clock(squidie.engine, day + timedelta(hours=hour, minutes=30))
            squidie.tick()
        windows = query(
            squidie,
            "select body->>'window' from {s}.facts where at >= :day and kind = 'run_started' order by 1",
            day=day,
        )
        assert len(windows) == 4


def test_a_window_that_cannot_be_opened_stops_no_other(make, clock):
    """A trigger that is not declared any more is moved on, and named in the log."""
    twice = type("Nightly", (Workflow,), {
        "triggers": [cron("night", "0 2 * * *", input={"day": "x"}), cron("gone", "0 2 * * *", input={"day": "x"})],
        "report": step(report),
    })  # fmt: skip
    old, new = make(twice), make(Nightly)
    clock(EVENING)
    old.tick()
    clock(TWO)
    new.engine.dispose()

    new.tick()

    assert [(row.workflow, row.trigger) for row in query(new, "select workflow, trigger from {s}.runs")] == [
        ("Nightly", "night")
    ]
    assert kinds(new, runs(new)[0].run_id) == ["run_started"]


def test_without_cron_triggers_there_is_nothing_to_do(make):
    from tests.support.flows import Single

    squidie = make(Single)

    assert squidie.tick() == 5.0
    assert query(squidie, "select * from {s}.schedules") == []
