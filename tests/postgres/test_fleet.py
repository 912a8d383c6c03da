"""Queues, workers and numbers (SEMANTICS 4.9, 4.10; RELIABILITY B07, B08, B27, B49): counted when asked, never kept."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from squidie import Settings
from squidie.errors import InvalidConfig, SquidieError
from squidie.history.facts import ReleaseReason
from squidie.testing import eventually
from tests.support.flows import Chain, Elsewhere, Patient, Single, Sums
from tests.support.lab import (
    NOON,
    change,
    claim,
    completion,
    failure,
    query,
    release,
    scalar,
    settle,
    work_off,
)
from tests.support.steering_flows import Parking, Paused

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
WORKER = """
insert into {s}.workers (owner, host, pid, role, queues, actions, version, delivery, slots, started_at, seen_at)
values (:owner, split_part(:owner, ':', 1), 1, 'worker', :queues, :actions, '0', 'silent', :slots, :seen, :seen)
"""


@pytest.fixture
def squidie(make, bells):
    return make(Single, Chain, Elsewhere, Patient, Parking, Paused, Sums, delivery=bells)


def worker(squidie, owner, queues=("default",), *, seen=NOON, actions=None, slots=2):
    served = sorted(squidie.registry.served) if actions is None else actions
    change(squidie, WORKER, owner=owner, queues=list(queues), actions=served, seen=seen, slots=slots)


def queue(squidie, name="default"):
    return next((each for each in squidie.queues() if each.name == name), None)


# ---------------------------------------------------------------- counts
COUNTED = """
select a.queue, r.partition, case when claim_id is null then case when due_at <= {s}.clock() then 'due' else 'scheduled'
    end when lease_until > {s}.clock() then 'claimed' else 'expired' end as what, count(*) as n
from {s}.attempts a join {s}.runs r using (run_id) where kind <> 'timer' group by 1, 2, 3
union all select queue, partition, 'dead', count(*) from {s}.dead_letters where closed_at is null group by 1, 2
union all select r.queue, r.partition, 'parked', n from {s}.runs r, lateral (
    select count(*) filter (where f.body->>'disposition' = 'parked')
        - count(*) filter (where f.kind in ('step_requeued', 'step_discarded')) as n
    from {s}.facts f where f.run_id = r.run_id) p where r.ended_at is null and n > 0
"""
KINDS = ("due", "scheduled", "claimed", "expired", "parked", "dead")


def counted(squidie):
    """What is there, row by row; what is parked is what the facts of open runs say."""
    found = Counter()
    for row in query(squidie, COUNTED):
        found[row.queue, row.partition, row.what] += row.n
    return found


def viewed(squidie):
    found = Counter()
    for each in squidie.queues():
        for part in each.partitions:
            found |= {(each.name, part.partition, what): getattr(part, what) for what in KINDS}
        for what in KINDS:
            assert getattr(each, what) == sum(getattr(part, what) for part in each.partitions), what
    return +found


class Operator:
    """Does something at random, as workers, people and time do."""

    def __init__(self, squidie, clock, dice):
        self.squidie, self.clock, self.dice = squidie, clock, dice
        self.now, self.held = NOON, []

    def act(self):
        names = ("start", "start", "claim", "claim", "settle", "settle", "settle", "sweep", "steer", "letter")
        getattr(self, self.dice.choice(names))()

    def later(self):
        self.now += timedelta(seconds=self.dice.choice((1, 15, 40)))
        self.clock(self.now)

    def start(self):
        workflow = self.dice.choice((Single, Chain, Elsewhere, Patient, Parking, Paused))
        partition = self.dice.choice((None, "north", "south"))
        after = self.dice.choice((None, None, 30))
        self.squidie.start(workflow, partition=partition, after=after, queue=self.dice.choice(("default", "slow")))

    def claim(self):
        self.held += claim(self.squidie, self.dice.randint(1, 3), self.dice.choice(("default", "slow", "other")))

    def settle(self):
        if not self.held:
            return
        row = self.held.pop(self.dice.randrange(len(self.held)))
        commands = (
            completion(row),
            failure(row, retryable=True),
            failure(row),
            release(row),
            release(row, ReleaseReason.UNSERVED),
        )
        settle(self.squidie, self.dice.choice(commands))

    def sweep(self):
        self.squidie.sweep(["default"])

    def steer(self):
        runs = self.squidie.list_runs(open=True).runs
        if runs:
            run = self.dice.choice(runs)
            verb = self.dice.choice((self.squidie.cancel, self.squidie.resume))
            self.tried(lambda: verb(run.id, **({"reason": "x"} if verb == self.squidie.cancel else {})))

    def letter(self):
        letters = self.squidie.dead_letters
        found = letters.list().letters
        if found:
            chosen = self.dice.choice(found)
            verb = self.dice.choice((letters.requeue, letters.discard))
            self.tried(lambda: verb(chosen.run_id, chosen.step, reason="x", actor="ann"))

    @staticmethod
    def tried(call):
        with suppress(SquidieError):  # somebody was first, or it cannot be: counts stay right either way
            call()


def test_counts_equal_the_rows_after_each_of_a_thousand_operations(squidie, clock):
    """B07: due, scheduled, claimed, expired, parked, dead, by queue and partition; B08: looking changes nothing."""
    clock(NOON)
    operator, met = Operator(squidie, clock, random.Random(7)), set()
    for number in range(1, 1001):
        operator.act()
        if number % 25 == 0:
            operator.later()
        found = viewed(squidie)
        assert found == counted(squidie), number
        met |= {what for _, _, what in found}

    assert met == set(KINDS)


ROWS = """
select md5(string_agg(x, '' order by x)) from (
    select t.xmin::text || t::text as x from {s}.runs t union all select t.xmin::text || t::text from {s}.attempts t
    union all select t.xmin::text || t::text from {s}.facts t
    union all select t.xmin::text || t::text from {s}.dead_letters t
    union all select t.xmin::text || t::text from {s}.workers t
    union all select t.xmin::text || t::text from {s}.schedules t) rows
