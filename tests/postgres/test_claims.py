"""Claims and leases (SEMANTICS 4, RELIABILITY B05 to B19): due rows in order, each to one holder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from random import Random
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import event, text

from squidie.decide.backoff import AFTER_LOSS
from squidie.journal import attempts
from squidie.testing import eventually
from tests.support.flows import CALLS, HOOKS, Careful, Chain, Elsewhere, Single, Sums
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    all_facts,
    at_once,
    change,
    claim,
    completion,
    end_lease,
    failure,
    held,
    kinds,
    query,
    release,
    renew,
    rows,
    scalar,
    settle,
    work_off,
)

MICROSECOND = timedelta(microseconds=1)


# ---------------------------------------------------------------- what a claim takes
def test_claims_come_by_priority_then_due_time_then_id(squidie, clock):
    """4.2, B05: against a sorted list, claimed in shares of random size."""
    dice = Random(5)
    for minute in range(6):
        clock(NOON + timedelta(minutes=minute))
        for _ in range(20):
            wish = dice.choice([{}, {"after": dice.choice([60, 90, 3600])}, {"at": NOON}])
            squidie.start(Single, priority=dice.choice([0, 1, 99, 100, 999]), **wish)
    now = NOON + timedelta(minutes=10)
    clock(now)
    columns = "priority, due_at, run_id, step"
    due = query(squidie, f"select {columns} from {{s}}.attempts where due_at <= :now", now=now)

    claimed = []
    while batch := claim(squidie, dice.randint(1, 15)):
        claimed += [(row.priority, row.due_at, row.run_id, row.step) for row in batch]

    assert claimed == sorted(due)
    assert 60 < len(claimed) < 120


@pytest.mark.parametrize(
    "off", ["nothing", "enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_indexscan"]
)
def test_a_claim_takes_at_most_its_limit_whatever_the_plan(squidie, off):
    """B09"""
    squidie.start_many(Single, [{} for _ in range(60)])
    with squidie._parts.journal.reading() as connection:
        if off != "nothing":
            connection.execute(text(f"set {off} = off"))
        sizes = [len(claim(squidie, 7, connection=connection)) for _ in range(10)]
        connection.execute(text("reset all"))

    assert sizes == [7] * 8 + [4, 0]


def test_no_attempt_has_two_holders(squidie):
    """B10: 16 claimers, 2,000 attempts."""
    squidie.start_many(Single, [{} for _ in range(2000)])

    def claim_all(number):
        found = []
        while batch := claim(squidie, 25, owner=f"claimer:{number}:x"):
            found += [(row.run_id, row.lease.claim_id) for row in batch]
        return found

    with ThreadPoolExecutor(16) as pool:
        shares = list(pool.map(claim_all, range(16)))

    claims = [each for share in shares for each in share]
    assert len({run for run, _ in claims}) == len({claim_id for _, claim_id in claims}) == len(claims) == 2000
    assert sum(1 for share in shares if share) > 1


def test_a_claim_takes_only_its_queue_and_what_it_can_run(squidie, make):
    """B06, B27: nothing that is unserved or elsewhere is touched, nor does it hide what is due behind it."""
    squidie.start(Single, priority=0)
    squidie.start(Sums, {"number": 1})
    squidie.start(Single, queue="other")
    stranger = make(Sums)

    assert claim(squidie, 9, "nobody") == []
    assert [row.step for row in claim(stranger, 9)] == ["double"]
    assert claim(stranger, 9, "other") == []
    assert [row.step for row in claim(squidie, 9, "other")] == ["only"]


def test_what_is_locked_or_undue_hides_nothing(squidie):
    """B11"""
    locked = squidie.start(Single, priority=0)
    squidie.start_many(Single, [{} for _ in range(50)], priority=0, after=3600)
    due = squidie.start(Single, priority=999)

    with held(squidie, locked.id, "attempts"):
        assert [row.run_id for row in claim(squidie, 9)] == [due.id]


def test_a_held_head_does_not_hold_up_its_claim(squidie):
    """4.2: a claim takes no head."""
    run = squidie.start(Single)

    with held(squidie, run.id):
        assert len(claim(squidie)) == 1


def test_a_step_that_is_slow_irreversible_or_was_lost_is_taken_alone(squidie):
    """L09, L13, 18: in its turn, by itself, and durably."""
    squidie.start(Single)
    careful = squidie.start(Careful, priority=101)
    squidie.start(Single, priority=102)
    lost = squidie.start(Single, priority=103)
    change(squidie, "update {s}.attempts set lost = 1 where run_id = :id", id=lost.id)

    batches = [[row.run_id for row in claim(squidie, 9)] for _ in range(4)]

    assert [len(batch) for batch in batches] == [1, 1, 1, 1]
    assert (batches[1], batches[3]) == ([careful.id], [lost.id])
    change(squidie, "update {s}.attempts set lost = 0")


def test_only_the_hash_of_a_drawn_token_is_kept(squidie):
    """4.2, B19, L07: claim ids and tokens are drawn anew for each claim."""
    squidie.start_many(Single, [{} for _ in range(3)])
    claimed = [claim(squidie)[0] for _ in range(3)]

    assert {len(row.lease.token_hash) for row in claimed} == {32}
    assert len({row.lease.token_hash for row in claimed} | {row.lease.claim_id for row in claimed}) == 6
    for row in claimed:
        settle(squidie, completion(row))
    assert "token" not in str(query(squidie, "select body::text from {s}.facts"))


def test_each_claim_of_a_process_has_a_token_of_its_own(squidie):
    """B19, L07, G28: drawn for each claim, and for each settle that hands successors over."""
    seen = []
    for step in "abc":
        HOOKS[step] = lambda _: seen.extend(
            query(squidie, "select claim_id, token_hash from {s}.attempts where claim_id is not null")
        )
    squidie.start_many(Chain, [{}, {}])

    while squidie.execute_next():
        pass
    squidie.start(Chain)
    work_off(squidie)

    assert len(seen) == len({claim_id for claim_id, _ in seen}) == len({bytes(token) for _, token in seen}) == 9


def test_no_step_is_called_whose_claim_is_gone_when_it_is_looked_at(squidie):
    """2.6, L15: a crash of the database may erase a claim of short steps before anybody has seen it."""
    run = squidie.start(Single)
    erased = "claim_id = null, token_hash = null, owner = null, claimed_at = null, lease_until = null"
    crashes = []

    def crash(_connection, _cursor, statement, *_):
        if statement.startswith("select a.claim_id from") and not crashes:
            crashes.append(change(squidie, f"update {{s}}.attempts set {erased}"))

    event.listen(squidie.engine, "before_cursor_execute", crash)
    squidie.execute_next()

    assert (crashes, CALLS) == ([1], [])
    work_off(squidie)
    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]


def test_looking_changes_nothing(squidie):
    """B08"""
    run = squidie.start(Chain)
    claim(squidie)
    before = query(squidie, "select xmin::text from {s}.attempts union all select xmin::text from {s}.runs")

    run.snapshot()
    squidie.list_runs()
    squidie.ended(run.id)

    assert query(squidie, "select xmin::text from {s}.attempts union all select xmin::text from {s}.runs") == before


# ---------------------------------------------------------------- how a lease ends, and a claim does not
def test_the_end_of_a_lease_is_counted_to_the_microsecond(squidie, clock):
    """0 (the boundary counts), 4.3: one microsecond before its end nobody may end the claim."""
    clock(NOON)
    squidie.start(Single)
    (row,) = claim(squidie)
    assert row.lease.lease_until == NOON + timedelta(seconds=30)

    clock(row.lease.lease_until - MICROSECOND)
    assert squidie.sweep().expired == 0
    assert end_lease(squidie, row) == ()
    clock(row.lease.lease_until)
    assert squidie.sweep().expired == 1


def test_an_expired_claim_ends_as_a_fact_and_is_due_again(squidie, clock):
    """B12, 4.3: the same attempt, no retry used, one loss counted."""
    clock(NOON)
    run = squidie.start(Single)
    (lost,) = claim(squidie, owner="a:1:x")
    clock(NOON + AFTER_LEASE)

    assert squidie.sweep().expired == 1
    assert [tuple(row) for row in rows(squidie)] == [("only", 1, False, 1)]
    clock(NOON + AFTER_LEASE + timedelta(seconds=AFTER_LOSS[0]))
    (taken,) = claim(squidie, owner="b:1:x")
    assert settle(squidie, completion(taken)) is None

    _, expired, completed, _ = all_facts(squidie, run)
    assert (expired.kind, expired.lost, expired.claim.owner, expired.claim.n) == ("attempt_expired", 1, "a:1:x", 1)
    assert (expired.claim.id, expired.claim.lease_until) == (str(lost.lease.claim_id), lost.lease.lease_until)
    assert (completed.kind, completed.attempt, completed.claim.owner, completed.claim.n) == (
        "attempt_completed",
        1,
        "b:1:x",
        2,
    )


@pytest.mark.parametrize("late", [timedelta(0), AFTER_LEASE, timedelta(days=1)])
@pytest.mark.parametrize("outcome", [completion, failure])
def test_an_outcome_counts_however_late_it_comes(squidie, clock, late, outcome):
    """4.5, B20: no clock is asked, of successes and failures alike."""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    clock(row.lease.lease_until - MICROSECOND + late)

    assert settle(squidie, outcome(row)) is None

    assert kinds(squidie, run)[1:] in (["attempt_completed", "run_completed"], ["attempt_failed", "run_failed"])


@pytest.mark.parametrize("outcome", [completion, failure, release])
def test_after_the_fact_that_ended_a_claim_its_outcome_is_stale(squidie, clock, outcome):
    """4.6, B20, B24: and changes nothing, whether or not somebody has claimed since."""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    squidie.sweep()
    before = all_facts(squidie, run)

    assert settle(squidie, outcome(row)).code == "stale_claim"
    (taken,) = claim(squidie)
    error = settle(squidie, outcome(row))

    assert (error.code, error.details["claim_id"]) == ("stale_claim", str(row.lease.claim_id))
    assert all_facts(squidie, run) == before
    assert settle(squidie, completion(taken)) is None


def test_settling_the_same_outcome_again_is_accepted_and_writes_nothing(squidie):
    """4.6"""
    run = squidie.start(Chain)
    (row,) = claim(squidie)
    settle(squidie, completion(row, {"b": 1, "a": 2}))
    before = all_facts(squidie, run)

    assert settle(squidie, completion(row, {"b": 1, "a": 2})) is None
    assert settle(squidie, completion(row, "another")).code == "conflicting_outcome"
    assert settle(squidie, failure(row)).code == "conflicting_outcome"
    assert all_facts(squidie, run) == before


def test_it_is_accepted_after_the_run_has_ended_as_well(squidie):
    """4.6"""
    squidie.start_many(Single, [{}, {}])
    one, two = claim(squidie, 2)
    settle(squidie, completion(one), failure(two))

    assert settle(squidie, completion(one), failure(two)) == [None, None]
    assert [error.code for error in settle(squidie, failure(one), completion(two))] == ["conflicting_outcome"] * 2


def test_outcomes_of_attempts_that_never_were_are_unknown(squidie):
    """4.6"""
    squidie.start(Chain)
    (row,) = claim(squidie)

    for wrong in ({"attempt": 2}, {"step": "b"}, {"step": "nobody"}, {"run_id": uuid4()}):
        assert settle(squidie, msgspec.structs.replace(completion(row), **wrong)).code == "unknown_attempt"
    for wrong in ({"claim_id": uuid4()}, {"token_hash": b"x" * 32}):
        assert settle(squidie, msgspec.structs.replace(completion(row), **wrong)).code == "stale_claim"


def test_a_claim_that_a_crash_erased_runs_again_and_its_holder_is_refused(squidie):
    """G25: the asynchronous claim was lost with the database's memory; no fact, no loss."""
    run = squidie.start(Single)
    (row,) = claim(squidie)
    erased = "claim_id = null, token_hash = null, owner = null, claimed_at = null, lease_until = null"
    change(squidie, f"update {{s}}.attempts set {erased}")

    assert settle(squidie, completion(row, "mine")).code == "stale_claim"
    (again,) = claim(squidie)
    assert settle(squidie, completion(row, "mine")).code == "stale_claim"
    assert renew(squidie, row) == set()
    assert settle(squidie, completion(again, "theirs")) is None

    assert (squidie.stats().refusals, squidie.stats().erased) == (2, 2)
    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]
    assert run.result(1) == "theirs"


