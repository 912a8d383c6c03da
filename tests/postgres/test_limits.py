"""Limits and rates (SEMANTICS 18.14, RELIABILITY B11, G35): a slot is a live lease, a token comes by the clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

import pytest

from squidie.errors import InvalidArgument, KeyReused
from squidie.journal import facts, limits
from squidie.testing import eventually
from tests.support.flows import HOOKS
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    PLANS,
    all_facts,
    at_once,
    claim,
    completion,
    kinds,
    plan_without,
    query,
    release,
    renew,
    scalar,
    settle,
    work_off,
)
from tests.support.limited_flows import LIMITED, Narrow, NarrowChain, NarrowElsewhere, Plain, Rated, Tenants


@pytest.fixture
def squidie(make, bells):
    return make(*LIMITED, delivery=bells)


def claimed_in_all(squidie, most=9, queue="default"):
    found = []
    while batch := claim(squidie, most, queue):
        found += batch
    return found


# ---------------------------------------------------------------- slots
def test_no_more_are_claimed_than_there_are_slots(squidie):
    """18.14"""
    squidie.start_many(Narrow, [{} for _ in range(5)])

    first = claimed_in_all(squidie)
    settle(squidie, completion(first[0]))
    then = claimed_in_all(squidie)

    assert (len(first), len(then)) == (2, 1)
    assert {row.limit for row in first} == {"gateway"}


def test_racing_claimers_share_the_slots(squidie):
    """18.14: 16 claimers at one moment, one limit of two."""
    squidie.start_many(Narrow, [{} for _ in range(40)])

    for _ in range(5):
        taken = [row for batch in at_once(*[lambda: claim(squidie, 4)] * 16) for row in batch]
        assert 1 <= len(taken) <= 2
        settle(squidie, *map(completion, taken))


def test_a_slot_is_free_at_the_end_of_its_lease_before_any_sweep(squidie, clock):
    """18.14: a dead holder's."""
    clock(NOON)
    squidie.start_many(Narrow, [{} for _ in range(4)])
    dead = claimed_in_all(squidie)
    clock(dead[0].lease.lease_until - timedelta(microseconds=1))
    assert claimed_in_all(squidie) == []

    clock(dead[0].lease.lease_until)

    assert len(claimed_in_all(squidie)) == 2


def test_a_revived_lease_may_exceed_the_limit_and_then_nothing_is_claimed(squidie, clock):
    """18.14, G35"""
    clock(NOON)
    squidie.start_many(Narrow, [{} for _ in range(6)])
    slow = claimed_in_all(squidie)
    clock(NOON + AFTER_LEASE)
    taken = claimed_in_all(squidie)
    renew(squidie, *slow)
    live = "select count(*) from {s}.attempts where lease_until > {s}.clock()"
    assert scalar(squidie, live) == 4

    assert settle(squidie, completion(slow[0]), completion(slow[1])) == [None, None]
    assert claimed_in_all(squidie) == []
    settle(squidie, completion(taken[0]))

    assert len(claimed_in_all(squidie)) == 1


def test_a_limit_counts_over_all_queues(squidie):
    """18.14"""
    squidie.start_many(Narrow, [{}, {}])
    squidie.start_many(NarrowElsewhere, [{}, {}])

    assert len(claimed_in_all(squidie)) == 2
    assert claimed_in_all(squidie, queue="far") == []


def test_each_value_at_the_path_has_slots_of_its_own(squidie):
    """18.14: `by`, and the key is recorded where the attempt is opened."""
    runs = [squidie.start(Tenants, {"tenant": name}) for name in ("a", "b", "a", "b", "a")]

    first = claimed_in_all(squidie)

    assert sorted(row.limit for row in first) == ["tenant:a", "tenant:b"]
    assert all_facts(squidie, runs[0])[0].opens[0].limit == "tenant:a"
    settle(squidie, *map(completion, first))
    assert sorted(row.limit for row in claimed_in_all(squidie)) == ["tenant:a", "tenant:b"]


