"""A schedule in words, and what the next change of the local clock does to it."""

from datetime import UTC, datetime

import pytest

from squidie.workflow.words import clock_warnings, in_words


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("@every 1s", "every second"),
        ("@every 90s", "every 90 seconds"),
        ("@every 2h", "every 2 hours"),
        ("@every 1.5s", "every 1.5 seconds"),
        ("* * * * *", "every minute"),
        ("*/1 * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("*/7 * * * *", "*/7 * * * *"),
        ("20 * * * *", "hourly at :20"),
        ("5,20 * * * *", "5,20 * * * *"),
        ("@hourly", "hourly at :00"),
        ("@daily", "daily at 00:00"),
        ("30 2 * * *", "daily at 02:30"),
        ("30 */6 * * *", "every 6 hours at :30"),
        ("0 9-17 * * *", "0 9-17 * * *"),
        ("0 9 * * mon-fri", "Monday to Friday at 09:00"),
        ("0 9 * * 1,5", "Mondays, Fridays at 09:00"),
        ("0 9 * * 9", "0 9 * * 9"),
        ("@weekly", "Sundays at 00:00"),
        ("@monthly", "monthly on day 1 at 00:00"),
        ("0 6 L * *", "monthly on the last day at 06:00"),
        ("0 6 1 * MON", "0 6 1 * MON"),
        ("@yearly", "0 0 1 1 *"),
        ("*/5 2 * * 1", "*/5 2 * * 1"),
    ],
)
def test_common_forms_have_words_and_all_others_stay_as_they_are(expression, words):
    assert in_words(expression) == words


LORD_HOWE = "Australia/Lord_Howe"
LOST = "{} does not exist on {} in {}: it fires once, at {}"
TWICE = "{} happens twice on {} in {}: it fires once, the first time"


@pytest.mark.parametrize(
    ("expression", "zone", "now", "said"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-01", LOST.format("02:30", "2026-03-29", "Europe/Berlin", "03:00")),
        ("30 2 * * *", "Europe/Berlin", "2026-10-01", TWICE.format("02:30", "2026-10-25", "Europe/Berlin")),
        ("15 2 * * *", LORD_HOWE, "2026-09-20", LOST.format("02:15", "2026-10-04", LORD_HOWE, "02:30")),
        ("45 1 * * *", LORD_HOWE, "2026-03-20", TWICE.format("01:45", "2026-04-05", LORD_HOWE)),
    ],
)
def test_a_fixed_time_in_the_hour_of_a_change_is_warned_of(expression, zone, now, said):
    assert list(clock_warnings(expression, zone, at(now))) == [said]


@pytest.mark.parametrize(
    ("expression", "zone", "now"),
    [
        ("30 3 * * *", "Europe/Berlin", "2026-10-01"),
        ("30 1 * * *", "Europe/Berlin", "2026-03-01"),
        ("30 2 * * *", "Europe/Berlin", "2026-05-01"),
        ("30 2 * * *", "UTC", "2026-03-01"),
        ("30 * * * *", "Europe/Berlin", "2026-03-01"),
        ("@every 1h", "Europe/Berlin", "2026-03-01"),
    ],
)
def test_nothing_is_said_where_nothing_happens(expression, zone, now):
    assert list(clock_warnings(expression, zone, at(now))) == []
