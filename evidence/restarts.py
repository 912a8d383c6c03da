"""The 32 cases of SEMANTICS 16.3.

A run is queued, delayed by a timer, between two tries, or paused at an approval; while it is, a worker, beat, Redis
(with all its data) or Postgres is restarted, or killed and started again.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evidence import checks
from evidence.cluster import outcome
from evidence.hosting import TICKING
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from uuid import UUID

    from evidence.cluster import Cluster, Node
    from evidence.report import Report, Row
    from squidie import Run

PATIENCE = 30.0
COMPONENTS = ("worker", "beat", "redis", "postgres")
MANNERS: tuple[Literal["stop", "kill"], ...] = ("stop", "kill")
SHAPES = ("queued", "delayed", "retrying", "paused")
ROLE, ANN, BOB = "finance", "ann", "bob"
STANDING = """
select step, attempt, kind, due_at, claim_id from squidie.attempts where run_id = :run order by step, attempt
"""
FACTS = "select seq, kind, at, body from squidie.facts where run_id = :run order by seq"
WINDOWS = """
select (body->>'window')::timestamptz as due from squidie.facts
where kind = 'run_started' and body->>'workflow' = 'Ticking' order by 1
"""


class Standing(NamedTuple):
    """What a run owes, as it stands in the table of open work."""

    step: str
    attempt: int
    kind: str
    due_at: Any
    claim_id: UUID | None


@dataclass
class Round:
    """Four runs on a queue of their own, its worker, and what stood in the journal before the fault."""

    component: str
    manner: Literal["stop", "kill"]
    worker: Node
    gate: Path
    runs: dict[str, Run]
    before: dict[str, list[Standing]]


def rounds(
    cluster: Cluster, report: Report, chosen: Iterable[tuple[str, Literal["stop", "kill"]]] | None = None
) -> None:
    """All of them; those that harm nobody else at the same time."""
    wanted = list(chosen or [(component, manner) for component in COMPONENTS for manner in MANNERS])
    if cluster.kind == "notify":
        wanted = [each for each in wanted if each[0] in {"worker", "postgres"}]
    clock = _Clock(cluster)
    together = [each for each in wanted if each[0] in {"worker", "beat"}]
    with ThreadPoolExecutor(max(1, len(together))) as pool:
        list(pool.map(lambda each: _round(cluster, report, clock, *each), together))
    for component, manner in wanted:
        if (component, manner) not in together:
            _round(cluster, report, clock, component, manner)
    clock.judge(report)


class _Clock:
    """Beat, and a worker for its windows: one each second, through everything that happens here."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self.faults = 0
        self.worker = cluster.worker("ticking", queues=["default"], env={TICKING: "1"}).ready()
        self.beat = self._start() if cluster.kind == "celery" else None

    def restart(self, manner: str) -> None:
        """Beat goes and comes back."""
        with self._lock:
            assert self.beat is not None
            self.beat.stop() if manner == "stop" else self.beat.kill()
            self.faults += 1
            self.beat = self._start()

    def _start(self) -> Node:
        return self._cluster.beat(env={TICKING: "1"})

    def judge(self, report: Report) -> None:
        """No window was left out, and none has two runs."""
        with report.scenario("one run a second by beat and sweepers", wants_hit=self.faults > 0) as row:
            row.hit("beats ended", self.faults)
            windows = self._windows()
            until = windows[-1] + timedelta(seconds=2)
            eventually(lambda: self._windows()[-1] >= until, 15.0, why="no windows are opened any more")
            windows = self._windows()
            row.runs = len(windows)
            row.expect(len(set(windows)) == len(windows), "a window has two runs")
            seconds = int((windows[-1] - windows[0]).total_seconds()) + 1
            row.expect(seconds == len(windows), f"{seconds} windows were due, {len(windows)} were opened")
        self._cluster.retire([node for node in (self.beat, self.worker) if node is not None])
        for run in self._cluster.squidie.list_runs(workflow="Ticking", open=True).runs:
            self._cluster.squidie.cancel(run.id, reason="nobody serves the windows any more")

    def _windows(self) -> Sequence[Any]:
        return [row.due for row in self._cluster.read(WINDOWS)]


def _round(cluster: Cluster, report: Report, clock: _Clock, component: str, manner: Literal["stop", "kill"]) -> None:
    prepared: Round | None = None
    with report.scenario(f"{component} {manner}") as row:
        prepared = _prepare(cluster, component, manner)
        _harm(cluster, clock, prepared)
        row.hit(f"{component} {manner}")
        found = _unclaimed(cluster, prepared, row)
        prepared.gate.touch()
        cluster.squidie.approve(prepared.runs["paused"].id, actor=BOB)
        for run in prepared.runs.values():
            outcome(run, PATIENCE)
        row.runs = len(prepared.runs)
        row.take(checks.of_runs(cluster, [prepared.runs["blocking"].id]))
        row.expect(found or component == "worker", "nothing was standing after the fault")
    if prepared is not None:
        for shape in SHAPES:
            with report.scenario(f"{component} {manner}: {shape}", wants_hit=False) as row:
                row.runs = 1
                row.take(checks.of_runs(cluster, [prepared.runs[shape].id]))
                JUDGES[shape](cluster, row, prepared)
        cluster.retire([prepared.worker])


