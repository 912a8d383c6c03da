"""The sweep (SEMANTICS 4.3, RELIABILITY B29, B31, B33, L24): it finds what a crash or a lost bell left, once."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from squidie.testing import eventually
from tests.support.flows import HOOKS, Chain, Elsewhere, Single
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    all_facts,
    at_once,
    change,
    claim,
    completion,
    held,
    kinds,
    query,
    rows,
    run_in_a_child,
    scalar,
    settle,
    work_off,
)


def test_a_sweep_rings_for_what_is_due_and_unclaimed(squidie, bells, clock):
    """B31: once for each queue that its worker serves."""
    clock(NOON)
    squidie.start_many(Single, [{} for _ in range(9)])
    squidie.start(Single, queue="other")
    squidie.start(Single, queue="undue", after=60)
    squidie.start(Single, queue="strange")
    bells.rung.clear()

    report = squidie.sweep(["default", "other", "undue", "empty"])

    assert sorted(bells.rung) == sorted(report.rung) == ["default", "other"]


def test_by_default_it_looks_at_the_queues_of_the_declared_workflows(make, bells):
    squidie = make(Elsewhere, delivery=bells)
    squidie.start(Elsewhere)
    work_off(squidie)
    bells.rung.clear()

    squidie.sweep()

    assert bells.rung == ["other"]


def test_it_does_not_ring_for_what_is_claimed(squidie, bells):
    squidie.start(Single)
    claim(squidie)
    bells.rung.clear()

    assert squidie.sweep().rung == ()
    assert bells.rung == []


def test_a_retry_is_rung_by_the_process_that_knows_its_time(squidie, bells):
    """B04: within a timer's accuracy, not a sweep's."""
    squidie.start(Single, {"plan": {"only": ["later:0.05"]}})
    bells.rung.clear()
    squidie.execute_next()

    eventually(lambda: bells.rung == ["default"], why="no bell at the retry's time")


def test_any_number_of_sweepers_end_each_claim_once(squidie, clock):
    """B33: 8 sweepers, 500 expired claims."""
    clock(NOON)
    squidie.start_many(Single, [{} for _ in range(500)])
    assert len(claim(squidie, 500)) == 500
    clock(NOON + AFTER_LEASE)

    reports = at_once(*[squidie.sweep] * 8)
    while squidie.sweep().expired:
        pass

    assert {type(report).__name__ for report in reports} == {"SweepReport"}
    assert scalar(squidie, "select count(*) from {s}.facts where kind = 'attempt_expired'") == 500
    assert {tuple(row) for row in query(squidie, "select claim_id, lost from {s}.attempts")} == {(None, 1)}
    assert scalar(squidie, "select deadlocks from pg_stat_database where datname = current_database()") == 0


def test_a_busy_run_keeps_no_sweep_from_ringing(make, bells, clock, squidie):
    """4.12, B31: one run held by somebody's long transaction; everything else goes on."""
    hurried = make(delivery=bells, settings={"lock_timeout": 0.05})
    clock(NOON)
    squidie.start(Single)
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    squidie.start(Single, queue="other")
    hurried.engine.dispose()
    bells.rung.clear()

    with held(squidie, row.run_id):
        assert hurried.sweep(["other"]).rung == ("other",)

    assert hurried.sweep([]).expired == 1


@pytest.mark.tampered("a body was damaged")
def test_a_damaged_run_keeps_no_sweep_from_ringing(squidie, bells, clock):
    """3.7"""
    clock(NOON)
    squidie.start_many(Single, [{}, {}])
    bad, good = claim(squidie, 2)
    change(squidie, "alter table {s}.facts disable trigger user")
    change(squidie, "update {s}.facts set body = '{}' where run_id = :id", id=bad.run_id)
    change(squidie, "update {s}.runs set state = null where run_id = :id", id=bad.run_id)
    clock(NOON + AFTER_LEASE)
    bells.rung.clear()

    report = squidie.sweep(["default"])

    assert (report.expired, report.rung, set(bells.rung)) == (1, ("default",), {"default"})
    assert [row.run_id for row in claim(squidie, 5)] == [good.run_id]


