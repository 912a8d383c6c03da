"""Ends a step whose time is over, or whose result nobody wants: it is told, and after its grace it is stopped.

Told: an exception is raised in its code. In the main thread of a process a signal does that, which also wakes it from a
sleep in C; in other threads the interpreter does it at the next line of Python. The signal's handler raises only while
the step's own code runs, and is taken away with it.

Stopped: whoever watches settles the attempt in the step's place; a child process that exists to run steps then ends. A
step that holds the interpreter lock lets nobody watch: for that case a thread without Python ends the process a little
later, and the attempt is that of a dead child. In a thread of a larger process the step cannot be stopped: it is
settled, and what it still returns is refused.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from squidie.workflow.steps import StepInterrupted, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from squidie.engine.parts import Parts
    from squidie.workflow.steps import Signals

    Abandon = Callable[[type[StepInterrupted]], None]

T = TypeVar("T")

log = logging.getLogger("squidie.step")

WORKER = "squidie-worker"
"""What the children of `squidie worker` are called."""

BACKSTOP = 2.0
"""Seconds beyond the grace after which a process ends that lets no other thread run."""

ENDED = 124
"""The exit code of a process that ended itself because of a step, as that of the `timeout` program."""

_STDERR = 2


def may_end_process(parts: Parts) -> bool:
    """Whether this is the main thread of a child that exists to run steps, and will be replaced."""
    if threading.current_thread() is not threading.main_thread():
        return False
    is_ours = multiprocessing.parent_process() is not None and multiprocessing.current_process().name == WORKER
    in_child = getattr(parts.delivery, "in_child", None)
    return is_ours or (in_child is not None and bool(in_child()))


def end_process(parts: Parts) -> None:
    """End this child, after its bells were rung; nothing else of it runs on."""
    flush = getattr(parts.delivery, "flush", None)
    if flush is not None:
        flush(1.0)
    os._exit(ENDED)


class Guard:
    """One call of a step's code that may be interrupted: when `timeout` is over, or when somebody asks for it.

    `abandon` is called from another thread when the step has not ended `grace` seconds after it was told.
    `has_backstop`: this process may be ended. `timed_out` is what is raised in the step.
    """

    def __init__(
        self,
        signals: Signals,
        abandon: Abandon,
        *,
        timeout: float | None,
        grace: float,
        timed_out: type[TimedOut] = TimedOut,
        has_backstop: bool = False,
    ) -> None:
        self._signals = signals
        self._abandon = abandon
        self._timeout = timeout
        self._grace = grace
        self._timed_out = timed_out
        self._has_backstop = has_backstop and timeout is not None
        self._changed = threading.Condition()
        self._why: type[StepInterrupted] | None = None
        self._watching = self._begun = self._over = self._told = False
        self._in_main = False
        self._thread_id = 0
        self._before: Any = None

    def run(self, call: Callable[[], T]) -> T:
        """What the call returns; raises what it raises, or why it was interrupted.

        An interruption may strike between any two lines, also those that put an end to it: hence twice.
        """
        try:
            try:
                self._begin()
                return call()
            finally:
                self._end()
        except StepInterrupted:
            self._end()
            raise

    def interrupt(self, why: type[StepInterrupted]) -> None:
        """Tell the step to end, and stop it if it does not."""
        with self._changed:
            if self._over or self._why is not None:
                return
            self._why = why
            if self._begun:
                self._watch()
            self._changed.notify_all()

    # ---- in the thread of the step

    def _begin(self) -> None:
        self._thread_id = threading.get_ident()
        self._in_main = threading.current_thread() is threading.main_thread()
        if self._in_main:
            self._before = signal.signal(signal.SIGALRM, self._on_alarm)
        with self._changed:
            self._begun = True
            if self._why is not None:
                raise self._why
            if self._timeout is not None:
                self._watch()
        if self._has_backstop and self._timeout is not None:
            faulthandler.dump_traceback_later(self._timeout + self._grace + BACKSTOP, exit=True, file=_STDERR)

    def _end(self) -> None:
        if self._over:
            return
        self._told = True  # from here on the handler raises no more
        self._over = True
        with self._changed:
            self._changed.notify_all()
        if not self._in_main:
            if self._why is not None:
                _take_back(self._thread_id)
            return
        if self._has_backstop:
            faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, self._before if self._before is not None else signal.SIG_DFL)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self._why is not None and not self._told:
            self._told = True
            raise self._why
        if callable(self._before):
            self._before(number, frame)

    # ---- in a thread of its own

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._run, name="squidie-guard", daemon=True).start()

    def _run(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._why is not None, self._timeout)
            if self._over:
                return
            if self._why is None:
                self._why, self._signals.timed_out = self._timed_out, True
            self._tell(self._why)
            if self._changed.wait_for(lambda: self._over, self._grace):
                return
        log.error("a step has not ended %s s after it was told to: it is stopped", self._grace)
        self._abandon(self._why)

    def _tell(self, why: type[StepInterrupted]) -> None:
        if self._in_main:
            signal.pthread_kill(self._thread_id, signal.SIGALRM)
        else:
            _raise_in(self._thread_id, why)


class _Nothing(BaseException):
    """Takes the place of what is to be raised no more."""


def _raise_in(thread_id: int, why: type[BaseException]) -> None:
    """Raise it in that thread at its next line of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(why))


def _take_back(thread_id: int) -> None:
    """What has not been raised yet in this thread, the calling one, is not to be.

    Something else is raised in its place, here and now. With nothing in its place Python goes on looking for it at
    every call, in all threads and for good: 3.12 is slower then, and in 3.11 whatever is profiled never ends.
    """
    try:
        _raise_in(thread_id, _Nothing)
        for _ in range(1000):
            pass
    except _Nothing:
        pass
