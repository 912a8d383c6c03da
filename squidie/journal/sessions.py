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

SETTINGS = {
    "timezone": "UTC",
    "application_name": "squidie",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    "plan_cache_mode": "force_generic_plan",
}
"""Of every session that is ours alone, beside its `lock_timeout`."""

PER_TRANSACTION = text(
    "select set_config('timezone', 'UTC', true), set_config('statement_timeout', '30s', true), "
    "set_config('idle_in_transaction_session_timeout', '30s', true), set_config('lock_timeout', :lock, true)"
)
"""What a transaction behind a pooler begins with."""

_POOLED = "squidie_pooled"


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


def is_pooled(connection: Connection) -> bool:
    """Whether somebody gives this connection another session for each transaction."""
    return bool(connection.connection.info.get(_POOLED))