# ---------------------------------------------------------------- renewals
@pytest.mark.parametrize("late", [-MICROSECOND, timedelta(0), timedelta(hours=1)])
def test_a_renewal_revives_a_lease_that_has_ended(squidie, clock, late):
    """4.7, B16: it asks for the claim and never for the lease, and writes no fact."""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    now = row.lease.lease_until + late
    clock(now)

    assert renew(squidie, row) == {row.lease.claim_id}

    assert scalar(squidie, "select lease_until from {s}.attempts") == now + timedelta(seconds=30)
    assert squidie.sweep().expired == 0
    assert kinds(squidie, run) == ["run_started"]


def test_a_renewal_never_shortens_a_lease(squidie, clock):
    """4.7"""
    clock(NOON)
    squidie.start(Single)
    (row,) = claim(squidie, lease=3600)
    clock(NOON - timedelta(hours=5))

    renew(squidie, row)

    assert scalar(squidie, "select lease_until from {s}.attempts") == row.lease.lease_until


def test_a_renewal_after_the_fact_finds_nothing(squidie, clock):
    """B16: gone, or another's."""
    clock(NOON)
    squidie.start(Single)
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    squidie.sweep()

    assert renew(squidie, row) == set()
    claim(squidie)
    assert renew(squidie, row) == set()