# ---------------------------------------------------------------- processes that die
def test_a_step_that_kills_its_process_is_claimed_five_times(make, clock, squidie):
    """4.4, B29: SIGKILL in a child; losses counted in facts; then a letter."""
    clock(NOON)
    poison = squidie.start(Single, {"plan": {"only": ["die"]}})
    deaths, now = 0, NOON
    while rows(squidie, poison):
        ended, _ = run_in_a_child(squidie.execute_next)
        deaths += os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGKILL
        now += timedelta(hours=1)
        clock(now)
        squidie.sweep()

    assert deaths == 5
    assert kinds(squidie, poison) == ["run_started", *["attempt_expired"] * 5, "attempt_dead_lettered", "run_failed"]
    assert [fact.claim.n for fact in all_facts(squidie, poison)[1:6]] == [1, 2, 3, 4, 5]


def test_poison_in_a_batch_costs_its_mates_one_loss_each_at_most(clock, squidie):
    """G06, B29: fifteen healthy mates were claimed with it; all complete, it alone is given up after five claims."""
    clock(now := NOON)

    def turn():
        squidie._parts.pace.short = squidie.registry.served  # a process that knows these steps to be short
        squidie._parts.pace._size = 64
        squidie.turn(["default"])

    mates = squidie.start_many(Single, [{} for _ in range(15)])
    poison = squidie.start(Single, {"plan": {"only": ["die"]}}, priority=0)

    ended, pid = run_in_a_child(turn)
    assert os.WIFSIGNALED(ended)
    held_by_the_dead = squidie.child_died(pid)
    while rows(squidie):
        clock(now := now + timedelta(hours=1))
        _, pid = run_in_a_child(turn)
        squidie.child_died(pid)

    assert held_by_the_dead == 16
    lost = [fact for fact in all_facts(squidie, poison) if fact.kind == "attempt_released"]
    assert [fact.claim.n for fact in lost] == [1, 2, 3, 4, 5]
    assert squidie.dead_letters.show(poison.id, "only").reason == "claims_exhausted"
    for mate in mates:
        assert mate.snapshot().status == "completed"
        assert kinds(squidie, mate).count("attempt_released") <= 1
    assert squidie.dead_letters.count() == 1


def test_a_parent_ends_the_claims_of_its_dead_child_at_once(squidie):
    """4.8, G05: nobody waits for the lease; the child's other work is done by the next."""
    run = squidie.start(Chain, {"plan": {"b": ["die"]}})

    ended, pid = run_in_a_child(lambda: squidie.turn(["default"]))
    assert os.WIFSIGNALED(ended)
    assert squidie.child_died(pid) == 1

    facts = all_facts(squidie, run)
    assert [fact.kind for fact in facts] == ["run_started", "attempt_completed", "attempt_released"]
    assert (facts[2].step, facts[2].reason) == ("b", "child_died")
    assert facts[2].claim.owner == squidie.owner.replace(f":{os.getpid()}:", f":{pid}:")
    assert [tuple(row) for row in rows(squidie)] == [("b", 1, False, 1)]


def test_a_forked_child_leaves_its_parents_connections_alone(squidie):
    """G42"""
    run, other = squidie.start_many(Single, [{}, {}])
    squidie.execute_next()

    ended, _ = run_in_a_child(lambda: squidie.execute_next() and os._exit(0))

    assert os.WEXITSTATUS(ended) == 0
    assert (run.result(1), other.result(1)) == ("only1", "only1")


# ---------------------------------------------------------------- the thread
@pytest.fixture
def sweeper(make, bells):
    squidie = make(delivery=bells, settings={"sweep": 0.02, "lease": 0.4, "beat": 0.1})
    sweeper = squidie.sweeper(lambda: ["default", "other"])
    sweeper.start()
    yield sweeper
    sweeper.stop()


WORKER = "select queues, actions, delivery, role from {s}.workers where owner = :owner"


def test_a_sweeper_says_that_its_worker_is_alive_and_that_it_has_left(squidie, sweeper):
    """4.10: whoever served a queue last stays known."""
    found = eventually(lambda: query(squidie, WORKER, owner=squidie.owner))

    assert [tuple(row) for row in found] == [
        (["default", "other"], sorted(squidie.registry.served), "recorder", "worker")
    ]
    seen = scalar(squidie, "select seen_at from {s}.workers")
    eventually(lambda: scalar(squidie, "select seen_at from {s}.workers") > seen, why="the row is not refreshed")
    sweeper.stop()
    (left,) = squidie.workers(everybody=True)
    assert (left.state, left.queues, left.left_at) == ("left", ("default", "other"), left.seen_at)
    assert squidie.workers() == ()