@pytest.mark.parametrize("setting", PLANS)
def test_limits_are_looked_at_in_their_order_whatever_the_plan(squidie, setting):
    """18.14: where there are more than one claim looks at, the next goes on behind them."""
    squidie.start_many(Tenants, [{"tenant": f"t{number:03}"} for number in reversed(range(100))])
    squidie.start_many(Narrow, [{} for _ in range(500)])
    plan_without(squidie, setting)

    found, last = [], ("", "")
    with squidie._parts.journal.reading() as connection:
        while page := limits.survey(squidie._parts.journal, connection, "default", last, 7):
            found += page
            last = page[-1][:2]

    assert [each.limit for each in found] == ["gateway", *(f"tenant:t{number:03}" for number in range(100))]


@pytest.mark.parametrize("value", [None, ["a"], {"a": 1}])
def test_a_value_that_names_nothing_fails_the_step_and_its_code_is_not_called(squidie, value):
    """18.14, 1.15"""
    run = squidie.start(Tenants, {"tenant": value})

    work_off(squidie)

    assert kinds(squidie, run) == ["run_started", "attempt_failed", "run_failed"]
    assert all_facts(squidie, run)[1].error.kind == "invalid_input"


def test_what_is_limited_hides_nobody(squidie):
    """B11, 18.14: of the same priority, and of a lower one."""
    squidie.start_many(Narrow, [{} for _ in range(50)], priority=0)
    squidie.start(Plain, priority=0)
    squidie.start(Plain, priority=900)

    found = claimed_in_all(squidie)

    assert [row.step for row in found].count("narrow") == 2
    assert [row.step for row in found].count("plain") == 2


def test_limited_and_unlimited_work_come_in_one_order(squidie, clock):
    """B05, 18.15: by priority, then due time."""
    dice = Random(9)
    squidie.set_limit("gateway", 1000)
    for minute in range(30):
        clock(NOON + timedelta(minutes=minute))
        squidie.start(dice.choice([Narrow, Plain]), priority=dice.choice([0, 5, 100]))

    found = []
    while batch := claim(squidie, dice.randint(1, 7)):
        found += batch

    order = [(row.priority, row.due_at, row.run_id) for row in found]
    assert len(order) == 30
    assert order == sorted(order)


def test_when_a_holder_ends_what_waits_is_rung_for(squidie, bells):
    """18.14: at once, on whatever queue it waits."""
    squidie.start_many(Narrow, [{}, {}])
    squidie.start(NarrowElsewhere)
    held = claimed_in_all(squidie)
    bells.rung.clear()

    settle(squidie, completion(held[0]))
    assert bells.rung == ["far"]
    bells.rung.clear()
    settle(squidie, release(held[1]))

    assert sorted(bells.rung) == ["default", "far"]


def test_claims_are_never_made_while_the_limit_is_full(make):
    """G35: limit 2, chains of 10, 16 workers, some of which die: claims overlap by two at the most."""
    squidie = make(*LIMITED, settings={"lease": 0.4, "beat": 0.1, "sweep": 0.2})
    runs = squidie.start_many(NarrowChain, [{} for _ in range(4)])
    dice = Random(3)

    def work(number):
        for row in claim(squidie, dice.randint(1, 3), lease=0.4, owner=f"w:{number}:x"):
            if row.lost or dice.random() < 0.9:  # the others die
                settle(squidie, completion(row))
        squidie.sweep()
        return not query(squidie, "select from {s}.attempts limit 1")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: eventually(lambda: work(number), within=60, why="work is left"), range(16)))

    assert {kinds(squidie, run)[-1] for run in runs} == {"run_completed"}
    claims = [
        (fact.claim.claimed_at, min(at, fact.claim.lease_until))
        for run in runs
        for at, fact in timed(squidie, run)
        if getattr(fact, "claim", None) is not None
    ]
    assert len(claims) >= 40
    for begun, _ in claims:
        assert sum(1 for start, end in claims if start <= begun < end) <= 2


