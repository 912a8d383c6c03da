"""`squidie schedules …`: times in words and on both clocks, the hands on them, and the documents for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from squidie import Workflow, cron, step
from tests.support.cron_flows import note
from tests.support.lab import work_off

MORNING = datetime(2026, 3, 27, 8, tzinfo=UTC)
DAY = timedelta(days=1)


class Report(Workflow):
    """At a time that the spring does not have."""

    triggers = (
        cron("night", "30 2 * * *", timezone="Europe/Berlin", input={"day": {"from": "window.start"}}, jitter="5s"),
        cron("weekly", "0 6 * * MON", input={"day": "x"}, overlap="skip"),
    )
    note = step(note)


@pytest.fixture
def squidie(make, bells):
    return make(Report, delivery=bells)


@pytest.fixture
def told(call, clock):
    """Call `squidie schedules …`; what it printed."""
    clock(MORNING)

    def told(*arguments, code=0):
        result = call("schedules", *arguments)
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return told


def test_without_schedules_it_says_what_to_do(told):
    assert "schedules sync" in told("ls")


def test_sync_writes_what_the_code_says_once(told):
    assert told("sync").splitlines() == ["✓ Report.night created", "✓ Report.weekly created"]
    assert told("sync") == ""


def test_the_list_has_words_local_time_and_a_warning_before_the_clock_changes(call, told):
    told("sync")

    result = call("schedules", "ls")

    night, weekly = result.stdout.splitlines()[1:]
    assert night.split("  ")[0] == "Report.night"
    assert "daily at 02:30 Europe/Berlin" in night
    assert "02:30 (01:30 UTC) 17h30m" in night
    assert "Mondays at 06:00 UTC" in weekly
    assert "02:30 does not exist on 2026-03-29 in Europe/Berlin" in result.stderr


def test_one_schedule_shows_its_windows_and_their_runs(told, squidie, clock):
    told("sync")
    clock(MORNING + DAY)
    squidie.tick()
    work_off(squidie)
    clock(MORNING + 3 * DAY)
    squidie.tick()

    text = told("show", "night", "--last", "3", "-n", "2")

    assert "Report.night  on" in text
    assert "daily at 02:30 (30 2 * * *) Europe/Berlin" in text
    assert "catchup latest · overlap allow · jitter 5 s" in text
    assert "1, last: 1 missed, and catchup is latest" in text
    assert "last windows, 1 of 3 without a run" in text
    assert "⚠ no run" in text
    assert "completed" in text


def test_next_times_are_on_both_clocks(told):
    told("sync")

    assert told("next", "night", "-n", "3").splitlines()[1:] == [
        "Sat 2026-03-28 02:30:00 +0100  2026-03-28 01:30:00",
        "Sun 2026-03-29 03:00:00 +0200  2026-03-29 01:00:00",
        "Mon 2026-03-30 02:30:00 +0200  2026-03-30 00:30:00",
    ]
    assert "Fri 2026-03-27 21:30:00 -0400" in told("next", "night", "-n", "1", "--tz", "America/New_York")


def test_a_pause_has_a_reason_and_a_name(told):
    told("sync")

    assert "Report.night paused" in told("pause", "night", "--reason", "the warehouse moves", "--as", "ada")

    assert "by ada: the warehouse moves" in told("show", "night")
    assert "paused" in told("ls")
    assert "Report.night resumed" in told("resume", "night")


def test_run_now_starts_one(told):
    told("sync")

    assert "started" in told("run-now", "night", "--key", "k")
    assert "exists already" in told("run-now", "night", "--key", "k")


def test_a_backfill_counts_before_it_does_anything(told, squidie):
    told("sync")
    given = ("backfill", "night", "--from", "2026-03-01T00:00Z", "--to", "2026-03-11T00:00Z")

    assert "10 windows, 2026-03-01 01:30:00 to 2026-03-10 01:30:00 UTC; 0 have a run, 10 would be started." in told(
        *given
    )
    assert squidie.list_runs().runs == ()
    assert "10 started" in told(*given, "--apply", "--as", "ada")
    assert "10 have a run, 0 would be started" in told(*given)
    assert "no window" in told("backfill", "night", "--from", "1h")


def test_programs_get_documents(told):
    assert json.loads(told("sync", "--json"))["changed"] == {"Report.night": "created", "Report.weekly": "created"}
    listed = json.loads(told("ls", "--json"))
    assert (listed["schema"], [each["name"] for each in listed["schedules"]]) == (
        "squidie.schedules/1",
        ["Report.night", "Report.weekly"],
    )
    shown = json.loads(told("show", "night", "--json"))
    assert (shown["schema"], shown["words"], len(shown["next"])) == ("squidie.schedule/1", "daily at 02:30", 5)
    assert json.loads(told("next", "night", "-n", "1", "--json"))["next"][0]["local"] == "2026-03-28T02:30:00+01:00"
    assert json.loads(told("pause", "night", "--reason", "x", "--json"))["state"] == "paused"
    assert json.loads(told("run-now", "night", "--json"))["created"] is True
    assert json.loads(told("backfill", "night", "--from", "2d", "--json"))["windows"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nothing"), 3, "there is no schedule named"),
        (("pause", "night"), 2, "--reason"),
        (("resume", "night"), 4, "cannot be resumed"),
        (("next", "night", "--tz", "Nowhere"), 2, "time zone"),
        (("backfill", "night", "--from", "yesterday"), 2, "neither a duration nor a time"),
        (("backfill", "night", "--from", "2026-01-01T00:00Z", "--to", "2027-01-01T00:00Z"), 2, "future"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(told, arguments, code, said):
    told("sync")

    assert said in told(*arguments, code=code)


def test_a_schedule_is_made_changed_and_forgotten_at_run_time(told, squidie):
    """9.7: what the command line changes is recorded with its author, and refused with its code."""
    told("create", "Report", "often", "@every 15m", "--input", '{"day": "x"}', "--overlap", "skip", "--as", "ada")
    told("change", "often", "--expression", "@every 30m", "--reason", "too much", "--as", "ada")

    made = squidie.schedules.show("often")

    assert (made.schedule.expression, made.schedule.overlap) == ("@every 30m", "skip")
    assert {change["verb"] for change in made.changes} == {"create", "change"}
    told("create", "Report", "never", "30 2 31 2 *", "--input", '{"day": "x"}', code=2)
    told("remove", "often", "--as", "ada")
    told("show", "often", code=3)
