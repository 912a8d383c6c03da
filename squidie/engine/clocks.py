"""What the database's clock says, between two looks at it.

A time that Postgres has told, and what this machine's monotonic clock has counted since the answer came, add up to a
time that Postgres has reached by now: the answer was on its way for a while. Nothing is written with such a time unless
Postgres finds, in the same statement, that it is neither ahead of its clock nor far behind.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

BEHIND = timedelta(seconds=0.25)
"""How far behind the database's clock a time may be that was counted here."""

LONGEST = 60.0
"""Seconds for which a reading is good: clocks do not run apart by much in that time."""


class Clock:
    """One process's reading of the database's clock. Threads may overtake one another: each reading is true."""

    def __init__(self) -> None:
        self._read: tuple[datetime, float] | None = None

    def heard(self, now: datetime) -> None:
        """Postgres has answered just now that it was so late. The latest that is known to be over counts."""
        counted = self.now()
        self._read = (now if counted is None or now > counted else counted), time.monotonic()

    def forget(self) -> None:
        """Postgres did not agree: somebody has set its clock, or this process was stopped."""
        self._read = None

    def now(self) -> datetime | None:
        """A time that the database's clock has passed; None where that is not known well enough."""
        read = self._read
        if read is None:
            return None
        seconds = time.monotonic() - read[1]
        return read[0] + timedelta(seconds=seconds) if seconds < LONGEST else None
