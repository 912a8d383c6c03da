"""Leases: one thread renews all claims of a process, and minds the batches whose members have not begun.

A claim that no row carries any more is lost for good: the step is told through its context, the process lives on. While
renewals fail the step is warned once two thirds of the lease have passed, and the warning is taken back by the next
renewal that succeeds. A step whose run was cancelled, or is about to be undone, is told so; where its author allows it,
it is also stopped.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from squidie import failpoints
from squidie.errors import SquidieError
from squidie.history.bodies import OpenKind
from squidie.history.lifecycle import RunStatus
from squidie.journal import attempts, draining, heads
from squidie.workflow.steps import Cancelled, Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.engine.telling import Telling
    from squidie.history.attempts import OpenAttempt
    from squidie.journal.store import Journal
    from squidie.settings import Settings
    from squidie.workflow.steps import StepInterrupted

log = logging.getLogger("squidie.lease")

PATIENCE = 0.25
"""Seconds that one step of a batch may take before its mates that have not begun are given back.

As old may the look at a claim's row be when its step is called.
"""


AGAIN = 1.0
"""The most seconds until a renewal that failed is tried again; a quarter of a beat where that is less."""

SHORTEST = 0.1
"""The least seconds that a renewal's statement may take; a sixth of the lease where that is more."""

CLOSING = 2.0
"""Seconds to wait for a renewal that is under way when the process lets go of its connections."""


@dataclass(slots=True)
class Holding:
    """A claim of this process and what its step is told; `interrupt` is there where it may also be stopped.

    `seen_at`: since when, by the monotonic clock, its row is known to have carried the claim later than the commit that
    made it; None before that.
    """

    row: OpenAttempt
    signals: Signals = field(default_factory=Signals)
    interrupt: Callable[[type[StepInterrupted]], None] | None = None
    seen_at: float | None = field(default_factory=time.monotonic)

    @property
    def is_seen(self) -> bool:
        """Whether that was just now: longer ago, its run may have been cancelled while the process was stopped."""
        return self.seen_at is not None and time.monotonic() - self.seen_at < PATIENCE

    def stop(self) -> None:
        """The step should end: nobody wants its result."""
        if self.interrupt is not None:
            self.interrupt(Cancelled)


class Hand:
    """The claims of one batch. To begin one and to give back the rest take the same lock, so none is both."""

    def __init__(self, holdings: Collection[Holding], give_back: Callable[[list[Holding]], None]) -> None:
        self._waiting = list(holdings)[::-1]
        self._lock = threading.Lock()
        self._give_back = give_back
        self._begun_at = time.monotonic()

    def begin(self) -> Holding | None:
        """The next claim to run, or None when there is none left."""
        with self._lock:
            self._begun_at = time.monotonic()
            return self._waiting.pop() if self._waiting else None

    @property
    def waits(self) -> bool:
        """Whether some have not begun."""
        return bool(self._waiting)

    def give_back(self, *, if_slow: bool = False) -> int:
        """Give back what has not begun; with `if_slow` only when the step that runs now has run long."""
        with self._lock:
            if if_slow and time.monotonic() - self._begun_at < PATIENCE:
                return 0
            rest, self._waiting = self._waiting[::-1], []
        if rest:
            self._give_back(rest)
        return len(rest)


