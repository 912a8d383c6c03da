"""What a session of ours is set to, where it is ours for as long as the connection lives.

A pooler (PgBouncer in transaction mode, say) gives us another session for each transaction. Then what is set for a
session reaches others, or nobody; a statement that was prepared there is not to be found. It is known by the process id
that the server tells at the connect, which is the pooler's own. Behind one nothing is set but for a transaction, and
nothing is prepared; what we need beyond that is little: times are read as UTC here, not there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg.types.datetime import TimestamptzBinaryLoader, TimestamptzLoader
from sqlalchemy import text

if TYPE_CHECKING:
    from psycopg.abc import Buffer
    from sqlalchemy import Connection

PLANS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""How tables are read: by what they are indexed for, one row of a batch after the other, and never as a whole.

Open work comes and goes: a plan that reads the whole table is good while there is little, and is kept when there is
much. Postgres makes plans anew only when it has counted a table again.
"""

_ON = ", ".join(f"set_config('{name}', 'on', false)" for name in PLANS)
_OFF = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in PLANS.items())
_SET = {True: text(f"select {_ON}"), False: text(f"select {_OFF}")}

SETTINGS = {
    "timezone": "UTC",
    "application_name": "squidie",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",  # before 18, what is off counts as very dear, and what is dear is compiled: for a second and more
    **PLANS,
}
"""Of every session that is ours alone, beside its `lock_timeout`."""

_LOCAL = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in {"jit": "off", **PLANS}.items())

PER_TRANSACTION = text(
    "select set_config('timezone', 'UTC', true), set_config('statement_timeout', '30s', true), "
    f"set_config('idle_in_transaction_session_timeout', '30s', true), set_config('lock_timeout', :lock, true), {_LOCAL}"
)
"""What a transaction behind a pooler begins with."""

_WITHIN = text(f"select {_LOCAL}")

ON_A_HOSTS_ENGINE = text(f"select set_config('lock_timeout', :lock, true), {_LOCAL}")
"""What a transaction of ours begins with on an engine that somebody else has set up."""

_POOLED = "squidie_pooled"
_FREE = "squidie_free"


class _Utc(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime:
        """In UTC, whatever zone the session is in."""
        return super().load(data).astimezone(UTC)


class _UtcBinary(TimestamptzBinaryLoader):
    def load(self, data: Buffer) -> datetime:
        """In UTC, whatever zone the session is in."""
        return super().load(data).astimezone(UTC)


def set_up(raw: Any, info: dict[str, Any], lock_timeout: str) -> datetime:
    """Prepare a connection that was just made, in one statement: set its session, if that is its own.

    When its server was started is given back: by that one server is told from another, or from its former life.
    """
    wanted = {**SETTINGS, "lock_timeout": lock_timeout}
    settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in wanted.items())
    ours = f"case when pg_backend_pid() = {raw.info.backend_pid:d} then array[{settings}] end"
    before, raw.autocommit = raw.autocommit, True
    done, started_at = raw.execute(f"select {ours}, pg_postmaster_start_time()").fetchone()
    raw.autocommit = before
    info[_POOLED] = done is None
    if done is None:
        raw.prepare_threshold = None
        for loader in (_Utc, _UtcBinary):
            raw.adapters.register_loader("timestamptz", loader)
    return started_at  # type: ignore[no-any-return]


def plan_freely(connection: Connection, *, freely: bool) -> None:
    """Whether Postgres may plan as it likes from here on, in a session of our own: who looks at much is better off.

    Each statement is its own transaction there. A session stays so until somebody else wants it otherwise.
    """
    info = connection.connection.info
    if info.get(_POOLED) is False and info.get(_FREE, False) is not freely:
        connection.execute(_SET[freely])
        info[_FREE] = freely


def plan_narrowly(connection: Connection) -> None:
    """In a transaction that has just begun, in a session of our own: until its end."""
    if connection.connection.info.get(_FREE):
        connection.execute(_WITHIN)


def is_pooled(connection: Connection) -> bool:
    """Whether somebody gives this connection another session for each transaction."""
    return bool(connection.connection.info.get(_POOLED))
