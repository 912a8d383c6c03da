"""`squidie.wake`, the only task: a bell is answered by a turn.

A bell has no authority: it names a queue, and a worker looks only where it was started to look. What is malformed, of
another version or not served here is dropped and counted. While bells find nothing, again and again, a process looks at
most every 20 ms.
"""

from __future__ import annotations

import logging
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from squidie import failpoints
from squidie.errors import Unavailable

if TYPE_CHECKING:
    from celery import Celery

    from squidie_celery.station import Station

log = logging.getLogger("squidie.wake")

NAME = "squidie.wake"
VERSION = 1
WEEK = 7 * 24 * 3600  # 0 would not switch a limit off, it falls through to the app's own
ATTRIBUTES: dict[str, Any] = {
    "acks_late": False,
    "rate_limit": None,
    "max_retries": 0,
    "ignore_result": True,
    "track_started": False,
    "store_errors_even_if_ignored": False,
    "reject_on_worker_lost": False,
    "retry_on_worker_lost": False,
    "time_limit": WEEK,
    "soft_time_limit": WEEK,
}
"""A turn runs many steps, so limits meant for tasks must not reach it.

Set on our task alone, and no setting of the host's is touched.
"""


def register(station: Station) -> None:
    """Declare the task on the station's app: at once if it is finalized already, else when that happens."""
    answering = Answering(station)

    def wake(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG001 what is no bell is dropped, not an error
        answering.hear(kwargs)

    station.app.task(name=NAME, bind=True, shared=False, typing=False, **ATTRIBUTES)(wake)


def harden(app: Celery) -> None:
    """Set the attributes once more: a host's `task_annotations` beat what the decorator says, silently."""
    task = app.tasks[NAME]
    for name, value in ATTRIBUTES.items():
        setattr(task, name, value)


class Answering:
    """One process' ear: which bells become turns."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._pauses: dict[str, Pause] = {}

    def hear(self, bell: dict[str, Any]) -> None:
        """Take a turn on the bell's queue, unless the bell is none of ours."""
        queue = bell.get("queue")
        if bell.get("v") != VERSION or not isinstance(queue, str) or queue not in self._station.served():
            self._station.dropped += 1
            log.debug("a bell was dropped: malformed, of another version, or for a queue not served here")
            return
        self._station.heard += 1
        if failpoints.hit("bell.received"):
            return
        pause = self._pauses.setdefault(queue, Pause())
        if pause.is_on():
            pause.look_once_more(self._station.squidie.delivery.ring, queue)
        else:
            self._take_turn(queue, pause)

    def _take_turn(self, queue: str, pause: Pause) -> None:
        try:
            report = self._station.squidie.turn([queue], draining=self._station.draining)
        except Unavailable as error:
            pause.lengthen()
            log.warning("a turn found no journal, a sweep will ring again: %s", error.message)
        except Exception:
            log.exception("a turn ended badly; its claims are given back when their lease is over")
        else:
            pause.note(found=report.claimed > 0)


class Pause:
    """Keeps needless bells from becoming a flood of claims: after some looks that found nothing, one in 20 ms.

    While the journal is away it grows to a second, so that a server which has no room, or comes back, is not stormed. A
    bell that falls into a pause may have been a true one, so at its end a bell is rung in place of all of them.
    """

    EMPTY_LOOKS = 5
    LENGTH = 0.02
    AWAY, LONGEST_AWAY = 0.05, 1.0

    def __init__(self) -> None:
        self._empty = 0
        self._away = 0.0
        self._until = 0.0
        self._owed = False

    def is_on(self) -> bool:
        """Whether to leave this bell for the end of the pause."""
        return monotonic() < self._until

    def note(self, *, found: bool) -> None:
        """How a look ended."""
        self._away = 0.0
        self._empty = 0 if found else self._empty + 1
        self._until = monotonic() + self.LENGTH if self._empty >= self.EMPTY_LOOKS else 0.0

    def lengthen(self) -> None:
        """There was no journal: twice as long as the last time, and each child by its own measure."""
        self._away = min(max(self.AWAY, 2 * self._away), self.LONGEST_AWAY)
        self._until = monotonic() + self._away * (1 - os.getpid() % 16 / 32)

    def look_once_more(self, ring: Any, queue: str) -> None:
        """Ring once when the pause is over, however many bells fell into it."""
        if self._owed:
            return
        self._owed = True
        timer = threading.Timer(max(0.0, self._until - monotonic()) + 0.001, self._ring, (ring, queue))
        timer.daemon = True
        timer.start()

    def _ring(self, ring: Any, queue: str) -> None:
        self._owed = False
        ring([queue])
