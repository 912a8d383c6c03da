"""Sees a prefork child die within milliseconds, so that its work is given to another at once, lease or not.

Celery itself may notice only after five seconds. The pool's process list is private, so it is asked for with care; the
sentinels of what it holds become readable when a child ends, and once a second the pids are looked at too: a grandchild
may hold a sentinel's pipe open. A step that kills can end a child so soon that it is in the list at no look, and then
nobody would give its claim back before the lease is over: so each child reports its birth before it takes work.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from contextlib import suppress
from multiprocessing.connection import wait
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from squidie import failpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

log = logging.getLogger("squidie.watch")

SLICE = 0.2  # how soon a child that has just been forked is watched over
MOMENT = 0.1
EVERY = 1.0  # between two looks at the pids, and between two tries to tell the journal


def children_of(pool: Any) -> dict[int, int | None]:
    """The pids of a pool's child processes, with their sentinels; empty for the pools that have none."""
    processes = getattr(getattr(pool, "_pool", None), "_pool", None)
    if not isinstance(processes, list):
        return {}
    return {
        p.pid: getattr(getattr(p, "_popen", None), "sentinel", None) for p in list(processes) if getattr(p, "pid", None)
    }


def has_ended(pid: int) -> bool:
    """Whether this child of ours is dead, reaped or not; it is left for the pool to reap."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _await_end(pids: Collection[int]) -> None:
    """A sentinel tells a moment before its process can be reaped; wait that moment, and not much longer."""
    deadline = monotonic() + MOMENT
    while not all(map(has_ended, pids)) and monotonic() < deadline:
        sleep(0.001)


class Births:
    """A pipe over which children say that they are there. It is made before they are forked, so they inherit it."""

    _PID = struct.Struct("i")

    def __init__(self) -> None:
        self.ear, self._mouth = os.pipe()
        os.set_blocking(self.ear, False)
        os.set_blocking(self._mouth, False)

    def report(self) -> None:
        """In a child, before it takes work. A full pipe means thousands unread, and is no reason to fail."""
        with suppress(BlockingIOError):
            os.write(self._mouth, self._PID.pack(os.getpid()))

    def read(self) -> set[int]:
        """The pids that have been reported since the last look. A pid is written whole or not at all."""
        pids: set[int] = set()
        with suppress(BlockingIOError):
            while told := os.read(self.ear, 1024 * self._PID.size):
                pids.update(pid for (pid,) in self._PID.iter_unpack(told))
        return pids


class Watch:
    """A thread that calls `died(pid)` once for each child that ended, and again each second while that fails.

    `ended` is called before that, in this thread, once a child can be reaped.
    """

    def __init__(
        self,
        children: Callable[[], Mapping[int, int | None]],
        births: Births,
        died: Callable[[int], int],
        ended: Callable[[], None],
    ) -> None:
        self._children, self._births, self._died, self._ended = children, births, died, ended
        self._born: set[int] = set()
        self._known: dict[int, int | None] = {}
        self._owed: set[int] = set()
        self._told: set[int] = set()
        self._next_look = self._next_try = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="squidie-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Look once more, for children that were ended by the shutdown itself, and end the thread."""
        if self._thread.ident is None:
            return
        self._stopping.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._look(SLICE)
        self._next_look = self._next_try = 0.0
        self._look(0.0)

    def _look(self, timeout: float) -> None:
        self._refresh()
        sentinels = {s: pid for pid, s in self._known.items() if s is not None and pid not in self._told | self._owed}
        ended = {sentinels[s] for s in self._ready([*sentinels, self._births.ear], timeout) if s in sentinels}
        if monotonic() >= self._next_look:
            self._next_look = monotonic() + EVERY
            ended |= {pid for pid in self._known if pid not in self._told and has_ended(pid)}
        if ended:
            _await_end(ended)
            self._ended()
        self._owed |= ended
        self._tell()

    def _refresh(self) -> None:
        """Learn who is there. Whoever left the list untold has ended; a pid that left may come again as another."""
        self._born |= self._births.read() - self._known.keys()
        now = dict(self._children())
        self._born -= now.keys()
        unlisted = {pid for pid in self._born if has_ended(pid)}  # the others are listed a moment after they are forked
        self._born -= unlisted
        self._owed |= unlisted
        self._owed |= {pid for pid in self._known if pid not in now and pid not in self._told}
        self._told &= now.keys()
        self._known = now

    def _ready(self, handles: list[int], timeout: float) -> list[Any]:
        try:
            return wait(handles, timeout)
        except OSError:  # closed by the pool while we waited: the pids will tell
            self._next_look = 0.0
        self._stopping.wait(min(timeout, 0.05))
        return []

    def _tell(self) -> None:
        if not self._owed or monotonic() < self._next_try:
            return
        for pid in sorted(self._owed):
            try:
                given_back = 0 if failpoints.hit("child.died") else self._died(pid)
            except Exception as error:  # noqa: BLE001 the thread must not die of what it could not tell
                self._next_try = monotonic() + EVERY
                log.warning("child %d has ended, and the journal cannot be told yet: %s", pid, type(error).__name__)
                return
            self._owed.discard(pid)
            self._told |= {pid} & self._known.keys()
            log.info("child %d has ended, claims given back: %d", pid, given_back)
