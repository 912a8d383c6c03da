"""The worker without a broker, behind `squidie worker`: a parent that listens, sweeps and watches, and children.

The parent passes each bell it hears into a socket that all children read, so one bell wakes one idle child. It runs no
steps itself. Without a listener (a delivery that cannot be heard) every queue is looked at once in a sweep's interval.
One SIGTERM or SIGINT lets running steps end and gives back what has not begun; a second one, or SIGQUIT, ends the
children at once, and their claims are given back by the parent. Children whose parent was killed end their step and
themselves.
"""

from __future__ import annotations

import gc
import logging
import mmap
import multiprocessing
import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from math import inf
from multiprocessing.connection import wait
from time import monotonic, sleep
from typing import TYPE_CHECKING, Protocol

from squidie import failpoints
from squidie.engine import ids
from squidie.errors import InvalidArgument, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.context import ForkProcess

    from squidie.runtime import Squidie

log = logging.getLogger("squidie.worker")

SELDOM = 4  # sweeps between two looks of the children while bells are heard: the sweeps ring for what was missed
LOOK_EVERY = 1.0  # how soon an idle child notices that its parent is gone, and an untold death is told again
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
YOUNG = 1.0  # a child that dies before this age is replaced only after as long: no storm of forks


class Listener(Protocol):
    """What a delivery's `listener()` gives, if it has one: an ear for its bells.

    One that has `hears` says by it whether bells come through; while they do, the children look less often by
    themselves.
    """

    def wait(self, timeout: float) -> set[str]:
        """The queues that were rung, as soon as there are some; empty when the time is over."""

    def close(self) -> None:
        """Let go of the connection."""


def serve(
    squidie: Squidie, queues: Sequence[str] = (), *, concurrency: int = 1, once: bool = False, drain: bool = False
) -> int:
    """Work on these queues (all that the declared workflows use, if none are named) until a signal; the exit code.

    `once` takes one turn in this process, `drain` takes turns until nothing is due, and both come back.
    """
    if concurrency < 1:
        raise InvalidArgument("concurrency", "at least one child is needed")
    served = sorted(queues or squidie.used_queues())
    if once or drain:
        return _work_off(squidie, served, until_empty=drain)
    return Worker(squidie, served, concurrency).run()


def _work_off(squidie: Squidie, queues: Sequence[str], *, until_empty: bool) -> int:
    stop = threading.Event()
    with _on_signals(lambda _: stop.set()):
        squidie.sweep(queues)
        while squidie.turn(queues, draining=stop.is_set).claimed and until_empty and not stop.is_set():
            pass
    return 0


