"""An ear for changed schedules: a wait that ends early when somebody creates, edits, pauses or resumes one."""

from __future__ import annotations

import logging
import select
import time
from typing import TYPE_CHECKING, Any

from psycopg import Error, sql
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from psycopg import Connection

    from squidie.journal.store import Journal

log = logging.getLogger("squidie.tick")

CHANNEL = "{schema}.schedules"
AGAIN = 5.0
"""Seconds until another try to listen, where a connection was lost or cannot be had; until then it only waits."""


class ScheduleEar:
    """Listens on a connection of its own, made at the first wait; where there is none, a wait is just a wait."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._connection: Connection[Any] | None = None
        self._deaf_until = 0.0

    def wait(self, seconds: float) -> bool:
        """Whether a schedule changed before the time was over."""
        if seconds <= 0:
            return False
        deadline = time.monotonic() + seconds
        if time.monotonic() >= self._deaf_until:
            try:
                return self._hear(deadline)
            except (Error, SQLAlchemyError, OSError) as error:
                self._deaf_until = time.monotonic() + AGAIN
                log.info("changed schedules cannot be heard, looking again meanwhile: %s", type(error).__name__)
                self.close()
        time.sleep(max(0.0, deadline - time.monotonic()))
        return False

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _hear(self, deadline: float) -> bool:
        if self._connection is None:
            self._connection = self._connect()
            return True  # what changed before we listened was not heard
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._connection.fileno()], [], [], left)[0]:
                return bool(list(self._connection.notifies(timeout=0)))
        return False

    def _connect(self) -> Connection[Any]:
        lent = self._journal.listening.raw_connection()
        connection: Any = lent.driver_connection
        lent.detach()
        connection.autocommit = True
        channel = CHANNEL.format(schema=self._journal.schema)
        try:
            (pid,) = connection.execute("select pg_backend_pid()").fetchone()
            if pid != connection.info.backend_pid:
                raise ConnectionError("a pooler gives no session that could listen")
            connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        except (Error, OSError):
            connection.close()  # nobody else knows of it any more
            raise
        return connection  # type: ignore[no-any-return]