def test_rows_of_workers_that_died_long_ago_are_forgotten(squidie, sweeper):
    """4.10: after a month."""
    eventually(lambda: query(squidie, WORKER, owner=squidie.owner))
    others = "host, pid, role, queues, actions, version, code_version, delivery, slots, started_at"
    for name, age in (("old:1:x", "31 days"), ("dead:1:x", "29 days")):
        change(
            squidie,
            f"insert into {{s}}.workers select '{name}', {others}, seen_at - interval '{age}' from {{s}}.workers "
            "where owner = :owner",
            owner=squidie.owner,
        )

    sweeper.stop()

    assert {row.owner for row in query(squidie, "select owner from {s}.workers")} == {squidie.owner, "dead:1:x"}


def test_a_worker_that_serves_no_queue_any_more_has_left(squidie):
    """4.10: one that drains is no consumer, and its queues stay known."""
    presence = squidie.presence("worker")
    presence.refresh(["default"])
    presence.refresh([])

    (left,) = squidie.workers(everybody=True)
    assert (left.state, left.queues) == ("left", ("default",))


def test_a_sweeper_finds_lost_bells_and_expired_claims(squidie, bells, sweeper):
    """B31, promise 5: within lease and sweep."""
    run = squidie.start(Single)
    (row,) = claim(squidie, lease=0.05)

    eventually(lambda: "attempt_expired" in kinds(squidie, run), why="the claim was not ended")
    bells.rung.clear()
    eventually(lambda: "default" in bells.rung, why="no bell for what is due")
    assert settle(squidie, completion(row)).code == "stale_claim"


def test_a_sweeper_survives_a_restart_of_postgres(services, squidie, bells, sweeper):
    """5: its thread goes on when the database is back, and its row with it."""
    if not services.owns_postgres:
        pytest.skip("this Postgres is not ours to restart")
    eventually(lambda: query(squidie, WORKER, owner=squidie.owner))

    services.postgres.restart()
    squidie.engine.dispose()
    before = scalar(squidie, "select {s}.clock()")

    eventually(lambda: query(squidie, "select 1 from {s}.workers where seen_at > :before", before=before), 15)
    run = squidie.start(Single)
    bells.rung.clear()
    eventually(lambda: "default" in bells.rung)
    squidie.turn(["default"])
    assert run.result(1) == "only1"


def test_a_sweeper_that_was_away_spares_living_claims_for_a_beat(squidie, clock):
    """L24: a courtesy; their holders renew first."""
    clock(NOON)
    run = squidie.start(Single)
    claim(squidie)
    clock(NOON + AFTER_LEASE)
    sweeper = squidie.sweeper(lambda: ["default"])
    sweeper._expected -= 3600

    assert [sweeper._look().expired for _ in range(3)] == [0, 0, 0]
    sweeper._spare_until = 0.0  # the beat is over
    assert sweeper._look().expired == 1
    sweeper.stop()

    assert kinds(squidie, run) == ["run_started", "attempt_expired"]


def test_sweeps_and_turns_of_many_threads_do_all_the_work_once(squidie):
    """B32: doubled and early bells change no fact."""
    runs = squidie.start_many(Chain, [{} for _ in range(60)])

    with ThreadPoolExecutor(6) as pool:
        for job in [pool.submit(work_off, squidie) for _ in range(5)] + [pool.submit(squidie.sweep) for _ in range(5)]:
            job.result(30)
    work_off(squidie)

    assert all(run.result(1) == "c1" for run in runs)
    assert {count for (count,) in query(squidie, "select count(*) from {s}.facts group by run_id")} == {5}


def test_living_claims_outlast_an_outage_that_is_longer_than_what_was_left_of_their_leases(make, services):
    """P17, L24: their holder renews as soon as Postgres is back, and no sweeper is faster."""
    if not services.owns_postgres:
        pytest.skip("needs a server that may be stopped")
    squidie = make(settings={"lease": 1.2, "beat": 0.4, "sweep": 0.05})
    sweeper = squidie.sweeper(lambda: ["default"])

    def outage(_):
        services.postgres.stop()
        over_at = time.monotonic() + 1.5  # the lease ends meanwhile
        eventually(lambda: time.monotonic() > over_at)
        services.postgres.start()
        looks = sweeper._looks
        eventually(lambda: sweeper._looks > looks + 3)

    HOOKS["only"] = outage
    run = squidie.start(Single)
    sweeper.start()
    eventually(lambda: query(squidie, WORKER, owner=squidie.owner))

    squidie.turn(["default"])
    sweeper.stop()

    assert run.result(1) == "only1"
    assert kinds(squidie, run) == ["run_started", "attempt_completed", "run_completed"]
