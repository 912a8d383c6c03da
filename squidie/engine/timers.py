"""Timers that are due: any worker that finds one settles it under the head; no worker claims it, no code runs."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from squidie.decide.commands import Elapse
from squidie.engine.transact import transact
from squidie.errors import JournalBusy, SquidieError
from squidie.journal import attempts

if TYPE_CHECKING:
    from squidie.engine.parts import Parts

log = logging.getLogger("squidie.timers")

SHARE = 64


EVERY = 0.2
"""Seconds between two looks of a process that is busy; one that finds no work looks at once."""


class Timers:
    """When this process has looked for timers that are due. Whichever of its threads looks, looks for all."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._looked_at = time.monotonic()

    def look(self) -> int:
        """Settle what is due now; how many."""
        self._looked_at = time.monotonic()
        return settle_due(self._parts)

    def is_time(self) -> bool:
        """Whether to look, for a process with work at hand: not too often."""
        return time.monotonic() - self._looked_at >= EVERY

    def told(self, *, rings: bool | None) -> bool:
        """A claim has looked, or has not (None); whether it has seen one that is due."""
        if rings is not None:
            self._looked_at = time.monotonic()
        return bool(rings)


def settle_due(parts: Parts) -> int:
    """Settle the timers that are due, the oldest first; how many. A run that somebody holds waits for the next look."""
    settled = 0
    while True:
        with parts.journal.reading() as connection:
            due = attempts.due_timers(parts.journal, connection, SHARE)
        done = _settle(parts, [Elapse(*row.key) for row in due])
        settled += done
        if len(due) < SHARE or done == 0:
            return settled


def _settle(parts: Parts, commands: list[Elapse]) -> int:
    if not commands:
        return 0
    try:
        verdicts = transact(parts, commands)
    except JournalBusy as error:
        log.info("a timer could not be settled yet: %s", error)
        return 0
    for verdict in verdicts:
        if verdict.error is not None and not isinstance(verdict.error, SquidieError):
            log.error("a timer could not be settled: %s", verdict.error, exc_info=verdict.error)
    return sum(1 for verdict in verdicts if verdict.facts)
