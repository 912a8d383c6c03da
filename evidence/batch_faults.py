"""What turns, bells, batches and limits add to what may go wrong (RELIABILITY 6.6), with real workers that die."""

from __future__ import annotations

import os
import signal
import time
from itertools import cycle
from typing import TYPE_CHECKING, Any

from evidence import checks
from evidence.batches import LIMITED
from evidence.cluster import outcome
from evidence.recovery import NOISE
from evidence.restarts import standing, told
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from evidence.cluster import Cluster
    from evidence.effects import Effect
    from evidence.report import Report, Row
    from squidie import Run

PATIENCE = 60.0
SHORT = {"short": 1.0}
"""On a busy machine, too, a step without a nap is short, and many of them make a batch."""

MANY = 200
DIES_AT = 60
"""After so many steps a child has learned that they are short, and is in the middle of a batch."""

BATCH = 64
HOST = 2.5
"""Seconds within which a dead worker's claims are taken over: lease, sweep, and one more."""

GIVEN_BACK = 0.5
"""Seconds within which what has not begun is given back when a mate runs long."""

SLOW, NAP = 2, 2.0
"""Which of twenty steps turns slow, and for how many seconds."""

KILLS = 4
CHAINS = 6

CLAIMS = """
select (body->'claim'->>'claimed_at')::timestamptz as begun,
    least(at, (body->'claim'->>'lease_until')::timestamptz) as ended
from squidie.facts where run_id = any(:runs) and body->'claim'->>'id' is not null
"""


