"""When bells ring: after the commit, ours or the host's, and at the times that this process has made known.

A bell that comes too early, twice or not at all changes latency only: a worker's sweep finds what is due.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, event
from sqlalchemy.orm import scoped_session

from squidie import failpoints
from squidie.engine.later import Later

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from squidie.delivery import Delivery

T = TypeVar("T")

FARTHEST = 120.0
"""Seconds ahead that a process rings by its own timer; what is due later is found by the sweeps."""

SLOT = 0.01
"""Seconds: what is due on a queue within one slot is one bell, so that a thousand sleepers cost no memory."""

AFTER_HOST_COMMIT = (0.02, 0.25)
"""How many seconds after word of a Core connection's commit the bells ring.

SQLAlchemy gives word just before the commit happens, so they ring shortly after, and once more.
"""


class Bells:
    """Rings now, or later."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._hosts: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
        self._known: set[tuple[float, str]] = set()
        self._later = Later("squidie-bells", self._due)

    def ring(self, queues: Collection[str]) -> None:
        """Announce work that is due on these queues now."""
        if queues and not failpoints.hit("ring.before"):
            self._delivery.ring(queues)

    def ring_in(self, queue: str, seconds: float) -> None:
        """Announce work that will be due. Beyond `FARTHEST` nothing is remembered."""
        if seconds > FARTHEST:
            return
        at = math.ceil((time.monotonic() + max(0.0, seconds)) / SLOT) * SLOT, queue
        if at not in self._known:  # two threads that find so at once ring twice, which does no harm
            self._known.add(at)
            self._later.put(at[0], at)

    def ring_after(self, host: Any, queues: Collection[str]) -> None:
        """Ring once the host's transaction has committed; never if it rolls back."""
        if not queues:
            return
        host = host() if isinstance(host, scoped_session) else host
        waiting = self._hosts.get(host)
        if waiting is None:
            waiting = self._hosts[host] = set()
            listen(host, waiting, self._committed(self._soon if isinstance(host, Connection) else self.ring))
        waiting.update(queues)

    def _committed(self, ring: Callable[[Collection[str]], None]) -> Callable[[Collection[str]], None]:
        def committed(queues: Collection[str]) -> None:
            failpoints.hit("host.committed")
            ring(queues)

        return committed

    def _soon(self, queues: Collection[str]) -> None:
        for seconds in AFTER_HOST_COMMIT:
            for queue in queues:
                self.ring_in(queue, seconds)

    def close(self) -> None:
        """Ring no more for what will be due: the sweeps do."""
        self._later.close()

    def _due(self, at: tuple[float, str]) -> None:
        self._known.discard(at)
        self.ring((at[1],))


def listen(host: Any, waiting: set[T] | dict[T, None], then: Callable[[Collection[T]], None]) -> None:
    """At the host's commits hand over what waits, forget it at its rollbacks; the end of a savepoint is neither."""

    def committed(session: Any) -> None:
        if waiting and not session.in_nested_transaction():
            wanted = tuple(waiting)
            waiting.clear()
            then(wanted)

    def rolled_back(session: Any) -> None:
        if not session.in_nested_transaction():
            waiting.clear()

    is_core = isinstance(host, Connection)
    event.listen(host, "commit" if is_core else "after_commit", committed)
    event.listen(host, "rollback" if is_core else "after_rollback", rolled_back)
