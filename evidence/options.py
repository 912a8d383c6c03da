"""What may be asked of a command; anything else is a usage error before any process is started."""

from __future__ import annotations

from argparse import ArgumentTypeError
from math import isfinite


def positive(text: str) -> float:
    """A number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not isfinite(number) or number <= 0:
        raise ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def whole(text: str) -> int:
    """A whole number, zero or more."""
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def some(text: str) -> int:
    """A whole number above zero."""
    return int(positive(str(whole(text))))


def long_enough(text: str) -> float:
    """Seconds in which a fault and its end have room."""
    seconds = positive(text)
    if seconds < SHORTEST:
        raise ArgumentTypeError(f"{text!r} is too short: at least {SHORTEST:g} seconds")
    return seconds


SHORTEST = 5.0
