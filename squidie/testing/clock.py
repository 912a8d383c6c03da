"""The journal's clock, set by hand.

Everything in Squidie that asks for the time asks the database, so a test moves one clock for all processes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Engine


def set_clock(engine: Engine, when: datetime | None) -> None:
    """From now on the clock of this database stands at `when`, for every new connection; None lets it run again.

    The engine's own connections are replaced, so that it sees the new time at once; other processes see it in the
    connections they open from here on.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        database = connection.execute(text("select current_database()")).scalar_one()
        name = connection.dialect.identifier_preparer.quote(database)
        if when is None:
            connection.execute(text(f'alter database {name} reset "squidie.now"'))
        else:
            connection.execute(text(f"alter database {name} set \"squidie.now\" = '{when.isoformat()}'"))
    engine.dispose()


@contextmanager
def at_time(engine: Engine, when: datetime) -> Iterator[datetime]:
    """The clock stands at `when` inside the block, and runs again after it."""
    set_clock(engine, when)
    try:
        yield when
    finally:
        set_clock(engine, None)
