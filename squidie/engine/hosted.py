"""What is told of facts that stand in a host's own transaction: once they are there for everybody to see, or never.

The host's commit gives a word (an ORM session's just after, a Core connection's just before it happens), and a look at
the journal says which facts have come about. So what was rolled back, to a savepoint too, and what failed in the commit
itself, is told to nobody.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy.orm import scoped_session

from squidie.engine.bells import listen
from squidie.engine.later import Later
from squidie.errors import SquidieError
from squidie.journal import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from uuid import UUID

    from squidie.journal.store import Journal
    from squidie.telemetry import Event

log = logging.getLogger("squidie.telemetry")

LOOKS = (0.02, 0.25, 1.0, 5.0, 30.0)
"""Seconds after the host's word at which the journal is looked at; what is not there then was rolled back."""


@dataclass(slots=True, eq=False)
class Group:
    """What is to be told if this fact has come about.

    By its hash: a number that was rolled back may be another fact's by now.
    """

    run_id: UUID
    seq: int
    hash: bytes
    events: list[Event] = field(default_factory=list)


class Hosted:
    """Groups that wait for their hosts, and then for a look."""

    def __init__(self, journal: Journal, tell: Callable[[Collection[Event]], None]) -> None:
        self._journal = journal
        self._tell = tell
        self._hosts: WeakKeyDictionary[Any, dict[Group, None]] = WeakKeyDictionary()
        self._later: Later[tuple[int, Collection[Group]]] = Later("squidie-telemetry", self._due)

    def wait(self, host: Any, groups: Collection[Group]) -> None:
        """Tell of these once the host's transaction has committed, if they are in the journal then."""
        host = host() if isinstance(host, scoped_session) else host
        waiting = self._hosts.get(host)
        if waiting is None:
            waiting = self._hosts[host] = {}
            listen(host, waiting, self._soon)
        waiting.update(dict.fromkeys(groups))

    def close(self) -> None:
        """Look once more, at once: the process may end."""
        for _, groups in self._later.close():
            self._look(groups)

    def _soon(self, groups: Collection[Group], look: int = 0) -> None:
        self._later.put(time.monotonic() + LOOKS[look], (look, tuple(groups)))

    def _due(self, waiting: tuple[int, Collection[Group]]) -> None:
        look, groups = waiting
        missing = self._look(groups)
        if missing and look + 1 < len(LOOKS):
            self._soon(missing, look + 1)

    def _look(self, groups: Collection[Group]) -> list[Group]:
        """Tell of what is there; what is not is given back."""
        try:
            with self._journal.reading() as connection:
                there = facts.there(self._journal, connection, [(each.run_id, each.seq) for each in groups])
        except SquidieError as error:
            log.debug("it is not known yet what was committed: %s", error)
            return list(groups)
        except Exception as error:  # noqa: BLE001 - this thread must go on; what it does not know it does not tell
            log.warning("what a host has committed could not be looked up: %s", type(error).__name__)
            return list(groups)
        self._tell([event for group in groups if group.hash in there for event in group.events])
        return [group for group in groups if group.hash not in there]
