"""To the schema this code needs, and its SQL for hosts that keep an Alembic history of their own.

    squidie.migrate.upgrade("postgresql+psycopg://…")          what `squidie migrate` does
    squidie.migrate.statements(after=None)                      the SQL itself, oldest first

Squidie's version table lives in its own schema; Alembic does not nest, so a host's migration runs the text that
`statements` gives.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import ArgumentError, OperationalError

from squidie.errors import InvalidConfig, JournalUnavailable, MissingConfig, SchemaMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def upgrade(database: str | Engine, schema: str = "squidie", to: str = "head") -> None:
    """Create the schema where it is missing, and bring it to revision `to`.

    Any number of processes may do so at once: one does, the others wait.
    """
    with _transaction(database, schema) as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"squidie.migrate.{schema}"})
        connection.execute(text(f'create schema if not exists "{schema}"'))
        command.upgrade(_config(connection, schema), to)


def downgrade(database: str | Engine, schema: str = "squidie", to: str = "base") -> None:
    """Back to revision `to`. `base` removes the journal and everything in it."""
    with _transaction(database, schema) as connection:
        command.downgrade(_config(connection, schema), to)


def current(database: str | Engine, schema: str = "squidie") -> str | None:
    """The revision the database is at, or None where the journal's schema does not exist."""
    with _transaction(database, schema) as connection:
        return _current(connection, schema)


def ensure(connection: Connection, schema: str = "squidie") -> None:
    """Nothing, or `SchemaMismatch` saying what the schema is at, what is needed and the command."""
    found = _current(connection, schema)
    if found != head():
        raise SchemaMismatch(found, head())


@cache
def head() -> str:
    """The revision this code needs."""
    found = ScriptDirectory(str(_folder())).get_current_head()
    if found is None:
        raise MissingConfig("the migrations folder holds no revision", hint="reinstall squidie")
    return found


def statements(*, after: str | None = None, to: str = "head") -> tuple[str, ...]:
    """The SQL of each revision after `after` up to `to`, oldest first.

    It names no schema: set `search_path` to the journal's before running it.
    """
    scripts = ScriptDirectory(str(_folder())).walk_revisions(after or "base", to)
    return tuple(script.module.UP.strip() for script in reversed(list(scripts)) if script.revision != after)


def _current(connection: Connection, schema: str) -> str | None:
    if connection.execute(text("select to_regclass(:name)"), {"name": f'"{schema}".schema_version'}).scalar() is None:
        return None
    version: str | None = connection.execute(text(f'select version_num from "{schema}".schema_version')).scalar()
    return version


def _folder() -> Path:
    """Inside the wheel beside this file; in a checkout one level up."""
    here = Path(__file__).resolve().parent
    for folder in (here / "migrations", here.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise MissingConfig("the migrations folder is missing from this installation", hint="reinstall squidie")


def _config(connection: Connection, schema: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.attributes.update(connection=connection, schema=schema)
    return config


@contextmanager
def _transaction(database: str | Engine, schema: str) -> Iterator[Connection]:
    """A transaction on a database given by URL or as an engine."""
    if not IDENTIFIER.fullmatch(schema):
        raise InvalidConfig("the schema's name must be lower-case letters, digits and underscores")
    engine = engine_of(database)
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise unreachable(error) from error
    finally:
        if engine is not database:
            engine.dispose()


_OPTIONS: Final[dict[str, Any]] = {
    "connect_args": {"connect_timeout": 5},
    "isolation_level": "READ COMMITTED",
    "hide_parameters": True,  # an error's text would hold payloads and results
    "pool_size": 5,
    "max_overflow": 20,
    "pool_timeout": 1.0,
}
"""Decisions read what others have written since the locks were granted, whatever the database prefers.

Where all connections are in use, whoever wants one more is refused after a second.
"""


def engine_of(database: str | Engine) -> Engine:
    """An engine for a URL; `postgresql://` means psycopg 3.

    Raises `InvalidConfig`, without repeating the URL, for one that is none of Postgres.
    """
    if isinstance(database, Engine):
        return database
    if database.startswith(("postgresql://", "postgres://")):
        database = "postgresql+psycopg://" + database.partition("://")[2]
    if not database.startswith("postgresql+psycopg://"):
        raise InvalidConfig(
            "the database URL is not one of Postgres", hint="postgresql+psycopg://user:password@host/database"
        )
    try:
        return create_engine(database, **_OPTIONS)
    except (ArgumentError, ValueError) as error:
        raise InvalidConfig(
            "the database URL cannot be read", hint="postgresql+psycopg://user:password@host/database"
        ) from error


def unreachable(error: OperationalError) -> JournalUnavailable:
    """What went wrong with the connection, in one line and without the connection's own data."""
    said = str(error.orig).strip().splitlines()[0] if error.orig and str(error.orig).strip() else "no reason given"
    reason = re.sub(r'(user|database|role) "[^"]*"', r"\1", said.rpartition("failed: ")[2] or said)
    return JournalUnavailable(
        f"Postgres did not answer: {reason}", hint="is the server up, and is the database URL right?"
    )