def test_a_renewal_passes_over_what_is_locked_and_that_is_not_lost(squidie):
    """L12, G14: it neither waits nor calls a claim lost that its row still carries."""
    squidie.start_many(Single, [{}, {}])
    one, two = claim(squidie, 2)

    with held(squidie, one.run_id, "attempts"):
        assert renew(squidie, one, two) == {two.lease.claim_id}
        with squidie._parts.journal.reading() as connection:
            still = attempts.still_held(squidie._parts.journal, connection, [one, two])
    assert still == {one.lease.claim_id, two.lease.claim_id}


def test_the_settle_uses_the_row_as_it_is(squidie, clock):
    """B18: renewed five times, settled with the first object, named as last renewed."""
    clock(NOON)
    run = squidie.start(Single)
    (row,) = claim(squidie)
    for minutes in range(1, 6):
        clock(NOON + timedelta(minutes=minutes))
        renew(squidie, row)

    assert settle(squidie, completion(row)) is None

    assert all_facts(squidie, run)[1].claim.lease_until == NOON + timedelta(minutes=5, seconds=30)
    assert rows(squidie) == []


def test_a_step_of_three_leases_keeps_its_claim(make):
    """4.7, B17: renewed by the process's own thread."""
    squidie = make(settings={"lease": 0.3, "beat": 0.05})
    run = squidie.start(Single)
    leases = []

    def outlast(ctx):
        def renewed():
            leases.append(scalar(squidie, "select lease_until from {s}.attempts"))
            squidie.sweep()
            return leases[-1] - leases[0] > timedelta(seconds=0.9)

        eventually(renewed, why="the claim is not renewed")
        assert not ctx.lease_lost

    HOOKS["only"] = outlast
    squidie.execute_next()

    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]


