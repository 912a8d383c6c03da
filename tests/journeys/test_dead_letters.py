"""Dead letters (SEMANTICS 5.6, RELIABILITY B23, B26, X5): what they keep, how they are found, taken up and put away."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from sqlalchemy import event

from squidie import Retry, step
from squidie.history.facts import ReleaseReason
from tests.support.flows import CALLS, Diamond, Patient, Planned, Single, act
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    all_facts,
    claim,
    counts,
    end_lease,
    failure,
    kinds,
    query,
    raises,
    release,
    settle,
    work_off,
)
from tests.support.steering_flows import Charging, Handled, Parking

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class Twice(Planned):
    """Two tries, ten seconds apart."""

    only = step(act, retry=Retry(2, min=10, backoff="fixed"))


@pytest.fixture
def squidie(make, bells):
    return make(Single, Diamond, Patient, Parking, Charging, Handled, Twice, delivery=bells)


@pytest.fixture
def letters(squidie):
    return squidie.dead_letters


def failed(squidie, workflow=Single, step="only", word="raise:no luck", **options):
    run = squidie.start(workflow, {"plan": {step: [word]}}, **options)
    work_off(squidie, options.get("queue", "default"))
    return run


# ---------------------------------------------------------------- what is kept
def test_a_letter_keeps_what_there_is_to_know(squidie, letters, clock):
    """B23, X5: run, step, error, tries, claims, the last owner and the times, written by the commit that gave up."""
    clock(NOON)
    run = squidie.start(Twice, partition="north")
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    end_lease(squidie, row)
    settle(squidie, failure(claim(squidie)[0], "order 7", retryable=True))
    clock(NOON + HOUR)
    settle(squidie, release(claim(squidie)[0], ReleaseReason.GIVEN_BACK))
    settle(squidie, failure(claim(squidie, owner="box:9:boot")[0], "order 8"))

    found = letters.show(run.id, "only")

    assert (found.run_id, found.workflow, found.step, found.queue) == (run.id, "Twice", "only", "default")
    assert (found.attempt, found.claims, found.owner, found.partition) == (2, 4, "box:9:boot", "north")
    assert (found.first_failed_at, found.at) == (NOON + AFTER_LEASE, NOON + HOUR)
    assert (found.reason, found.code, found.error["message"]) == ("step_raised", "step_raised", "order 8")
    assert (found.requeues_in, found.closed_at, found.short_id) == ("new_run", None, run.id.hex[-6:])
    assert all_facts(squidie, run)[-1].kind == "run_failed"


def test_a_given_up_attempt_names_who_lost_it(squidie, letters, clock):
    """B29: `claims_exhausted` has no last word of its own; its letter tells of the last claim that was lost."""
    clock(NOON)
    run, now = squidie.start(Single), NOON
    for number in range(5):
        (row,) = claim(squidie, owner=f"box:{number}:boot")
        clock(now := now + HOUR)
        end_lease(squidie, row)

    found = letters.show(run.id, "only")

    assert (found.reason, found.claims, found.owner) == ("claims_exhausted", 5, "box:4:boot")
    assert (found.first_failed_at, found.at) == (NOON + HOUR, NOON + 5 * HOUR)


def test_a_letter_holds_no_secret(squidie, letters):
    """B23: the error is masked before it is kept."""
    run = failed(squidie, word="raise:password=canary-7 was refused")

    assert "canary" not in str(letters.show(run.id, "only"))
    assert query(squidie, "select 1 from {s}.dead_letters where error::text like '%canary%'") == []


def test_letters_say_where_a_requeue_goes_on(squidie, letters):
    """5.6: in the same run where the step is parked, in a new one where the run has ended."""
    parked = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    ended = squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)

    assert letters.show(parked.id, "b").requeues_in == "same_run"
    assert letters.show(ended.id, "only").requeues_in == "new_run"
    squidie.discard(ended.id, "only", reason="x", actor="ann")
    assert letters.show(ended.id, "only").requeues_in == "nothing"


# ---------------------------------------------------------------- finding
def test_letters_come_newest_first_in_pages(squidie, letters, clock):
    """5.6: each once, whatever comes in between two pages."""
    runs = []
    for number in range(7):
        clock(NOON + number // 2 * SECOND)
        runs.append(failed(squidie).id)
    first = letters.list(limit=3)
    clock(NOON + HOUR)
    failed(squidie)
    second = letters.list(limit=3, after=first.next)
    third = letters.list(limit=3, after=second.next)

    found = [letter.run_id for page in (first, second, third) for letter in page.letters]
    assert sorted(found) == sorted(runs)
    assert [letter.at for page in (first, second, third) for letter in page.letters] == sorted(
        (letter.at for page in (first, second, third) for letter in page.letters), reverse=True
    )
    assert third.next is None


def test_letters_are_narrowed_by_what_they_keep(squidie, letters, clock):
    """5.6: workflow, step, queue, reason, code, time, partition, and whether they are open."""
    clock(NOON)
    plain = failed(squidie)
    clock(NOON + HOUR)
    declined = failed(squidie, word="fail", queue="slow", partition="north")
    other = failed(squidie, Diamond, "d", "bad")
    squidie.discard(other.id, "d", reason="x", actor="ann")

    def found(**query):
        return {letter.run_id for letter in letters.list(**query).letters}

    assert found() == {plain.id, declined.id}
    assert found(open=None) == {plain.id, declined.id, other.id}
    assert found(open=False) == found(open=None, workflow="Diamond") == found(open=None, step="d") == {other.id}
    assert found(open=None, reason="invalid_output") == {other.id}
    assert found(queue="slow") == found(code="declined") == found(partition="north") == {declined.id}
    assert found(since=NOON + SECOND) == {declined.id}
    assert found(until=NOON + SECOND) == {plain.id}
    print_ = letters.show(plain.id, "only").fingerprint
    assert found(fingerprint=print_) == found(fingerprint=print_[:6]) == {plain.id}
    assert found(fingerprint=print_, queue="slow") == set()
    assert letters.count(open=None) == 3


@pytest.mark.parametrize(
    "query",
    [
        {"colour": "red"}, {"open": 1}, {"limit": 0}, {"limit": 1001}, {"after": "x"}, {"after": "WzEsMl0"},
        {"reason": "bad luck"}, {"workflow": 7}, {"code": ""}, {"since": "yesterday"},
        {"since": NOON.replace(tzinfo=None)},
    ],
)  # fmt: skip
def test_a_query_that_is_wrong_is_refused(letters, query):
    """5, bad input."""
    with raises("invalid_argument"):
        letters.list(**query)


def test_a_letter_that_is_not_there_is_said_so(squidie, letters):
    """5, bad input."""
    run = squidie.start(Single)
    with raises("dead_letter_not_found"):
        letters.show(run.id, "only")


def test_what_failed_the_same_way_is_one_group(squidie, letters, clock):
    """UX 4.5: ids, times and numbers in messages do not tell failures apart; steps, types and other words do."""
    for number in range(3):
        clock(NOON + number * HOUR)
        newest = failed(squidie, word=f"raise:order {number} has no parcel")
    failed(squidie, word="raise:the van is full")
    failed(squidie, Diamond, "d", "raise:order 9 has no parcel")

    first, *others = letters.groups().groups

    assert (first.count, first.first_at, first.last_at) == (3, NOON, NOON + 2 * HOUR)
    assert (first.workflow, first.step, first.reason, first.type) == ("Single", "only", "step_raised", "ValueError")
    assert first.message == "order <n> has no parcel"
    assert first.newest == newest.id
    assert {(group.workflow, group.count) for group in others} == {("Single", 1), ("Diamond", 1)}
    assert len(letters.groups(workflow="Diamond").groups) == 1
    assert len(letters.groups(limit=2).groups) == 2


def test_a_partitions_handle_sees_and_takes_up_its_own_letters_only(squidie):
    """17.5: those of others are not there."""
    mine, theirs = failed(squidie, partition="north"), failed(squidie, partition="south")
    north = squidie.partition("north").dead_letters

    assert [letter.run_id for letter in north.list().letters] == [mine.id]
    assert (north.groups().groups[0].count, north.count()) == (1, 1)
    with raises("dead_letter_not_found"):
        north.show(theirs.id, "only")
    with raises("run_not_found"):
        north.requeue(theirs.id, "only", reason="x", actor="ann")
    with raises("invalid_argument"):
        north.list(partition="south")
    done = north.requeue_many({}, reason="mended", actor="ann")
    assert list(done.done) == [(mine.id, "only")]
    assert squidie.dead_letters.count() == 1


# ---------------------------------------------------------------- taking in hand
def test_one_letter_is_requeued_and_one_discarded(squidie, letters):
    """B23, B26: with actor and reason; the same idempotency key in the same run, and no row is deleted."""
    parked = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    ended = failed(squidie)
    CALLS.clear()

    assert letters.requeue(parked.id, "b", reason="the bank is back", actor="ann").id == parked.id
    letters.discard(ended.id, "only", reason="hopeless", actor="ben")
    work_off(squidie)

    assert CALLS[0] == ("b", 2, f"{parked.id}/b")
    one, two = letters.show(parked.id, "b"), letters.show(ended.id, "only")
    assert (one.closed_as, one.closed_by["actor"], one.closed_why) == ("requeued", "ann", "the bank is back")
    assert (two.closed_as, two.closed_by["actor"], two.closed_why) == ("discarded", "ben", "hopeless")
    assert letters.count() == 0


def test_a_whole_group_is_requeued_each_letter_for_itself(squidie, letters, clock):
    """5.6: one that is refused harms no other; parked steps go on in their run, ended runs in new ones."""
    clock(now := NOON)
    charged = squidie.start(Charging)
    squidie.execute_next()
    for _ in range(5):  # nobody knows whether it has charged
        (row,) = claim(squidie)
        clock(now := now + HOUR)
        end_lease(squidie, row)
    parked = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    first, second = failed(squidie), failed(squidie)

    found = letters.requeue_many({}, reason="mended", actor="ann")

    assert found.matched == 4
    assert set(found.done) == {(parked.id, "b"), (first.id, "only"), (second.id, "only")}
    assert found.done[parked.id, "b"] == parked.id
    assert found.done[first.id, "only"] not in {first.id, second.id}
    assert {place: error.code for place, error in found.refused.items()} == {(charged.id, "charge"): "unsafe_replay"}
    assert letters.count() == 1
    assert letters.requeue_many({}, reason="x", actor="ann", allow_irreversible=["charge"]).refused == {}


def test_one_of_a_group_is_tried_before_the_others(squidie, letters, clock):
    """UX 4.5: as a canary, the newest."""
    runs = []
    for number in range(3):
        clock(NOON + number * HOUR)
        runs.append(failed(squidie))

    found = letters.requeue_many({"workflow": "Single"}, reason="mended", actor="ann", most=1)

    assert (found.matched, list(found.done)) == (3, [(runs[2].id, "only")])
    assert letters.count() == 2
    assert letters.discard_many({}, reason="the rest is old", actor="ann").matched == 2
    assert letters.count() == 0


def test_more_letters_than_the_limit_are_all_left_alone(squidie, letters):
    """5.6: counted first."""
    for _ in range(3):
        failed(squidie)
    before = counts(squidie)

    with raises("limit_reached"):
        letters.discard_many({"workflow": "Single"}, reason="x", actor="ann", limit=2)
    with raises("limit_reached"):
        letters.requeue_many({}, reason="x", actor="ann", limit=1)

    assert counts(squidie) == before
    assert letters.count() == 3


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ({}, {"reason": " ", "actor": "ann"}),
        ({}, {"reason": "x"}),
        ({"open": False}, {"reason": "x", "actor": "ann"}),
        ({"after": "x"}, {"reason": "x", "actor": "ann"}),
        ({"colour": "red"}, {"reason": "x", "actor": "ann"}),
        ({}, {"reason": "x", "actor": "ann", "limit": 0}),
    ],
)
def test_taking_up_many_needs_a_reason_somebody_and_filters(squidie, letters, query, given):
    """5, bad input: nothing is done, though there are no letters either."""
    for verb in (letters.requeue_many, letters.discard_many):
        with raises("invalid_argument"):
            verb(query, **given)


def test_a_discard_is_an_outcome_with_a_reason(squidie, letters):
    """B26: a fact of the parked step's run."""
    run = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    work_off(squidie)
    letters.discard(run.id, "b", reason="hopeless", actor="ann")

    fact = next(fact for fact in all_facts(squidie, run) if fact.kind == "step_discarded")
    assert (fact.reason, fact.by.actor) == ("hopeless", "ann")
    assert kinds(squidie, run)[-1] == "run_failed"


