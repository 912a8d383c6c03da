"""A worker dies along one step (RELIABILITY 6.1), once with a plain step and once with a transactional one.

`deaths` kills the child of a pool: its parent gives back what it held. `stops` freezes a child at its point, kills some
of them with everything around, and lets others wake up long after somebody else has done their work.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidence import checks
from evidence.cluster import outcome
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evidence.cluster import Cluster, Node
    from evidence.report import Report, Row
    from squidie import Run

KINDS = ("Plain", "Booked")
STEPS = 4
PATIENCE = 30.0
RELIEF = "relief-"
CHILD = 1.0
"""Seconds within which a dead child's work goes on."""

BOUND = 2.5
"""Lease + sweep + 1 s: within that a dead host's work goes on."""


@dataclass(frozen=True)
class Case:
    """What is done at which point, and what must come of it.

    `ended` and `again`: how many claims end without an outcome, and how many effects happen once more; for a plain
    first step, and for a transactional one.
    """

    row: str
    armed: str
    ended: tuple[set[int], set[int]]
    again: tuple[set[int], set[int]]
    late_acks: bool = False

    @property
    def point(self) -> str:
        """The point of its first word."""
        return self.armed.partition("=")[0]


NONE, ONE, SOME = {0}, {1}, {0, 1}
DEATHS = (
    Case("K02", "bell.received=drop", (NONE, NONE), (NONE, NONE)),
    Case("K03", "bell.received=kill", (NONE, NONE), (NONE, NONE)),
    Case("K04", "claim.before_commit=kill", (NONE, NONE), (NONE, NONE)),
    Case("K05", "claim.committed=kill", (ONE, ONE), (NONE, NONE)),
    Case("K05 reply", "claim.committed=lost_reply", (NONE, NONE), (NONE, NONE)),
    Case("K06", "step.before=kill", (ONE, ONE), (NONE, NONE)),
    Case("K08", "step.after=kill", (ONE, ONE), (ONE, ONE)),
    Case("K08 turn", "turn.between=kill", (ONE, ONE), (ONE, NONE)),
    Case("K09 locked", "settle.locked=kill", (ONE, ONE), (ONE, ONE)),
    Case("K09", "settle.before_commit=kill", (ONE, ONE), (ONE, ONE)),
    Case("K10 reply", "settle.committed=lost_reply", (NONE, NONE), (NONE, NONE)),
    Case("K11 settled", "settle.committed=kill", (ONE, ONE), (NONE, NONE)),
    Case("K11", "ring.before=kill", (SOME, SOME), (NONE, NONE)),
    Case("K12", "ring.after=kill", (SOME, SOME), (SOME, SOME)),
    Case("K12 late", "ring.after=kill", (SOME, SOME), (SOME, SOME), late_acks=True),
)
"""The successor that the dead had been handed counts among the ended ones: K11 loses `left`, and no effect."""

KILLED = (
    "claim.before_commit",
    "claim.committed",
    "step.before",
    "step.after",
    "settle.before_commit",
    "settle.committed",
    "ring.before",
)
"""The points of SEMANTICS 16.3, at which a whole worker is killed."""

SLEEPERS = ("step.before", "step.after", "settle.committed")
"""The points of K14 at which a sleeper holds no lock."""


def deaths(cluster: Cluster, report: Report, chosen: Iterable[Case] = DEATHS) -> None:
    """Each case on a queue of its own, all at once."""
    trials = [(case, kind, _queue(case.row, kind)) for case in chosen for kind in KINDS]
    nodes = [
        cluster.worker(queue, queues=[queue], armed=case.armed, acks="late" if case.late_acks else "early")
        for case, _, queue in trials
    ]
    for node in nodes:
        node.ready()
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda each: _death(cluster, report, each[0][0], each[0][1], each[1]), zip(trials, nodes, strict=True)
            )
        )
    queues = {node.name for node in nodes}
    cluster.retire([node for node in cluster.nodes if node.name.removeprefix(RELIEF) in queues])


def _death(cluster: Cluster, report: Report, case: Case, kind: str, node: Node) -> None:
    place = KINDS.index(kind)
    with report.scenario(f"{case.row} {case.armed} {kind}") as row:
        run = cluster.squidie.start(kind, {}, queue=node.name)
        hit = node.hit(case.point)
        row.hit(f"{hit.point} {hit.action}")
        if hit.pid == node.pid:  # its sweep was faster, and rang: then the main process is dead, and its child with it
            node.is_wanted = False
            row.hit("in the main process")
            cluster.worker(f"{RELIEF}{node.name}", queues=[node.name])
        found = _settled(cluster, row, run)
        row.expect(
            found.released + found.expired in case.ended[place], f"{found.released} released, {found.expired} expired"
        )
        row.expect(found.again in case.again[place], f"{found.again} effects happened again")
        row.expect(hit.pid == node.pid or node.process.is_alive(), "the worker has died of its child")
        row.refused = cluster.refused([node])


