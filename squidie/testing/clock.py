"""The journal's clock, set by hand.

Everything in Squidie that asks for the time asks one function of the journal's schema, so a test moves one clock for
all processes. The function that a migration makes cannot be moved; it is replaced here, by whoever owns it, and put
back.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Engine


_OWN = "statement_timestamp()"
_SETTABLE = f"coalesce(nullif(current_setting('squidie.now', true), '')::timestamptz, {_OWN})"


def set_clock(engine: Engine, when: datetime | None, schema: str = "squidie") -> None:
    """From now on the clock of this journal stands at `when`, for every new connection; None lets it run again.

    The engine's own connections are replaced, so that it sees the new time at once; other processes see it in the
    connections they open from here on.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        database = connection.execute(text("select current_database()")).scalar_one()
        name = connection.dialect.identifier_preparer.quote(database)
        if when is None:
            connection.execute(text(f'alter database {name} reset "squidie.now"'))
            restore_clock(connection, schema)
        else:
            _make(connection, schema, _SETTABLE)
            connection.execute(text(f"alter database {name} set \"squidie.now\" = '{when.isoformat()}'"))
    engine.dispose()


@contextmanager
def at_time(engine: Engine, when: datetime, schema: str = "squidie") -> Iterator[datetime]:
    """The clock stands at `when` inside the block, and runs again after it."""
    set_clock(engine, when, schema)
    try:
        yield when
    finally:
        set_clock(engine, None, schema)


def restore_clock(connection: Connection, schema: str = "squidie") -> None:
    """The clock is the database's own again, as a migration makes it; the caller commits."""
    _make(connection, schema, _OWN)


def _make(connection: Connection, schema: str, body: str) -> None:
    """The function, which its callers have in their statements; they are planned again."""
    clock = f'function "{schema}".clock() returns timestamptz language sql stable parallel safe return {body}'
    connection.execute(text(f"create or replace {clock}"))
