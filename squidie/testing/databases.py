"""Fresh databases beside a given one, and their removal."""

from __future__ import annotations

import os
from itertools import count
from typing import Final

import psycopg
from psycopg import errors, sql
from sqlalchemy import URL, make_url

from squidie.errors import InvalidArgument, JournalUnavailable

PREFIX: Final = "squidie_test_"
_numbers = count(1)


def create(beside: str, *, template: str | None = None) -> str:
    """The URL of a new, empty database on the same server, or of a copy of `template`'s, which nobody may be using."""
    url = make_url(beside)
    source = (
        sql.SQL(" TEMPLATE {}").format(sql.Identifier(make_url(template).database or "")) if template else sql.SQL("")
    )
    while True:  # a number may be taken by what an earlier process left behind
        name = f"{PREFIX}{os.getpid()}_{next(_numbers)}"
        try:
            _run(url, sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), source))
        except errors.DuplicateDatabase:
            continue
        return url.set(database=name).render_as_string(hide_password=False)


def drop(database: str, beside: str) -> None:
    """Remove a database made here, cutting off whoever still uses it. Nothing else is ever dropped."""
    name = make_url(database).database or ""
    if not name.startswith(PREFIX):
        raise InvalidArgument("database", "was not made by new_database()")
    _run(make_url(beside), sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _run(url: URL, statement: sql.Composed) -> None:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = psycopg.connect(plain, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError:
        hint = "is the server that SQUIDIE_DATABASE_URL names running?"
        raise JournalUnavailable("Postgres does not let us in", hint=hint) from None
    with connection:
        connection.execute(statement)
