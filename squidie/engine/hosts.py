"""The host's own transaction: given as a session or a connection, and on the journal's database."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from squidie.errors import InvalidArgument, InvalidConfig

if TYPE_CHECKING:
    from sqlalchemy import URL

    from squidie.journal.store import Journal

ASYNC = "from async code: await session.run_sync(lambda sync: squidie.start(..., session=sync))"
IDENTITY = text("select current_database() as name, pg_postmaster_start_time() as since")
"""What tells one database from another, whatever address it is reached by."""

_KNOWN = "squidie_same_database"


def host_of(journal: Journal, session: Any, connection: Connection | None) -> Connection | None:
    """The host's connection, given as it is or as an ORM session.

    Raises `InvalidArgument` for what is neither, and `InvalidConfig` for one on another database: there nothing could
    commit together with the journal.
    """
    if session is not None and connection is not None:
        raise InvalidArgument("session", "give a session or a connection, not both")
    argument = "connection" if session is None else "session"
    if session is not None and (not hasattr(session, "connection") or inspect.iscoroutinefunction(session.connection)):
        raise InvalidArgument("session", "is no SQLAlchemy session", hint=ASYNC)
    given = connection if session is None else session.connection()
    if given is None:
        return None
    if not isinstance(given, Connection):
        raise InvalidArgument(argument, "is no SQLAlchemy connection", hint=ASYNC)
    if not _is_ours(journal, given):
        raise InvalidConfig(
            f"the {argument} is on another database than the journal",
            hint="what is to commit together must be in one database: give a session of that one, or none",
        )
    return given


def _is_ours(journal: Journal, host: Connection) -> bool:
    """Asked of Postgres once a connection, and only where the addresses differ; other drivers are refused later."""
    if host.engine is journal.engine or host.dialect.driver != "psycopg":
        return True
    ours = _address(journal.engine.url)
    if ours[2] is not None and ours == _address(host.engine.url):
        return True
    info = host.connection.info
    if not info.get(_KNOWN):
        with journal.reading() as own:
            info[_KNOWN] = tuple(own.execute(IDENTITY).one()) == tuple(host.execute(IDENTITY).one())
    return bool(info[_KNOWN])


def _address(url: URL) -> tuple[object, ...]:
    return url.host, url.port, url.database, tuple(sorted(url.query.items()))
