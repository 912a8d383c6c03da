"""Which cron windows are due (9.1, 9.4)."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from squidie.decide.windows import Due, due, window_name
from squidie.workflow.cron import next_after
from tests.pure.scene import NOON, after

HOURLY = "0 * * * *"
HOUR = 3600


def test_a_new_schedule_starts_from_now_and_fills_nothing_in():
    assert due(HOURLY, "UTC", next_at=None, now=NOON) == Due(None, after(HOUR))


def test_a_schedule_that_is_not_due_waits():
    assert due(HOURLY, "UTC", next_at=after(HOUR), now=after(HOUR - 1)) == Due(None, after(HOUR))


def test_a_window_is_due_at_its_time():
    assert due(HOURLY, "UTC", next_at=NOON, now=NOON) == Due(NOON, after(HOUR))


def test_a_schedule_that_was_away_opens_only_the_latest_window_it_missed():
    assert due(HOURLY, "UTC", next_at=NOON, now=after(5 * HOUR + 1)) == Due(after(5 * HOUR), after(6 * HOUR))


@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", HOURLY, "30 2 * * *", "0 0 29 2 *", "15 3 * * SUN"]),
    st.sampled_from(["UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe"]),
    st.timedeltas(timedelta(0), timedelta(days=730)).map(NOON.__add__),
    st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_a_schedule_goes_forward_and_its_window_is_one_that_has_come(expression, zone, then, passed):
    promised = next_after(expression, zone, then)
    now = then + passed

    found = due(expression, zone, next_at=promised, now=now)

    assert found.next_at > now
    assert (found.window is None) is (promised > now)
    assert found.window is None or promised <= found.window <= now


def test_a_window_is_called_by_its_intended_time():
    assert window_name(NOON) == "2026-03-01T12:00:00+00:00"
