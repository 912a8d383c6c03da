"""What real workers of either delivery must do with steps that kill, code they lack, and a Postgres that goes away."""

from __future__ import annotations

from contextlib import suppress

import pytest

from squidie.errors import StepNotFound
from squidie.testing import eventually
from tests.support.lab import all_facts, query, scalar

PATIENCE = 60
DEADLY = ("exit", "kill", "segv")


class OperatedContract:
    """Mixed into a class of a delivery's tests; `crew` starts workers and has a runtime beside them."""

    def test_a_step_that_kills_its_process_makes_five_claims_and_is_routed(self, crew):
        """B29, X11, 4.4: exit, SIGKILL, SIGSEGV: counted, later and later, then the letter and the error edge."""
        crew.worker()
        squidie = crew.squidie
        runs = {way: squidie.start("Deadly", {"way": way}) for way in DEADLY}

        eventually(lambda: all(_hurried(squidie, run) for run in runs.values()), PATIENCE, why=crew.said)

        for way, run in runs.items():
            assert run.result(PATIENCE) == "claims_exhausted", way
            lost = [fact for fact in all_facts(squidie, run) if fact.kind in ("attempt_released", "attempt_expired")]
            assert [fact.claim.n for fact in lost] == [1, 2, 3, 4, 5], way
            assert {fact.kind for fact in lost} == {"attempt_released"}, way  # none had to wait for its lease to end
            waits = [(fact.due_at - fact.claim.claimed_at).total_seconds() for fact in lost]
            assert [least <= wait for least, wait in zip((0, 1, 5, 30, 30), waits, strict=True)] == [True] * 5, way
            letter = squidie.dead_letters.show(run.id, "poison")
            assert (letter.reason, letter.claims, letter.owner) == ("claims_exhausted", 5, lost[-1].claim.owner)

    def test_a_step_that_raises_or_runs_out_of_memory_is_routed_at_once(self, crew):
        """B29: an exception, and a memory limit, are failures and no losses; the worker goes on."""
        crew.worker()
        runs = {way: crew.squidie.start("Deadly", {"way": way}) for way in ("raise", "memory")}

        for way, run in runs.items():
            assert run.result(PATIENCE) == "step_raised", way
            failed = next(fact for fact in all_facts(crew.squidie, run) if fact.kind == "attempt_failed")
            assert (failed.claim.n, failed.error.type) == (1, {"raise": "ValueError", "memory": "MemoryError"}[way])
        assert crew.squidie.dead_letters.count(open=None) == 0

    def test_what_no_worker_has_waits_for_one_that_has_it(self, crew):
        """B27: a worker without the code leaves it alone, and says so in the fleet; one that has it runs it."""
        crew.worker(SQUIDIE_LACKS="1")
        squidie = crew.squidie
        eventually(squidie.workers, PATIENCE, why=crew.said)
        run = squidie.start("Rare")
        assert squidie.start("Deadly", {"way": "well"}).snapshot()
        eventually(lambda: squidie.list_runs(workflow="Deadly").runs[0].status == "completed", PATIENCE, why=crew.said)

        (queue,) = squidie.queues()
        assert (queue.due, queue.unserved, len(queue.consumers)) == (1, ("tests.support.deadly_flows:rare",), 1)
        assert [fact.kind for fact in all_facts(squidie, run)] == ["run_started"]
        crew.worker()
        assert run.result(PATIENCE) == "rare"
        assert len(all_facts(squidie, run)) == 3

    def test_workers_outlive_a_postgres_that_is_away(self, crew, services):
        """B48: they claim nothing, do not exit, and go on when it is back, with no more connections than before."""
        if not services.owns_postgres:
            pytest.skip("this Postgres is not ours to stop")
        worker = crew.worker()
        squidie = crew.squidie
        squidie.start("Rare").result(PATIENCE)
        before = scalar(squidie, "select count(*) from pg_stat_activity where datname = current_database()")
        children = set(worker.children())
        services.postgres.stop()
        with suppress(AssertionError):
            eventually(lambda: not worker.is_alive(), 4)  # a few sweeps and renewals long
        services.postgres.start()
        squidie.engine.dispose()

        assert squidie.start("Rare").result(PATIENCE) == "rare"
        assert worker.is_alive()
        assert set(worker.children()) == children
        after = "select count(*) from pg_stat_activity where datname = current_database()"
        eventually(lambda: scalar(squidie, after) <= before + 2, PATIENCE)
        assert query(squidie, "select 1 from {s}.attempts") == []


def _hurried(squidie, run):
    """Whether it has ended; an attempt that waits after a loss is made due, as an operator would."""
    with suppress(StepNotFound):
        squidie.retry_now(run.id, "poison")
    return run.snapshot().status != "running"
