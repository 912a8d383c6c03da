"""Schedules changed at run time, and windows that others deliver (9.7, 9.8): every change is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from squidie import Workflow, cron, every, step
from squidie.errors import InvalidSpec
from squidie.testing import eventually
from tests.support.cron_flows import Daily, Minutely, note
from tests.support.lab import all_facts, at_once, change, query, raises, work_off

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWO = datetime(2026, 3, 11, 2, tzinfo=UTC)


@pytest.fixture
def squidie(make, bells):
    return make(Daily, delivery=bells)


@pytest.fixture
def schedules(squidie, clock):
    clock(NOON)
    squidie.tick()
    return squidie.schedules


def runs(squidie):
    return query(squidie, "select run_id, trigger, status from {s}.runs order by started_at, run_id")


def declared(*triggers, **options):
    """The workflow as another version of the code has it."""
    parts = {"payload": Daily.payload, "triggers": triggers, "note": step(note, queue="elsewhere", **options)}
    return type("Daily", (Workflow,), parts)


def recorded(squidie):
    return query(squidie, "select verb, receipt->>'actor' as actor from {s}.operations order by id")


# ---------------------------------------------------------------- made at run time
def test_a_schedule_made_at_run_time_opens_its_windows_without_a_restart(squidie, schedules, clock):
    made = schedules.create(Daily, "extra", "*/5 * * * *", input={"day": "x"}, actor="ada")
    assert (made.name, made.state, made.next_at) == ("Daily.extra", "on", NOON + 5 * MINUTE)

    clock(NOON + 5 * MINUTE)
    squidie.tick()

    assert [(row.trigger) for row in runs(squidie)] == ["extra"]
    work_off(squidie)
    assert squidie.run(runs(squidie)[0].run_id).result(1) == "x"
    assert recorded(squidie)[-1] == ("create", "ada")


def test_a_changed_schedule_starts_from_now(squidie, schedules, clock):
    schedules.create(Daily, "extra", "@every 1h", input={"day": "x"})
    clock(NOON + 30 * MINUTE)

    changed = schedules.change("extra", expression="@every 10m", overlap="skip", actor="bob")

    assert (changed.next_at, changed.overlap, changed.input) == (NOON + 40 * MINUTE, "skip", {"day": "x"})
    kept = schedules.change("extra", input={"day": "y"})
    assert (kept.next_at, kept.expression) == (NOON + 40 * MINUTE, "@every 10m")


def test_a_removed_schedule_is_gone_and_its_runs_stay(squidie, schedules, clock):
    schedules.create(Daily, "extra", "@every 1h", input={"day": "x"})
    clock(NOON + HOUR)
    squidie.tick()

    schedules.remove("Daily.extra", actor="ada", key="r1")
    schedules.remove("Daily.extra", actor="ada", key="r1")

    assert [each.name for each in schedules.list()] == ["Daily.night"]
    assert len(runs(squidie)) == 1
    assert [verb for verb, _ in recorded(squidie)] == ["sync", "create", "remove"]


def test_the_code_owns_its_triggers(schedules):
    with raises("invalid_schedule"):
        schedules.change("night", expression="@daily")
    with raises("invalid_schedule"):
        schedules.remove("night")
    with raises("invalid_schedule"):
        schedules.create(Daily, "night", "@daily", input={"day": "x"})


def test_a_name_that_is_taken_is_not_taken_twice(schedules):
    schedules.create(Daily, "extra", "@daily", input={"day": "x"})
    with raises("invalid_transition"):
        schedules.create(Daily, "extra", "@hourly", input={"day": "x"})


def test_the_same_request_twice_is_one_change(squidie, schedules):
    for _ in range(2):
        schedules.create(Daily, "extra", "@daily", input={"day": "x"}, key="k")
        schedules.pause("extra", reason="quiet", key="k")
    assert [verb for verb, _ in recorded(squidie)] == ["sync", "create", "pause"]

    with raises("key_reused"):
        schedules.create(Daily, "extra", "@hourly", input={"day": "x"}, key="k")


def test_changes_are_insert_only(squidie, schedules):
    with pytest.raises(IntegrityError, match="operations are insert-only"):
        change(squidie, "delete from {s}.operations")


def test_two_who_create_at_once_make_one(squidie, schedules, make):
    other = make(Daily)
    found = at_once(
        lambda: schedules.create(Daily, "extra", "@daily", input={"day": "x"}),
        lambda: other.schedules.create(Daily, "extra", "@daily", input={"day": "x"}),
    )

    assert sorted(getattr(each, "code", None) or each.name for each in found) == ["Daily.extra", "invalid_transition"]
    assert [verb for verb, _ in recorded(squidie)] == ["sync", "create"]


BAD = [
    ({"expression": "61 * * * *"}, "invalid_cron_expression"),
    ({"expression": "0 0 30 2 *"}, "invalid_cron_expression"),
    ({"expression": "@reboot"}, "invalid_cron_expression"),
    ({"expression": "@every 10ms"}, "invalid_cron_expression"),
    ({"timezone": "Mars/Olympus"}, "invalid_timezone"),
    ({"input": {}}, "incomplete_trigger_input"),
    ({"input": {"day": 5}}, "incomplete_trigger_input"),
    ({"input": {"day": "x", "more": 1}}, "incomplete_trigger_input"),
    ({"input": {"day": {"from": "window.middle"}}}, "incomplete_trigger_input"),
    ({"catchup": "some"}, "invalid_schedule_policy"),
    ({"catchup_max": 5}, "invalid_schedule_policy"),
    ({"catchup": "all", "catchup_max": 1001}, "invalid_schedule_policy"),
    ({"overlap": "queue"}, "invalid_schedule_policy"),
    ({"jitter": "-5s"}, "invalid_schedule_policy"),
    ({"jitter": "2d"}, "invalid_schedule_policy"),
    ({"starts": datetime(2026, 1, 1)}, "invalid_schedule_policy"),  # noqa: DTZ001 that it has no zone is the point
    ({"starts": NOON, "ends": NOON}, "invalid_schedule_policy"),
]


@pytest.mark.parametrize(("wrong", "code"), BAD)
def test_what_is_refused_in_code_is_refused_at_run_time(squidie, schedules, wrong, code):
    """9: bad input, by its code, and nothing is written."""
    options = {"expression": "@daily", "input": {"day": "x"}} | wrong
    with raises("invalid_spec") as refused:
        schedules.create(Daily, "extra", options.pop("expression"), **options)
    assert code in {issue.code for issue in refused.value.issues}

    triggers = [cron("extra", **({"expression": "@daily", "input": {"day": "x"}} | wrong))]
    with raises("invalid_spec") as refused:
        type("Declared", (Workflow,), {"payload": Daily.payload, "triggers": triggers, "note": step(note)})
    assert code in {issue.code for issue in refused.value.issues}
    assert len(schedules.list()) == 1


def test_an_expression_that_never_fires_is_told_so(schedules):
    with pytest.raises(Exception, match=r"never comes|never fires"):
        schedules.create(Daily, "extra", "0 0 31 4 *", input={"day": "x"})


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda s: s.show("nothing"), "schedule_not_found"),
        (lambda s: s.pause("nothing", reason="x"), "schedule_not_found"),
        (lambda s: s.run_now("nothing"), "schedule_not_found"),
        (lambda s: s.remove("nothing", key="k"), "schedule_not_found"),
        (lambda s: s.pause("night", reason=" "), "invalid_argument"),
        (lambda s: s.resume("night"), "invalid_transition"),
        (lambda s: s.next("night", -1), "invalid_argument"),
        (lambda s: s.next("night", timezone="Nowhere"), "invalid_argument"),
        (lambda s: s.change("night", colour="red"), "invalid_argument"),
        (lambda s: s.create(Daily, "extra", "@daily", input={"day": "x"}, colour="red"), "invalid_argument"),
        (lambda s: s.create("Nobody", "extra", "@daily"), "workflow_not_found"),
        (lambda s: s.backfill("night", NOON - DAY, NOON - 2 * DAY), "invalid_schedule"),
        (lambda s: s.backfill("night", NOON - DAY, NOON + DAY), "invalid_schedule"),
        (lambda s: s.backfill("night", NOON.replace(tzinfo=None), NOON), "invalid_schedule"),
        (lambda s: s.backfill("night", NOON - 30_000 * DAY, NOON), "invalid_schedule"),
        (lambda s: s.backfill("night", NOON - DAY, NOON, preview=False, priority=1000), "invalid_argument"),
    ],
)
def test_bad_requests_get_clear_answers(schedules, call, code):
    with raises(code):
        call(schedules)


# ---------------------------------------------------------------- pause and resume
def test_a_paused_schedule_opens_nothing_says_so_and_fills_nothing_in(squidie, schedules, clock):
    paused = schedules.pause("night", reason="the warehouse moves", actor="ada")
    assert (paused.state, paused.paused_why, paused.paused_by) == ("paused", "the warehouse moves", "ada")
    with raises("invalid_transition"):
        schedules.pause("night", reason="again")

    clock(TWO + 3 * DAY)
    assert squidie.tick() == 5.0
    assert runs(squidie) == []
    assert schedules.resume("Daily:night").next_at == TWO + 4 * DAY
    squidie.tick()
    assert runs(squidie) == []


def test_a_deploy_leaves_the_pause_alone(make, schedules):
    schedules.pause("night", reason="quiet")
    edited = declared(cron("night", "0 3 * * *", input={"day": "x"}))

    assert make(edited).schedules.sync() == {"Daily.night": "changed"}

    found = schedules.show("night").schedule
    assert (found.state, found.expression, found.next_at) == ("paused", "0 3 * * *", TWO + HOUR)


# ---------------------------------------------------------------- the code
def test_a_trigger_that_vanished_stops_and_is_shown_as_orphaned(make, squidie, schedules, clock):
    without = declared(every("new", "1h", input={"day": "x"}))
    newer = make(without)

    assert newer.schedules.sync() == {"Daily.new": "created", "Daily.night": "orphaned"}
    shown = newer.schedules.show("night")
    assert shown.state == "orphaned"
    assert "vanished from the code" in shown.warnings[0]

    clock(TWO)
    newer.engine.dispose()
    newer.tick()
    assert [row.trigger for row in runs(squidie)] == ["new"]
    newer.schedules.remove("night")
    assert [each.trigger for each in newer.schedules.list()] == ["new"]


def test_code_that_still_has_the_trigger_takes_it_back(make, squidie, schedules, clock):
    """Old and new code side by side, as in any deploy: whoever knows a trigger serves it."""
    bare = declared(cron("other", "@yearly", input={"day": "x"}))
    make(bare).tick()
    assert schedules.show("night").state == "orphaned"

    squidie.tick()
    squidie.tick()

    assert schedules.show("night").state == "on"


def test_a_process_leaves_workflows_that_it_does_not_declare_alone(make, schedules):
    make(Minutely).tick()

    assert schedules.show("night").state == "on"


# ---------------------------------------------------------------- run now and backfill
def test_run_now_starts_a_run_with_the_schedules_input_and_leaves_its_windows_alone(squidie, schedules, clock):
    schedules.pause("night", reason="quiet")

    run = schedules.run_now("night", actor="ada", key="now-1")
    again = schedules.run_now("night", actor="ada", key="now-1")

    assert (run.id, run.created, again.created) == (again.id, True, False)
    work_off(squidie)
    assert run.result(1) == NOON.isoformat()
    started = all_facts(squidie, run.id)[0]
    assert (started.window, started.schedule["cause"], started.by.actor) == (None, "run_now", "ada")
    assert schedules.show("night").schedule.last_at is None


def test_a_backfill_counts_first_and_opens_each_window_once(squidie, schedules):
    since = NOON - 10 * DAY

    counted = schedules.backfill("night", since, NOON)
    assert (counted.windows, counted.existing, counted.started, counted.preview) == (10, 0, 0, True)
    assert (counted.first, counted.last) == (TWO - 10 * DAY, TWO - DAY)
    assert runs(squidie) == []

    assert schedules.backfill("night", since, NOON, preview=False, actor="ada", reason="a new table").started == 10
    assert schedules.backfill("night", since - DAY, NOON, preview=False).started == 1
    assert schedules.backfill("night", since - DAY, NOON).existing == 11

    work_off(squidie)
    assert len(runs(squidie)) == 11
    started = all_facts(squidie, runs(squidie)[0].run_id)[0]
    assert (started.schedule["catchup"], started.schedule["cause"], started.priority) == (True, "backfill", 200)


def test_the_window_that_was_backfilled_is_the_one_that_the_clock_would_have_opened(squidie, schedules, clock):
    clock(TWO)
    squidie.tick()

    found = schedules.backfill("night", TWO - DAY, TWO, preview=False)

    assert (found.windows, found.started) == (1, 1)
    assert schedules.backfill("night", TWO - DAY, TWO + MINUTE - MINUTE).existing == 1
    assert [fire.status for fire in schedules.fires("night", 2)] == ["running", "running"]


def test_a_backfill_is_bounded(schedules):
    schedules.create(Daily, "extra", "* * * * *", input={"day": "x"})
    with raises("invalid_schedule"):
        schedules.backfill("extra", NOON - 8 * DAY, NOON)
    with raises("invalid_schedule"):
        schedules.backfill("extra", NOON - HOUR, NOON, limit=59)


# ---------------------------------------------------------------- what people see
def test_a_schedule_shows_its_times_its_fires_and_who_changed_it(squidie, schedules, clock):
    clock(TWO)
    squidie.tick()
    clock(TWO + 2 * DAY + HOUR)
    squidie.tick()

    shown = schedules.show("night", next=2, last=5)

    assert (shown.words, shown.state, shown.missed) == ("daily at 02:00", "on", 1)
    assert [moment.at for moment in shown.next] == [TWO + 3 * DAY, TWO + 4 * DAY]
    assert [(fire.window, fire.status) for fire in shown.fires] == [
        (TWO + 2 * DAY, "running"),
        (TWO + DAY, None),
        (TWO, "running"),
    ]
    assert [each["verb"] for each in shown.changes] == ["sync"]
    assert shown.schedule.skipped == 1


def test_times_to_come_are_told_on_any_clock(schedules):
    (moment,) = schedules.next("Daily.night", 1, timezone="America/New_York")

    assert (moment.at, moment.local) == (TWO, "2026-03-10T22:00:00-04:00")


def test_a_schedule_that_nobody_serves_says_so(schedules, clock):
    clock(TWO + HOUR)

    assert "nobody opens it" in schedules.show("night").warnings[0]


def test_a_schedule_that_is_over_says_so_and_is_left_alone(squidie, schedules, clock):
    schedules.create(Daily, "extra", "@hourly", input={"day": "x"}, ends=NOON + 90 * MINUTE)
    for hour in range(1, 4):
        clock(NOON + hour * HOUR)
        squidie.tick()

    assert len(runs(squidie)) == 1
    assert schedules.show("extra").state == "over"
    assert schedules.create(Daily, "past", "@hourly", input={"day": "x"}, ends=NOON).state == "over"
    assert squidie.tick() == 5.0


def test_a_run_time_input_that_its_contract_has_outgrown_is_left_out_and_told(make, squidie, schedules, clock):
    schedules.create(Daily, "extra", "@hourly", input={"day": "x"})
    change(squidie, "update {s}.schedules set input = '{}' where trigger = 'extra'")
    clock(NOON + HOUR)

    squidie.tick()

    assert runs(squidie) == []
    found = schedules.show("extra").schedule
    assert (found.skipped, found.skipped_why, found.next_at) == (1, "1 refused: invalid_payload", NOON + 2 * HOUR)


# ---------------------------------------------------------------- changes are heard
def test_a_changed_schedule_ends_the_wait_of_whoever_listens(squidie, schedules):
    ear = schedules.ear()
    assert ear.wait(5) is True  # the first time there may have been changes before
    schedules.create(Daily, "extra", "@hourly", input={"day": "x"})
    eventually(lambda: ear.wait(5), why="the change was not heard")

    squidie.tick()
    assert ear.wait(0.05) is False  # a tick tells nobody
    ear.close()


def test_an_ear_whose_connection_is_cut_waits_and_listens_again(squidie, schedules, monkeypatch):
    monkeypatch.setattr("squidie.engine.hearing.AGAIN", 0.05)
    ear = schedules.ear()
    ear.wait(5)
    query(squidie, "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'")

    assert ear.wait(0.1) is False
    eventually(lambda: ear.wait(0.1), why="nobody listens any more")
    schedules.pause("night", reason="x")
    assert ear.wait(5) is True
    ear.close()


# ---------------------------------------------------------------- delivered by somebody else
def test_a_delivered_window_is_the_one_that_a_tick_opens(squidie, schedules, clock):
    clock(TWO)
    run = squidie.start_cron(Daily, "night", window_start=TWO, window_end=TWO + DAY)
    again = squidie.start_cron("Daily", window_start=TWO, window_end=TWO + DAY)
    squidie.tick()

    assert (run.created, again.created, again.id) == (True, False, run.id)
    assert [row.run_id for row in runs(squidie)] == [run.id]
    assert all_facts(squidie, run.id)[0].schedule["cause"] == "delivered"
    assert squidie.start_cron(Daily, window_start=TWO, window_end=TWO + DAY, on_duplicate="skip_duplicate") is None


def test_a_signal_wins_over_its_window(squidie, schedules, clock):
    clock(TWO)
    squidie.tick()

    one = squidie.start_cron(Daily, signal_id="s-1", window_start=TWO, window_end=TWO + DAY)
    twin = squidie.start_cron(Daily, signal_id="s-1", window_start=TWO + DAY, window_end=TWO + 2 * DAY)

    assert (one.created, twin.created, one.id) == (True, False, twin.id)
    assert len(runs(squidie)) == 2


def test_deliveries_at_once_make_one_run(squidie, schedules, make):
    others = [make(Daily) for _ in range(3)]
    found = at_once(*[
        lambda each=each: each.start_cron(Daily, signal_id="s", window_start=TWO, window_end=TWO + DAY)
        for each in others * 2
    ])  # fmt: skip

    assert len({run.id for run in found}) == 1
    assert sum(run.created for run in found) == 1


def test_a_delivery_joins_the_hosts_transaction(squidie, schedules):
    with squidie.engine.connect() as connection:
        squidie.start_cron(Daily, window_start=TWO, window_end=TWO + DAY, connection=connection)
        connection.rollback()

    assert runs(squidie) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "invalid_schedule"),
        ({"window_start": TWO}, "invalid_schedule"),
        ({"window_end": TWO}, "invalid_schedule"),
        ({"signal_id": "s", "window_end": TWO}, "invalid_schedule"),
        ({"window_start": TWO, "window_end": TWO}, "invalid_schedule"),
        ({"window_start": TWO.replace(tzinfo=None), "window_end": TWO}, "invalid_schedule"),
        ({"window_start": "yesterday", "window_end": TWO}, "invalid_schedule"),
        ({"signal_id": ""}, "invalid_schedule"),
        ({"signal_id": "s"}, "invalid_schedule"),  # its input is made of the window
        ({"signal_id": 5, "window_start": TWO, "window_end": TWO + DAY}, "invalid_schedule"),
        ({"signal_id": "s", "on_duplicate": "explode"}, "invalid_schedule"),
        ({"trigger": "by_hand", "signal_id": "s"}, "invalid_trigger"),
        ({"trigger": "nothing", "signal_id": "s"}, "invalid_trigger"),
    ],
)
def test_a_delivery_without_identity_is_refused(squidie, schedules, given, code):
    with raises(code):
        squidie.start_cron(Daily, **given)
    assert runs(squidie) == []


def test_a_delivery_may_be_for_a_schedule_made_at_run_time(squidie, schedules):
    schedules.create(Daily, "extra", "@hourly", input={"day": "x"})

    run = squidie.start_cron(Daily, "extra", signal_id="s")

    work_off(squidie)
    assert run.result(1) == "x"


def test_the_definition_may_change_and_the_window_stays_one_run(make, squidie, schedules, clock):
    """9.2: also after the queue and the definition changed."""
    clock(TWO)
    squidie.tick()
    drifted = declared(*Daily.triggers, irreversible=True)
    other = make(drifted, queue="elsewhere")

    again = other.start_cron(drifted, window_start=TWO, window_end=TWO + DAY)

    assert not again.created
    assert len(runs(squidie)) == 1


def test_the_runs_of_a_schedule_belong_to_its_partition(make):
    """9.2, 17.5: the partition is part of a window's identity."""
    squidie = make(Minutely)
    made = squidie.schedules.create(Minutely, "for_acme", "@every 1s", partition="acme")

    run = squidie.schedules.run_now(made.name)

    assert query(squidie, "select run_id, partition from {s}.runs") == [(run.id, "acme")]
    assert squidie.schedules.change(made.name, partition="umbrella").partition == "umbrella"


def test_a_partition_is_a_name_like_a_queues(make):
    squidie = make(Minutely)

    with pytest.raises(InvalidSpec) as refused:
        squidie.schedules.create(Minutely, "odd", "@daily", partition="no such name")

    assert [issue.code for issue in refused.value.issues] == ["invalid_schedule_policy"]
