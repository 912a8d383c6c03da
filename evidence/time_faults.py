"""Clocks that are wrong or jump, and nobody who looks at them (RELIABILITY 6.4).

The database's clock is moved for everybody at once, by making the function anew that the journal reads it with. A
worker's is moved by `shifted/`, which python loads before anything else.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from evidence import checks
from evidence.cluster import ROOT, outcome
from evidence.hosting import TICKING
from evidence.restarts import WINDOWS
from evidence.scenes import SWEEP, completed, held, words
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evidence.cluster import Cluster, Node
    from evidence.report import Report, Row
    from squidie import Run

WRONG = {"ahead": "7200", "behind": "-7200", "jumping": "jumping:7200"}
BACK, FORWARD = -300, 3600
"""Seconds that the database's clock is moved by."""

CLOCK = """
create or replace function squidie.clock() returns timestamptz language sql stable parallel safe
    return statement_timestamp(){};
"""
LEASE = "select lease_until from squidie.attempts where run_id = :run and claim_id is not null"
SETTLED = """
select at, (body->>'clock')::timestamptz as clock from squidie.facts where run_id = :run and kind = 'attempt_completed'
"""
OPENED = """
select (body->>'window')::timestamptz as due, extract(epoch from at - (body->>'window')::timestamptz)::float8 as late
from squidie.facts where kind = 'run_started' and body->>'workflow' = :workflow and body->>'window' is not null
order by 1
"""
REVIVED = """
select true from squidie.attempts where run_id = :run and claim_id is not null and lease_until > squidie.clock()
"""
ENDED = "select exists (select from squidie.facts where run_id = :run and kind = 'attempt_expired')"


def workers(cluster: Cluster, report: Report) -> None:
    """T01: two hours ahead, two behind, and from one to the other each second, on one queue."""
    with report.scenario("T01 workers hours off") as row:
        plain = cluster.worker(queues=["norm"]).ready()
        norm = cluster.squidie.start("Plain", {"fails": {"left": 1}}, queue="norm")
        outcome(norm)
        cluster.retire([plain])
        nodes = {name: _shifted(cluster, name, told) for name, told in WRONG.items()}
        for node in nodes.values():
            node.ready()
        payload = {"fails": {"left": 1}, "naps": {"right": 1.2}}  # longer than a lease, so that it is renewed
        runs = [cluster.squidie.start("Plain", payload, queue="shifted") for _ in range(6)]
        runs += [cluster.squidie.start("Plain", {"fails": {"left": 1}}, queue="shifted") for _ in range(20)]
        for run in runs:
            outcome(run)
        row.runs = len(runs)
        row.take(found := checks.of_runs(cluster, [run.id for run in runs]))
        row.expect(
            (found.expired, found.again) == (0, 0), f"{found.expired} claims expired, {found.again} effects again"
        )
        kept = [[word for word in words(cluster, run) if word[0] != "attempt_released"] for run in runs]
        other = [each for each in kept if each != words(cluster, norm)]
        row.expect(not other, f"{len(other)} journals say something else, for one {other[:1]}")
        for name, node in nodes.items():
            hours = _hours_off(node)
            row.hit(f"{name} {hours} h")
            row.expect(hours, f"the worker that is {name} has a clock that is right")
        cluster.retire(list(nodes.values()))


def _shifted(cluster: Cluster, name: str, told: str) -> Node:
    path = os.pathsep.join(str(ROOT / part) for part in ("evidence/shifted", "", "backends"))
    return cluster.worker(f"clock-{name}", queues=["shifted"], env={"PYTHONPATH": path, "EVIDENCE_CLOCK": told})


def _hours_off(node: Node) -> int:
    """By the times that it writes into its log, which has one at its start: `[2026-03-10 12:00:00,000: INFO/…`."""
    line = next(line for line in node.process.log_text().splitlines() if line.endswith(" ready."))
    said = datetime.fromisoformat(line[1:20])
    return round((said - datetime.now(UTC).astimezone().replace(tzinfo=None)) / timedelta(hours=1))


@contextmanager
def moved(cluster: Cluster, seconds: int) -> Iterator[None]:
    """The journal's clock is wrong by so much, for every session, from one statement to the next."""
    _move(cluster, f" + make_interval(secs => {seconds})")
    try:
        yield
    finally:
        _move(cluster, "")


def _move(cluster: Cluster, by: str) -> None:
    with cluster.squidie.engine.begin() as connection:
        connection.execute(text(CLOCK.format(by)))


def back(cluster: Cluster, report: Report) -> None:
    """T02: five minutes. What is begun ends, what is new is not held up, and what was due by the old time waits."""
    node = cluster.worker(queues=["back"]).ready()
    with report.scenario("T02 database clock back") as row, ExitStack() as clock:
        delayed = _delayed(cluster, "back")
        with held(cluster, cluster.squidie, "back") as one:
            before = _lease(cluster, one)
            clock.enter_context(moved(cluster, BACK))
            row.hit(f"{BACK} s")
            renewed = time.monotonic() + 1.0
            eventually(lambda: time.monotonic() > renewed, 2.0)  # three beats, after which it would be renewed
            row.expect(_lease(cluster, one) >= before, "a lease was made shorter")
        new = [cluster.squidie.start("Plain", {}, queue="back") for _ in range(10)]
        completed(cluster, row, [one, *new])
        (settled,) = cluster.read(SETTLED, run=one.id)
        row.expect(settled.clock is not None, "the fact that was written then carries no reading beside its time")
        row.expect(settled.clock and settled.at > settled.clock, "its time was not lifted")
        row.expect(delayed.snapshot().status != "completed", "a timer of the old time has fired early")
        clock.close()
        row.expect(outcome(delayed, 15.0) == "after 1", "the timer does not fire any more")
        row.runs += 1
    cluster.retire([node])


