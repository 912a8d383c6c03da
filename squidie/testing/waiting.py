"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def eventually(
    condition: Callable[[], T],
    within: float = 10.0,
    every: float = 0.02,
    why: str | Callable[[], str] = "it did not happen",
) -> T:
    """What `condition` returns as soon as that is true; an `AssertionError` saying `why` when it never is."""
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"{why() if callable(why) else why} (waited {within:g} s)")
        time.sleep(every)
