"""What no machine changes, guarded: how many commits, statements, rows, bells and bytes of WAL a workflow costs.

A hundred runs of the benchmark's workload, worked off in this process once it has learned that the steps are short.
Upper bounds lie a tenth above what was measured when they were last set: whoever makes Squidie cheaper lowers them.
Times are asserted nowhere.
"""

from dataclasses import dataclass

import pytest
from sqlalchemy import event

from benchmarks import postgres, workload
from benchmarks.rooms import work_off
from squidie.delivery import Silent
from squidie.testing.invariants import stuck, violations

WORKFLOWS = 100
WARMING = 128
BATCHES = 2 * workload.STEPS  # 64 and 36 runs, each through five steps


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
def cost(services, database):
    bells = Counting()
    squidie = workload.serving(database, bells)
    for _ in range(10):  # a process that has just begun takes its first steps for slow ones
        workload.start(squidie, WARMING)
        work_off(squidie)
        if squidie._parts.pace.size() == squidie.settings.batch:
            break
    observer = postgres.Observer(database, services.database_url)
    try:
        yield measured(squidie, bells, database, observer)
    finally:
        observer.close()
        squidie.close()


def measured(squidie, bells, database, observer):
    rows, rung, statements = rows_in(database), bells.rung, []
    workload.start(squidie, WORKFLOWS)
    squidie.engine.dispose()  # a connection tells its counts when it closes
    before = observer.counters()
    event.listen(squidie.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    work_off(squidie)
    squidie.engine.dispose()
    counters = observer.counters().since(before)
    more = {table: count - rows[table] for table, count in rows_in(database).items()}
    return Cost(more, counters, len(statements), bells.rung - rung, violations(squidie.engine) + stuck(squidie.engine))


def rows_in(database):
    with postgres.connect(database) as connection:
        return postgres.rows(connection, "squidie")


def test_a_workflow_of_five_steps_leaves_one_head_and_seven_facts(cost):
    assert {table: count / WORKFLOWS for table, count in cost.rows.items() if count} == {"runs": 1, "facts": 7}


def test_a_batch_is_one_commit_and_claims_are_few(cost):
    assert cost.counters.commits <= 22  # ten settles, the claims, and what two new connections say at first


def test_a_batch_is_three_statements_and_claims_are_few(cost):
    assert cost.statements <= 3 * BATCHES + 9


def test_a_thousand_steps_of_one_worker_ring_as_often_as_they_are_started(cost):
    assert cost.bells <= 2


def test_a_workflow_writes_no_more_log_than_it_did(cost, services):
    with postgres.connect(services.database_url) as connection:
        if connection.execute("show full_page_writes").fetchone() == ("on",):
            pytest.skip("whole pages are logged after each checkpoint, so the bytes depend on when it comes")

    assert 3000 < cost.counters.wal / WORKFLOWS <= 10700


def test_the_journal_is_sound_after_the_benchmark(cost):
    assert cost.faults == []
