"""The ground on which a transactional step writes: another role, and a time limit for each statement.

Both hold for the transaction only, and are taken back before its outcome is settled in the same one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

LIMITS = """
select current_setting('role') as role,
    current_setting('statement_timeout') as statements, current_setting('idle_in_transaction_session_timeout') as idle,
    extract(epoch from current_setting('statement_timeout')::interval)::float as statements_s,
    extract(epoch from current_setting('idle_in_transaction_session_timeout')::interval)::float as idle_s
"""
"""Who we are in this transaction, and how long a statement and a pause may take; zero is without end."""

PUT = """
select set_config('statement_timeout', :statements, true),
    set_config('idle_in_transaction_session_timeout', :idle, true), set_config('role', :role, true)
"""
"""Be somebody else for the rest of the transaction."""


class Standing(NamedTuple):
    """In which role a transaction acts, and within which limits, as Postgres writes them."""

    role: str
    statements: str
    idle: str


def take(connection: Connection, role: str, most: float | None) -> Standing:
    """Act in that role from now on, no statement or pause longer than `most` seconds; how it was before."""
    found = connection.execute(text(LIMITS)).one()
    statements, idle = (_least(seconds, most) for seconds in (found.statements_s, found.idle_s))
    put(connection, Standing(role, statements, idle))
    return Standing(found.role, found.statements, found.idle)


def put(connection: Connection, standing: Standing) -> None:
    """Act like this from now on."""
    connection.execute(text(PUT), standing._asdict())


def _least(seconds: float, most: float | None) -> str:
    """In milliseconds, where zero means that there is no limit."""
    wanted = [each for each in (seconds, most) if each]
    return f"{max(1, int(min(wanted) * 1000))}ms" if wanted else "0"