"""


def test_looking_changes_no_row(squidie, bells):
    """B08: every view, page and count."""
    squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    run = squidie.start(Chain)
    claim(squidie)
    squidie.start(Single, after=60)
    squidie.presence("worker").refresh(["default"])
    before = scalar(squidie, ROWS)
    bells.rung.clear()

    squidie.queues(), squidie.workers(everybody=True), squidie.stats()
    letters = squidie.dead_letters
    (letter,) = letters.list().letters
    letters.show(letter.run_id, letter.step), letters.groups(), letters.count()
    squidie.list_runs(), squidie.inspect_run(run.id), squidie.command_history(run.id), squidie.ended(run.id)
    squidie.schedules.list(), squidie.now()

    assert scalar(squidie, ROWS) == before
    assert bells.rung == []


def test_a_partitions_handle_counts_its_own_work(squidie):
    """17.5, B06"""
    squidie.start(Single, partition="north")
    for _ in range(2):
        squidie.start(Single, partition="south")

    assert [(each.due, len(each.partitions)) for each in squidie.partition("north").queues()] == [(1, 1)]
    assert {part.partition: part.due for part in queue(squidie).partitions} == {"north": 1, "south": 2}


# ---------------------------------------------------------------- who serves what
def test_a_queue_names_its_consumers_and_what_nobody_serves(squidie, clock):
    """B27: its oldest due work, and the callables that none of its living consumers has."""
    clock(NOON)
    squidie.start(Single)
    squidie.start(Sums, {"number": 1})
    clock(NOON + HOUR)
    worker(squidie, "a:1:x", seen=NOON + HOUR, actions=["tests.support.flows:act"])
    worker(squidie, "b:1:x", ["other"], seen=NOON + HOUR)

    found = queue(squidie)

    assert (found.consumers, found.unserved) == (("a:1:x",), ("tests.support.flows:double",))
    assert found.oldest_due_at == NOON
    assert queue(squidie, "other").consumers == ("b:1:x",)
    assert queue(squidie, "other").open == 0


@pytest.mark.parametrize("ending", ["left", "lost"])
def test_who_served_a_queue_last_is_known_after_it_is_gone(squidie, clock, ending):
    """4.10: for a month, whether it has stopped or died."""
    clock(NOON)
    worker(squidie, "a:1:x")
    worker(squidie, "older:1:x", seen=NOON - HOUR)
    if ending == "left":
        change(squidie, "update {s}.workers set left_at = seen_at")
    squidie.start(Single)
    clock(NOON + 10 * HOUR)

    found = queue(squidie)

    assert found.consumers == ()
    assert (found.last_consumer.owner, found.last_consumer.seen_at) == ("a:1:x", NOON)


def test_a_worker_that_is_not_seen_for_a_minute_is_lost(squidie, clock):
    """4.10: with since when; after a day it is shown only to those who ask for everybody."""
    clock(NOON)
    worker(squidie, "a:1:x")
    found = {}
    for away in (60, 61, 86_401):
        clock(NOON + away * SECOND)
        found[away] = [(each.state, each.seen_at) for each in squidie.workers()]

    assert found == {60: [("alive", NOON)], 61: [("lost", NOON)], 86_401: []}
    assert [each.state for each in squidie.workers(everybody=True)] == ["lost"]


def test_a_worker_says_what_it_is(make, bells, monkeypatch):
    """4.10: queues, callables, both versions, host, process, boot and slots."""
    monkeypatch.setenv("SQUIDIE_CODE_VERSION", "of the environment")
    one = make(Single, delivery=bells, settings={"version": "2026.03"})
    sweeper = one.sweeper(lambda: ["default"], slots=4)
    sweeper.start()
    (found,) = eventually(one.workers)
    sweeper.stop()
    change(one, "delete from {s}.workers")
    make(Single).presence("beat").refresh()

    assert f"{found.host}:{found.pid}:{found.boot}" == found.owner == one.owner
    assert (found.code_version, found.queues, found.slots, found.busy) == ("2026.03", ("default",), 4, 0)
    assert found.callables == tuple(sorted(one.registry.served))
    assert found.version
    assert [(each.role, each.code_version) for each in one.workers()] == [("beat", "of the environment")]


def test_busy_slots_are_those_that_hold_claims(squidie, clock):
    """4.10: counted in the claims of the worker's processes, which share its host and boot."""
    clock(NOON)
    worker(squidie, "a:1:x", slots=3)
    worker(squidie, "a:2:y", slots=3)
    squidie.start_many(Single, [{} for _ in range(5)])
    claim(squidie, 3, owner="a:11:x")
    claim(squidie, 1, owner="a:12:x")

    found = {each.owner: (each.busy, each.claims) for each in squidie.workers()}

    assert found == {"a:1:x": (2, 4), "a:2:y": (0, 0)}