def timed(squidie, run):
    with squidie._parts.journal.reading() as connection:
        return [(each.at, each.fact) for each in facts.read(squidie._parts.journal, connection, run.id)]


def test_successors_under_a_limit_are_not_handed_over(squidie):
    """18.15: they are claimed like everything else under it."""
    run = squidie.start(NarrowChain)
    seen = []
    held = "select count(*) from {s}.attempts where claim_id is not null"
    HOOKS["s1"] = lambda _ctx: seen.append(scalar(squidie, held))

    work_off(squidie)

    assert kinds(squidie, run)[-1] == "run_completed"
    assert seen == [1]


# ---------------------------------------------------------------- rates
def test_a_rate_gives_its_burst_and_then_one_token_after_the_other(squidie, clock):
    """18.14: by the database's clock, to the microsecond."""
    clock(NOON)
    squidie.start_many(Rated, [{} for _ in range(6)])

    assert len(claimed_in_all(squidie)) == 2
    clock(NOON + timedelta(seconds=30) - timedelta(microseconds=1))
    assert claimed_in_all(squidie) == []
    clock(NOON + timedelta(seconds=30))
    assert len(claimed_in_all(squidie)) == 1
    clock(NOON + timedelta(hours=1))
    assert len(claimed_in_all(squidie)) == 2


def test_a_rate_says_when_its_next_token_comes(squidie, clock, monkeypatch):
    """18.14: the process that meets an empty bucket rings when there is a token."""
    clock(NOON)
    told = []
    monkeypatch.setattr(squidie._parts.bells, "ring_in", lambda queue, seconds: told.append((queue, round(seconds))))
    squidie.start_many(Rated, [{} for _ in range(3)])
    claimed_in_all(squidie)
    clock(NOON + timedelta(seconds=10))
    claim(squidie)

    assert told[-1] == ("default", 20)


# ---------------------------------------------------------------- set
def test_a_limit_that_is_set_holds_at_once(squidie, bells):
    """18.14: whatever the code says, until it is unset; raising it rings."""
    squidie.start_many(Narrow, [{} for _ in range(9)])
    assert len(claimed_in_all(squidie)) == 2
    bells.rung.clear()

    state = squidie.set_limit("gateway", 5, actor="ada", reason="they have bought more")

    assert (state.n, state.declared, state.held) == (5, {"n": 2}, 2)
    assert bells.rung == ["default"]
    held = claimed_in_all(squidie)
    assert len(held) == 3
    squidie.set_limit("gateway", 0)
    settle(squidie, *map(completion, held))
    assert claimed_in_all(squidie) == []
    assert squidie.unset_limit("gateway").n == 2
    assert claimed_in_all(squidie) == []  # two are held still
    verbs = [row.verb for row in query(squidie, "select verb from {s}.operations order by id")]
    assert verbs == ["set", "set", "unset"]


def test_a_rate_that_is_set_holds_at_once(squidie, clock):
    """18.14"""
    clock(NOON)
    squidie.start_many(Rated, [{} for _ in range(30)])
    claimed_in_all(squidie)

    state = squidie.set_limit("api", 60)
    clock(NOON + timedelta(seconds=2))

    assert (state.n, state.per, state.burst) == (60, 60.0, 2)
    assert len(claimed_in_all(squidie)) == 2


def test_what_is_not_set_this_time_stays_as_it_was_set(squidie):
    """18.14: until it is unset, as a whole."""
    squidie.start(Rated)
    squidie.set_limit("api", 60)
    squidie.set_limit("api", per="30s")
    state = squidie.set_limit("api", burst=5)
    assert (state.n, state.per, state.burst) == (60, 30.0, 5)

    state = squidie.unset_limit("api")

    assert (state.n, state.per, state.burst, state.set_at) == (2, 60.0, 2, None)
    assert squidie.set_limit("api", burst=9).n == 2


