"""Which cron windows are due, what is caught up, and what overlaps (9.1, 9.4, 9.5)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squidie.decide.windows import Due, Plan, Timing, delayed, due, plan, window_name
from squidie.workflow.cron import next_after
from squidie.workflow.spec import Catchup, Overlap
from tests.pure.scene import NOON, after

MINUTE, HOUR, YEAR = 60, 3600, 365 * 24 * 3600
HOURLY = Timing(expression="0 * * * *")


def minutely(catchup, most=None, **bounds):
    return Timing(expression="* * * * *", catchup=catchup, catchup_max=most, **bounds)


def test_a_new_schedule_starts_from_now_and_fills_nothing_in():
    assert due(HOURLY, next_at=None, now=NOON) == Due((), after(HOUR))


def test_a_schedule_that_is_not_due_waits():
    assert due(HOURLY, next_at=after(HOUR), now=after(HOUR - 1)) == Due((), after(HOUR))


def test_a_window_is_due_at_its_time():
    assert due(HOURLY, next_at=NOON, now=NOON) == Due((NOON,), after(HOUR))


def test_a_schedule_that_was_away_opens_only_the_latest_window_it_missed():
    assert due(HOURLY, next_at=NOON, now=after(5 * HOUR + 60)) == Due((after(5 * HOUR),), after(6 * HOUR), 5)


@pytest.mark.parametrize(
    ("catchup", "most", "opened", "skipped"),
    [("skip", None, 0, 60), ("latest", None, 1, 59), ("all", None, 60, 0), ("all", 7, 7, 53)],
)
def test_an_hour_away_from_sixty_windows_is_what_the_policy_says(catchup, most, opened, skipped):
    found = due(minutely(Catchup(catchup), most), next_at=after(MINUTE), now=after(HOUR + 30))

    assert (len(found.windows), found.skipped, found.next_at) == (opened, skipped, after(HOUR + MINUTE))
    assert found.windows == tuple(after(HOUR - MINUTE * k) for k in reversed(range(opened)))


@pytest.mark.parametrize("catchup", Catchup)
def test_a_window_that_is_opened_within_ten_seconds_was_not_missed(catchup):
    found = due(minutely(catchup, 1 if catchup is Catchup.ALL else None), next_at=NOON, now=after(10))

    assert found == Due((NOON,), after(MINUTE))


@pytest.mark.parametrize("catchup", Catchup)
def test_a_look_that_is_late_by_seconds_loses_no_window_of_a_fast_schedule(catchup):
    each_second = Timing(expression="@every 1s", catchup=catchup, catchup_max=1 if catchup is Catchup.ALL else None)

    assert due(each_second, next_at=after(1), now=after(4)).windows == tuple(after(k) for k in range(1, 5))


@pytest.mark.parametrize("catchup", Catchup)
def test_a_year_away_is_looked_at_from_its_end(catchup):
    """A few steps back from now, and a bounded count."""
    found = due(minutely(catchup, 5 if catchup is Catchup.ALL else None), next_at=NOON, now=after(YEAR + 30))

    assert len(found.windows) == {"skip": 0, "latest": 1, "all": 5}[catchup]
    assert 1000 <= found.skipped <= 1011


def test_what_an_interval_missed_is_counted_exactly():
    found = due(Timing(expression="@every 1s"), next_at=after(1), now=after(YEAR))

    assert (len(found.windows), found.skipped) == (11, YEAR - 11)


def test_windows_lie_between_start_and_end():
    bounded = minutely(Catchup.ALL, starts=after(5 * MINUTE), ends=after(8 * MINUTE))

    assert bounded.after(NOON) == after(5 * MINUTE)
    assert bounded.after(after(6 * MINUTE)) == after(7 * MINUTE)
    assert bounded.after(after(7 * MINUTE)) is None
    assert bounded.end_of(after(7 * MINUTE)) == after(8 * MINUTE)
    assert bounded.before(after(HOUR)) == after(7 * MINUTE)
    assert bounded.before(after(5 * MINUTE)) is None
    assert bounded.before(after(5 * MINUTE), inclusive=True) == after(5 * MINUTE)
    expected = tuple(after(k * MINUTE) for k in (5, 6, 7))
    assert due(bounded, next_at=after(5 * MINUTE), now=after(HOUR)) == Due(expected, None)


def test_a_schedule_that_ended_before_it_was_due_opens_nothing():
    bounded = minutely(Catchup.ALL, ends=after(MINUTE))

    assert due(bounded, next_at=after(2 * MINUTE), now=after(3 * MINUTE)) == Due((), None)


def test_an_interval_is_counted_from_its_start_and_never_drifts():
    timing = Timing(expression="@every 7s", starts=after(3))

    assert [timing.after(after(k)) for k in (0, 3, 9, 10)] == [after(3), after(10), after(10), after(17)]
    assert timing.before(after(10)) == after(3)


@given(
    st.sampled_from(
        ["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 0 29 2 *", "15 3 * * SUN", "@every 95m"]
    ),
    st.sampled_from(["UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe"]),
    st.sampled_from(list(Catchup)),
    st.timedeltas(timedelta(0), timedelta(days=730)).map(NOON.__add__),
    st.timedeltas(timedelta(0), timedelta(hours=8)),
)
def test_every_window_that_came_due_is_opened_or_counted(expression, zone, catchup, then, passed):
    promised, now = next_after(expression, zone, then), then + passed
    timing = Timing(expression=expression, timezone=zone, catchup=catchup)

    found = due(timing, next_at=promised, now=now)

    came, at = [], promised
    while at <= now:
        came.append(at)
        at = next_after(expression, zone, at)
    assert found.next_at == (at if came else promised) or not came
    assert found.next_at > now
    assert len(found.windows) + found.skipped == len(came)
    assert set(found.windows) <= set(came)
    assert catchup is not Catchup.ALL or found.windows == tuple(came)


# ---------------------------------------------------------------- overlap
A, B, C = (after(k * MINUTE) for k in range(3))


@pytest.mark.parametrize(
    ("overlap", "windows", "queued", "is_open", "expected"),
    [
        ("allow", [], None, True, Plan(())),
        ("allow", [A, B], None, True, Plan((A, B))),
        ("allow", [B], A, True, Plan((A, B))),
        ("skip", [A], None, True, Plan((), skipped=1)),
        ("skip", [A, B], None, False, Plan((B,), skipped=1)),
        ("queue_one", [A], None, False, Plan((A,))),
        ("queue_one", [A], None, True, Plan((), A)),
        ("queue_one", [B], A, True, Plan((), B, skipped=1)),
        ("queue_one", [], A, True, Plan((), A)),
        ("queue_one", [], A, False, Plan((A,))),
        ("queue_one", [A, B, C], None, False, Plan((B,), C, skipped=1)),
        ("cancel_previous", [A], None, True, Plan((A,), cancels=True)),
        ("cancel_previous", [A, B], None, False, Plan((B,), skipped=1)),
    ],
)
def test_what_overlaps_is_decided_by_the_policy(overlap, windows, queued, is_open, expected):
    assert plan(Overlap(overlap), windows, queued=queued, is_open=is_open) == expected


@given(
    st.sampled_from(list(Overlap)),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
)
def test_every_window_is_opened_or_waits_or_is_counted(overlap, number, waits, is_open):
    windows = [after(k * MINUTE) for k in range(1, number + 1)]
    found = plan(overlap, windows, queued=NOON if waits else None, is_open=is_open)

    assert len(found.opens) + (found.queued is not None) + found.skipped == number + waits
    assert found.queued is None or overlap is Overlap.QUEUE_ONE
    assert not found.cancels or found.opens


# ---------------------------------------------------------------- names and jitter
def test_a_window_is_called_by_its_intended_time():
    assert window_name(NOON) == "2026-03-01T12:00:00+00:00"


def test_jitter_delays_the_steps_and_always_by_the_same():
    assert delayed(NOON, 0, 12345) is None
    assert delayed(NOON, 60, 12345) == delayed(NOON, 60, 12345)
    assert {NOON <= delayed(NOON, 60, k * 7919) < after(60) for k in range(100)} == {True}
