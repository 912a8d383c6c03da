"""Catch-up and overlap, with the journal's clock moved by hand (9.5, B46); what a run sees of its schedule (9.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from squidie.errors import JournalBusy
from tests.support.cron_flows import Minutely, Overlapping, Spread
from tests.support.lab import all_facts, at_once, change, held, query, scalar, work_off

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def squidie(make, bells):
    return make(Minutely, Overlapping, Spread, delivery=bells)


def only(squidie, workflow, trigger):
    """Leave this schedule alone."""
    change(
        squidie, "update {s}.schedules set paused_at = now() where workflow || trigger <> :it", it=workflow + trigger
    )


def opened(squidie, trigger):
    """The minutes after noon whose windows were opened, and the status of their runs."""
    rows = query(
        squidie,
        "select f.body->>'window' as name, r.status from {s}.facts f join {s}.runs r using (run_id) "
        "where f.kind = 'run_started' and r.trigger = :trigger order by 1",
        trigger=trigger,
    )
    return [(round((datetime.fromisoformat(row.name) - NOON) / MINUTE), row.status) for row in rows]


def state(squidie, trigger):
    return query(squidie, "select * from {s}.schedules where trigger = :trigger order by workflow", trigger=trigger)[-1]


@pytest.mark.parametrize(("trigger", "runs"), [("skip", 0), ("latest", 1), ("all", 60), ("seven", 7)])
def test_an_hour_without_anybody_gives_as_many_runs_as_the_policy_says(squidie, clock, trigger, runs):
    """B46: beat and sweepers down for sixty minutely windows."""
    clock(NOON)
    squidie.tick()
    only(squidie, "Minutely", trigger)

    clock(NOON + 60 * MINUTE + timedelta(seconds=30))
    squidie.tick()

    assert [minute for minute, _ in opened(squidie, trigger)] == list(range(61 - runs, 61))
    row = query(squidie, "select * from {s}.schedules where workflow = 'Minutely' and trigger = :t", t=trigger)[0]
    assert (row.skipped, row.next_at) == (60 - runs, NOON + 61 * MINUTE)
    assert (row.skipped_why is None) is (runs == 60)


def test_a_run_that_was_caught_up_knows_it(squidie, clock):
    clock(NOON)
    squidie.tick()
    only(squidie, "Minutely", "latest")
    clock(NOON + MINUTE)
    squidie.tick()
    clock(NOON + 3 * MINUTE + timedelta(seconds=40))
    squidie.tick()

    work_off(squidie)
    seen = [
        squidie.run(row.run_id).result(1) for row in query(squidie, "select run_id from {s}.runs order by started_at")
    ]
    assert [(each["catchup"], each["cause"], each["late_by"]) for each in seen] == [
        (False, "tick", 0.0),
        (True, "tick", 40.0),
    ]
    assert seen[1]["window"] == {
        "start": (NOON + 3 * MINUTE).isoformat(),
        "end": (NOON + 4 * MINUTE).isoformat(),
    }
    assert (seen[0]["trigger"], seen[0]["expression"], seen[0]["timezone"]) == ("latest", "* * * * *", "UTC")


# ---------------------------------------------------------------- overlap
def minutes(squidie, clock, trigger, *moments):
    """Tick at these minutes after noon; nothing works the runs off."""
    clock(NOON)
    squidie.tick()
    only(squidie, "Overlapping", trigger)
    for minute in moments:
        clock(NOON + minute * MINUTE)
        squidie.tick()


def test_allow_opens_beside_a_run_that_is_open(squidie, clock):
    minutes(squidie, clock, "allow", 1, 2, 3)

    assert opened(squidie, "allow") == [(1, "running"), (2, "running"), (3, "running")]


def test_skip_leaves_windows_out_until_the_run_has_ended(squidie, clock):
    minutes(squidie, clock, "skip", 1, 2, 3)
    assert opened(squidie, "skip") == [(1, "running")]
    assert (state(squidie, "skip").skipped, state(squidie, "skip").skipped_why) == (
        2,
        "1 a run was open, and overlap is skip",
    )

    work_off(squidie)
    clock(NOON + 4 * MINUTE)
    squidie.tick()

    assert opened(squidie, "skip") == [(1, "completed"), (4, "running")]


def test_queue_one_opens_the_newest_window_that_waited_when_the_run_has_ended(squidie, clock):
    minutes(squidie, clock, "queue_one", 1, 2, 3)
    assert opened(squidie, "queue_one") == [(1, "running")]
    assert (state(squidie, "queue_one").queued_at, state(squidie, "queue_one").skipped) == (NOON + 3 * MINUTE, 1)

    work_off(squidie)
    clock(NOON + 3 * MINUTE + timedelta(seconds=20))
    squidie.tick()

    assert opened(squidie, "queue_one") == [(1, "completed"), (3, "running")]
    assert state(squidie, "queue_one").queued_at is None
    assert state(squidie, "queue_one").next_at == NOON + 4 * MINUTE


def test_a_window_that_waits_opens_also_when_the_schedule_is_over(make, bells, clock, squidie):
    minutes(squidie, clock, "queue_one", 1)
    change(squidie, "update {s}.schedules set ends = :ends where trigger = 'queue_one'", ends=NOON + 3 * MINUTE)
    clock(NOON + 2 * MINUTE)
    squidie.tick()
    assert (state(squidie, "queue_one").next_at, state(squidie, "queue_one").over_at) == (None, None)

    work_off(squidie)
    squidie.tick()

    assert opened(squidie, "queue_one") == [(1, "completed"), (2, "running")]
    assert state(squidie, "queue_one").over_at is not None


def test_cancel_previous_ends_the_run_in_the_commit_that_opens_the_next(squidie, clock):
    minutes(squidie, clock, "cancel_previous", 1, 2, 3)

    assert opened(squidie, "cancel_previous") == [(1, "cancelled"), (2, "cancelled"), (3, "running")]
    first = query(squidie, "select run_id from {s}.runs order by started_at")[0].run_id
    ended = all_facts(squidie, first)[-1]
    assert ended.by.actor == {"schedule": "Overlapping.cancel_previous"}
    assert "cancels the run before it" in ended.reason


def test_a_run_that_somebody_holds_keeps_no_other_schedule_from_opening(make, bells, clock, squidie):
    """The window waits for the next look, and is not lost."""
    minutes(squidie, clock, "cancel_previous", 1)
    change(squidie, "update {s}.schedules set paused_at = null where trigger = 'latest'")
    impatient = make(Minutely, Overlapping, Spread, delivery=bells, settings={"lock_timeout": 0.05})
    clock(NOON + 2 * MINUTE)
    impatient.engine.dispose()
    run_id = query(squidie, "select run_id from {s}.runs where trigger = 'cancel_previous'")[0].run_id

    with held(squidie, run_id):
        assert impatient.tick() == 0.05
        assert opened(squidie, "cancel_previous") == [(1, "running")]
        assert [minute for minute, _ in opened(squidie, "latest")] == [2]

    impatient.tick()
    assert opened(squidie, "cancel_previous") == [(1, "cancelled"), (2, "running")]


def test_a_window_that_must_wait_is_told_when_it_opens(make, bells, clock, squidie):
    """17.7: what a savepoint of ours has rolled back is told to nobody, and the rest of the tick is."""
    minutes(squidie, clock, "cancel_previous", 1)
    told = []
    settings = {"lock_timeout": 0.05}
    impatient = make(Minutely, Overlapping, Spread, delivery=bells, settings=settings, telemetry=told.append)
    clock(NOON + 2 * MINUTE)
    impatient.engine.dispose()
    run_id = query(squidie, "select run_id from {s}.runs where trigger = 'cancel_previous'")[0].run_id

    with held(squidie, run_id):
        impatient.tick()
        assert [event.name for event in told if event.at is not None] == []
    impatient.tick()

    facts = [event.name for event in told if event.at is not None]
    assert facts == ["run.cancelled", "run", "run.started"]


def test_nothing_is_opened_where_the_end_of_the_run_before_cannot_be_written(squidie, clock, monkeypatch):
    """One commit: the next run is not there without it."""
    minutes(squidie, clock, "cancel_previous", 1)
    clock(NOON + 2 * MINUTE)

    def breaks(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr("squidie.engine.tick.begin", breaks)
    with pytest.raises(OSError, match="full"):
        squidie.tick()

    assert opened(squidie, "cancel_previous") == [(1, "running")]
    assert state(squidie, "cancel_previous").next_at == NOON + 2 * MINUTE


def test_a_cancellation_is_undone_where_the_next_run_must_wait(squidie, clock, monkeypatch):
    minutes(squidie, clock, "cancel_previous", 1)
    clock(NOON + 2 * MINUTE)

    def busy(*_, **__):
        raise JournalBusy("somebody has the window")

    with monkeypatch.context() as patch:
        patch.setattr("squidie.engine.tick.begin", busy)
        assert squidie.tick() == 0.05
    assert opened(squidie, "cancel_previous") == [(1, "running")]

    squidie.tick()
    assert opened(squidie, "cancel_previous") == [(1, "cancelled"), (2, "running")]


def test_nothing_is_cancelled_for_a_window_that_is_refused(squidie, clock):
    minutes(squidie, clock, "cancel_previous", 1)
    change(squidie, "update {s}.schedules set input = '{\"unknown\": 1}' where trigger = 'cancel_previous'")
    clock(NOON + 2 * MINUTE)

    squidie.tick()

    assert opened(squidie, "cancel_previous") == [(1, "running")]
    assert state(squidie, "cancel_previous").skipped_why == "1 refused: invalid_payload"


def test_a_run_asked_for_by_hand_counts_when_windows_overlap(squidie, clock):
    minutes(squidie, clock, "skip")
    squidie.schedules.run_now("Overlapping.skip")

    clock(NOON + MINUTE)
    squidie.tick()

    assert state(squidie, "skip").skipped == 1


def test_jitter_delays_the_steps_and_not_the_window(squidie, clock):
    clock(NOON)
    squidie.tick()
    only(squidie, "Spread", "spread")
    clock(NOON + 60 * MINUTE)
    squidie.tick()

    assert scalar(squidie, "select started_at from {s}.runs") == NOON + 60 * MINUTE
    assert NOON + 60 * MINUTE < scalar(squidie, "select due_at from {s}.attempts") < NOON + 61 * MINUTE


def test_three_tickers_and_eight_sweepers_give_each_window_one_run(squidie, make, clock):
    """B45, T05: whoever looks, and however often."""
    alone = [make(Minutely, Overlapping) for _ in range(4)]
    clock(NOON)
    squidie.tick()
    for minute in range(1, 6):
        clock(NOON + minute * MINUTE)
        for each in alone:
            each.engine.dispose()
        looks = [alone[k % 4].tick for k in range(3)] + [alone[k % 4].sweep for k in range(8)]
        found = at_once(*looks)
        assert not [each for each in found if isinstance(each, Exception) and not isinstance(each, JournalBusy)]
    squidie.engine.dispose()
    squidie.tick()

    for trigger in ("latest", "all", "seven", "allow"):
        assert [minute for minute, _ in opened(squidie, trigger)] == [1, 2, 3, 4, 5]
    assert [status for _, status in opened(squidie, "cancel_previous")] == ["cancelled"] * 4 + ["running"]


def test_a_run_that_has_ended_by_itself_is_not_cancelled(squidie, clock):
    minutes(squidie, clock, "cancel_previous", 1)
    work_off(squidie)
    clock(NOON + 2 * MINUTE)
    squidie.tick()

    assert opened(squidie, "cancel_previous") == [(1, "completed"), (2, "running")]