def test_a_step_that_lost_its_claim_is_told_and_the_process_lives_on(make, clock):
    """4.7: `ctx.lease_lost` for good; one that unwinds settles nothing."""
    squidie = make(settings={"lease": 0.6, "beat": 0.05})
    run = squidie.start(Single)

    def be_robbed(ctx):
        if len(CALLS) == 1:
            eventually(lambda: rob(squidie), why="the claim was not ended")
            eventually(lambda: ctx.lease_lost, why="the step was not told")
            assert not ctx.cancelled
            ctx.check()

    HOOKS["only"] = be_robbed
    squidie.execute_next()
    squidie.sweep()
    work_off(squidie)

    assert kinds(squidie, run)[-2:] == ["attempt_completed", "run_completed"]


def rob(squidie):
    """Let all leases end, and sweep before they are renewed."""
    change(squidie, "update {s}.attempts set lease_until = claimed_at + interval '1 us' where claim_id is not null")
    return squidie.sweep().expired


# ---------------------------------------------------------------- losses
def test_after_five_losses_an_attempt_is_given_up_with_a_letter(squidie, clock):
    """4.4, B29, `too_many_claims`: due again ever later, and never a sixth claim."""
    clock(NOON)
    run = squidie.start(Single)
    now, waits = NOON, []
    while claim(squidie):
        now += AFTER_LEASE
        clock(now)
        squidie.sweep()
        if found := query(squidie, "select due_at from {s}.attempts"):
            waits.append((found[0].due_at - now).total_seconds())
            now = found[0].due_at
            clock(now)

    assert waits == [0.0, 1.0, 5.0, 30.0]
    assert kinds(squidie, run) == ["run_started", *["attempt_expired"] * 5, "attempt_dead_lettered", "run_failed"]
    assert query(squidie, "select step, attempt, reason, seq from {s}.dead_letters") == [
        ("only", 1, "claims_exhausted", 7)
    ]
    assert all_facts(squidie, run)[-1].error.kind == "claims_exhausted"


