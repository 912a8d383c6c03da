"""Crowds, dependencies that are down, and hands in the tables (RELIABILITY 6.5); deploys are played in `deploys.py`."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from evidence import checks
from evidence.cluster import outcome
from evidence.deploys import deployed, mixed
from evidence.history import APPEND, FACTS, tampering
from evidence.releases import SLOTS
from evidence.report import percentile
from evidence.scenes import await_snapshot, completed, watching
from squidie.errors import CorruptHistory
from squidie.testing import eventually, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evidence.cluster import Cluster
    from evidence.report import Report, Row
    from squidie import Run

CROWD = 2000
RETRYING = 500
DOWN = 6.0
"""Seconds that what the steps need is down."""

NAP = 0.1
"""Seconds that such a step takes, so that the limit and not this machine says how many there are in a second."""

CONNECTIONS = (
    "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend'"
)
HELD = """
select count(*) from squidie.attempts where claim_id is not null and limit_key <> '' and lease_until > squidie.clock()
"""
SCATTERED = """
select count(distinct (body->'opens'->0->>'due_at')::timestamptz - at)::float8 / count(*) from squidie.facts
where kind = 'attempt_failed' and (body->>'attempt')::int = 1
"""


# ---------------------------------------------------------------- many at once
def crowd(cluster: Cluster, report: Report, runs: int = CROWD) -> None:
    """V04: all due in the same second; connections stay few, and how late they are begun is printed."""
    nodes = [cluster.worker(queues=["crowd"], concurrency=2).ready() for _ in range(2)]
    with report.scenario(f"V04 {runs} runs due at once") as row, watching(cluster, CONNECTIONS) as most:
        at = cluster.squidie.now() + timedelta(seconds=4)
        started = [run for _ in range(0, runs, 500) for run in _many(cluster, "Single", min(500, runs), at=at)]
        row.hit("due at once", len(started))
        completed(cluster, row, started)
        late = [effect.at.timestamp() - at.timestamp() for effect in cluster.effects.of(*(run.id for run in started))]
        row.expect(min(late) >= 0, f"one was begun {-min(late):.3f} s too early")
        report.numbers |= {f"crowd_delay_p{n}": round(percentile(late, n / 100), 2) for n in (50, 99)}
        report.numbers["crowd_connections"] = int(most[0])
        bound = 8 * (len(nodes) + 1) + 4 * len(nodes)
        row.expect(most[0] <= bound, f"{most[0]:g} connections, {bound} are what this many processes may have")
    cluster.retire(nodes)


def dependency(cluster: Cluster, report: Report, runs: int = RETRYING, down: float = DOWN) -> None:
    """V05: what the steps need is down, then back; tries are scattered, the limit holds, and no second peak follows."""
    nodes = [cluster.worker(queues=["dependency"], concurrency=2).ready() for _ in range(2)]
    there = cluster.folder / "dependency.up"
    with report.scenario(f"V05 {runs} runs retrying") as row, watching(cluster, HELD) as most:
        begun = time.time()
        started = _many(cluster, "Depending", runs, payload={"needs": {"only": str(there)}, "naps": {"only": NAP}})
        until = time.monotonic() + down
        eventually(lambda: time.monotonic() > until, down + 1)
        back = time.time()
        there.touch()
        for run in started:
            outcome(run, 60.0)
        row.runs = len(started)
        row.take(checks.of_runs(cluster, [run.id for run in started]))
        at = [effect.at.timestamp() for effect in cluster.effects.of(*(run.id for run in started))]
        row.hit(
            "failed attempts", sum(each < back for each in at) - sum(each >= back for each in at) and len(at) - runs
        )
        peaks = [_peak([each - begun for each in at if is_in(each)]) for is_in in (back.__gt__, back.__le__)]
        report.numbers |= {"retries_peak_while_down": peaks[0], "retries_peak_afterwards": peaks[1]}
        bound = SLOTS * (1 / NAP + 1)
        row.expect(
            max(peaks) <= bound, f"{peaks} tries a second, while it was down and afterwards; at most {bound:.0f}"
        )
        (scattered,) = cluster.read(SCATTERED)[0]
        row.expect(scattered > 0.9, f"only {scattered:.0%} of the delays differ")
        row.expect(most[0] <= SLOTS, f"{most[0]:g} at a time, {SLOTS} are allowed")
    cluster.retire(nodes)


def _many(
    cluster: Cluster, workflow: str, count: int, *, payload: dict[str, Any] | None = None, **options: Any
) -> list[Run]:
    queue = "crowd" if workflow == "Single" else "dependency"
    found: Any = cluster.squidie.start_many(workflow, [payload or {}] * count, queue=queue, **options)
    return list(found)


def _peak(times: Sequence[float]) -> int:
    """The most in a second."""
    return max(Counter(int(each) for each in times).values(), default=0)


# ---------------------------------------------------------------- hands in the tables
EDIT = "update squidie.facts set kind = :kind, body = cast(:body as json) where run_id = :run and seq = :seq"
DAMAGE: dict[str, tuple[str, ...]] = {
    "edited": ("chain_broken",),
    "dropped": ("gap_in_stream", "chain_broken"),
    "swapped": ("chain_broken",),
}
"""What is done to the facts of a run, and the rules of which one must name it."""


def tampered(cluster: Cluster, report: Report) -> None:
    """V15: facts of three runs are edited, dropped and swapped; each is named and put aside, and others run."""
    node = cluster.worker(queues=["tampered"]).ready()
    for what, rules in DAMAGE.items():
        with report.scenario(f"V15 a fact is {what}") as row:
            run = cluster.squidie.start("Asked", {}, queue="tampered")
            await_snapshot(run, "status", "paused")
            with _damaged(cluster, what, run):
                row.hit(what)
                _put_aside(row, cluster, run)
                found = [line for line in violations(cluster.squidie.engine) if line.startswith(rules)]
                row.expect(found, "nobody has noticed")
                row.expect(all(str(run.id) in line for line in found), f"somebody else's run is named: {found}")
                completed(cluster, row, [cluster.squidie.start("Plain", {}, queue="tampered") for _ in range(5)])
                row.expect(node.process.is_alive(), "the worker has died")
            made = cluster.squidie.rebuild(run.id)
            row.expect(made.is_sound and made.rebuilt == (run.id,), f"what was put aside is not made again: {made}")
            for actor in ("ann", "bob"):
                cluster.squidie.approve(run.id, actor=actor)
            row.expect(outcome(run) == "after 1", "it does not go on when it is whole again")
            row.runs += 1
    cluster.retire([node])


def _put_aside(row: Row, cluster: Cluster, run: Run) -> None:
    """Verification names the second fact; from then on the run is an anomaly, and nothing is decided on it."""
    found = cluster.squidie.verify(run.id)
    row.expect([each.seq for each in found.found] == [2], f"verification says {found.found}")
    row.expect(found.set_aside == (run.id,), "it is not put aside")
    row.expect(cluster.squidie.explain_run(run.id).code == "anomaly", "it is not shown as an anomaly")
    try:
        cluster.squidie.approve(run.id, actor="ann")
    except CorruptHistory as error:
        row.expect(error.details["seq"] == 2, f"the refusal names {error.details}")
    else:
        row.why.append("an approval was taken")


@contextmanager
def _damaged(cluster: Cluster, what: str, run: Run) -> Iterator[None]:
    """Its second fact is another one, is missing, or has changed places with the third; then all are as they were."""
    facts = cluster.read(FACTS, run=run.id)
    _, second, third, *_ = facts
    with tampering(cluster) as change:
        match what:
            case "edited":
                body = second.body.replace('"before 1"', '"another 1"')
                change(EDIT, run=run.id, seq=second.seq, kind=second.kind, body=body)
            case "dropped":
                change("delete from squidie.facts where run_id = :run and seq = :seq", run=run.id, seq=second.seq)
            case _:
                for place, fact in ((second, third), (third, second)):
                    change(EDIT, run=run.id, seq=place.seq, kind=fact.kind, body=fact.body)
    try:
        yield
    finally:
        with tampering(cluster) as change:
            change("delete from squidie.facts where run_id = :run", run=run.id)
            for fact in facts:
                change(APPEND, run=run.id, **fact._asdict())


PLAYED: dict[str, Callable[[Cluster, Report], None]] = {
    "V01": deployed,
    "V02": mixed,
    "V04": crowd,
    "V05": dependency,
    "V15": tampered,
}
"""V06 to V10 and V14 are proved by tests."""
