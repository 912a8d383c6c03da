"""Redis cannot be reached, is frozen, or answers late (RELIABILITY 6.2, R03 to R05)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import redis

from evidence.cluster import outcome
from evidence.proxy import FaultProxy
from evidence.scenes import SWEEP, completed, each_takes, held, took, watching
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidence.cluster import Cluster
    from evidence.report import Report, Row
    from squidie import Run, Squidie

OUTAGE = 6.0
"""Seconds: as long beside a sweep as a minute is beside one of five seconds."""

FIRST, OTHERS = 3.0, 0.05
"""Seconds that a caller may have to wait: the first after the fault, and the median of those that follow."""

LONGEST_TRANSACTION = 5.0
RECONNECT = 8.0
"""Seconds that Celery's consumer may take to come back: it tries again after 2, 4, 6 seconds."""

LATE = 0.5
"""Seconds until an answer is there. Beyond one second, the bound of a bell, Redis counts as out of reach."""

OLDEST = """
select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


class Fault(NamedTuple):
    """What is done, and how it ends; the first word of the queues beside it."""

    name: str
    harm: Callable[[], None]
    heal: Callable[[], None]


def unreachable(cluster: Cluster, report: Report) -> None:
    """R03: connections are refused; then they are made, and nobody answers."""
    for manner in ("refused", "no answer"):
        with report.scenario(f"R03 {manner}") as row, _wired(cluster) as (proxy, squidie):

            def harm(proxy: FaultProxy = proxy, manner: str = manner) -> None:
                proxy.refuse, proxy.blackhole = manner == "refused", manner != "refused"
                if proxy.refuse:
                    proxy.reset()

            _outage(cluster, row, squidie, Fault(manner.replace(" ", "-"), harm, proxy.heal))
            for fault in ("refuse", "blackhole", "reset"):
                if proxy.hits[fault]:
                    row.hit(fault, proxy.hits[fault])


def frozen(cluster: Cluster, report: Report) -> None:
    """R04: SIGSTOP for the server itself."""
    with report.scenario("R04 frozen Redis") as row, cluster.client() as squidie:
        server = cluster.services.redis
        nodes = [cluster.worker(queues=[f"frozen-{what}"]).ready() for what in ("busy", "idle")]
        _outage(cluster, row, squidie, Fault("frozen", server.freeze, server.thaw))
        row.hit("SIGSTOP")
        cluster.retire(nodes)


@contextmanager
def _wired(cluster: Cluster) -> Iterator[tuple[FaultProxy, Squidie]]:
    """Two workers and a caller behind one wire to Redis."""
    plain = cluster.services.redis_url
    with FaultProxy.to_redis(plain) as proxy, cluster.client(redis_url=proxy.redis_url(plain)) as squidie:
        env = {"SQUIDIE_REDIS_URL": proxy.redis_url(plain)}
        queues = [f"{manner}-{what}" for manner in ("refused", "no-answer") for what in ("busy", "idle")]
        nodes = [cluster.worker(queues=[q for q in queues if q.endswith(what)], env=env) for what in ("busy", "idle")]
        for node in nodes:
            node.ready()
        yield proxy, squidie
        cluster.retire(nodes)


def _outage(cluster: Cluster, row: Row, squidie: Squidie, fault: Fault) -> None:
    """Callers wait for nobody, a turn that runs goes on, everybody else waits for a sweep after the end."""
    busy, idle = f"{fault.name}-busy", f"{fault.name}-idle"
    delivery: Any = squidie.delivery
    asked = squidie.start("Asked", {}, queue=idle)
    done = squidie.start("Plain", {}, queue=idle)
    outcome(done)
    eventually(lambda: asked.snapshot().status == "paused", 15.0, why="not yet paused")
    with watching(cluster, OLDEST) as oldest:
        with held(cluster, squidie, busy) as holding:
            delivery.flush(2)
            fault.harm()
            begun = time.monotonic()
            try:
                started = _callers(row, squidie, busy, idle, asked)
                going_on = [run for run in started if _queue(cluster, run) == busy]
            except BaseException:
                fault.heal()
                raise
        try:
            completed(cluster, row, [holding, *going_on])
            row.expect(time.monotonic() - begun < OUTAGE, "the turn that ran did not go on while Redis was away")
            eventually(lambda: time.monotonic() - begun >= OUTAGE, OUTAGE + 1)
            others = [run for run in started if run not in going_on]
            row.expect(not cluster.effects.of(*(run.id for run in others)), "a bell was heard that nobody could ring")
        finally:
            fault.heal()
    _after(cluster, row, squidie, idle, others)
    row.expect(oldest[0] <= LONGEST_TRANSACTION, f"a transaction was open for {oldest[0]:.1f} s")


def _callers(row: Row, squidie: Squidie, busy: str, idle: str, asked: Run) -> list[Run]:
    """Start, approve and cancel under the fault: the first call may wait a moment, the others must not."""
    runs: list[Run] = []

    def start(queue: str) -> None:
        runs.append(squidie.start("Plain", {}, queue=queue))

    first = took(partial(start, idle))
    others = each_takes(partial(start, (busy, idle)[number % 2]) for number in range(19))
    steering = each_takes(
        [
            lambda: squidie.approve(asked.id, actor="ann"),
            lambda: squidie.cancel(asked.id, reason="nobody wants it"),
        ]
    )
    row.expect(first <= FIRST, f"the first start took {first:.2f} s")
    row.expect(median(others) <= OTHERS, f"half of the other starts took more than {median(others):.3f} s")
    row.expect(max([*others, *steering]) <= FIRST, f"a call took {max([*others, *steering]):.2f} s")
    return runs


def _after(cluster: Cluster, row: Row, squidie: Squidie, queue: str, runs: list[Run]) -> None:
    """The wire is whole again: bells ring within a sweep, and are heard when Celery's consumer has come back."""
    delivery: Any = squidie.delivery
    healed = time.monotonic()
    eventually(lambda: delivery.reachable, SWEEP + 3.0, why="the caller's bells do not ring again")
    with redis.Redis(port=cluster.services.redis.port, socket_timeout=5) as client:
        eventually(
            lambda: client.llen(queue) or cluster.effects.of(*(run.id for run in runs)),
            2 * SWEEP + 2.0,
            why="no bell was rung after the outage",
        )
    row.recovery.append(time.monotonic() - healed)
    eventually(lambda: cluster.effects.of(*(run.id for run in runs)), RECONNECT, why="nobody begins after the outage")
    completed(cluster, row, runs)


def _queue(cluster: Cluster, run: Run) -> str:
    ((queue,),) = cluster.read("select queue from squidie.runs where run_id = :run", run=run.id)
    return str(queue)


def slow(cluster: Cluster, report: Report) -> None:
    """R05: half a second there and back; then it pauses its clients. Bells are late, steps are not."""
    with _wired(cluster) as (proxy, squidie):
        with report.scenario("R05 half a second late") as row:
            proxy.latency = LATE / 2
            try:
                _late(cluster, row, squidie, "refused-busy")
            finally:
                row.hit("late chunks", proxy.hits["latency"])
                proxy.heal()
        with report.scenario("R05 CLIENT PAUSE") as row:
            with redis.Redis(port=cluster.services.redis.port, socket_timeout=5) as client:
                client.client_pause(1500)
            row.hit("CLIENT PAUSE")
            _late(cluster, row, squidie, "refused-idle")


def _late(cluster: Cluster, row: Row, squidie: Squidie, queue: str) -> None:
    runs = [squidie.start("Plain", {}, queue=queue) for _ in range(20)]
    completed(cluster, row, runs)
