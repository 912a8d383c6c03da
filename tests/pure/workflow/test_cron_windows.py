"""When a cron trigger fires, also when the clocks change (9.1, 9.4 and 9.6)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from squidie.workflow.cron import latest_before, next_after, normalise, window_input


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def windows(expression, zone, start, count):
    found, now = [], at(start)
    for _ in range(count):
        now = next_after(expression, zone, now)
        found.append(now.strftime("%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("  0   3 * * mon-fri ", "0 3 * * MON-FRI"),
        ("*/15 0-6 1,15 jan *", "*/15 0-6 1,15 JAN *"),
        ("@hourly", "0 * * * *"),
        ("@DAILY", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_an_expression_is_five_fields_or_a_name(written, normal):
    assert normalise(written) == normal
    assert next_after(written.strip().upper() if "@" not in written else written, "UTC", at("2025-01-01")) > at(
        "2025-01-01"
    )


@pytest.mark.parametrize(
    "written",
    ["", "@reboot", "@often", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
     "* * * * 8",
     "*/0 * * * *",
     "5-1 * * * *", "a b c d e", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "9" * 5000 + " * * * *", "* * * * MON#6", None, 5],
)  # fmt: skip
def test_what_is_no_expression_or_never_fires_is_refused(written):
    with pytest.raises(ValueError, match=r"\w"):
        normalise(written)


def test_the_next_window_is_later_than_the_moment_and_the_latest_is_earlier():
    noon = at("2025-01-01T12:00")

    assert next_after("0 12 * * *", "UTC", noon) == noon + timedelta(days=1)
    assert latest_before("0 12 * * *", "UTC", noon) == noon - timedelta(days=1)
    assert latest_before("0 12 * * *", "UTC", noon, inclusive=True) == noon
    assert latest_before("0 12 * * *", "UTC", noon + timedelta(microseconds=1)) == noon
    assert next_after("0 12 * * *", "UTC", noon - timedelta(microseconds=1)) == noon


def test_a_fixed_time_that_does_not_exist_fires_once_at_the_jump():
    """B47."""
    assert windows("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00", 2) == ["30 01:00", "31 00:30"]
    assert windows("15,45 2 * * *", "America/New_York", "2025-03-08T12:00", 2) == ["09 07:00", "10 06:15"]


def test_a_fixed_time_that_happens_twice_fires_once():
    """B47."""
    assert windows("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00", 2) == ["26 00:30", "27 01:30"]
    assert windows("45 2 * * *", "Europe/Berlin", "2025-10-26T01:30", 1) == ["27 01:45"]


def test_intervals_go_on_by_the_real_time():
    """B47."""
    assert windows("*/30 * * * *", "Europe/Berlin", "2025-10-26T00:15", 4) == [
        "26 00:30",
        "26 01:00",
        "26 01:30",
        "26 02:00",
    ]
    assert windows("0 * * * *", "Australia/Lord_Howe", "2025-04-05T13:30", 3) == ["05 14:00", "05 15:30", "05 16:30"]
    assert windows("0 */5 * * *", "Australia/Lord_Howe", "2025-04-05T15:15", 1) == ["05 18:30"]
    assert windows("0 */5 * * *", "Australia/Lord_Howe", "2025-04-05T12:30", 3) == ["05 13:00", "05 18:30", "05 23:30"]


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"]
)
@pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 * * * *", "0 */5 * * *", "15 1-3 * * SUN"])
@pytest.mark.parametrize(
    "day", ["2025-03-29", "2025-10-25", "2025-03-08", "2025-11-01", "2025-04-05", "2025-10-04", "2025-02-22"]
)
def test_looking_back_names_the_same_windows_as_looking_ahead(zone, expression, day):
    """B47, T07: Berlin, New York, Lord Howe, Casablanca."""
    now, found = at(day), []
    while now < at(day) + timedelta(days=2):
        now = next_after(expression, zone, now)
        found.append(now)

    for one, other in pairwise(found):
        assert one < other
        assert latest_before(expression, zone, other) == one
        assert latest_before(expression, zone, other, inclusive=True) == other
        assert next_after(expression, zone, other - timedelta(seconds=1)) == other


def test_a_window_fills_in_its_times():
    declared = {"since": {"from": "window.start"}, "until": {"from": "window.end"}, "limit": 5, "note": {"from": "me"}}

    filled = window_input(declared, at("2025-01-01"), at("2025-01-02"))
    assert filled == {
        "since": "2025-01-01T00:00:00+00:00",
        "until": "2025-01-02T00:00:00+00:00",
        "limit": 5,
        "note": {"from": "me"},
    }
