"""Behind which due time this process claims: what is over there is not walked over again.

While somebody keeps a transaction open, rows of settled attempts cannot be cleared away, and a claim that begins at
the oldest due time passes over all of them. So when claims have become slow the oldest due time that is still open is
looked up every so many claims, and they begin there, until a look at everything is quick again. Nothing is decided by
it: work that appears with an older due time (a start whose transaction stayed open, a claim that a crash has erased) is
found by the first claim of a turn, which looks at everything before it says that there is nothing, and by the one claim
in a sweep's interval that looks at everything in any case.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from squidie.history.attempts import OpenAttempt

EVERY = 32
"""Claims that bring something, between two looks for the oldest due time."""

SLOW = 0.01
"""Seconds that a claim of everything takes at least, at its quickest among so many, where it passes over too much."""


@dataclass(slots=True)
class _Mark:
    since: datetime | None = None
    claims: int = 0
    looked_at: float = 0.0
    quickest: float = inf


class Watermarks:
    """For each queue the due time at which claims begin. Threads may overtake one another: it is only a place."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._marks: dict[str, _Mark] = {}

    def since(self, queue: str) -> datetime | None:
        """Where the next claim begins; None where it is to look at everything."""
        mark = self._marks.get(queue)
        return mark.since if mark is not None and time.monotonic() < mark.looked_at + self._longest else None

    def claimed(self, queue: str, since: datetime | None, rows: Sequence[OpenAttempt], seconds: float) -> bool:
        """What a claim has brought that began there, and how long it took; whether it is time to move on.

        One that looked at everything and found older work than this place, or was quick, gives the place up.
        """
        mark = self._marks.setdefault(queue, _Mark())
        if since is None:
            mark.looked_at, mark.quickest = time.monotonic(), min(mark.quickest, seconds)
            if mark.since is not None and (seconds < SLOW or any(row.due_at < mark.since for row in rows)):
                mark.since = None
        mark.claims += bool(rows)
        if mark.claims < EVERY:
            return False
        is_slow = mark.since is not None or mark.quickest >= SLOW
        mark.claims, mark.quickest = 0, inf
        return is_slow

    def moved(self, queue: str, since: datetime) -> None:
        """Claims begin there from now on."""
        self._marks.setdefault(queue, _Mark()).since = since

    def last(self, queue: str) -> datetime | None:
        """Where claims begin, but for those that look at everything."""
        mark = self._marks.get(queue)
        return mark.since if mark is not None else None
