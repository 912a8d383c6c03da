"""Durations as people write them (`"4h30m"`, `90`, a `timedelta`), and as specs keep them.

Seconds, to the microsecond.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

Duration = str | int | float | timedelta

LONGEST = 36_500 * 86_400
"""A hundred years: more is a mistake, and would leave the calendar."""

_PART = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*(us|ms|s|m|h|d|w)")
_UNITS = {"w": "604800", "d": "86400", "h": "3600", "m": "60", "s": "1", "ms": "0.001", "us": "0.000001"}
_ORDER = tuple(_UNITS)


def seconds(duration: Duration, *, allow_zero: bool = False) -> float:
    """The duration in seconds. Raises `ValueError` with the reason for anything that is none."""
    found = round(_read(duration), 6)
    if not isfinite(found):
        raise ValueError("a duration is a finite number")
    if found < 0:
        raise ValueError("a duration is not negative")
    if found == 0 and not allow_zero:
        raise ValueError("a duration is longer than zero")
    if found > LONGEST:
        raise ValueError("a duration is at most 36,500 days")
    return found


def lenient(duration: Any) -> Any:
    """The seconds of what is a duration; anything else as it was written, for the checks to name."""
    try:
        return seconds(duration, allow_zero=True)
    except ValueError:
        return duration


def _read(duration: object) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    if isinstance(duration, str):
        return _parse(duration)
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        try:
            return float(duration)
        except OverflowError:
            raise ValueError("a duration is at most 36,500 days") from None
    kind = type(duration).__name__
    raise ValueError(f'a duration is text such as "4h30m", a number of seconds or a timedelta, not {kind}')


def _parse(text: str) -> float:
    """The sum of the parts; each unit once, the larger before the smaller, so that "5m" and "m5" cannot be confused."""
    total, at, last = Decimal(0), 0, -1
    while part := _PART.match(text, at):
        rank = _ORDER.index(part[2])
        if rank <= last:
            break
        total += Decimal(part[1]) * Decimal(_UNITS[part[2]])
        at, last = part.end(), rank
    if last < 0 or text[at:].strip():
        raise ValueError('a duration is written like "90s", "4h30m" or "1.5d": w, d, h, m, s, ms, us, the larger first')
    return float(total)
