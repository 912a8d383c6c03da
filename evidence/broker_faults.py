"""Redis loses, doubles, refuses and invents messages (RELIABILITY 6.2); outages are played in `broker_outages.py`."""

from __future__ import annotations

import base64
import json
import time
from contextlib import contextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import redis

from evidence.broker_outages import frozen, slow, unreachable
from evidence.cluster import outcome
from evidence.proxy import FaultProxy
from evidence.report import percentile
from evidence.scenes import SWEEP, completed, delays, facts, held, waiting, words
from evidence.tampering import Tampering
from squidie.testing import eventually
from squidie.testing.valkey import Redis
from tests.support.garbage import GARBAGE, REFUSED, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidence.cluster import Cluster, Node
    from evidence.report import Report, Row
    from squidie import Run

forge: Callable[..., str] = message  # which has no types
FLUSHED, FLUSHES, EVERY = 200, 20, 0.5
"""Runs under way while Redis is emptied so often, once in the time of a sweep."""

FORGED = 5_000
PAUSE = 0.02
"""Seconds for which a worker looks no more after bells that found nothing."""


def broker(cluster: Cluster) -> redis.Redis:
    """A client of the cluster's Redis that is in no way faulty."""
    return redis.Redis(port=cluster.services.redis.port, socket_timeout=5)


def flushed(cluster: Cluster, report: Report, runs: int = FLUSHED, flushes: int = FLUSHES) -> None:
    """R01: with bells waiting in it, once; then under load, again and again."""
    node = cluster.worker(queues=["flushed"], concurrency=2).ready()
    start = cluster.squidie.start
    with report.scenario("R01 emptied once") as row, broker(cluster) as client:
        with held(cluster, cluster.squidie, "flushed") as one, held(cluster, cluster.squidie, "flushed") as two:
            lost = [start("Plain", {}, queue="flushed") for _ in range(20)]
            eventually(lambda: waiting(client, "flushed"), 5.0, why="no bell is waiting")
            row.hit("bells lost", waiting(client, "flushed"))
            cluster.services.redis.flush()
        completed(cluster, row, [one, two, *lost])
    with report.scenario(f"R01 emptied each {EVERY:g} s") as row:
        begun: list[Any] = []
        for number in range(flushes):
            share = runs * (number + 1) // flushes - len(begun)
            begun += [start("Plain", {"naps": {"first": 0.01}}, queue="flushed") for _ in range(share)]
            cluster.services.redis.flush()
            row.hit("FLUSHALL")
            time.sleep(EVERY)  # the pace of the fault, not a wait for anything
        completed(cluster, row, begun)
        late = delays(cluster, begun)
        report.numbers["flushed_start_p50"] = round(percentile(late, 0.5), 3)
        report.numbers["flushed_start_p99"] = round(percentile(late, 0.99), 3)
        row.expect(percentile(late, 0.5) <= SWEEP + 1, f"half were begun after more than {percentile(late, 0.5):.2f} s")
    cluster.retire([node])


def restarted(cluster: Cluster, report: Report) -> None:
    """R02: killed and started empty; then it has old bells in it, as one that reads an old file again."""
    node = cluster.worker(queues=["restarted"]).ready()
    start = cluster.squidie.start
    with report.scenario("R02 restarted empty") as row, broker(cluster) as client:
        with held(cluster, cluster.squidie, "restarted") as one:
            lost = [start("Plain", {}, queue="restarted") for _ in range(10)]
            eventually(lambda: waiting(client, "restarted"), 5.0, why="no bell is waiting")
            bells: Any = client.lrange("restarted", 0, -1)
            cluster.bounce("redis", "kill")
            row.hit("redis killed, bells lost", len(bells))
        completed(cluster, row, [one, *lost])
    with report.scenario("R02 restarted with old bells") as row, broker(cluster) as client:
        before = facts(cluster)
        cluster.bounce("redis", "kill")
        client.lpush("restarted", *bells * 20)
        row.hit("old bells", 20 * len(bells))
        eventually(lambda: waiting(client, "restarted") == 0, 30.0, why="the old bells are not heard")
        last = start("Plain", {}, queue="restarted")
        completed(cluster, row, [last])
        row.expect({fact for fact in facts(cluster) if fact[0] != last.id} == before, "old bells have changed facts")
        row.expect(node.process.is_alive(), "the worker has died")
    cluster.retire([node])


