"""Hears bells: waits for a NOTIFY, or until it is time to poll. A connection that breaks is made anew."""

from __future__ import annotations

import logging
from time import sleep
from typing import TYPE_CHECKING, Any

from psycopg import Error, sql
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from psycopg import Connection
    from sqlalchemy import Engine

log = logging.getLogger("squidie.bells")


def connect(engine: Engine) -> Connection[Any]:
    """A connection of our own: made as the host's engine makes them, with its settings, and taken out of its pool."""
    lent = engine.raw_connection()
    connection: Any = lent.driver_connection
    lent.detach()
    connection.autocommit = True
    return connection  # type: ignore[no-any-return]


def is_direct(connection: Connection[Any]) -> bool:
    """Whether this is one session of the server's, and not a pooler that gives us any of them."""
    found = connection.execute("select pg_backend_pid()").fetchone()
    return found is not None and found[0] == connection.info.backend_pid


def hears_itself(engine: Engine, within: float = 1.0) -> bool:
    """Whether a connection made for this engine hears what it tells, on a channel that nobody else knows."""
    connection = connect(engine)
    try:
        if not is_direct(connection):
            return False  # and what we listen to would stay in somebody's session
        channel = sql.Identifier(f"squidie_{connection.info.backend_pid}")
        connection.execute(sql.SQL("listen {}").format(channel))
        connection.execute(sql.SQL("notify {}").format(channel))
        return any(True for _ in connection.notifies(timeout=within, stop_after=1))
    finally:
        connection.close()


class NotifyListener:
    """One process' ear on the journal's channel.

    It connects at the first wait, so that a listener may be made before a fork.
    """

    def __init__(self, engine: Engine, channel: str) -> None:
        self._engine, self._channel = engine, channel
        self._connection: Connection[Any] | None = None
        self._failing = False
        self._is_deaf = False

    @property
    def hears(self) -> bool:
        """Whether bells come through now."""
        return self._connection is not None and not self._failing

    def wait(self, timeout: float) -> set[str]:
        """The queues that were rung, as soon as there are some; empty when the time is over."""
        if self._is_deaf:
            sleep(timeout)
            return set()
        try:
            heard = self._hear(timeout)
        except (Error, SQLAlchemyError) as error:
            self._lost(error)
            sleep(min(timeout, 1.0))
            return set()
        self._failing = False
        return heard

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _hear(self, timeout: float) -> set[str]:
        if self._connection is None:
            self._connection = connect(self._engine)
            if not is_direct(self._connection):
                self._is_deaf = True
                self.close()
                log.warning("bells cannot be heard through a pooler, polling: name a direct URL, settings.listen_url")
                return set()
            self._connection.execute(sql.SQL("listen {}").format(sql.Identifier(self._channel)))
        first = {bell.payload for bell in self._connection.notifies(timeout=timeout, stop_after=1)}
        return first | ({bell.payload for bell in self._connection.notifies(timeout=0)} if first else set())

    def _lost(self, error: Exception) -> None:
        level = logging.DEBUG if self._failing else logging.WARNING
        log.log(level, "bells cannot be heard, polling meanwhile: %s", type(error).__name__)
        self._failing = True
        try:
            self.close()
        except Error:
            self._connection = None