class Renewer:
    """The thread that keeps this process's claims alive.

    It starts with the first claim and sleeps while there is none.
    """

    def __init__(self, journal: Journal, settings: Settings, telling: Telling) -> None:
        self._journal = journal
        self._telling = telling
        self._settings = settings
        self._held: dict[UUID, Holding] = {}
        self._renewed: set[UUID] = set()
        self._hands: set[Hand] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._renewed_at = self._renew_at = time.monotonic()
        self._closing = False

    def close(self) -> None:
        """Renew no more; what is still held ends by its lease."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSING)  # it may be using a connection, which is to be given back before the pool goes

    def hold(self, holdings: Collection[Holding]) -> None:
        """Renew these claims from now on."""
        with self._changed:
            if not self._held:
                self._renewed_at = time.monotonic()
                self._renew_at = self._renewed_at + self._settings.renewal
            self._held.update({h.row.lease.claim_id: h for h in holdings if h.row.lease is not None})
            for holding in holdings:
                holding.signals.late = self._is_late
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="squidie-lease", daemon=True)
                self._thread.start()

    def drop(self, holdings: Collection[Holding]) -> None:
        """These claims have ended."""
        with self._changed:
            for holding in holdings:
                if holding.row.lease is not None:
                    self._held.pop(holding.row.lease.claim_id, None)
                    self._renewed.discard(holding.row.lease.claim_id)

    def has_renewed(self, claim_id: UUID) -> bool:
        """Whether this claim's lease may be longer than it was when it was made."""
        return claim_id in self._renewed

    def mind(self, hand: Hand) -> None:
        """Look after a batch of several claims while its steps run."""
        with self._changed:
            self._hands.add(hand)
            self._changed.notify()

    def leave(self, hand: Hand) -> None:
        """The batch has been run."""
        with self._changed:
            self._hands.discard(hand)

    def _run(self) -> None:
        """Whatever goes wrong costs one beat: without this thread every lease of the process would end."""
        while not self._closing:
            with self._changed:
                self._changed.wait(self._pause())
                hands = tuple(self._hands)
            try:
                self._look_after(hands)
            except Exception:
                log.exception("a renewal failed; the next one tries again")

    def _look_after(self, hands: Collection[Hand]) -> None:
        for hand in hands:
            hand.give_back(if_slow=True)
        with self._changed:
            held = dict(self._held)  # without what was just given back
        if held and time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + self._settings.renewal
            self._renew(held)

    def _pause(self) -> float:
        """Until there is something to do; whoever holds nothing looks once a beat."""
        if self._hands:
            return PATIENCE
        return max(0.001, self._renew_at - time.monotonic()) if self._held else self._settings.renewal

    def _renew(self, held: dict[UUID, Holding]) -> None:
        if failpoints.hit("renew.before"):
            return
        rows = [holding.row for holding in held.values()]
        self._renewed.update(held)
        try:
            with self._journal.renewing(max(SHORTEST, self._settings.lease / 6)) as connection:
                renewed = attempts.renew(self._journal, connection, rows, self._settings.lease)
                alive = set(renewed)
                if len(alive) < len(rows):
                    alive |= attempts.still_held(self._journal, connection, rows)
                gone = [holding for claim, holding in held.items() if claim not in alive]
                for holding in gone:
                    self._tell(holding, heads.read(self._journal, connection, holding.row.run_id))
                self._ask(connection, [held[claim] for claim in alive])
        except SquidieError as error:
            self._renew_at = time.monotonic() + min(AGAIN, self._settings.renewal / 4)
            log.warning("claims could not be renewed: %s", error)
            return
        self._renewed_at = time.monotonic()
        self.drop(gone)
        revived = {claim for claim, was_over in renewed.items() if was_over}
        self._telling.renewed([held[claim].row for claim in renewed], revived)

    def _tell(self, holding: Holding, head: heads.Head | None) -> None:
        holding.signals.lost = True
        if head is not None and head.run.status is RunStatus.CANCELLED:
            holding.signals.cancelled = True
            holding.stop()
        log.warning("the claim on %s of run %s was ended by somebody else", holding.row.step, holding.row.run_id)

    def _ask(self, connection: Connection, holdings: list[Holding]) -> None:
        """Steps of a run that is about to be undone are asked to end; what undoes them is not."""
        steps = [holding for holding in holdings if holding.row.kind is OpenKind.STEP and not holding.signals.asked]
        if not steps:
            return
        undone = draining.among(self._journal, connection, {holding.row.run_id for holding in steps})
        for holding in steps:
            if holding.row.run_id in undone:
                holding.signals.asked = True
                holding.stop()

    def _is_late(self) -> bool:
        """Asked by the steps themselves: a renewal that nobody answers keeps the thread, and may be the reason."""
        return time.monotonic() - self._renewed_at >= self._settings.lease * 2 / 3
