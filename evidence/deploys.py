"""Deploys: a release without a step's code, two releases side by side, and what a later one has written (V01, V02)."""

from __future__ import annotations

import json
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import text

from evidence.cluster import outcome
from evidence.history import APPEND, FACTS, tampering
from evidence.releases import RELEASE
from evidence.scenes import await_snapshot, completed
from squidie.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evidence.cluster import Cluster, Node
    from evidence.report import Report
    from squidie import Run, Squidie

RELEASED = "select count(*) from squidie.facts where run_id = :run and kind = 'attempt_released'"
GRAPHS = "select count(distinct definition) from squidie.runs where workflow = 'Shipping'"
AHEAD = "update squidie.runs set rev = :seq, head_hash = :hash, state = '[]', fold = 999 where run_id = :run"
UNDONE = "update squidie.runs set rev = :seq, head_hash = :hash, state = null, fold = 0 where run_id = :run"


def deployed(cluster: Cluster, report: Report) -> None:
    """V01: a deploy without a step's code, and with another graph of the same name; then the code comes back."""
    node = _release(cluster, "1", "deploy").ready()
    with report.scenario("V01 a deploy loses a callable") as row, cluster.client(release="1") as author:
        runs = _asked(author, "deploy", 5)
        row.expect(node.stop() == 0, "the old worker did not end well")
        new = _release(cluster, "2", "deploy").ready()
        row.hit("deploys without the code")
        _approve(cluster, runs)
        for run in runs:
            await_snapshot(run, "reason", "version_mismatch")
        row.expect([run.snapshot().status for run in runs] == ["running"] * 5, "a run has ended")
        shipped = [effect for effect in cluster.effects.of(*(run.id for run in runs)) if effect.step == "ship"]
        row.expect(not shipped, "code was run that nobody has")
        with cluster.client(release="2") as after:
            others = _asked(after, "deploy", 3)
            _approve(cluster, others)
            row.expect([outcome(run) for run in others] == ["told 1"] * 3, "the new graph does not run")
    with report.scenario("V01 the code comes back") as row:
        back = _release(cluster, "1", "deploy").ready()
        row.hit("deploys with the code")
        row.expect({outcome(run) for run in runs} == {"courier: ship 1"}, "not all shipped by courier")
        tossed = max(_released(cluster, run) for run in runs)
        row.expect(tossed < 10, f"a run was given back {tossed} times")
        row.expect(cluster.read(GRAPHS) == [(2,)], "the graphs are not kept apart")
        row.runs = len(runs) + len(others)
    cluster.retire([new, back])


def mixed(cluster: Cluster, report: Report) -> None:
    """V02: both releases on one queue, each with runs of its own; then a fact that nobody here knows."""
    nodes = [_release(cluster, release, "mixed").ready() for release in ("1", "2")]
    with report.scenario("V02 old and new side by side") as row:
        with cluster.client(release="1") as old, cluster.client(release="2") as new:
            ours, theirs = _asked(old, "mixed", 10), _asked(new, "mixed", 10)
        _approve(cluster, [*ours, *theirs])
        row.expect({outcome(run) for run in ours} == {"courier: ship 1"}, "an old run did not end as it should")
        row.expect({outcome(run) for run in theirs} == {"told 1"}, "a new run did not end as it should")
        row.hit("workers that lack a callable", len(nodes))
        tossed = sum(_released(cluster, run) for run in (*ours, *theirs))
        row.expect(tossed < 10, f"{tossed} claims were given back")
        row.runs = 20
    with report.scenario("V02 a fact of a later release") as row, cluster.client(release="1") as old:
        (run,) = _asked(old, "mixed", 1)
        with _of_the_future(cluster, run):
            row.hit("unknown fact")
            row.expect(_refused(cluster, run), "a run with a fact that nobody knows was decided on")
            completed(cluster, row, [cluster.squidie.start("Plain", {}, queue="mixed") for _ in range(10)])
            row.expect(all(node.process.is_alive() for node in nodes), "a worker has died")
        _approve(cluster, [run])
        row.expect(outcome(run) == "courier: ship 1", "it does not go on when the later release is taken back")
        row.runs += 1
    cluster.retire(nodes)


def _release(cluster: Cluster, release: str, queue: str) -> Node:
    return cluster.worker(queues=[queue], env={RELEASE: release})


def _asked(squidie: Squidie, queue: str, count: int) -> list[Run]:
    """Runs that wait for an answer."""
    runs = [squidie.start("Shipping", {}, queue=queue) for _ in range(count)]
    for run in runs:
        await_snapshot(run, "status", "paused")
    return runs


def _approve(cluster: Cluster, runs: Sequence[Run]) -> None:
    for run in runs:
        cluster.squidie.approve(run.id, actor="ann")


def _released(cluster: Cluster, run: Run) -> int:
    ((count,),) = cluster.read(RELEASED, run=run.id)
    return int(count)


@contextmanager
def _of_the_future(cluster: Cluster, run: Run) -> Iterator[None]:
    """A fact of a kind that this release does not have, chained as it should be, with a state that it cannot read."""
    last = cluster.read(FACTS, run=run.id)[-1]
    seq, at, body = last.seq + 1, last.at, json.dumps({"of": "a later release"})
    microseconds = round(at.timestamp() * 1_000_000)
    told = f"{run.id}/{seq}/step_teleported/{microseconds}/".encode()
    digest = sha256(bytes(last.hash) + told + body.encode()).digest()
    given = {"run": run.id, "seq": seq, "kind": "step_teleported", "at": at, "body": body, "hash": digest}
    with cluster.squidie.engine.begin() as connection:
        connection.execute(text(APPEND), given)
        connection.execute(text(AHEAD), given)
    try:
        yield
    finally:
        with tampering(cluster) as change:
            change("delete from squidie.facts where run_id = :run and seq = :seq", run=run.id, seq=seq)
            change(UNDONE, run=run.id, seq=last.seq, hash=last.hash)


def _refused(cluster: Cluster, run: Run) -> bool:
    try:
        cluster.squidie.approve(run.id, actor="ann")
    except HistoryError:
        return True
    return False
