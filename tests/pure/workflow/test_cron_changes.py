"""The local clock's changes of 2026, worked out by hand: fixed times, hourly, every fifteen minutes (9.6)."""

from datetime import UTC, datetime, timedelta

import pytest

from squidie.workflow.cron import next_after

# zone, the change: forward or back; what the table below calls the day; all times in UTC
BERLIN_FORWARD = ("Europe/Berlin", "2026-03-29T01:00")  # 02:00 becomes 03:00
BERLIN_BACK = ("Europe/Berlin", "2026-10-25T01:00")  # 03:00 becomes 02:00
NEW_YORK_FORWARD = ("America/New_York", "2026-03-08T07:00")
NEW_YORK_BACK = ("America/New_York", "2026-11-01T06:00")
LORD_HOWE_FORWARD = ("Australia/Lord_Howe", "2026-10-03T15:30")  # 02:00 becomes 02:30
LORD_HOWE_BACK = ("Australia/Lord_Howe", "2026-04-04T15:00")  # 02:00 becomes 01:30
CASABLANCA_FORWARD = ("Africa/Casablanca", "2026-03-22T02:00")  # the end of Ramadan
CASABLANCA_BACK = ("Africa/Casablanca", "2026-02-15T02:00")  # and the time before it


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def windows(expression, zone, start, count):
    found, now = [], start
    for _ in range(count):
        now = next_after(expression, zone, now)
        found.append(now.strftime("%m-%d %H:%M"))
    return found


FIXED = [
    ("30 2 * * *", BERLIN_FORWARD, ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),  # at the jump, once
    ("30 2 * * *", BERLIN_BACK, ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),  # the first of the two
    ("30 2 * * *", NEW_YORK_FORWARD, ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
    ("30 1 * * *", NEW_YORK_BACK, ["10-31 05:30", "11-01 05:30", "11-02 06:30"]),
    ("15 2 * * *", LORD_HOWE_FORWARD, ["10-02 15:45", "10-03 15:30", "10-04 15:15"]),
    ("45 1 * * *", LORD_HOWE_BACK, ["04-03 14:45", "04-04 14:45", "04-05 15:15"]),
    ("30 2 * * *", CASABLANCA_FORWARD, ["03-21 02:30", "03-22 02:00", "03-23 01:30"]),
    ("30 2 * * *", CASABLANCA_BACK, ["02-14 01:30", "02-15 01:30", "02-16 02:30"]),
    ("0 12 * * *", BERLIN_FORWARD, ["03-28 11:00", "03-29 10:00", "03-30 10:00"]),  # noon is noon
    ("0 12 * * *", NEW_YORK_BACK, ["10-31 16:00", "11-01 17:00", "11-02 17:00"]),
]


@pytest.mark.parametrize(("expression", "change", "expected"), FIXED)
def test_a_fixed_time_fires_once_a_day(expression, change, expected):
    """T07, B47: also where the clock is moved by half an hour."""
    zone, moment = change
    start = at(moment).replace(hour=0, minute=0) - timedelta(days=1)

    assert windows(expression, zone, start, 3) == expected


HOURLY = [
    (BERLIN_FORWARD, ["00:00", "01:00", "02:00"]),
    (BERLIN_BACK, ["00:00", "01:00", "02:00"]),
    (NEW_YORK_FORWARD, ["06:00", "07:00", "08:00"]),
    (NEW_YORK_BACK, ["05:00", "06:00", "07:00"]),
    (LORD_HOWE_FORWARD, ["14:30", "16:00", "17:00"]),  # 02:00 is not on the clock that day
    (LORD_HOWE_BACK, ["14:00", "15:30", "16:30"]),  # 02:00 comes half an hour later
    (CASABLANCA_FORWARD, ["01:00", "02:00", "03:00"]),
    (CASABLANCA_BACK, ["01:00", "02:00", "03:00"]),
]


@pytest.mark.parametrize(("change", "expected"), HOURLY)
def test_an_hourly_one_goes_on_by_real_time(change, expected):
    """T07, B47."""
    zone, moment = change

    found = windows("0 * * * *", zone, at(moment) - timedelta(minutes=75), 3)

    assert [window[6:] for window in found] == expected


@pytest.mark.parametrize(
    "change",
    [
        BERLIN_FORWARD,
        BERLIN_BACK,
        NEW_YORK_FORWARD,
        NEW_YORK_BACK,
        LORD_HOWE_FORWARD,
        LORD_HOWE_BACK,
        CASABLANCA_FORWARD,
        CASABLANCA_BACK,
    ],
)
@pytest.mark.parametrize("expression", ["*/15 * * * *", "@every 15m"])
def test_every_fifteen_minutes_is_every_fifteen_minutes(expression, change):
    zone, moment = change
    start = at(moment) - timedelta(hours=3)

    found = windows(expression, zone, start, 24)

    assert found == [(start + (k + 1) * timedelta(minutes=15)).strftime("%m-%d %H:%M") for k in range(24)]
