"""Every failpoint is hit by real processes, on either delivery (RELIABILITY 6.0)."""

from __future__ import annotations

import os
import signal
from uuid import uuid4

from evidence.cluster import outcome
from evidence.hosting import TICKING
from squidie.failpoints import POINTS
from squidie.testing import eventually

ALL = ",".join(f"{point}=sleep:0@*" for point in POINTS)


def begun(cluster, queue, nap):
    run = cluster.squidie.start("Single", {"naps": {"only": nap}}, queue=queue)
    return run, eventually(lambda: cluster.effects.of(run.id), 20)[0]


def test_each_point_is_hit_by_a_real_run(cluster):
    armed = cluster.worker("armed", queues=["points", "default"], armed=ALL, env={TICKING: "1"}).ready()
    doomed = cluster.worker("doomed", queues=["doomed"]).ready()
    run_id = str(uuid4())

    taken_over, _ = begun(cluster, "doomed", 5)
    doomed.kill()  # its claim is over when a sweep of the other one finds it
    given_back, effect = begun(cluster, "points", 1)
    os.kill(effect.pid, signal.SIGKILL)
    host = cluster.host(run_id, "points", ALL)
    plain = cluster.squidie.start("Plain", {}, queue="points")

    def missed():
        return set(POINTS) - {hit.point for node in (armed, host) for hit in node.hits()}

    eventually(lambda: not missed(), 20, why=lambda: f"not hit: {missed()}")
    assert host.process.wait(20) == 0
    assert [outcome(run) for run in (given_back, plain, cluster.squidie.run(run_id))] == ["only 1", "last 1", "only 1"]
    cluster.squidie.cancel(taken_over.id, reason="nobody serves its queue any more")
    cluster.retire([armed])
    for run in cluster.squidie.list_runs(open=True).runs:
        cluster.squidie.cancel(run.id, reason="a window that was opened last")


def test_a_host_that_dies_between_its_commit_and_the_bell_has_started_its_run(notify_cluster):
    """G19: a sweep finds it."""
    cluster = notify_cluster
    worker = cluster.worker("found", queues=["found"]).ready()
    run_id = str(uuid4())

    host = cluster.host(run_id, "found", "host.committed=kill")

    assert host.process.wait(20) == -signal.SIGKILL
    assert outcome(cluster.squidie.run(run_id)) == "only 1"
    assert [hit.action for hit in host.hits()] == ["kill"]
    cluster.retire([worker])
