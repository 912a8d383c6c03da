"""What an explanation says while something outside a run is really wrong, on real workers of either delivery."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest

from squidie.testing import eventually, set_clock
from tests.support.lab import all_facts, scalar

PATIENCE = 30


class StuckContract:
    """Mixed into a class of a delivery's tests; `crew` starts workers and has a runtime beside them."""

    @pytest.fixture
    def told(self, crew):
        """Wait until a run's explanation has this code; it, and that every other view says the same."""

        def told(run, code):
            def has_come():
                found = crew.squidie.explain_run(run.id)
                return found if found.code == code else None

            def why():
                return f"{crew.squidie.explain_run(run.id).code}, not {code}:\n{crew.said()}"

            found = eventually(has_come, PATIENCE, why=why)
            snapshot = run.snapshot()
            assert (snapshot.reason, snapshot.state) == (found.code, found.state)
            return found

        return told

    @pytest.fixture
    def busy(self, crew, tmp_path):
        """Start a run whose step has begun, and ends when `finish` is called."""
        files = []

        def busy(workflow="Patient"):
            file = tmp_path / f"end{len(files)}"
            files.append(file)
            run = crew.squidie.start(workflow, {"until": str(file)})
            eventually(lambda: run.snapshot().reason == "running", PATIENCE, why=crew.said)
            run.finish = file.touch
            return run

        yield busy
        for file in files:
            file.touch()

    def test_a_queue_whose_only_worker_was_stopped_has_no_consumer_until_one_comes(self, crew, told):
        """13.6, row 10: who acts, since when, and how to start one; the command is true."""
        worker = crew.worker()
        assert crew.squidie.start("Rare").result(PATIENCE) == "rare"
        left = eventually(crew.squidie.workers, PATIENCE)[0].owner
        worker.stop()
        run = crew.squidie.start("Rare")
        found = told(run, "no_consumer")

        assert (found.state, found.blockers[0].step) == ("stalled", "rare")
        assert found.headline.startswith("No worker serves queue default: rare has been due")
        assert found.blockers[0].evidence["last_consumer"]["owner"] == left
        assert found.actions[0].command.startswith(crew.starts)
        (stuck,) = crew.squidie.explain_many().groups
        assert (stuck.code, stuck.runs) == ("no_consumer", 1)
        crew.worker()
        assert run.result(PATIENCE) == "rare"

    def test_work_for_a_queue_that_no_living_worker_serves_is_told_apart(self, crew, told):
        """13.6, row 10: workers are alive, none of them for this queue."""
        crew.worker()
        assert crew.squidie.start("Rare").result(PATIENCE) == "rare"
        found = told(crew.squidie.start("Gpu"), "no_consumer")

        assert found.blockers[0].evidence["queue"] == "gpu"
        assert "gpu" in found.headline
        assert "gpu" in found.actions[0].command

    def test_a_queue_that_is_paused_waits_for_whoever_paused_it(self, crew, told):
        """13.6, row 13: and its command resumes it."""
        crew.worker()
        assert crew.squidie.start("Rare").result(PATIENCE) == "rare"
        crew.squidie.pause_queue("default", actor="ops", reason="the gateway moves")
        run = crew.squidie.start("Rare")
        found = told(run, "queue_paused")

        assert (found.state, found.blockers[0].evidence["by"]) == ("stalled", "ops")
        assert "the gateway moves" in str(found.blockers[0].evidence)
        crew.squidie.resume_queue("default", reason="it has moved")
        assert run.result(PATIENCE) == "rare"

    def test_code_that_the_workers_lack_is_named_and_so_is_who_has_it_elsewhere(self, crew, told):
        """13.6, rows 11 and 12: nobody has it; then a worker of another queue has; then one that serves this."""
        crew.worker(SQUIDIE_LACKS="1")
        eventually(crew.squidie.workers, PATIENCE, why=crew.said)
        run = crew.squidie.start("Rare")
        nobody = told(run, "version_mismatch")

        assert "tests.support.stuck_flows:rare" in nobody.headline
        crew.worker("gpu")
        elsewhere = told(run, "missing_callable")
        evidence = elsewhere.blockers[0].evidence
        assert (evidence["callable"], len(evidence["elsewhere"])) == ("tests.support.stuck_flows:rare", 1)
        crew.worker()
        assert run.result(PATIENCE) == "rare"

    def test_the_run_that_holds_the_only_slot_is_named(self, crew, told, busy):
        """13.6, row 21: and once it ends, the other goes on by itself, as `next` says."""
        crew.worker()
        holder = busy("Shared")
        run = crew.squidie.start("Shared", {"until": __file__})
        found = told(run, "concurrency_limited")

        evidence = found.blockers[0].evidence
        assert (evidence["limit"], evidence["used"], evidence["n"]) == ("gateway", 1, 1)
        assert [each["run_id"] for each in evidence["holders"]] == [holder.id]
        holder.finish()
        assert run.result(PATIENCE) == "seen"

    def test_a_rate_that_is_used_up_says_when_it_has_a_token_again(self, crew, told):
        """13.6, row 22"""
        crew.worker()
        assert crew.squidie.start("Metered").result(PATIENCE) == "plain"
        found = told(crew.squidie.start("Metered"), "rate_limited")

        due = found.blockers[0].next.at - _now(crew.squidie)
        assert timedelta(minutes=59) < due <= timedelta(hours=1)

    def test_work_behind_busy_workers_is_queued_and_counted(self, crew, told, busy):
        """13.6, row 23"""
        crew.worker()
        for _ in range(crew.slots):
            busy()
        first, second = (crew.squidie.start("Rare") for _ in range(2))

        assert told(first, "queued").state == "queued"
        assert told(second, "queued").blockers[0].evidence["ahead"] >= 1

    def test_a_step_whose_whole_worker_was_killed_has_an_expired_lease_then_no_consumer(self, crew, told, busy):
        """13.6, rows 14 and 10: a minute later its worker counts as dead; another takes it over."""
        worker = crew.worker()
        run = busy()
        worker.kill()
        found = told(run, "lease_expired")

        assert (found.state, found.blockers[0].evidence["lease_until"] < _now(crew.squidie)) == ("stalled", True)
        set_clock(crew.squidie.engine, _now(crew.squidie) + timedelta(seconds=61))
        assert not any(each.alive for each in crew.squidie.workers())
        set_clock(crew.squidie.engine, None)
        run.finish()
        crew.worker()
        assert run.result(PATIENCE) == "seen"
        assert [fact.kind for fact in all_facts(crew.squidie, run)][1] == "attempt_expired"

    def test_a_step_that_has_nearly_used_its_time_runs_long_and_is_then_stopped(self, crew, told, busy):
        """13.6, rows 19 and 20: what comes next comes true."""
        crew.worker()
        run = busy("Timed")
        found = told(run, "running_long")

        assert (found.state, found.blockers[0].step) == ("running", "wait")
        eventually(lambda: run.snapshot().status == "failed", PATIENCE, why=crew.said)
        assert crew.squidie.explain_run(run.id).code == "failed"

    def test_a_failed_step_says_when_it_is_tried_again(self, crew, told):
        """13.6, row 24"""
        crew.worker()
        run = crew.squidie.start("Refused")
        found = told(run, "retry_backoff")

        assert (found.state, found.blockers[0].evidence["attempt"]) == ("retrying", 2)
        assert found.blockers[0].next.at > _now(crew.squidie) + timedelta(minutes=59)

    def test_a_step_that_gave_up_waits_for_a_person(self, crew, told):
        """13.6, row 6"""
        crew.worker()
        run = crew.squidie.start("Doomed")
        found = told(run, "dead_lettered")

        assert (found.state, found.blockers[0].step) == ("stalled", "pay")
        assert "the gateway does not answer" in found.headline

    def test_work_that_a_frozen_worker_does_not_take_is_picked_up_late(self, crew, told):
        """13.6, row 16: it counts as alive, its slots are free, and nothing is begun; thawed, it goes on."""
        worker = crew.worker()
        assert crew.squidie.start("Rare").result(PATIENCE) == "rare"
        pids = [worker.pid, *worker.children()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            run = crew.squidie.start("Rare")
            set_clock(crew.squidie.engine, _now(crew.squidie) + timedelta(seconds=11))
            found = told(run, "late_pickup")
            assert len(found.blockers[0].evidence["idle"]) == 1
        finally:
            set_clock(crew.squidie.engine, None)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert run.result(PATIENCE) == "rare"


def _now(squidie):
    return scalar(squidie, "select {s}.clock()")