def test_clean_releases_are_no_losses(squidie):
    """4.4, B30"""
    run = squidie.start(Single)
    for _ in range(7):
        (row,) = claim(squidie)
        settle(squidie, release(row))

    assert [tuple(row) for row in rows(squidie)] == [("only", 1, False, 0)]
    assert kinds(squidie, run) == ["run_started", *["attempt_released"] * 7]


def test_a_dead_child_is_a_loss_at_once(squidie):
    """4.8, 5 (promise): its claims only, by its parent."""
    mine, theirs = squidie.start_many(Single, [{}, {}])
    host, _, boot = squidie.owner.split(":")
    (row,) = claim(squidie, owner=f"{host}:99999999:{boot}")
    (other,) = claim(squidie, owner=f"{host}:99999999:another")

    assert squidie.child_died(99999999) == 1
    assert squidie.child_died(99999999) == 0

    assert kinds(squidie, row.run_id) == ["run_started", "attempt_released"]
    assert kinds(squidie, other.run_id) == ["run_started"]
    assert sorted((r.held, r.lost) for r in rows(squidie)) == [(False, 1), (True, 0)]
    assert {mine.id, theirs.id} == {row.run_id, other.run_id}


def test_time_never_goes_back_within_a_run(squidie, clock):
    """0 (clock), L01: the clock steps back an hour; facts carry the true reading beside the lifted one."""
    clock(NOON)
    run = squidie.start(Elsewhere)
    clock(NOON + timedelta(minutes=1))
    (row,) = claim(squidie)
    clock(NOON - timedelta(hours=1))

    assert settle(squidie, completion(row)) is None

    completed = all_facts(squidie, run)[1]
    assert completed.clock == NOON - timedelta(hours=1)
    times = [at for (at,) in query(squidie, "select at from {s}.facts order by seq")]
    assert all(one <= two for one, two in pairwise(times))


def test_a_worker_that_meets_a_step_it_lost_gives_it_back(squidie, make):
    """4.9: nothing is lost, and a worker that has the callable takes it later."""
    run = squidie.start(Single)
    stranger = make(Sums)
    stranger._parts.served = squidie.registry.served

    stranger.execute_next()

    released = all_facts(squidie, run)[-1]
    assert (released.kind, released.reason) == ("attempt_released", "unserved")
    assert scalar(squidie, "select due_at > {s}.clock() from {s}.attempts")


def test_many_workers_and_one_attempt_make_one_claim(squidie):
    """B14"""
    squidie.start(Single)

    taken = at_once(*[lambda: claim(squidie)] * 16)

    assert sorted(len(batch) for batch in taken) == [0] * 15 + [1]
