"""A minute of `make resilience`: workers, servers and children die at named points; what is left is exact.

The whole of it is `python -m evidence resilience`; see evidence/README.md.
"""

from __future__ import annotations

import pytest

from evidence import endings, killpoints, recovery, restarts

DEATHS = {"K03", "K04", "K05", "K05 reply", "K06", "K08", "K09", "K10 reply", "K11"}
CHOSEN = [case for case in killpoints.DEATHS if case.row in DEATHS]


@pytest.mark.parametrize(
    ("cluster", "half"),
    [("celery", CHOSEN[::2]), ("notify", CHOSEN[1::2])],
    indirect=["cluster"],
    ids=["celery", "notify"],
)
def test_a_child_that_dies_at_a_point_of_its_step_loses_nothing(cluster, told, half):
    """K03, K04, K05, K06, K08, K09, K10, K11: for a plain step and for a transactional one."""
    killpoints.deaths(cluster, told, half)


def test_a_worker_killed_at_a_point_is_replaced_and_one_that_slept_is_refused(celery_cluster, told):
    """16.3, K14"""
    killpoints.stops(celery_cluster, told, ["step.after", "settle.committed"], ["step.after"])


def test_the_work_of_a_dead_child_is_given_back_by_its_parent(cluster, told):
    """K07"""
    recovery.children(cluster, told, 4)


def test_the_work_of_a_dead_worker_is_taken_over_when_its_lease_is_over(celery_cluster, told):
    """K07"""
    recovery.hosts(celery_cluster, told, 2)


def test_four_kinds_of_waiting_outlast_the_death_of_postgres(notify_cluster, told):
    """16.3: four of the 32 cases."""
    restarts.rounds(notify_cluster, told, [("postgres", "kill")])


def test_four_kinds_of_waiting_outlast_the_death_of_redis_and_of_a_worker(celery_cluster, told):
    """16.3: eight of the 32 cases."""
    restarts.rounds(celery_cluster, told, [("worker", "kill"), ("redis", "kill")])


def test_everything_may_die_at_once(celery_cluster, told):
    """K20"""
    endings.crash(celery_cluster, told)
