"""Rings without keeping anybody waiting: what every delivery adapter has in common, whatever carries its bells.

`Ringer.ring` puts queue names into a set and wakes a thread; the caller pays a few microseconds, whatever state the
carrier is in. The thread rings the first bell for a queue at once and makes one of all that follow within the window,
which doubles as long as some do, and is short again after the first that waited for nobody. While ringing fails it
tries once a second, and the names wait in the set. An adapter supplies a `Line`: how a connection is made, how it
sends, how it is let go.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from squidie import failpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

log = logging.getLogger("squidie.bells")


class Line(Protocol):
    """A connection to whoever carries the bells.

    Only the ringer's thread ever touches it, and after an error it is hung up and replaced.
    """

    def send(self, queues: Collection[str]) -> int:
        """Ring for these queues, within about a second, and say for how many it was done.

        Raises when it cannot be known.
        """

    def hang_up(self) -> None:
        """Let go of the connection; errors are ignored."""


class Ringer:
    """One thread that rings; made at the first ring, and again after a fork. Its callers meet no error and no delay.

    `rung` and `failed` count bells since the process began. `ok_at` is the `time.monotonic()` of the last success, None
    before the first. `told`, where it is set, hears of each: the queues, and whether their bells were rung.
    """

    told: Callable[..., None] | None = None

    def __init__(
        self, dial: Callable[[], Line], *, window: float = 0.005, widest: float = 0.025, retry_after: float = 1.0
    ) -> None:
        self._dial, self._window, self._retry_after = dial, window, retry_after
        self._widest = max(window, widest)
        self._inherited: list[Line] = []
        self._line: Line | None = None
        self._renew()
        _RINGERS.add(self)

    def _renew(self) -> None:
        """Begin anew.

        In a forked child the thread is gone, a lock may be held for ever, and the parent rings what was waiting.
        """
        if self._line is not None:
            self._inherited.append(self._line)  # never collected: its finalizer would speak on the parent's socket
        self._line = None
        self._changed = threading.Condition()
        self._waiting: set[str] = set()
        self._quiet_until: dict[str, float] = {}
        self._held_back: set[str] = set()
        self._windows: dict[str, float] = {}
        self._retry_at = 0.0
        self._thread: threading.Thread | None = None
        self._sending = self._closing = False
        self.rung = self.failed = 0
        self.ok_at: float | None = None
        self.reachable = True

    def ring(self, queues: Collection[str]) -> None:
        """Ring for these queues, soon. Names that are waiting already cost nothing more."""
        try:
            with self._changed:
                if self._closing or self._waiting.issuperset(queues):
                    return
                self._waiting.update(queues)
                self._started()
                self._changed.notify_all()
        except (
            RuntimeError
        ) as error:  # no more threads, or the interpreter is shutting down: the sweeper will find the work
            self.failed += len(queues)
            log.debug("bells are lost: %s", error)

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until nothing is unsent, at most this long; False if something still is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._sending, timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Send what is unsent, for at most this long, and end the thread. Bells rung from now on are lost."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _started(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="squidie-ringer", daemon=True)
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        while queues := self._next():
            self._send(queues)
        self._hang_up()

    def _next(self) -> frozenset[str]:
        """The queues whose bells are to be rung now; waits for some, and is empty at the end."""
        with self._changed:
            while not (self._closing and not self._waiting):
                due, wait = self._due(monotonic())
                if due:
                    self._waiting -= due
                    self._sending = True
                    return due
                self._changed.wait(wait)
            return frozenset()

    def _due(self, now: float) -> tuple[frozenset[str], float | None]:
        """What may be rung now, and how long to wait for the rest (None: until somebody rings)."""
        if self._closing or not self._waiting:
            return frozenset(self._waiting), None
        if now < self._retry_at:
            return frozenset(), self._retry_at - now
        quiet = {queue: self._quiet_until.get(queue, 0.0) for queue in self._waiting}
        due = frozenset(queue for queue, until in quiet.items() if until <= now)
        self._held_back |= quiet.keys() - due
        return due, min(quiet.values()) - now

    def _send(self, queues: frozenset[str]) -> None:
        try:
            if self._line is None:
                self._line = self._dial()
            count = self._line.send(queues)
            failpoints.hit("ring.after")
        except Exception as error:  # noqa: BLE001 whatever a carrier raises, a bell is nobody's error
            self._hang_up()
            self._note_failure(queues, error)
        else:
            self._note_success(queues, count)

    def _note_success(self, queues: frozenset[str], count: int) -> None:
        with self._changed:
            self._sending = False
            self.rung += count
            self.ok_at = monotonic()
            self._quiet_until.update({queue: self.ok_at + self._window_after(queue) for queue in queues})
            self._changed.notify_all()
        self._tell(queues, rung=True)
        if not self.reachable:
            log.info("bells ring again")
            self.reachable = True

    def _window_after(self, queue: str) -> float:
        """How long the next bell waits: twice as long as this one may have, if it did; else the shortest time."""
        before = self._windows.get(queue, self._window)
        self._windows[queue] = min(self._widest, 2 * before) if queue in self._held_back else self._window
        self._held_back.discard(queue)
        return self._windows[queue]

    def _note_failure(self, queues: frozenset[str], error: Exception) -> None:
        with self._changed:
            self._sending = False
            self.failed += len(queues)
            self._retry_at = monotonic() + self._retry_after
            if not self._closing:
                self._waiting |= queues
            self._changed.notify_all()
        self._tell(queues, rung=False)
        level = logging.WARNING if self.reachable else logging.DEBUG
        self.reachable = False
        log.log(
            level,
            "bells cannot be rung, sweepers find the work meanwhile: %s: %s",
            type(error).__name__,
            _first_line(error),
        )

    def _tell(self, queues: frozenset[str], *, rung: bool) -> None:
        if self.told is not None:
            try:
                self.told(queues, rung=rung)
            except Exception as error:  # noqa: BLE001 - a bell waits for nobody who listens
                log.debug("nobody could be told of bells: %s", type(error).__name__)

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            try:
                line.hang_up()
            except Exception as error:  # noqa: BLE001 likewise
                log.debug("a line could not be hung up: %s", type(error).__name__)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


_RINGERS: weakref.WeakSet[Ringer] = weakref.WeakSet()


def _renew_all() -> None:
    for ringer in list(_RINGERS):
        ringer._renew()  # noqa: SLF001 ours


def _close_all() -> None:
    """At exit: all of them together have a second."""
    until = monotonic() + 1.0
    for ringer in list(_RINGERS):
        ringer.close(max(0.0, until - monotonic()))


os.register_at_fork(after_in_child=_renew_all)
atexit.register(_close_all)
