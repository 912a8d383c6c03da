"""What this process has seen committed, so that it notices when the journal has lost it.

A failover to a standby that follows asynchronously loses the last commits, though they were answered; so does a backup
that is put in place of the journal. Whoever made one of those commits remembers: of each commit one run, its revision
and the hash of its last fact, for as many commits as a standby may lag behind. A commit costs nothing but that.

The journal is asked whether they are still there when a connection has led to another server, or to one that was
started anew, and once a minute. Where they are not, claims stop on every queue, for everybody, until somebody has
looked at it and says `squidie queues resume '*'`; starts, outcomes and commands go on.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from squidie.errors import JournalRegressed
from squidie.history.bodies import Receipt
from squidie.journal import memory, operations, queues
from squidie.journal.memory import Seen
from squidie.journal.operations import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

log = logging.getLogger("squidie.memory")

KEPT = 256
"""Commits that a process remembers: the last ones, for it is those that a failover loses."""

EVERY = 60.0
"""Seconds between two looks while connections last."""

NAMED = 5
WHO = "squidie"
WHY = "the journal has lost commits that were answered: {runs} and perhaps others"


class Memory:
    """The last commits of this process, and when it has last looked for them."""

    def __init__(self, journal: Journal, receipts_for: float) -> None:
        self._journal = journal
        self._forgets_after = receipts_for
        self._seen: dict[UUID, tuple[float, Seen]] = {}
        self._looked_at = time.monotonic()
        self._arrivals = journal.arrivals
        self._lock = threading.Lock()

    def note(self, heads: Iterable[tuple[UUID, int, bytes]]) -> None:
        """A commit was answered, which left these heads: one of them stands for all."""
        for run_id, rev, digest in heads:
            with self._lock:
                self._seen.pop(run_id, None)
                self._seen[run_id] = (time.monotonic(), Seen(rev, digest))
                if len(self._seen) > KEPT:
                    del self._seen[next(iter(self._seen))]
            return

    def after_fork(self) -> None:
        """A child has seen what its parent saw; whoever held the lock is not there."""
        self._lock = threading.Lock()

    def look_if_due(self, connection: Connection) -> None:
        """Look where a connection led to another server, or a minute is over. Raises `JournalRegressed`."""
        if self.is_due:
            self.look(connection)

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self._arrivals != self._journal.arrivals or time.monotonic() > self._looked_at + EVERY

    def look(self, connection: Connection) -> None:
        """Raises `JournalRegressed` where something is gone; that it is is then known to all."""
        arrivals, seen = self._journal.arrivals, self._lasting()
        lost = sorted(memory.lost(self._journal, connection, seen)) if seen else []
        if lost:
            self._stop(lost)
            raise JournalRegressed(lost)
        self._arrivals, self._looked_at = arrivals, time.monotonic()

    def _lasting(self) -> dict[UUID, Seen]:
        """What must be there still, or be known as removed; retention forgets what it removed long ago."""
        oldest = time.monotonic() - self._forgets_after
        with self._lock:
            return {run_id: seen for run_id, (at, seen) in self._seen.items() if at > oldest}

    def _stop(self, lost: Sequence[UUID]) -> None:
        """Claims stop, in a commit of its own; what was told once is not told again."""
        why = WHY.format(runs=", ".join(str(run_id) for run_id in lost[:NAMED]))
        log.critical("claims stop on every queue: %s", why)
        with self._journal.transaction() as connection:
            operations.hold(self._journal, connection, Subject.QUEUE, queues.EVERY)
            if queues.paused(self._journal, connection, queues.EVERY) is None:
                queues.pause(self._journal, connection, queues.EVERY, WHO, why)
                by = Receipt(verb="pause", digest="", request_id="", actor=WHO, comment=why)
                operations.add(self._journal, connection, Subject.QUEUE, queues.EVERY, by=by, change={})
        with self._lock:
            for run_id in lost:
                self._seen.pop(run_id, None)