def forward(cluster: Cluster, report: Report) -> None:
    """T03: an hour. Every lease is over at once, every timer due, and every window of the hour."""
    nodes = [cluster.worker(queues=["ahead", "default"], concurrency=2).ready() for _ in range(2)]
    with report.scenario("T03 database clock forward") as row:
        cluster.squidie.schedules.create("Single", "minutely", "* * * * *", catchup="latest")
        delayed = _delayed(cluster, "ahead")
        with held(cluster, cluster.squidie, "ahead") as one:
            first = len(cluster.effects.of(one.id))
            with moved(cluster, FORWARD):
                row.hit(f"+{FORWARD} s")
                eventually(
                    lambda: _revived(cluster, one) or _is_expired(cluster, one), 10.0, why="its lease stays over"
                )
                row.hit("taken over" if _is_expired(cluster, one) else "revived")
                row.expect(outcome(delayed, 10.0) == "after 1", "the timer did not fire")
                eventually(lambda: cluster.read(OPENED, workflow="Single"), 10.0, why="no window was opened")
                windows = [each.due for each in cluster.read(OPENED, workflow="Single")]
                row.expect(len(set(windows)) == len(windows), f"windows opened twice: {windows}")
                row.hit("windows", len(windows))
        row.expect(first == 1, "it had begun more than once")
        found = completed(cluster, row, [one], again=1)
        row.expect(found.expired <= 1, f"{found.expired} claims expired")
        row.runs += 1 + len(windows)
    cluster.retire(nodes)
    _cancel_open(cluster)


def _delayed(cluster: Cluster, queue: str) -> Run:
    """A run that waits for its timer."""
    run = cluster.squidie.start("Delayed", {}, queue=queue)
    eventually(
        lambda: cluster.read("select true from squidie.attempts where run_id = :run and kind = 'timer'", run=run.id)
    )
    return run


def _lease(cluster: Cluster, run: Run) -> datetime:
    ((until,),) = cluster.read(LEASE, run=run.id)
    found: datetime = until
    return found


def _revived(cluster: Cluster, run: Run) -> bool:
    return bool(cluster.read(REVIVED, run=run.id))


def _is_expired(cluster: Cluster, run: Run) -> bool:
    ((is_so,),) = cluster.read(ENDED, run=run.id)
    return bool(is_so)


def beats(cluster: Cluster, report: Report, windows: int = 8) -> None:
    """T05: three beats and three sweepers, a window each second."""
    with report.scenario("T05 three beats, three sweepers") as row:
        env = {TICKING: "1"}
        nodes = [cluster.worker(env=env) for _ in range(3)] + [cluster.beat(env=env) for _ in range(3)]
        for node in nodes:
            node.ready()
        begun = len(_windows(cluster))
        eventually(lambda: len(_windows(cluster)) >= begun + windows, windows + 20.0, why="windows are not opened")
        row.hit("beats and sweepers", len(nodes))
        _exact(row, _windows(cluster))
        row.expect(len(cluster.dead()) == 0, f"dead: {cluster.dead()}")
    cluster.retire(nodes)
    _cancel_open(cluster)


def down(cluster: Cluster, report: Report, windows: int = 4) -> None:
    """T06: beat is killed, and sweepers open on time; everything is, and what was missed is opened afterwards."""
    env = {TICKING: "1"}
    worker, beat = cluster.worker(env=env).ready(), cluster.beat(env=env).ready()
    with report.scenario("T06 beat down") as row:
        eventually(lambda: len(_windows(cluster)) >= 2, 20.0, why="windows are not opened")
        beat.kill()
        row.hit("beat killed")
        before = _windows(cluster)[-1]
        eventually(lambda: _windows(cluster)[-1] >= before + timedelta(seconds=windows), 20.0, why="no more windows")
        late = [each.late for each in cluster.read(OPENED, workflow="Ticking") if each.due > before]
        row.recovery += late
        row.expect(max(late) <= SWEEP + 1, f"a sweeper opened a window {max(late):.2f} s late")
        _exact(row, _windows(cluster))
    with report.scenario("T06 everything down") as row:
        worker.kill()
        before = _windows(cluster)[-1]
        until = time.monotonic() + windows
        eventually(lambda: time.monotonic() > until, windows + 1.0)  # so long nobody looks
        row.hit("missed windows", windows)
        row.expect(_windows(cluster)[-1] == before, "somebody opens windows")
        nodes = [cluster.worker(env=env), cluster.beat(env=env)]
        back_at = before + timedelta(seconds=windows + 1)
        eventually(lambda: _windows(cluster)[-1] >= back_at, 30.0, why="what was missed is not opened")
        _exact(row, _windows(cluster))
        cluster.retire(nodes)
    _cancel_open(cluster)


def _windows(cluster: Cluster) -> Sequence[Any]:
    return [each.due for each in cluster.read(WINDOWS)]


def _exact(row: Row, windows: Sequence[datetime]) -> None:
    """Each second once, from the first to the last."""
    row.runs = len(windows)
    row.expect(len(set(windows)) == len(windows), "a window has two runs")
    due = round((windows[-1] - windows[0]).total_seconds()) + 1
    row.expect(due == len(windows), f"{due} windows were due, {len(windows)} were opened")


def _cancel_open(cluster: Cluster) -> None:
    """Nobody serves the windows any more."""
    while open_runs := cluster.squidie.list_runs(open=True).runs:
        for run in open_runs:
            cluster.squidie.cancel(run.id, reason="nobody serves the windows any more")


PLAYED: dict[str, Callable[[Cluster, Report], None]] = {
    "T01": workers,
    "T02": back,
    "T03": forward,
    "T05": beats,
    "T06": down,
}
"""T04, T07 and T08 are proved by tests."""
