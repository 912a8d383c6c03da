"""Starts the runs of programs, and is everybody that they wait for: people, events, and whoever cancels."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidence import generated, programs
from evidence.fleet import LATE
from evidence.insisting import insist
from evidence.prediction import Totals, predicted
from squidie.errors import Conflict

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from evidence.cluster import Cluster
    from evidence.programs import Fate, Shape

EVERY = 0.1
"""Seconds between two looks for somebody who waits."""

ASKING = """
select f.run_id, f.body->>'step' as step, f.kind from squidie.facts f join squidie.runs r using (run_id)
where r.ended_at is null and f.kind in ('pause_opened', 'event_awaited') and not exists (
    select from squidie.facts a where a.run_id = f.run_id and a.seq > f.seq and a.body->>'step' = f.body->>'step'
        and a.kind in ('pause_resolved', 'event_received'))
"""


@dataclass(frozen=True)
class Played:
    """A run, its program and what was predicted before it was started."""

    run_id: UUID
    shape: Shape
    fate: Fate
    totals: Totals
    gate: Path


class Driver:
    """One thread starts, another one answers until it is told that nothing is left."""

    def __init__(self, cluster: Cluster, seed: int, shapes: list[Shape], rate: float, queue: str) -> None:
        self._cluster, self._seed, self._shapes = cluster, seed, shapes
        self._rate, self._queue = rate, queue
        self._over = threading.Event()
        self._answering = threading.Thread(target=self._answer, name="answers", daemon=True)
        self.runs: dict[UUID, Played] = {}
        self.trouble: list[str] = []

    def play(self, begun: float, seconds: float) -> None:
        """Start runs at the rate, from now until the seconds are over."""
        self._answering.start()
        for number in range(int(self._rate * seconds)):
            wait = begun + number / self._rate - time.monotonic()
            if wait > 0:
                threading.Event().wait(wait)
            self._start(number)

    def close(self) -> None:
        """Nobody is answered any more."""
        self._over.set()
        self._answering.join(10)

    def _start(self, number: int) -> None:
        shape = self._shapes[number % len(self._shapes)]
        fate = programs.fate(shape, self._seed, number)
        gate = self._cluster.folder / f"{number}.gate"
        totals = predicted(shape, fate)
        orders, queue = generated.orders(fate, gate), LATE if programs.is_late(number) else self._queue
        run = insist(lambda: self._cluster.squidie.start(shape.name, orders, key=f"chaos-{number}", queue=queue))
        self.runs[run.id] = Played(run.id, shape, fate, totals, gate)
        if fate.early:
            for block in shape.blocks:
                if isinstance(block, programs.Halt) and block.kind == "event":
                    self._tell(run.id, block.name)

    def _answer(self) -> None:
        while not self._over.wait(EVERY):
            try:
                for row in self._cluster.read(ASKING):
                    if row.run_id in self.runs:
                        self._decide(self.runs[row.run_id], row.step, row.kind)
                for run_id in self._cluster.effects.entered("held"):
                    if run_id in self.runs and not self.runs[run_id].gate.exists():
                        self._cancel(self.runs[run_id])
            except Exception as error:  # noqa: BLE001 - it is told, and the others are answered
                self.trouble.append(f"{type(error).__name__}: {error}")

    def _decide(self, played: Played, step: str, kind: str) -> None:
        (halt,) = [block for block in played.shape.blocks if isinstance(block, programs.Halt) and block.name == step]
        squidie, key = self._cluster.squidie, f"chaos-{step}"
        if kind == "event_awaited":
            if not played.fate.early:
                self._tell(played.run_id, step)
            return
        verb = squidie.resume if halt.kind == "pause" else squidie.approve
        if halt.kind == "approval" and not played.fate.yes[step]:
            verb = squidie.reject
        insist(lambda: verb(played.run_id, step=step, actor="ann", key=key))

    def _tell(self, run_id: UUID, step: str) -> None:
        """One event for each step that awaits one; a run that has failed before has no use for it."""
        with suppress(Conflict):
            insist(lambda: self._cluster.squidie.signal_run(run_id, event=generated.EVENT, actor="ann", key=step))

    def _cancel(self, played: Played) -> None:
        """What the held step brings when its gate opens comes too late."""
        insist(lambda: self._cluster.squidie.cancel(played.run_id, reason="chaos", actor="ann", key="chaos"))
        played.gate.touch()
