"""Squidie's own worker in the clusters of pytest-celery: two workers and a Redis, as processes or as containers."""

from __future__ import annotations

from squidie.testing import eventually

NOWHERE = "/dev/null"  # in every container


def test_a_cluster_works_off_what_is_started(celery_setup, squidie):
    """Both workers are in the fleet, and nobody asks Celery for a result."""
    assert celery_setup.ready()
    assert len(celery_setup) == 3

    runs = [squidie.start("Quick", {"number": number}) for number in range(40)]

    assert [run.result(timeout=30) for run in runs] == [2 * number + 1 for number in range(40)]
    assert celery_setup.app.conf.result_backend is None


def test_what_a_killed_worker_ran_is_begun_again_by_the_other(celery_setup, squidie, facts, held):
    """K17, X1: each holds one step; the dead one's claim ends by its lease, once, and the living one is left alone."""
    runs = [squidie.start("Slow", {"seconds": 2.5, "sign": NOWHERE}) for _ in range(2)]
    eventually(lambda: held() == 2, 20)

    celery_setup.worker.kill()

    assert celery_setup.worker.container.status == "exited"
    assert all(run.result(timeout=30) for run in runs)
    assert sorted(facts(run).count("attempt_expired") for run in runs) == [0, 1]


def test_what_is_started_while_nobody_works_waits_for_a_worker(celery_setup, squidie, facts):
    """K01: nothing but a row is needed for it to be found."""
    for worker in celery_setup.worker_cluster:
        worker.kill()
    run = squidie.start("Quick", {"number": 1})
    assert facts(run) == ["run_started"]

    celery_setup.worker.restart()

    assert run.result(timeout=30) == 3


def test_a_redis_that_is_restarted_empty_loses_no_run(celery_setup, squidie):
    """R02, C20"""
    squidie.start("Quick", {"number": 0}).result(timeout=30)
    runs = [squidie.start("Quick", {"number": number}) for number in range(10)]

    celery_setup.broker.restart()

    runs += [squidie.start("Quick", {"number": number}) for number in range(10)]
    assert all(run.result(timeout=40) for run in runs)
    assert {worker.container.status for worker in celery_setup.worker_cluster} == {"running"}


def test_a_worker_that_is_told_to_stop_ends_its_step_first(celery_setup, squidie, facts, held):
    """K18: no claim is lost, and the other goes on."""
    runs = [squidie.start("Slow", {"seconds": 1.5, "sign": NOWHERE}) for _ in range(2)]
    eventually(lambda: held() == 2, 20)

    celery_setup.worker.kill("SIGTERM")

    eventually(lambda: celery_setup.worker.container.status == "exited", 30)
    runs.append(squidie.start("Quick", {"number": 1}))
    assert all(run.result(timeout=30) for run in runs)
    assert {kind for run in runs for kind in facts(run)} == {"run_started", "attempt_completed", "run_completed"}
