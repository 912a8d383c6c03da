"""Whose turn it is: this process's memory of which partition it served last, on each queue and at each priority.

Nothing of it is written down. Each claimer goes round all partitions by itself, so all of them together do; a process
that forgets, because it died, begins its round anew somewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.journal.claims import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from squidie.history.attempts import OpenAttempt

AFTER = "\x01"
"""Behind a partition's name: comes after it, and before every other name (names have no such character)."""


class Rounds:
    """For each queue and priority the partition that was served last, and how often it was in this round."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self.weights = weights
        self._served: dict[str, dict[int, tuple[str, int]]] = {}

    def turns(self, queue: str) -> Sequence[Turn]:
        """Where the next round begins: at a partition that has not had its share yet, or behind it."""
        served = self._served.get(queue, {})
        return [
            Turn(priority, partition, used)
            if used < self.weights.get(partition, 1)
            else Turn(priority, f"{partition}{AFTER}", 0)
            for priority, (partition, used) in tuple(served.items())
        ]

    def served(self, queue: str, rows: Iterable[OpenAttempt]) -> None:
        """These were claimed, in this order."""
        known = self._served.setdefault(queue, {})
        for row in rows:
            partition, used = known.get(row.priority, ("", 0))
            goes_on = partition == row.partition and used < self.weights.get(partition, 1)
            known[row.priority] = (row.partition, used + 1 if goes_on else 1)
