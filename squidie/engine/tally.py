"""What this process has met since it began, counted for whoever watches it; facts remain the record."""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum


class Met(StrEnum):
    """What is counted."""

    EXPIRY = "expiry"
    TAKEOVER = "takeover"
    REFUSAL = "refusal"
    ERASED = "erased"
    LETTER = "letter"


class Tally:
    """Counts that any thread may raise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Met] = Counter()

    def note(self, what: Met, number: int = 1) -> None:
        """So many more of them."""
        if number:
            with self._lock:
                self._counts[what] += number

    def __getitem__(self, what: Met) -> int:
        return self._counts[what]