def _settled(cluster: Cluster, row: Row, run: Run) -> checks.Findings:
    """The run ends well, each of its steps with one outcome."""
    row.runs += 1
    result = outcome(run, PATIENCE)
    row.expect(result == "last 1", f"the result is {result!r}")
    found = checks.of_runs(cluster, [run.id])
    row.take(found)
    row.expect(found.outcomes == STEPS, f"{found.outcomes} outcomes")
    return found


def stops(cluster: Cluster, report: Report, killed: Iterable[str] = KILLED, sleepers: Iterable[str] = SLEEPERS) -> None:
    """Frozen at their points; some are killed there, the others wake up when their work is done."""
    doomed = [(point, kind, f"dead-{point}-{kind}".replace(".", "-").lower()) for point in killed for kind in KINDS]
    asleep = [(point, kind, f"asleep-{point}-{kind}".replace(".", "-").lower()) for point in sleepers for kind in KINDS]
    nodes = {
        queue: cluster.worker(queue, queues=[queue], armed=f"{point}=stop") for point, _, queue in (*doomed, *asleep)
    }
    for node in nodes.values():
        node.ready()
    runs = {queue: cluster.squidie.start(kind, {}, queue=queue) for _, kind, queue in (*doomed, *asleep)}
    for point, _, queue in (*doomed, *asleep):
        nodes[queue].hit(point)
    for _, _, queue in doomed:
        nodes[queue].kill()
    died_at = time.monotonic()
    relief = cluster.worker(queues=list(nodes), concurrency=2).ready()
    begun_at = max(died_at, time.monotonic())
    for point, kind, queue in doomed:
        with report.scenario(f"host killed at {point} {kind}") as row:
            row.hit("kill -9 of all")
            found = _settled(cluster, row, runs[queue])
            row.recovery.append(max(0.0, _again_at(cluster, runs[queue], begun_at)))
            row.expect(found.again <= 1, f"{found.again} effects happened again")
            row.expect(found.expired <= 1, f"{found.expired} claims expired")
            row.expect(row.recovery[0] <= BOUND, f"it took {row.recovery[0]:.2f} s")
    for point, kind, queue in asleep:
        _wake(cluster, report, f"{point} {kind}", nodes[queue], runs[queue])
    cluster.retire([relief, *(node for node in nodes.values() if node.is_wanted)])


def _wake(cluster: Cluster, report: Report, where: str, node: Node, run: Run) -> None:
    """K14: somebody else has done it all; what the sleeper brings is refused, and it lives on.

    Asleep after a settle it brings nothing: it looks at the successors that it was given before it calls them.
    """
    with report.scenario(f"K14 asleep at {where}") as row:
        row.hit("stop")
        outcome(run, PATIENCE)
        node.thaw()
        if where.startswith("settle.committed"):
            (woken,) = cluster.read("select clock_timestamp() as at")
            seen = "select 1 from squidie.workers where pid = :pid and seen_at > :at"
            eventually(
                lambda: cluster.read(seen, pid=node.pid, at=woken.at), 15.0, why="the sleeper was not seen again"
            )
        else:
            told = "an outcome was not taken"
            eventually(lambda: told in node.process.log_text(), 15.0, why=lambda: f"nothing was refused: {node.name}")
        row.refused = cluster.refused([node])
        found = _settled(cluster, row, run)
        row.expect(found.again <= (not where.startswith("settle.committed")), f"{found.again} effects happened again")
        row.expect(found.expired == 1, f"{found.expired} claims expired")
        row.expect(node.process.is_alive(), "the sleeper has died")


CLAIMED = """
select extract(epoch from clock_timestamp() - (body->'claim'->>'claimed_at')::timestamptz)::float8 as ago
from squidie.facts where run_id = :run and kind = 'attempt_completed' order by seq
"""


def _again_at(cluster: Cluster, run: Run, begun_at: float) -> float:
    """How long after that moment the first claim was made that led to an outcome, after the work was lost."""
    now = time.monotonic()
    since = [now - row.ago - begun_at for row in cluster.read(CLAIMED, run=run.id)]
    return min((seconds for seconds in since if seconds >= 0), default=0.0)


def _queue(row: str, kind: str) -> str:
    return f"{row}-{kind}".replace(" ", "-").lower()