def failed_over(cluster: Cluster, report: Report) -> None:
    """R10: a copy that had ceased to follow takes the place of a Redis that dies, and lacks what was written since."""
    plain, queue = cluster.services.redis_url, "failed-over"
    copy = Redis(cluster.folder / "copy")
    with (
        report.scenario("R10 failover to a copy without the last writes") as row,
        _copied(cluster, copy) as (old, new),
        FaultProxy.to_redis(plain) as wire,
        cluster.client(redis_url=wire.redis_url(plain)) as squidie,
    ):
        node = cluster.worker(queues=[queue], env={"SQUIDIE_REDIS_URL": wire.redis_url(plain)}).ready()
        with held(cluster, squidie, queue) as one:
            known = [squidie.start("Plain", {}, queue=queue) for _ in range(5)]
            eventually(lambda: waiting(new, queue), 5.0, why="the copy does not follow")
            new.replicaof("NO", "ONE")
            lost = [squidie.start("Plain", {}, queue=queue) for _ in range(10)]
            eventually(lambda: waiting(old, queue) > waiting(new, queue), 5.0, why="no bell is waiting")
            row.hit("bells lost", waiting(old, queue) - waiting(new, queue))
            cluster.services.redis.kill()
            wire.lead_to(("127.0.0.1", copy.port))
            row.hit("failover")
        completed(cluster, row, [one, *known, *lost])
        completed(cluster, row, [squidie.start("Plain", {}, queue=queue) for _ in range(5)])
        row.expect(node.process.is_alive(), "the worker has died")
        cluster.retire([node])


@contextmanager
def _copied(cluster: Cluster, copy: Redis) -> Iterator[tuple[redis.Redis, redis.Redis]]:
    """Clients of the cluster's Redis and of a copy that follows it; in the end the former is there again, empty."""
    (cluster.folder / "copy").mkdir(exist_ok=True)
    copy.start()
    try:
        with broker(cluster) as old, redis.Redis(port=copy.port, socket_timeout=5) as new:
            new.replicaof("127.0.0.1", cluster.services.redis.port)
            linked: Callable[[], bool] = lambda: new.info("replication").get("master_link_status") == "up"  # noqa: E731
            eventually(linked, 20.0, why="the copy does not follow")
            yield old, new
    finally:
        copy.close()
        cluster.services.redis.start()


def full(cluster: Cluster, report: Report) -> None:
    """R06: it takes nothing more; then it evicts what is waiting, and a worker of our own does not start on it."""
    node = cluster.worker(queues=["full"]).ready()
    with broker(cluster) as client:
        try:
            with report.scenario("R06 out of memory, noeviction") as row:
                _refusing(cluster, row, client)
            with report.scenario("R06 out of memory, allkeys-lru") as row:
                _evicting(cluster, row, client)
                refused = cluster.worker(queues=["elsewhere"])
                refused.is_wanted = False
                row.expect(refused.process.wait(30.0) != 0, "a worker has started on a broker that evicts")
                row.expect("maxmemory-policy" in refused.process.log_text(), "it did not say why")
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")
    cluster.retire([node])


def _refusing(cluster: Cluster, row: Row, client: redis.Redis) -> None:
    with cluster.client() as squidie:
        delivery: Any = squidie.delivery
        warm = squidie.start("Single", {}, queue="full")
        outcome(warm)
        client.config_set("maxmemory", 1)
        runs = [squidie.start("Plain", {}, queue="full") for _ in range(10)]
        eventually(lambda: delivery.failed > 0 and not delivery.reachable, 10.0, why="no bell has failed")
        row.hit("bells refused", delivery.failed)
        client.config_set("maxmemory", 0)
        begun = time.monotonic()
        completed(cluster, row, [warm, *runs])
        row.recovery.append(time.monotonic() - begun)
        eventually(lambda: delivery.reachable, 10.0, why="bells do not ring again")


def _evicting(cluster: Cluster, row: Row, client: redis.Redis) -> None:
    with held(cluster, cluster.squidie, "full") as one:
        runs = [cluster.squidie.start("Plain", {}, queue="full") for _ in range(10)]
        eventually(lambda: waiting(client, "full"), 5.0, why="no bell is waiting")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", 1)
        eventually(lambda: _evict(client) == 0, 10.0, why="nothing is evicted")
        told: Any = client.info("stats")
        row.hit("keys evicted", told["evicted_keys"])
        client.config_set("maxmemory", 0)
    completed(cluster, row, [one, *runs])


def _evict(client: redis.Redis) -> int:
    """It evicts when somebody writes; how many keys are left."""
    with suppress(redis.ResponseError):
        client.set("filler", "x" * 1000)
    return int(client.dbsize())