@contextmanager
def _on_signals(heard: Callable[[int], None]) -> Iterator[None]:
    """Call `heard` with the number at SIGTERM, SIGINT and SIGQUIT.

    Only the main thread may ask for that; elsewhere signals are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda number, _: heard(number)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Worker:
    """The parent process and its children."""

    def __init__(self, squidie: Squidie, queues: Sequence[str], concurrency: int) -> None:
        self._squidie, self._queues, self._concurrency = squidie, list(queues), concurrency
        self._parent = os.getpid()
        squidie.begin_worker()  # before the first fork, so that children share its name
        self._flag = mmap.mmap(-1, 1)  # seen by the children
        self._bells = BellSocket()
        self._children: dict[ForkProcess, float] = {}
        self._fork_at = 0.0
        self._owed: set[int] = set()
        self._tell_at = 0.0
        self._signals = 0
        self._wake_reader, self._wake_writer = os.pipe()
        self._listener: Callable[[], Listener] | None = getattr(squidie.delivery, "listener", None)

    def run(self) -> int:
        """Work until a signal says to stop; 0, or 1 if it was said twice or by SIGQUIT.

        Raises `InvalidConfig` where the database's settings are unsafe.
        """
        self._squidie.check_conditions(refuse=True)
        with _on_signals(self._on_signal):
            self._fork_missing()
            sweeper = self._squidie.sweeper(lambda: [] if self._draining() else self._queues, slots=self._concurrency)
            sweeper.start()
            threading.Thread(target=self._announce, name="squidie-listen", daemon=True).start()
            while not self._draining():
                self._look_after(LOOK_EVERY)
                self._fork_missing()
            sweeper.stop()
            self._let_children_finish()
        return 0 if self._signals < 2 else 1

    def _on_signal(self, number: int) -> None:
        """In a signal handler: nothing that could wait. SIGQUIT says at once what others say by coming twice."""
        self._signals += 2 if number == signal.SIGQUIT else 1
        self._flag[0] = 1
        os.write(self._wake_writer, b"!")

    def _draining(self) -> bool:
        return self._flag[0] == 1

    # ---- children

    def _fork_missing(self) -> None:
        while len(self._children) < self._concurrency and monotonic() >= self._fork_at:
            child = multiprocessing.get_context("fork").Process(target=self._work, name="squidie-worker")
            child.start()
            self._children[child] = monotonic()

    def _look_after(self, timeout: float) -> None:
        """Wait until a child dies or a signal comes; give back what the dead had claimed."""
        ready = wait([self._wake_reader, *(child.sentinel for child in self._children)], timeout)
        if self._wake_reader in ready:
            os.read(self._wake_reader, 64)
        for child in [child for child in self._children if child.exitcode is not None]:
            self._bury(child)
        if self._owed and monotonic() >= self._tell_at:
            self._tell()

    def _bury(self, child: ForkProcess) -> None:
        born_at = self._children.pop(child)
        if child.pid is not None:
            self._owed.add(child.pid)
        if monotonic() - born_at < YOUNG:
            self._fork_at = monotonic() + YOUNG
        if not self._draining():
            log.warning("child %s has ended with %s and is replaced", child.pid, child.exitcode)

    def _tell(self) -> None:
        for pid in sorted(self._owed):
            try:
                if not failpoints.hit("child.died"):
                    self._squidie.child_died(pid)
            except Unavailable as error:
                self._tell_at = monotonic() + LOOK_EVERY
                log.warning("child %d has ended, and the journal cannot be told yet: %s", pid, error.message)
                return
            self._owed.discard(pid)

    def _let_children_finish(self) -> None:
        """Until the last one has ended; a second signal ends them."""
        for _ in self._children:
            self._bells.pass_on("")  # so that an idle one looks up
        killed = False
        while self._children:
            self._look_after(LOOK_EVERY)
            if self._signals > 1 and not killed:
                killed = True
                for child in self._children:
                    child.kill()

    # ---- bells

    def _announce(self) -> None:
        """Pass on what is heard, and every queue once in a while, should nothing be heard at all."""
        listener = self._listener() if self._listener is not None else None
        unsent: set[str] = set()
        looked_at = -inf
        while not self._draining():
            look_at = looked_at + self._squidie.settings.sweep * (SELDOM if getattr(listener, "hears", False) else 1)
            if monotonic() >= look_at:
                looked_at = monotonic()
                unsent.update(self._queues)
            unsent = {queue for queue in unsent if not self._bells.pass_on(queue)}
            timeout = min(0.05 if unsent else LOOK_EVERY, max(0.0, look_at - monotonic()))
            if listener is None:
                sleep(timeout)
            else:
                unsent |= listener.wait(timeout) & set(self._queues)
        if listener is not None:
            with suppress(Exception):
                listener.close()

    # ---- in a child

    def _work(self) -> None:
        """Answer bells until told to stop, or orphaned."""
        gc.freeze()  # what the parent has loaded stays: the collector need not look through it again and again
        for number in SIGNALS:  # a terminal or a supervisor signals all of us; the parent decides
            signal.signal(number, lambda *_: None)  # not SIG_IGN, which programs started by steps would inherit
        while not self._ends():
            queue = self._bells.hear(LOOK_EVERY)
            if queue and not failpoints.hit("bell.received"):
                self._take_turn(queue)
        self._squidie.close()

    def _ends(self) -> bool:
        """Whether to begin nothing more: the worker drains, or nobody would notice this child's death any more."""
        return self._draining() or os.getppid() != self._parent

    def _take_turn(self, queue: str) -> None:
        try:
            report = self._squidie.turn([queue], draining=self._ends)
        except Unavailable as error:
            log.warning("a turn found no journal: %s", error.message)
            sleep(ids.jittered(LOOK_EVERY))
        except Exception:
            log.exception("a turn ended badly; its claims are given back when their lease is over")
        else:
            if report.left and self._listener is None:  # it rang, and nobody can hear that: to the end of the line
                self._bells.pass_on(queue)


class BellSocket:
    """Datagrams from the parent to whichever child reads first.

    A full socket means that everybody is busy and knows of work.
    """

    def __init__(self) -> None:
        self._ear, self._mouth = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._mouth.settimeout(0)

    def pass_on(self, queue: str) -> bool:
        """Whether the bell found room."""
        try:
            self._mouth.send(queue.encode())
        except OSError:
            return False
        return True

    def hear(self, timeout: float) -> str:
        """The next bell's queue; empty when there was none in time."""
        self._ear.settimeout(timeout)
        try:
            return self._ear.recv(256).decode()
        except TimeoutError:
            return ""