def test_what_is_set_says_who_set_it_and_why(squidie, clock):
    """18.14: the last who did; one that is unset tells of nobody."""
    clock(NOON)
    squidie.start(Narrow)
    squidie.set_limit("gateway", 5, actor="bo")
    state = squidie.set_limit("gateway", 1, actor={"id": 7, "name": "ada"}, reason=" they are slow ")

    assert state == of(squidie, "gateway")
    told = ("limit", NOON, {"id": 7, "name": "ada"}, "they are slow")
    assert (state.kind, state.set_at, state.set_by, state.set_why) == told
    squidie.unset_limit("gateway", actor="ada")
    state = of(squidie, "gateway")
    assert (state.set_at, state.set_by, state.set_why) == (None, None, None)


def test_slots_are_counted_over_all_values_of_a_name(squidie):
    """18.14: a value that is called like another limit is still a value."""
    squidie.start_many(Tenants, [{"tenant": name} for name in ("a", "b", "a", "gateway")])
    squidie.start_many(Narrow, [{}, {}, {}])
    assert len(claimed_in_all(squidie)) == 5

    assert [of(squidie, "tenant").held, of(squidie, "tenant").by_value] == [3, True]
    assert [of(squidie, "gateway").held, of(squidie, "gateway").by_value] == [2, False]


def of(squidie, name):
    """The state of one limit, as all are listed."""
    return next(state for state in squidie.limits() if state.name == name)


def test_a_limit_that_nobody_declares_cannot_be_set(squidie):
    """18.14"""
    for name, numbers in (("nobody", {"n": 1}), ("gateway", {"n": -1}), ("gateway", {}), ("api", {"burst": 0})):
        with pytest.raises(InvalidArgument):
            squidie.set_limit(name, **numbers)
    with pytest.raises(InvalidArgument, match="reason"):
        squidie.set_limit("gateway", 1, reason=" ")
    with pytest.raises(InvalidArgument):
        squidie.set_limit("gateway", 1, per="1m")
    squidie.set_limit("gateway", 3, key="k")
    squidie.set_limit("gateway", 3, key="k")
    with pytest.raises(KeyReused):
        squidie.set_limit("gateway", 4, key="k")
    assert scalar(squidie, "select count(*) from {s}.operations") == 1


def test_what_an_operator_has_set_outlives_a_deploy(squidie, make):
    """18.14: a process that declares other numbers changes what the code says, not what was set."""
    squidie.start(Narrow)
    squidie.set_limit("gateway", 7)
    later = make(*LIMITED)

    later.start(Narrow)

    assert (later.limits()[0].n, later.limits()[0].declared) == (7, {"n": 2})


# ---------------------------------------------------------------- what people see
def test_what_waits_for_a_slot_a_token_or_a_resume_is_shown_so(squidie, clock, staffed):
    """13.6: rows 13, 21 and 22; nobody is told that it starts when a worker is free."""
    clock(NOON)
    squidie.start_many(Narrow, [{}, {}])
    squidie.start_many(Rated, [{}, {}])
    claimed_in_all(squidie)
    full, spent = squidie.start(Narrow), squidie.start(Rated)
    plain = squidie.start(Plain)

    assert seen(squidie, full) == ("concurrency_limited", "queued", "limit gateway is full")
    assert seen(squidie, spent) == ("rate_limited", "queued", "rate api is used up")
    assert seen(squidie, plain) == ("queued", "queued", "due on default")
    clock(NOON + AFTER_LEASE)
    assert [seen(squidie, run)[0] for run in (full, spent)] == ["queued", "queued"]
    squidie.pause_queue("default", reason="x")
    assert seen(squidie, plain) == ("queue_paused", "stalled", "queue default is paused")


def seen(squidie, run):
    """The reason and the state of the run's only step, and the words of the list."""
    (step,) = run.snapshot().steps
    (row,) = [row for row in squidie.list_runs(limit=50).runs if row.id == run.id]
    assert row.state is step.state
    return step.reason, step.state, row.where.partition(" · ")[2]