def test_what_an_error_edge_handles_leaves_no_letter(squidie, letters):
    """5.6: nor does a tolerated failure."""
    squidie.start(Handled, {"plan": {"b": ["fail"], "c": ["fail"]}})
    work_off(squidie)

    assert letters.count(open=None) == 0


def test_a_requeue_that_loses_its_process_is_done_once(squidie, letters):
    """B02: the letter is closed in the commit that starts the new run, or not at all."""
    run = failed(squidie)
    before = counts(squidie)
    pid = os.fork()
    if pid == 0:
        event.listen(squidie.engine, "commit", lambda *_: os._exit(9))
        letters.requeue(run.id, "only", reason="mended", actor="ann")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9

    assert (counts(squidie), letters.count()) == (before, 1)
    letters.requeue(run.id, "only", reason="mended", actor="ann")
    assert letters.count() == 0


def test_a_requeue_that_is_refused_in_a_hosts_transaction_rings_no_bell(squidie, bells):
    """0, refusals; 5, bad input: nor does it when the host commits."""
    run = squidie.start(Single, {"plan": {"only": ["raise"]}})
    work_off(squidie)
    squidie.discard(run.id, "only", reason="x", actor="ann")
    bells.rung.clear()
    with squidie.engine.begin() as host, raises("invalid_transition"):
        squidie.requeue(run.id, "only", reason="x", actor="ann", connection=host)

    assert squidie._parts.bells._later._items == []
    assert bells.rung == []