def _prepare(cluster: Cluster, component: str, manner: Literal["stop", "kill"]) -> Round:
    """Three runs come to where they wait; then the only slot is taken, and the fourth is queued behind it."""
    queue = f"restart-{component}-{manner}"
    gate = cluster.folder / f"{queue}.gate"
    worker = cluster.worker(queue, queues=[queue]).ready()
    start = cluster.squidie.start
    runs = {
        "delayed": start("Delayed", {}, queue=queue),
        "retrying": start("Retried", {"fails": {"work": 1}}, queue=queue),
        "paused": start("Asked", {}, queue=queue),
    }
    _await_standing(cluster, runs["delayed"], ("pause", 1, "timer"))
    _await_standing(cluster, runs["retrying"], ("work", 2, "step"))
    eventually(lambda: runs["paused"].snapshot().status == "paused", 15.0, why="not yet paused")
    cluster.squidie.approve(runs["paused"].id, actor=ANN)
    runs["blocking"] = start("Single", {"gates": {"only": str(gate)}}, queue=queue)
    eventually(lambda: cluster.effects.of(runs["blocking"].id), 15.0, why="the slot was not taken")
    runs["queued"] = start("Plain", {}, queue=queue)
    before = {shape: standing(cluster, runs[shape]) for shape in SHAPES}
    return Round(component, manner, worker, gate, runs, before)


def _await_standing(cluster: Cluster, run: Run, what: tuple[str, int, str]) -> None:
    eventually(lambda: what in [row[:3] for row in standing(cluster, run)], 15.0, why=f"{what} is not open")


def standing(cluster: Cluster, run: Run) -> list[Standing]:
    """The open work of a run."""
    return [Standing(*row) for row in cluster.read(STANDING, run=run.id)]


def told(cluster: Cluster, run: Run) -> list[Any]:
    """The facts of a run."""
    return list(cluster.read(FACTS, run=run.id))


def _harm(cluster: Cluster, clock: _Clock, prepared: Round) -> None:
    match prepared.component:
        case "worker":
            _restart_worker(cluster, prepared)
        case "beat":
            clock.restart(prepared.manner)
        case "redis" | "postgres" as component:
            cluster.bounce(component, prepared.manner)


def _restart_worker(cluster: Cluster, prepared: Round) -> None:
    """A clean stop lets the step that runs end; it is told first, and the gate opens then."""
    queue = prepared.worker.name
    prepared.worker.is_wanted = False
    if prepared.manner == "kill":
        prepared.worker.kill()
    else:
        os.kill(prepared.worker.pid, signal.SIGTERM)
        prepared.gate.touch()
        code = prepared.worker.process.wait(15.0)
        assert code == 0, f"the worker ended with {code}"
    prepared.worker = cluster.worker(f"{queue}-again", queues=[queue])


def _unclaimed(cluster: Cluster, prepared: Round, row: Row) -> int:
    """What stood before the fault stands after it, to the microsecond; how much of it there was to see."""

    def now() -> dict[str, list[Standing]]:
        return {shape: standing(cluster, prepared.runs[shape]) for shape in SHAPES}

    seen = eventually(now, 15.0, every=0.05)
    same = 0
    for shape in SHAPES:
        for was, is_now in zip(prepared.before[shape], seen[shape], strict=False):
            if was[:3] == is_now[:3]:
                same += 1
                row.expect(was.due_at == is_now.due_at, f"{shape}: due {was.due_at} before and {is_now.due_at} after")
    return same


def _queued(_: Cluster, row: Row, __: Round) -> None:
    """Nobody had begun it, so nothing of it happens twice."""
    row.expect((row.outcomes, row.effects, row.again) == (4, 4, 0), "not one outcome and one effect a step")
    row.expect(row.released + row.expired == 0, "a claim was lost")


def _delayed(cluster: Cluster, row: Row, prepared: Round) -> None:
    run = prepared.runs["delayed"]
    (due,) = [each.due_at for each in prepared.before["delayed"] if each.kind == "timer"]
    facts = told(cluster, run)
    (elapsed,) = [fact for fact in facts if fact.kind == "wait_elapsed"]
    row.expect(elapsed.at >= due, f"it went on at {elapsed.at}, and was due at {due}")
    after = next(effect for effect in cluster.effects.of(run.id) if effect.step == "after")
    row.expect(after.at >= due, f"its next step ran at {after.at}, and was due at {due}")
    row.expect((row.outcomes, row.effects) == (2, 2), f"{row.outcomes} outcomes, {row.effects} effects")


def _retrying(cluster: Cluster, row: Row, prepared: Round) -> None:
    run = prepared.runs["retrying"]
    (due,) = [each.due_at for each in prepared.before["retrying"]]
    attempts = [(fact.kind, fact.body["attempt"]) for fact in told(cluster, run) if fact.kind.startswith("attempt_")]
    row.expect(attempts == [("attempt_failed", 1), ("attempt_completed", 2)], f"its attempts were {attempts}")
    effects = cluster.effects.of(run.id)
    row.expect([effect.attempt for effect in effects] == [1, 2], f"{len(effects)} effects")
    row.expect(effects[-1].at >= due, f"its second attempt began at {effects[-1].at}, and was due at {due}")


def _paused(cluster: Cluster, row: Row, prepared: Round) -> None:
    run = prepared.runs["paused"]
    facts = told(cluster, run)
    (opened,) = [fact.body for fact in facts if fact.kind == "pause_opened"]
    (resolved,) = [fact.body for fact in facts if fact.kind == "pause_resolved"]
    row.expect(opened["role"] == ROLE, f"its role is {opened['role']}")
    row.expect(resolved["decision"] == "approved", f"it was {resolved['decision']}")
    row.expect(len([fact for fact in facts if fact.kind == "vote_cast"]) >= 1, "the first vote is lost")
    row.expect((row.outcomes, row.effects) == (2, 2), f"{row.outcomes} outcomes, {row.effects} effects")


JUDGES: dict[str, Callable[[Cluster, Row, Round], None]] = {
    "queued": _queued,
    "delayed": _delayed,
    "retrying": _retrying,
    "paused": _paused,
}
