"""What happens, in order.

Orders are placed, a worker dies in the middle of a charge, Redis is emptied, a new worker comes, all is well.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from squidie_celery.demo.checkout import LEASE, SWEEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.testing import Worker
    from squidie_celery.demo.screen import Screen
    from squidie_celery.demo.stage import Stage
    from squidie_celery.demo.tally import Books, Charging

T = TypeVar("T")

CHUNK = 10
DEADLINE = 60.0
LOOK, DRAW, SETTLES = 0.01, 0.1, 0.05


class TooSlow(Exception):
    """Something did not happen in time; the message says what."""


@dataclass
class Deeds:
    """What was done to the fleet."""

    killed: list[Charging] = field(default_factory=list)
    flushed: int = 0


class Scenes:
    """The director: a scene runs until what it waits for is seen; meanwhile orders come in and the screen is drawn."""

    def __init__(
        self, stage: Stage, screen: Screen, books: Books, orders: list[dict[str, Any]], *, pause: float
    ) -> None:
        self.deeds = Deeds()
        self._stage, self._screen, self._books, self._orders, self._pause = stage, screen, books, orders, pause
        self._placed = 0
        self._next_order = self._next_look = 0.0
        self._tally = books.tally()

    def open(self) -> None:
        """Workers come up, side by side."""
        workers = [self._stage.hire("demo1"), self._stage.hire("demo2")]
        self._stage.start_beat()
        for worker in workers:
            worker.wait_ready(30)
            self._screen.event("✓", f"worker {worker.name} up: pid {worker.pid} and {len(worker.children())} children")

    def kill(self) -> None:
        """Kill -9 a whole worker while a charge is under way, so that nobody is left to give the claim back."""
        self._until(lambda: self._placed * 3 >= len(self._orders), 20, "a third of the orders was never placed")
        worker, charging = self._until(self._catch, 20, "no charge was ever under way")
        worker.kill()
        self.deeds.killed.append(charging)
        said = f"worker {worker.name} died charging {charging.order_id}: it is booked, and nobody has heard of it"
        self._screen.event("☠", f"kill -9 -{worker.pid}   {said}")
        self._rest(self._pause)

    def flush(self) -> None:
        """Empty Redis while work is queued. Where there is none left to queue, it is emptied all the same."""
        self._until(lambda: self._tally.due > 0 or self._is_over(), 10, "no work was queued")
        command = self._stage.flush()
        self.deeds.flushed += 1
        due = f"{self._tally.due} attempts are due, as rows: a sweep rings within {SWEEP} s"
        self._screen.event("☠", f"{command}   Redis is empty, every bell is gone; {due}")

    def take_over(self) -> None:
        """The lease runs out, a sweep ends the claim; then a supervisor brings a new worker."""
        orders = {charging.order_id for charging in self.deeds.killed}
        self._until(lambda: orders & self._lost(), LEASE + SWEEP + 15, "the dead worker's claim was never ended")
        said = f"its lease of {LEASE} s is over, a sweep has ended the claim"
        self._screen.event("⚠", f"{said}: {', '.join(sorted(orders))} is due again")
        worker = self._stage.hire("demo3")
        self._until(lambda: " ready." in worker.log_text(), 30, "the new worker never came up")
        self._screen.event("✓", f"worker {worker.name} up: pid {worker.pid}")
        ended = self._until(lambda: self._books.ended().keys() & orders, 30, "the order of the dead worker never ended")
        for order in sorted(ended):
            called, (booked, _) = self._books.calls()[order], self._books.booked()[order]
            said = f"{order}: the gateway was called {called} times and booked {booked} charge"
            self._screen.event("↻", f"{said}; the second call met its own key")

    def finish(self) -> None:
        """Until every order has ended."""
        self._until(self._is_over, DEADLINE, "not every order has ended")

    def _catch(self) -> tuple[Worker, Charging] | None:
        """A worker with a charge that is booked and not recorded.

        It is frozen before the second look, and given time for what was on its way to Postgres: what is seen then still
        holds when it is killed.
        """
        for worker in self._stage.workers:
            if not self._charging(worker):
                continue
            worker.send(signal.SIGSTOP)
            time.sleep(SETTLES)
            if booked := [charging for charging in self._charging(worker) if charging.is_booked]:
                return worker, booked[0]
            worker.send(signal.SIGCONT)
        return None

    def _charging(self, worker: Worker) -> list[Charging]:
        return self._books.charging(worker.children())

    def _lost(self) -> set[str]:
        return {row.order_id for row in self._books.lost_claims()}

    def _is_over(self) -> bool:
        return self._tally.completed + self._tally.refused >= len(self._orders)

    def _until(self, seen: Callable[[], T | None], within: float, otherwise: str) -> T:
        deadline = monotonic() + within
        while not (found := seen()):
            if monotonic() > deadline:
                raise TooSlow(f"{otherwise} (waited {within:g} s)")
            self._tick()
        return found

    def _rest(self, seconds: float) -> None:
        end = monotonic() + seconds
        while monotonic() < end:
            self._tick()

    def _tick(self) -> None:
        """A little more of everything: an order's chunk when it is time, a look at the books, a nap."""
        if self._placed < len(self._orders) and monotonic() >= self._next_order:
            self._place()
            self._next_order = monotonic() + self._pause / 4
        if monotonic() >= self._next_look:
            self._next_look = monotonic() + DRAW
            self._tally = self._books.tally()
            rung = self._stage.squidie.delivery.rung
            self._screen.progress(self._tally, f"{self._placed} placed · {rung} bells rung for them")
        time.sleep(LOOK)

    def _place(self) -> None:
        chunk = self._orders[self._placed : self._placed + CHUNK]
        self._stage.squidie.start_many("Fulfilment", chunk, keys=[order["order_id"] for order in chunk])
        self._placed += len(chunk)


def perform(scenes: Scenes, *, kill: bool) -> None:
    """All scenes; without `kill` only the orders."""
    scenes.open()
    if kill:
        scenes.kill()
        scenes.flush()
        scenes.take_over()
    scenes.finish()
