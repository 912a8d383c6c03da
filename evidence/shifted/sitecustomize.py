"""A process whose wall clock is wrong: python imports this first where the folder stands on PYTHONPATH.

`EVIDENCE_CLOCK` says by how many seconds, `jumping:7200` that it is that much ahead and behind, in turn, each second.
Everything that Python code asks for the time is told the wrong one; timers and `time.monotonic()` are not touched, as
they are not when somebody sets a machine's clock.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import os
import time
from typing import Any

TOLD = os.environ.get("EVIDENCE_CLOCK", "")

_seconds, _nanoseconds, _real = time.time, time.time_ns, dt.datetime


def offset() -> float:
    """Seconds by which the clock is wrong now."""
    kind, _, amount = TOLD.rpartition(":")
    if kind == "jumping":
        return float(amount) * (1 if int(time.monotonic()) % 2 else -1)
    return float(amount or 0)


def _time() -> float:
    return _seconds() + offset()


def _time_ns() -> int:
    return _nanoseconds() + int(offset() * 1_000_000_000)


def _now(cls: type[Any], tz: dt.tzinfo | None = None) -> Any:
    return cls.fromtimestamp(_time(), tz)


def _utcnow(cls: type[Any]) -> Any:
    return cls.fromtimestamp(_time(), dt.UTC).replace(tzinfo=None)


if TOLD:
    time.time, time.time_ns = _time, _time_ns
    (_words,) = gc.get_referents(_real.__dict__)  # a type written in C lets nobody set its attributes
    _words |= {"now": classmethod(_now), "utcnow": classmethod(_utcnow)}
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(_real))
