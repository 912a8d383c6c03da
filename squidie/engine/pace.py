"""How many steps a turn holds at once: many while they are short, one while they are slow or unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squidie.settings import Settings

TARGET = 0.1
"""Seconds that a batch should take: long enough to share a commit, short enough to look again for cancelled runs."""

GROWTH = 4
_WEIGHT = 0.3


class Pace:
    """What this process has learned of its steps.

    Estimates are per action, in seconds; a slow try makes a step slow at once, short ones earn it back.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seconds: dict[str, float] = {}
        self._size = 1
        self.short: frozenset[str] = frozenset()

    def saw(self, action: str, seconds: float) -> None:
        """One call of an action took so long."""
        before = self._seconds.get(action)
        estimate = (
            seconds if before is None or seconds > self._settings.short else before + _WEIGHT * (seconds - before)
        )
        self._seconds[action] = estimate
        is_short = estimate <= self._settings.short
        if is_short is not (action in self.short):
            self.short = self.short | {action} if is_short else self.short - {action}
            if not is_short:
                self._size = 1

    def size(self) -> int:
        """The most attempts to claim together."""
        return self._size

    def grow(self, took: int, seconds: float) -> None:
        """A batch was run: grow while batches are full and quick, shrink when one took longer than it should."""
        if seconds > 2 * TARGET:
            self._size = max(1, self._size // GROWTH)
        elif took >= self._size and seconds * GROWTH <= 2 * TARGET:
            self._size = min(self._size * GROWTH, self._settings.batch)
