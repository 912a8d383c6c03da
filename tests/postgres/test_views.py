"""What views show (SEMANTICS 13.1 to 13.3): derived from rows and the clock, in one instant, by keyset."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import create_engine, text

from squidie.errors import InvalidArgument, JournalUnavailable, RunNotFound
from squidie.journal import listing
from squidie.journal.store import Journal
from squidie.views.facts import facts_of
from squidie.views.fleet import fleet
from squidie.views.listing import counts, find_run, list_runs, short_ids
from squidie.views.snapshot import inspect_run, result_of
from squidie.views.states import State
from tests.support.flows import Chain, Diamond, Elsewhere, Leaves, Patient, Single
from tests.support.lab import AFTER_LEASE, NOON, Recorder, change, claim, completion, query, settle, work_off

SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("staffed")


@pytest.fixture
def journal(squidie):
    return Journal(squidie.engine, squidie.schema)


def states(run):
    return {step.name: step.state.value for step in run.snapshot().steps}


# ---------------------------------------------------------------- states
def test_a_step_that_is_due_and_unclaimed_is_queued(squidie, clock):
    clock(NOON)
    run = squidie.start(Chain)

    assert states(run) == {"a": "queued", "b": "not_started", "c": "not_started"}
    assert run.snapshot().state is State.QUEUED


def test_a_step_is_running_while_its_lease_holds_and_stalled_from_the_moment_it_is_over(squidie, clock):
    clock(NOON)
    run = squidie.start(Single)
    claim(squidie)

    clock(NOON + timedelta(seconds=29))
    assert states(run) == {"only": "running"}
    clock(NOON + timedelta(seconds=30))
    assert states(run) == {"only": "stalled"}
    assert run.snapshot().state is State.STALLED
    assert "lab:1:test, which stopped renewing" in run.snapshot().headline


def test_a_failed_step_is_retrying_until_its_next_attempt_is_due(squidie, clock):
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise:no luck"]}})
    work_off(squidie)

    assert states(run) == {"a": "retrying", "b": "not_started"}
    assert run.snapshot().headline == "a failed with ValueError: no luck; try 2/3 in 10s."
    clock(NOON + 10 * SECOND)
    assert states(run) == {"a": "queued", "b": "not_started"}


def test_a_delayed_start_waits(squidie, clock):
    clock(NOON)
    run = squidie.start(Single, after="1h")

    assert run.snapshot().state is State.WAITING
    assert run.snapshot().headline == "only waits until 2026-03-10 13:00:00 UTC (in 1h)."


def test_what_a_cancelled_run_had_open_is_cancelled(squidie):
    run = squidie.start(Chain)
    squidie.execute_next()
    squidie.cancel(run.id, reason="changed my mind")

    assert states(run) == {"a": "completed", "b": "cancelled", "c": "not_started"}
    assert run.snapshot().error == {"kind": "cancelled", "message": "changed my mind"}


def test_an_open_run_shows_the_state_that_asks_for_most(squidie, clock):
    clock(NOON)
    run = squidie.start(Diamond)
    squidie.execute_next()
    first = claim(squidie, lease=60.0)

    assert run.snapshot().state is State.RUNNING
    clock(NOON + AFTER_LEASE)
    second = claim(squidie)
    clock(NOON + timedelta(seconds=60))

    assert states(run)[first[0].step] == "stalled"
    assert states(run)[second[0].step] == "running"
    assert run.snapshot().state is State.STALLED


# ---------------------------------------------------------------- one run
def test_a_snapshot_tells_the_whole_run_and_is_plain_data(squidie, clock):
    clock(NOON)
    run = squidie.start(Elsewhere, {"plan": {"b": ["raise:broken"]}}, key="k", attributes={"tenant": "north"})
    work_off(squidie, "default", "other")

    shown = msgspec.json.decode(msgspec.json.encode(run.snapshot()))

    assert shown["status"] == shown["state"] == "failed"
    assert (shown["key"], shown["attributes"]) == ("k", {"tenant": "north"})
    assert shown["payload"] == {"plan": {"b": ["raise:broken"]}}
    assert shown["error"]["step"] == "b"
    assert shown["error"]["message"] == "broken"
    assert shown["facts"] == shown["revision"] == 4
    a, b = shown["steps"]
    assert (a["state"], a["output"], a["queue"], a["claims"], a["error"]) == ("completed", "a1", "default", 1, None)
    assert (b["state"], b["output"], b["queue"], b["after"]) == ("failed", None, "other", ["a"])
    assert b["owner"] == squidie.owner
    assert "token" not in str(shown)


def test_a_step_under_claim_shows_its_holder(squidie, clock):
    clock(NOON)
    run = squidie.start(Single)
    claim(squidie)

    step = run.snapshot().steps[0]

    assert (step.attempt, step.claims, step.owner) == (1, 1, "lab:1:test")
    assert (step.claimed_at, step.lease_until) == (NOON, NOON + timedelta(seconds=30))


def test_a_snapshot_needs_the_stored_definition_only(squidie, make):
    run = squidie.start(Chain)

    stranger = make(Single)

    assert [step.name for step in stranger.inspect_run(run.id).steps] == ["a", "b", "c"]


def test_an_unknown_run_is_not_found(squidie, journal):
    nobody = uuid4()
    for look in (inspect_run, result_of, facts_of):
        with pytest.raises(RunNotFound):
            look(journal, nobody)


def test_a_view_is_read_in_one_instant_and_cannot_write(squidie, journal):
    run = squidie.start(Single)
    with listing.snapshot(journal) as connection:
        before = listing.one(journal, connection, run.id).rev
        squidie.cancel(run.id, reason="meanwhile")

        assert listing.one(journal, connection, run.id).rev == before
        with pytest.raises(Exception, match="read-only"):
            connection.execute(text("create table x ()"))

    assert inspect_run(journal, run.id).revision == before + 1


def test_a_view_works_on_an_engine_of_the_hosts(squidie, database_url):
    run = squidie.start(Single)
    host = create_engine(database_url)

    assert inspect_run(Journal(host), run.id).state is State.QUEUED
    assert list_runs(Journal(host)).runs[0].id == run.id
    host.dispose()


# ---------------------------------------------------------------- results
def test_a_result_is_none_while_the_run_is_open_and_then_its_end(squidie, journal):
    run = squidie.start(Single)

    assert result_of(journal, run.id) is None
    work_off(squidie)
    assert result_of(journal, run.id) == ("completed", "only1", None)


def test_a_result_of_a_failed_run_is_its_error(squidie, journal):
    run = squidie.start(Chain, {"plan": {"b": ["fail"]}})
    work_off(squidie)

    status, output, error = result_of(journal, run.id)

    assert (status, output) == ("failed", None)
    assert (error["step"], error["code"], error["message"]) == ("b", "declined", "for good")


def test_outputs_that_were_too_large_to_be_said_twice_are_put_together(squidie, journal):
    run = squidie.start(Leaves, {"size": 60_000, "filler": ""})
    work_off(squidie)

    whole = {"grow": "x" * 60_000, "again": "y" * 60_000}

    assert result_of(journal, run.id) == ("completed", whole, None)
    assert run.snapshot().output == whole


# ---------------------------------------------------------------- pages
def test_pages_hold_every_run_once_newest_first_whatever_is_started_meanwhile(squidie, clock):
    clock(NOON)
    started = [squidie.start(Single).id for _ in range(7)]
    clock(NOON + SECOND)
    started += [squidie.start(Single).id for _ in range(6)]

    seen, after = [], None
    while True:
        page = squidie.list_runs(limit=3, after=after)
        seen += page.runs
        squidie.start(Single)
        after = page.next
        if after is None:
            break

    assert {row.id for row in seen} == set(started)
    order = [(row.started_at, row.id) for row in seen]
    assert order == sorted(order, reverse=True)


def test_runs_are_found_by_workflow_status_and_age(squidie, clock):
    clock(NOON)
    done = squidie.start(Single)
    work_off(squidie)
    clock(NOON + SECOND)
    open_ = squidie.start(Chain)
    failed = squidie.start(Chain, {"plan": {"a": ["fail"]}}, priority=0)
    squidie.execute_next()

    def ids(**query):
        return [row.id for row in squidie.list_runs(**query).runs]

    assert ids(workflow="Single") == [done.id]
    assert ids(status="failed") == [failed.id]
    assert set(ids(status=["failed", "completed"])) == {failed.id, done.id}
    assert ids(open=True) == [open_.id]
    assert set(ids(open=False)) == {failed.id, done.id}
    assert ids(open=True, status="failed") == []
    assert set(ids(since=NOON + SECOND)) == {open_.id, failed.id}
    found = {status.value: n for status, n in counts(Journal(squidie.engine)).items() if n}
    assert found == {"running": 1, "completed": 1, "failed": 1}


def test_a_row_says_where_its_run_is(squidie, clock):
    clock(NOON)
    squidie.start(Chain)
    squidie.execute_next()
    failed = squidie.start(Single, {"plan": {"only": ["raise:no\nluck"]}}, priority=0)
    squidie.execute_next()

    rows = {row.id: row for row in squidie.list_runs().runs}
    row = rows.pop(failed.id)
    (other,) = rows.values()

    assert (row.state, row.where, row.done, row.steps) == (State.FAILED, "only · no", 0, 1)
    assert (other.state, other.where, other.done, other.steps) == (State.QUEUED, "b · due on default", 1, 3)


@pytest.mark.parametrize(
    ("query", "argument"),
    [
        ({"status": "open"}, "status"),
        ({"status": [None]}, "status"),
        ({"workflow": 7}, "workflow"),
        ({"open": "yes"}, "open"),
        ({"since": "today"}, "since"),
        ({"since": NOON.replace(tzinfo=None)}, "since"),
        ({"limit": 0}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"archived": "all"}, "archived"),
        ({"until": NOON.replace(tzinfo=None)}, "until"),
        ({"order": "oldest"}, "order"),
    ],
)
def test_a_bad_query_names_the_argument(squidie, query, argument):
    with pytest.raises(InvalidArgument) as refused:
        squidie.list_runs(**query)

    assert refused.value.details["argument"] == argument


# ---------------------------------------------------------------- ids
def test_a_run_is_found_by_its_id_and_by_the_end_of_it(squidie, journal):
    run = squidie.start(Single)
    squidie.start(Single)

    for text_ in (str(run.id), run.id.hex, run.id.hex.upper(), run.id.hex[-6:], run.id.hex[-14:], f" {run.id} "):
        assert find_run(journal, text_) == run.id


def test_an_ambiguous_end_lists_the_candidates_apart(squidie, journal):
    ids = [UUID(f"00000000-0000-7000-8000-0000000{tail}") for tail in ("1abcd", "2abcd")]
    for run_id in ids:
        squidie.start(Single, run_id=run_id)

    with pytest.raises(InvalidArgument) as refused:
        find_run(journal, "abcd")

    assert "01abcd (Single, running)" in refused.value.hint
    assert "02abcd (Single, running)" in refused.value.hint
    assert find_run(journal, "1abcd") == ids[0]
    assert len(set(short_ids(ids, 4).values())) == 2


@pytest.mark.parametrize("text_", ["", "abc", "xyzw", "abcd%", "0" * 33, None, 7])
def test_what_is_no_end_of_an_id_is_refused(squidie, journal, text_):
    with pytest.raises(InvalidArgument):
        find_run(journal, text_)


def test_an_unknown_end_is_not_found(squidie, journal):
    with pytest.raises(RunNotFound):
        find_run(journal, "abcdef")


def test_the_search_by_the_end_of_an_id_uses_its_index(squidie, journal):
    low = "abcdef"[::-1]
    given = {"low": low, "high": low + "g", "ends": "abcdef$", "limit": 10}
    with squidie.engine.connect() as connection:
        connection.execute(text("set enable_seqscan = off"))
        plan = connection.execute(text(f"explain {journal.sql(listing.BY_TAIL).text}"), given).scalars().all()

    assert any("facts_short_id" in line for line in plan), plan


# ---------------------------------------------------------------- journal and fleet
def test_facts_are_told_in_order(squidie, clock, journal):
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise:no luck"]}}, actor="maya")
    work_off(squidie)
    clock(NOON + 10 * SECOND)
    work_off(squidie)

    told = facts_of(journal, run.id)

    assert [fact.seq for fact in told] == [1, 2, 3, 4, 5]
    assert [fact.summary for fact in told] == [
        "Patient by start · opens a",
        "ValueError: no luck (retried, 1 of 3) · opens a try 2",
        "opens b",
        "",
        "",
    ]
    assert told[0].by == "maya"


def test_the_fleet_shows_who_is_alive_and_what_is_due(nobody, squidie, clock, journal):
    clock(NOON)
    for name, seen, queues in (("old:1:x", NOON - timedelta(seconds=61), ["default"]), ("new:2:x", NOON, ["other"])):
        insert = (
            "insert into {s}.workers (owner, host, pid, role, queues, actions, version, delivery, started_at, seen_at) "
            "values (:name, 'h', 1, 'worker', :queues, '{}', '0', 'silent', :seen, :seen)"
        )
        change(squidie, insert, name=name, seen=seen, queues=queues)
    squidie.start(Single)
    squidie.start(Single, after="1h")
    held = claim(squidie)

    found = fleet(journal)
    queues = {queue.name: queue for queue in found.queues}

    assert [worker.owner for worker in found.alive("worker")] == ["new:2:x"]
    assert (queues["default"].due, queues["default"].scheduled, queues["default"].claimed) == (0, 1, 1)
    assert queues["default"].consumers == ()
    assert queues["other"].consumers == ("new:2:x",)
    assert settle(squidie, completion(held[0])) is None


def test_dead_letters_are_counted(squidie, journal):
    squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)

    assert fleet(journal).dead_letters == 1


def test_reading_writes_nothing_and_rings_nothing(squidie, journal):
    run = squidie.start(Single)
    before = query(squidie, "select rev, xmin::text from {s}.runs")
    bells = Recorder()
    squidie.delivery.rung = bells.rung

    inspect_run(journal, run.id)
    list_runs(journal)
    fleet(journal)
    result_of(journal, run.id)

    assert query(squidie, "select rev, xmin::text from {s}.runs") == before
    assert bells.rung == []


def test_a_look_in_whose_middle_the_connection_is_lost_says_so(squidie, journal):
    """P01, 13.9: whoever looks is told what he can do about it, not what a library thinks of its transaction."""

    def look():
        with listing.snapshot(journal) as connection:
            pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
            change(squidie, "select pg_terminate_backend(:pid, 5000)", pid=pid)
            connection.execute(text("select 1"))

    with pytest.raises(JournalUnavailable):
        look()
    assert squidie.list_runs().runs == ()