def tampered(cluster: Cluster, report: Report) -> None:
    """R07: half of all messages are lost, others doubled or out of order; the journal says what it says without."""
    queues = ["tampered", "elsewhere"]
    with (
        FaultProxy.to_redis(cluster.services.redis_url) as proxy,
        cluster.client(redis_url=proxy.redis_url(cluster.services.redis_url)) as squidie,
    ):
        env = {"SQUIDIE_REDIS_URL": proxy.redis_url(cluster.services.redis_url)}
        node = cluster.worker(queues=queues, concurrency=2, env=env).ready()
        with report.scenario("R07 half lost, others doubled and reordered") as row:
            norm = squidie.start("Plain", {}, queue="tampered")
            completed(cluster, row, [norm])
            proxy.rewrite = tampering = Tampering(Random(row.seed))
            delivery: Any = squidie.delivery
            runs = []
            for number in range(60):
                runs.append(squidie.start("Plain", {}, queue=queues[number % 2]))
                delivery.flush(2)  # each start rings for itself
            completed(cluster, row, runs)
            for fate in ("lost", "doubled", "held back"):
                row.hit(fate, tampering.done[fate])
                row.expect(tampering.done[fate], f"no message was {fate}")
            plain = words(cluster, norm)
            other = [run for run in runs if words(cluster, run) != plain]
            row.expect(not other, f"{len(other)} journals say something else: {other and words(cluster, other[0])}")
        cluster.retire([node])


def malformed(cluster: Cluster, report: Report) -> None:
    """R09: every kind that ends a worker of plain Celery, and those that it refuses; the fleet lives and works on."""
    nodes = [cluster.worker(queues=["malformed"], concurrency=2).ready() for _ in range(2)]
    children = [node.process.children() for node in nodes]
    with report.scenario("R09 messages that are none") as row, broker(cluster) as client:
        runs = []
        for item in [*GARBAGE.values(), *REFUSED.values()]:
            client.lpush("malformed", item)
            runs.append(cluster.squidie.start("Single", {}, queue="malformed"))
        completed(cluster, row, runs)
        eventually(lambda: waiting(client, "malformed") == 0, 20.0, why="messages are left")
        delivery: Any = cluster.squidie.delivery
        eventually(lambda: delivery.quarantined() >= len(GARBAGE), 10.0, why="not all were put aside")
        row.hit("put aside", delivery.quarantined())
        row.hit("refused by Celery", len(REFUSED))
        row.expect([node.process.children() for node in nodes] == children, "a child was replaced")
        row.expect(all(node.process.is_alive() for node in nodes), "a worker has died")
    cluster.retire(nodes)


def forged(cluster: Cluster, report: Report, bells: int = FORGED) -> None:
    """R11: as many as anybody likes; starts are begun as soon as ever, and no fact is changed."""
    node = cluster.worker(queues=["forged"], concurrency=2).ready()
    with report.scenario(f"R11 {bells} forged bells") as row, broker(cluster) as client:
        normal = _begun_one_by_one(cluster, node, 20, lambda: True)
        done, before = set(cluster.read("select run_id from squidie.runs")), facts(cluster)
        forgery = forge(headers={"id": "forged"}, body=_body("forged"))
        for _ in range(0, bells, 1000):
            client.lpush("forged", *[forgery] * 1000)
        row.hit("forged bells", bells)
        flooded = _begun_one_by_one(cluster, node, 20, lambda: waiting(client, "forged") > 0)
        row.expect(len(flooded) > 1, "the bells were heard before anything could be begun among them")
        eventually(lambda: waiting(client, "forged") == 0, 120.0, every=0.1, why="the flood does not end")
        old = {(run_id,) for (run_id,) in done}
        row.expect({fact for fact in facts(cluster) if (fact[0],) in old} == before, "forged bells have changed facts")
        row.runs = len(normal) + len(flooded)
        told = {"normal": percentile(normal, 0.5), "flooded": percentile(flooded, 0.5)}
        report.numbers |= {f"forged_start_{name}_p50": round(value, 4) for name, value in told.items()}
        report.numbers["forged_bells"] = bells
        row.expect(told["flooded"] <= 2 * told["normal"] + PAUSE, f"median seconds from start to step: {told}")
    cluster.retire([node])


def _begun_one_by_one(cluster: Cluster, node: Node, most: int, go_on: Callable[[], bool]) -> list[float]:
    """How soon runs are begun that are started one after the other."""
    runs: list[Run] = []
    while len(runs) < most and go_on():
        runs.append(cluster.squidie.start("Single", {}, queue="forged"))
        outcome(runs[-1])
    assert node.process.is_alive()
    return delays(cluster, runs)


def _body(queue: str) -> str:
    text = json.dumps([[], {"v": 1, "queue": queue}, {"callbacks": None, "errbacks": None, "chain": None}])
    return base64.b64encode(text.encode()).decode()


PLAYED: dict[str, Callable[[Cluster, Report], None]] = {
    "R01": flushed,
    "R02": restarted,
    "R03": unreachable,
    "R04": frozen,
    "R05": slow,
    "R06": full,
    "R07": tampered,
    "R09": malformed,
    "R10": failed_over,
    "R11": forged,
}
"""R08 is proved by a test."""