@pytest.mark.parametrize("version", ["", 7, "x" * 256])
def test_a_code_version_is_text(version):
    with pytest.raises(InvalidConfig, match=r"settings\.version"):
        Settings(version=version)


# ---------------------------------------------------------------- numbers for monitors
def test_the_numbers_equal_what_the_rows_and_facts_say(squidie, clock):
    """B49: depth, the oldest due work, expiries, takeovers, refusals, dead letters."""
    clock(NOON)
    squidie.start_many(Single, [{} for _ in range(8)])
    held = claim(squidie, 3)
    clock(NOON + HOUR)
    squidie.sweep(["default"])
    refused = [settle(squidie, completion(row)) for row in held]
    clock(NOON + 2 * HOUR)
    work_off(squidie)
    squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    squidie.start(Single)
    clock(NOON + 2 * HOUR + 40 * SECOND)
    squidie.start(Single, after=60)
    found = squidie.stats()

    def number(sql):
        return scalar(squidie, f"select count(*) from {{s}}.{sql}")

    assert found.due == number("attempts where claim_id is null and due_at <= {s}.clock()") == 1
    assert found.scheduled == number("attempts where claim_id is null and due_at > {s}.clock()") == 1
    assert (
        found.oldest_due_age
        == float(
            scalar(
                squidie, "select extract(epoch from {s}.clock() - min(due_at)) from {s}.attempts where claim_id is null"
            )
        )
        == 40
    )
    assert (found.claimed, found.expired, found.parked) == (0, 0, 0)
    assert found.expiries == number("facts where kind = 'attempt_expired'") == 3
    assert found.takeovers == number("facts where (body->'claim'->>'n')::int > 1 and kind = 'attempt_completed'") == 3
    assert found.refusals == len([error for error in refused if error is not None]) == 3
    assert found.erased == 0
    assert found.dead_letters == number("dead_letters where closed_at is null") == 1
    assert found.given_up == number("dead_letters") == 1
    assert found.at == squidie.now()
