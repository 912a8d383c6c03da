"""Runs that are started all the while, and what must be so of them when whatever happened meanwhile is over."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self

from evidence import checks
from evidence.cluster import outcome
from squidie.errors import Unavailable

if TYPE_CHECKING:
    from evidence.cluster import Cluster
    from evidence.report import Row
    from squidie import Run, Squidie

PATIENCE = 60.0
PACE = 0.02
"""Seconds between two starts."""

STEPS = {"Plain": 4, "Booked": 4, "Single": 1}
ENDS = {"Plain": "last 1", "Booked": "last 1", "Single": "only 1"}


class Load:
    """One thread that starts a run after the other, each under a key, and asks again until it is answered.

    with Load(cluster, "queue", "Plain") as load:
        ...
    load.judge(row)
    """

    def __init__(
        self, cluster: Cluster, queue: str, *workflows: str, squidie: Squidie | None = None, orders: Any = None
    ) -> None:
        self.runs: list[Run] = []
        self.refused = 0
        self.fault: Exception | None = None
        self._cluster = cluster
        self._queue, self._workflows, self._orders = queue, workflows, orders or {}
        self._squidie = squidie or cluster.squidie
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._start_all, name=f"load-{queue}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE)

    def _start_all(self) -> None:
        number = 0
        while not self._stopping.is_set():
            try:
                self.runs.append(self._start(number))
            except Exception as error:  # noqa: BLE001 - whoever judges is told
                self.fault = error
                return
            number += 1
            self._stopping.wait(PACE)

    def _start(self, number: int) -> Run:
        """Until it is answered, also when the load is over meanwhile: the run may be there already.

        It is asked after on a connection that is well.
        """
        key = f"{self._queue}-{number}"
        while True:
            try:
                run = self._squidie.start(self._workflow(number), self._orders, queue=self._queue, key=key)
                return self._cluster.squidie.run(run.id)
            except Unavailable:
                self.refused += 1
                time.sleep(PACE)

    def of(self, workflow: str) -> list[Run]:
        """The runs of one workflow."""
        return [run for number, run in enumerate(self.runs) if self._workflow(number) == workflow]

    def judge(self, row: Row, *, may_erase: bool = False) -> checks.Findings:
        """Every start that was answered has made one run, and each has ended well, each step with one outcome."""
        row.expect(self.fault is None, f"a start raised {self.fault!r}")
        deadline = time.monotonic() + PATIENCE
        wanted = [self._workflow(number) for number in range(len(self.runs))]
        for run, workflow in zip(self.runs, wanted, strict=True):
            result = outcome(run, max(1.0, deadline - time.monotonic()))
            row.expect(result == ENDS[workflow], f"{run.id} ended with {result!r}")
        sql = "select count(*) as n from squidie.runs where queue = :queue"
        (made,) = self._cluster.read(sql, queue=self._queue)
        row.expect(made.n == len(self.runs), f"{len(self.runs)} starts were answered, {made.n} runs were made")
        found = checks.of_runs(self._cluster, [run.id for run in self.runs], may_erase=may_erase)
        row.take(found)
        row.runs += len(self.runs)
        steps = sum(STEPS[workflow] for workflow in wanted)
        row.expect(found.outcomes == steps, f"{found.outcomes} outcomes of {steps} steps")
        return found

    def _workflow(self, number: int) -> str:
        return self._workflows[number % len(self._workflows)]