def unsettled(cluster: Cluster, report: Report) -> None:
    """G04: a child dies with a batch of effects that nobody has settled: each happens once more, and no other does."""
    node = cluster.worker(queues=["unsettled"], settings=SHORT, armed=f"turn.between=kill@{DIES_AT}").ready()
    with report.scenario("G04 killed with a batch of effects unsettled") as row:
        runs = _start_many(cluster, "Short", "unsettled", [{}] * MANY)
        careful = _start_many(cluster, "Once", "unsettled", [{}] * (MANY // 10))
        hit = node.hit("turn.between")
        row.hit(f"{hit.point} {hit.action}")
        found = _all_well(cluster, row, runs)
        row.expect(1 <= found.again <= BATCH, f"{found.again} effects of a batch happened again")
        row.expect(found.released > found.again, f"{found.released} claims were given back: it was no batch")
        report.numbers["share_of_a_batch_run_again"] = round(found.again / found.effects, 3)
        found = _all_well(cluster, row, careful)
        row.expect(found.again <= 1, f"{found.again} effects that nobody can take back happened again")
    cluster.retire([node])


def handed_over(cluster: Cluster, report: Report) -> None:
    """G05: what a dead worker had been handed over waits for the end of its lease, and for no bell."""
    node = cluster.worker(queues=["handed-over"], armed="settle.committed=stop").ready()
    relief = cluster.worker(queues=["handed-over"])
    with report.scenario("G05 killed after a settle that handed over") as row:
        relief.freeze()
        run = cluster.squidie.start("Plain", {}, queue="handed-over")
        node.hit("settle.committed")
        held = [each.step for each in standing(cluster, run) if each.claim_id is not None]
        row.expect(len(held) == 1, f"handed over: {held}")
        node.kill()
        died_at = time.time()
        row.hit("kill -9 of all")
        relief.thaw()
        relief.ready()
        begun_at = max(died_at, time.time())
        found = _all_well(cluster, row, [run])
        row.recovery.append(max(0.0, _begun_at(cluster, run, held[0]) - begun_at))
        row.expect((found.expired, found.again) == (1, 0), f"{found.expired} expired, {found.again} effects again")
        row.expect(row.recovery[0] <= NOISE * HOST, f"it took {row.recovery[0]:.2f} s")
    cluster.retire([relief])


def _begun_at(cluster: Cluster, run: Run, step: str) -> float:
    return float(next(each.at for each in cluster.effects.of(run.id) if each.step == step).timestamp())


def slow_mate(cluster: Cluster, report: Report) -> None:
    """G07: one step of a batch turns slow; what has not begun is given back and runs elsewhere, without a loss."""
    node = cluster.worker(queues=["slow-mate"], concurrency=2, settings=SHORT).ready()
    with report.scenario("G07 one step of a batch turns slow") as row:
        _all_well(cluster, row, _start_many(cluster, "Short", "slow-mate", [{}] * MANY))
        for _ in range(5):  # until one child takes several of them together with the slow one
            orders = [{"naps": {"only": NAP}} if number == SLOW else {} for number in range(20)]
            runs = _start_many(cluster, "Short", "slow-mate", orders)
            slow, mates = runs[SLOW], runs[SLOW + 1 :]
            found = _all_well(cluster, row, runs)
            row.expect((found.again, found.expired) == (0, 0), f"{found.again} effects again, {found.expired} expired")
            if took := _given_back(cluster, slow, mates):
                row.hit("given back", len(took))
                report.numbers["longest_until_given_back"] = round(max(took), 2)
                row.expect(max(took) <= NOISE * GIVEN_BACK, f"given back after {max(took):.2f} s")
                late = [mate.id for mate in mates if _ended_at(cluster, mate) > _ended_at(cluster, slow)]
                row.expect(not late, f"{len(late)} of its mates waited for the slow one")
                break
    cluster.retire([node])


def _ended_at(cluster: Cluster, run: Run) -> datetime:
    at: datetime = told(cluster, run)[-1].at
    return at


def _given_back(cluster: Cluster, slow: Run, mates: Sequence[Run]) -> list[float]:
    """How long after the slow step had begun its mates were given back."""
    begun = cluster.effects.of(slow.id)[0].at
    facts = [fact for mate in mates for fact in told(cluster, mate) if fact.kind == "attempt_released"]
    return [(fact.at - begun).total_seconds() for fact in facts if fact.body["reason"] == "given_back"]


def held_interpreter(cluster: Cluster, report: Report) -> None:
    """G09: a step that lets no other thread of its process run: its claim is ended, and what it brings is refused."""
    nodes = [cluster.worker(queues=["held"]).ready() for _ in range(2)]
    mark = cluster.folder / "held.mark"
    with report.scenario("G09 a step holds the interpreter past its lease") as row:
        run = cluster.squidie.start("Held", {"gates": {"only": str(mark)}}, queue="held")
        found = _all_well(cluster, row, [run])
        row.hit("interpreter held", int(mark.exists()))
        row.expect((found.expired, found.again) == (1, 1), f"{found.expired} expired, {found.again} effects again")
        eventually(lambda: cluster.refused(nodes) == 1, PATIENCE, why="what it brought was not refused")
        row.refused = cluster.refused(nodes)
        row.expect(not cluster.dead(), f"these died of it: {cluster.dead()}")
    cluster.retire(nodes)


def without_broker(cluster: Cluster, report: Report) -> None:
    """G23: the broker goes while turns run; those that run take whatever is due, until nothing is left."""
    if cluster.kind != "celery":
        return
    nodes = [cluster.worker(queues=["unrung"], concurrency=2).ready() for _ in range(2)]
    with report.scenario("G23 the broker goes while turns run") as row:
        orders = {"naps": dict.fromkeys(("first", "left", "right", "last"), 0.02)}
        runs = _start_many(cluster, "Plain", "unrung", [orders] * (MANY // 2))
        eventually(lambda: len(_effects(cluster, runs)) > MANY // 10, PATIENCE)
        cluster.services.redis.kill()
        row.hit("redis killed")
        before = _completed(cluster, runs)
        _all_well(cluster, row, runs)
        row.expect(before < 4 * len(runs), "everything was done before the broker went")
        report.numbers["outcomes_without_a_broker"] = 4 * len(runs) - before
        cluster.services.redis.start()
        _all_well(cluster, row, [cluster.squidie.start("Plain", {}, queue="unrung")])
    cluster.retire(nodes)


def _completed(cluster: Cluster, runs: Sequence[Run]) -> int:
    sql = "select count(*) as n from squidie.facts where kind = 'attempt_completed' and run_id = any(:runs)"
    return int(cluster.read(sql, runs=[run.id for run in runs])[0].n)


def limited(cluster: Cluster, report: Report) -> None:
    """G35: two at once over all runs, while workers and their children are killed: no claim is made above that."""
    queue = "limited"
    nodes = [cluster.worker(queues=[queue], concurrency=2).ready() for _ in range(3)]
    with report.scenario("G35 a limit of two under kills") as row:
        orders = {"naps": {f"s{number}": 0.1 for number in range(10)}}
        runs = _start_many(cluster, "NarrowChain", queue, [orders] * CHAINS)
        for number, doomed in zip(range(KILLS), cycle(nodes), strict=False):
            pid = _after_a_few(cluster, runs).pid
            if number % 2:
                os.kill(pid, signal.SIGKILL)
                row.hit("kill -9 of a child")
            else:
                doomed.kill()
                row.hit("kill -9 of all")
        _all_well(cluster, row, runs, steps=10)
        claims = cluster.read(CLAIMS, runs=[run.id for run in runs])
        most = max(sum(1 for other in claims if other.begun <= each.begun < other.ended) for each in claims)
        row.expect(most == LIMITED, f"at most {most} live leases when a claim was made, {LIMITED} are allowed")
    cluster.retire([node for node in nodes if node.is_wanted])


def _after_a_few(cluster: Cluster, runs: Sequence[Run]) -> Effect:
    """The last of three effects to come."""
    wanted = len(_effects(cluster, runs)) + 3
    return eventually(lambda: _effects(cluster, runs)[wanted - 1 : wanted], PATIENCE, why="nothing goes on")[0]


def _effects(cluster: Cluster, runs: Sequence[Run]) -> list[Effect]:
    return cluster.effects.of(*(run.id for run in runs))


def draining(cluster: Cluster, report: Report) -> None:
    """G36: told to stop in the middle of a settle: the outcome is recorded, what follows is due, nothing is held."""
    node = cluster.worker(queues=["draining"], armed="settle.locked=sleep:1").ready()
    with report.scenario("G36 SIGTERM during a settle") as row:
        run = cluster.squidie.start("Plain", {}, queue="draining")
        node.hit("settle.locked")
        code = node.stop(20.0)
        row.hit("SIGTERM")
        row.expect(code == 0, f"it ended with {code}")
        kinds = [fact.kind for fact in told(cluster, run)]
        row.expect(kinds == ["run_started", "attempt_completed"], f"the journal says {kinds}")
        left = [(each.step, each.claim_id) for each in standing(cluster, run)]
        row.expect(left == [("left", None), ("right", None)], f"left open: {left}")
        relief = cluster.worker(queues=["draining"])
        found = _all_well(cluster, row, [run])
        row.expect((found.again, found.released + found.expired) == (0, 0), "something was lost")
    cluster.retire([relief])


def _start_many(cluster: Cluster, workflow: str, queue: str, orders: Sequence[dict[str, Any]]) -> list[Run]:
    """In one commit."""
    return [run for run in cluster.squidie.start_many(workflow, orders, queue=queue) if not isinstance(run, Exception)]


def _all_well(cluster: Cluster, row: Row, runs: Sequence[Run], steps: int | None = None) -> checks.Findings:
    """Each ends well, with one outcome a step."""
    deadline = time.monotonic() + PATIENCE
    for run in runs:
        outcome(run, max(1.0, deadline - time.monotonic()))
    found = checks.of_runs(cluster, [run.id for run in runs])
    row.take(found)
    row.runs += len(runs)
    each = steps or {"Plain": 4}.get(runs[0].snapshot().workflow, 1)
    row.expect(found.outcomes == each * len(runs), f"{found.outcomes} outcomes of {len(runs)} runs")
    return found


PLAYED: dict[str, Callable[[Cluster, Report], None]] = {
    "G04": unsettled,
    "G05": handed_over,
    "G07": slow_mate,
    "G09": held_interpreter,
    "G23": without_broker,
    "G35": limited,
    "G36": draining,
}
"""By the row that they are about."""
