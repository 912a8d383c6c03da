"""A steady load of mixed runs (SEMANTICS 16.5), each with the end that it must come to."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evidence.fleet import LATE
from evidence.insisting import insist
from squidie.errors import InvalidTransition, RunUnsuccessful, WaitTimeout
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from uuid import UUID

    from evidence.cluster import Cluster
    from squidie import Run

SHARES = {"plain": 63, "retrying": 15, "replay": 6, "cancel": 6, "approval": 5, "waits": 3, "dead letter": 2}
"""In a hundred. Children and maps are not built yet: their shares went to plain runs and to waits."""

PATIENCE = 60.0
POISON = 40.0
"""Seconds that a step needs to be lost five times, ever more rarely."""

HELPERS = 24
"""Threads that see to the runs which need somebody."""


@dataclass
class Started:
    """One run, what must become of it, and whether it leaves a dead letter."""

    run_id: UUID
    kind: str
    status: str = "completed"
    letter: tuple[str, str] | None = None


class Load:
    """Starts runs at a rate, sees to those that need somebody, and knows what each must come to."""

    def __init__(self, cluster: Cluster, seed: int, rate: float, seconds: float, queue: str) -> None:
        self._cluster, self._rate, self._seconds, self._queue = cluster, rate, seconds, queue
        self._dice = random.Random(f"{seed} load")
        self._deck: list[str] = []
        self._lock = threading.Lock()
        self.started: list[Started] = []
        self.late = 0.0
        """Seconds that the last start was behind its time."""

    def play(self, begun: float) -> None:
        """Until the seconds are over, and everybody who was to be seen to has been."""
        with ThreadPoolExecutor(HELPERS) as pool:
            helpers: list[Future[None]] = []
            for number in range(int(self._rate * self._seconds)):
                due = begun + number / self._rate
                self.late = time.monotonic() - due
                if self.late < 0:
                    threading.Event().wait(-self.late)
                helpers += self._begin(pool, number)
            for helper in helpers:
                helper.result()

    @property
    def counts(self) -> Counter[str]:
        """How many of each kind were started."""
        return Counter(started.kind for started in self.started)

    def _begin(self, pool: ThreadPoolExecutor, number: int) -> list[Future[None]]:
        if not self._deck:
            self._deck = [kind for kind, share in SHARES.items() for _ in range(share)]
            self._dice.shuffle(self._deck)
        kind, dice = self._deck.pop(), self._dice.random()
        workflow, payload = self._shape(kind, number, dice)
        queue = LATE if "lingers" in payload else self._queue
        run = insist(lambda: self._cluster.squidie.start(workflow, payload, key=f"soak-{number}", queue=queue))
        started = Started(run.id, kind)
        if kind == "dead letter":
            started.status = "failed"
            started.letter = ("only", "claims_exhausted" if "dies" in payload else "step_failed")
        self.started.append(started)
        care = CARE.get(kind)
        return [pool.submit(care, self, run, started, dice)] if care else []

    def _shape(self, kind: str, number: int, dice: float) -> tuple[str, dict[str, Any]]:
        if kind == "plain":
            return _plain(number, dice)
        is_first = not any(each.kind == kind for each in self.started)
        is_poison = is_first and self._seconds >= POISON and number < self._rate * (self._seconds / 2)
        shapes: dict[str, tuple[str, dict[str, Any]]] = {
            "retrying": ("Plain", {"fails": {"first": 1 + (dice < 0.3), "right": int(dice > 0.7)}}),
            "cancel": ("Plain", {"naps": {"first": 0.3, "left": 0.2}}),
            "dead letter": ("Single", {"dies": ["only"]} if is_poison else {"gives_up": ["only"]}),
            "replay": ("PaymentRecovery", {"invoice_id": f"{number}-200"}),
            "approval": ("ManualApproval", {}),
            "waits": ("Delayed", {}),
        }
        return shapes[kind]

    def _repeat(self, run: Run, _: Started, __: float) -> None:
        """Once it has ended it is played again, with the step named that notifies."""
        ended(run)
        again = insist(
            lambda: self._cluster.squidie.replay(
                run.id, allow_irreversible=["notify"], actor="ann", reason="soak", key="soak", queue=self._queue
            )
        )
        with self._lock:
            self.started.append(Started(again.id, "replayed"))

    def _cancel(self, run: Run, started: Started, dice: float) -> None:
        """After a while; where that is too late it has ended as the others do."""
        threading.Event().wait(0.8 * dice)
        try:
            insist(lambda: self._cluster.squidie.cancel(run.id, reason="soak", actor="ann", key="soak"))
            started.status = "cancelled"
        except InvalidTransition:
            started.kind = "cancelled too late"

    def _decide(self, run: Run, _: Started, dice: float) -> None:
        """Once it asks: approved by most, rejected by some."""
        eventually(lambda: insist(run.snapshot).status == "paused", PATIENCE, every=0.1, why="it does not ask")
        decide = self._cluster.squidie.approve if dice < 0.7 else self._cluster.squidie.reject
        insist(lambda: decide(run.id, actor="ann", key="soak"))


def _plain(number: int, dice: float) -> tuple[str, dict[str, Any]]:
    """Mostly quick; some nap, some write with their outcome, and some end when their lease does, unless renewed."""
    if number % 20 == 0:
        return "Single", {"lingers": {"only": round(1.02 + 0.2 * dice, 2)}}
    naps = {"first": round(0.05 + 0.4 * dice, 2)} if number % 5 == 0 else {}
    return ("Booked" if number % 4 == 1 else "Plain"), {"naps": naps}


CARE: dict[str, Callable[[Load, Run, Started, float], None]] = {
    "replay": Load._repeat,  # noqa: SLF001 - the table of this very class
    "cancel": Load._cancel,  # noqa: SLF001 - likewise
    "approval": Load._decide,  # noqa: SLF001 - likewise
}
"""What somebody does about a run of this kind."""


def ended(run: Run, patience: float = PATIENCE) -> None:
    """Wait for the end, whichever it is."""
    deadline = time.monotonic() + patience
    while True:
        try:
            insist(lambda: run.result(1.0))
        except WaitTimeout:
            if time.monotonic() > deadline:
                raise
            continue
        except RunUnsuccessful:
            return
        return
