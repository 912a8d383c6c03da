"""Whether to settle at once, where others may be at the same runs."""

from __future__ import annotations

MOST_PASSED = 32
"""Settles in a row that are not tried at once, where others were found at the same runs again and again."""


class Tries:
    """Whether it is worth trying: after each try in vain it is left out twice as often."""

    def __init__(self) -> None:
        self._left_out = self._pause = 0

    def are_due(self) -> bool:
        """Whether to try now."""
        if self._left_out:
            self._left_out -= 1
            return False
        return True

    def ended(self, *, well: bool) -> None:
        """What came of it."""
        self._pause = 0 if well else min(MOST_PASSED, self._pause * 2 + 1)
        self._left_out = self._pause
