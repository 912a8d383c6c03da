"""What no machine changes, guarded: how many commits, statements, rows, bells, calls and bytes a workflow costs.

A hundred runs of the benchmark's workload, worked off in this process once it has learned that the steps are short.
Then runs one at a time, starts, and what a bell weighs.
Upper bounds lie a tenth above what was measured when they were last set: whoever makes Squidie cheaper lowers them.
Times are asserted nowhere.
"""

import cProfile
import gc
import pstats
import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis
from sqlalchemy import event

from benchmarks import postgres, workload
from benchmarks.rooms import work_off
from squidie.delivery import Silent
from squidie.testing.invariants import stuck, violations
from squidie_celery import CeleryDelivery, create_app

WORKFLOWS = 100
WARMING = 128
BATCHES = workload.STEPS  # of all the runs
CALLS = 505
BYTES_OF_A_STEP = 20_000
KEPT = 50
BELL = 1075  # of which the queue is 20


class Counting(Silent):
    """A delivery that tells nobody, and counts."""

    def __init__(self):
        self.rung = 0

    def ring(self, queues):
        self.rung += len(queues)


@dataclass
class Cost:
    rows: dict
    counters: postgres.Counters
    statements: int
    bells: int
    faults: list


@pytest.fixture(scope="module")
def database(services, template_url):
    url = services.new_database(template=template_url)
    yield url
    services.drop_database(url)


@pytest.fixture(scope="module")
def bells():
    return Counting()


@pytest.fixture(scope="module")
def squidie(database, bells):
    made = workload.serving(database, bells)
    for _ in range(10):  # a process that has just begun takes its first steps for slow ones
        workload.start(made, WARMING)
        work_off(made)
        if made._parts.pace.size() == made.settings.batch:
            break
    yield made
    made.close()


@pytest.fixture(scope="module")
def cost(services, database, squidie, bells):
    observer = postgres.Observer(database, services.database_url)
    try:
        yield measured(squidie, bells, database, observer)
    finally:
        observer.close()


def measured(squidie, bells, database, observer):
    rows, rung = rows_in(database), bells.rung
    workload.start(squidie, WORKFLOWS)
    squidie.engine.dispose()  # a connection tells its counts when it closes
    before = observer.counters()
    with counting(squidie) as sent:
        work_off(squidie)
    squidie.engine.dispose()
    counters = observer.counters().since(before)
    more = {table: count - rows[table] for table, count in rows_in(database).items()}
    return Cost(more, counters, sent.statements, bells.rung - rung, violations(squidie.engine) + stuck(squidie.engine))


@dataclass
class Sent:
    statements: int = 0
    commits: int = 0


@contextmanager
def counting(squidie):
    """Statements, and transactions that were committed, of this process meanwhile."""
    sent = Sent()

    def stated(*_):
        sent.statements += 1

    def committed(_):
        sent.commits += 1

    event.listen(squidie.engine, "before_cursor_execute", stated)
    event.listen(squidie.engine, "commit", committed)
    try:
        yield sent
    finally:
        event.remove(squidie.engine, "before_cursor_execute", stated)
        event.remove(squidie.engine, "commit", committed)


def rows_in(database):
    with postgres.connect(database) as connection:
        return postgres.rows(connection, "squidie")


def test_a_workflow_of_five_steps_leaves_one_head_and_seven_facts(cost):
    assert {table: count / WORKFLOWS for table, count in cost.rows.items() if count} == {"runs": 1, "facts": 7}


def test_a_batch_is_one_commit_and_claims_are_few(cost):
    assert cost.counters.commits <= 15  # five settles, the claims, and what two new connections say at first


def test_a_batch_is_one_statement_and_claims_are_few(cost):
    assert cost.statements <= BATCHES + 8  # one turn more where its share of time was used up


def test_a_thousand_steps_of_one_worker_ring_as_often_as_they_are_started(cost):
    assert cost.bells <= 2


def test_a_workflow_writes_no_more_log_than_it_did(cost, services):
    with postgres.connect(services.database_url) as connection:
        if connection.execute("show full_page_writes").fetchone() == ("on",):
            pytest.skip("whole pages are logged after each checkpoint, so the bytes depend on when it comes")

    assert 3000 < cost.counters.wal / WORKFLOWS <= 10100


def test_the_journal_is_sound_after_the_benchmark(cost):
    assert cost.faults == []


def test_a_start_is_one_statement_that_commits_by_itself(squidie):
    with counting(squidie) as sent:
        squidie.start(workload.Five, workload.order(1))
    work_off(squidie)

    assert (sent.statements, sent.commits) == (1, 0)


def test_a_thousand_starts_at_once_are_two_statements_and_one_bell(squidie, bells):
    before = bells.rung

    with counting(squidie) as sent:
        squidie.start_many(workload.Five, [workload.order(number) for number in range(1000)])
    rung = bells.rung - before
    work_off(squidie)

    assert (sent.statements, sent.commits, rung) == (2, 1, 1)


def test_a_workflow_alone_is_a_claim_and_five_settles(squidie, bells):
    """Seven commits that write with its start, each one statement; the other two are looks, and write nothing."""
    squidie.start(workload.Five, workload.order(1))
    before = bells.rung

    with counting(squidie) as sent:
        squidie.turn(["default"])

    assert sent.commits == 0
    assert sent.statements <= 8
    assert bells.rung - before == 0


def test_a_look_that_finds_nothing_is_one_statement(squidie):
    """It asks for work and for timers."""
    squidie.turn(["default"])

    with counting(squidie) as sent:
        squidie.turn(["default"])

    assert sent.statements == 1


def test_a_step_is_so_many_calls_of_functions(squidie):
    """Of all libraries together; another release of Python, or of one of them, moves it a little."""
    workload.start(squidie, WORKFLOWS)
    profiler = cProfile.Profile()

    profiler.runcall(work_off, squidie)

    calls = pstats.Stats(profiler).total_calls / (WORKFLOWS * workload.STEPS)
    assert 100 < calls <= CALLS


def test_a_batch_takes_little_memory_and_leaves_none(squidie):
    workload.start(squidie, 2 * WORKFLOWS)
    gc.collect()
    tracemalloc.start()
    try:
        work_off(squidie)
        gc.collect()
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most / squidie.settings.batch <= BYTES_OF_A_STEP
    assert kept / (2 * WORKFLOWS * workload.STEPS) <= KEPT


def test_a_bell_is_a_small_message(redis_url):
    delivery = CeleryDelivery(create_app(redis_url, set_as_current=False))
    with redis.Redis.from_url(redis_url) as connection:
        connection.delete("weighed")

        delivery.ring({"weighed"})
        delivery.flush(5.0)
        messages = connection.lrange("weighed", 0, -1)
        connection.delete("weighed")
    delivery.close()

    assert len(messages) == 1
    assert len(messages[0]) <= BELL
