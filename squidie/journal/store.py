"""The journal as a place: a database, a schema, and transactions in it.

    with journal.transaction() as connection: ...            a transaction of our own
    with journal.transaction(host_connection): ...           behind a savepoint of the host's, who alone commits

Statements name the schema by `{s}`; `journal.sql(TEMPLATE)` gives the text for this journal, compiled once.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, CursorResult, Engine, TextClause, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from squidie import failpoints
from squidie.errors import (
    InvalidArgument,
    InvalidConfig,
    JournalBusy,
    JournalReadOnly,
    JournalUnavailable,
    SchemaMismatch,
)
from squidie.journal import arrays, sessions
from squidie.migrate import IDENTIFIER, engine_of, head, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy.pool import ConnectionPoolEntry

LOCK_NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"
DEADLOCK = "40P01"
_GAVE_WAY = ("40001", "57014")  # a snapshot that is too old, a statement that took too long
_AWAY = ("57P", "08", "53", "58", "XX")  # shutdown, connection, resources, system
_NO_SCHEMA = ("42P01", "3F000", "42883", "42703")  # undefined table, schema, function, column
_STATEMENT_TIMEOUT = text("select set_config('statement_timeout', :wanted, true)")
_LOCK_TIMEOUT = text("select current_setting('lock_timeout') as before, set_config('lock_timeout', :wanted, true)")


class Journal:
    """Where runs are remembered: an engine and a schema. Opens nothing until it is used."""

    def __init__(
        self,
        database: str | Engine,
        schema: str = "squidie",
        *,
        lock_timeout: float = 2.0,
        listen_at: str | None = None,
    ) -> None:
        if not IDENTIFIER.fullmatch(schema):
            raise InvalidConfig("the schema's name must be lower-case letters, digits and underscores")
        self.schema = schema
        self.owns_engine = isinstance(database, str)
        self.engine = engine_of(database)
        self._texts: dict[str, TextClause] = {}
        self._rendered: dict[str, str] = {}
        self._lock_timeout = f"{int(lock_timeout * 1000)}ms"
        if self.engine.dialect.driver != "psycopg":
            raise InvalidConfig(
                f"Squidie needs psycopg 3, this engine uses {self.engine.dialect.driver}", hint="postgresql+psycopg://…"
            )
        self._closed = False
        self.arrivals = 0
        """How often a connection led to another server than the one before; on a host's engine, how many were made."""
        self._server: datetime | None = None
        event.listen(self.engine, "connect", self._connected)
        if self.owns_engine:
            event.listen(self.engine, "checkin", self._given_back)
        self._beside: Engine | None = None
        self._afterwards: WeakKeyDictionary[Connection, list[Callable[[], None]]] = WeakKeyDictionary()
        self.listening = self.engine if listen_at is None else engine_of(listen_at)
        """Where NOTIFY is listened for: past a pooler, where the journal's URL leads through one."""

    def _connected(self, raw: Any, record: ConnectionPoolEntry) -> None:
        if not self.owns_engine:
            self.arrivals += 1
            return
        try:
            server = sessions.set_up(raw, record.info, self._lock_timeout)
            self.arrivals += server != self._server
            self._server = server
        except BaseException:
            raw.close()  # nobody else knows of it yet, and nobody would close it
            raise

    def _given_back(self, _raw: Any, record: ConnectionPoolEntry) -> None:
        """A thread that outlived `close` is done with its connection: nobody will close the pool once more."""
        if self._closed:
            record.invalidate()

    def sql(self, template: str) -> TextClause:
        """The statement for this journal's schema."""
        found = self._texts.get(template)
        if found is None:
            found = self._texts[template] = text(template.replace("{s}", f'"{self.schema}"'))
        return found

    def run(self, connection: Connection, template: str, given: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute a statement that is sent all the time: as a text that was made once, not compiled again."""
        found = self._rendered.get(template)
        if found is None:
            found = self._rendered[template] = str(self.sql(template).compile(dialect=connection.dialect))
        return connection.exec_driver_sql(found, given)

    @contextmanager
    def transaction(self, host: Connection | None = None) -> Iterator[Connection]:
        """A transaction of our own, or a savepoint in the host's.

        Raises `JournalUnavailable` or `JournalBusy` in place of the driver's errors.
        """
        if host is not None:
            with self._taken_back(host), _translated(), _prepared(host).begin_nested(), self._impatient(host):
                yield host
            return
        with self._own(self.engine, (*_GAVE_WAY, DEADLOCK)), self.engine.begin() as connection:
            if not self.owns_engine:
                connection.execute(sessions.ON_A_HOSTS_ENGINE, {"lock": self._lock_timeout})
            self.be_patient(connection)
            sessions.plan_narrowly(connection)
            afterwards = self.ours(connection)
            try:
                yield _prepared(connection)
            finally:
                del self._afterwards[connection]
        for call in afterwards:
            call()

    def ours(self, connection: Connection) -> list[Callable[[], None]]:
        """What is to be called once the transaction on this connection has committed, by whoever commits it."""
        return self._afterwards.setdefault(connection, [])

    def after_commit(self, connection: Connection, call: Callable[[], None]) -> bool:
        """Call this once the transaction has committed, if it is ours; one that fails, or a host's, calls nothing."""
        waiting = self._afterwards.get(connection)
        if waiting is None:
            return False
        waiting.append(call)
        return True

    @contextmanager
    def _taken_back(self, host: Connection) -> Iterator[None]:
        """What was to be called for a savepoint that is rolled back is not."""
        waiting = self._afterwards.get(host)
        before = len(waiting) if waiting is not None else 0
        try:
            yield
        except BaseException:
            if waiting is not None:
                del waiting[before:]
            raise

    def is_set_up(self, connection: Connection) -> bool:
        """Whether this session is ours for as long as it lasts: no lock is waited for longer than we want."""
        return self.owns_engine and not sessions.is_pooled(connection)

    def be_patient(self, connection: Connection) -> None:
        """A transaction of ours behind a pooler begins by saying how long it may wait; else its session says it."""
        if self.owns_engine and sessions.is_pooled(connection):
            connection.execute(sessions.PER_TRANSACTION, {"lock": self._lock_timeout})

    @contextmanager
    def _own(self, engine: Engine, gave_way: Collection[str] = _GAVE_WAY) -> Iterator[None]:
        """On a connection of ours: whoever takes no writes is left, as the next connection may lead to the primary."""
        try:
            with _translated(gave_way):
                yield
        except JournalReadOnly:
            if self.owns_engine:
                engine.dispose()
            raise

    @contextmanager
    def _impatient(self, host: Connection) -> Iterator[None]:
        """Wait for locks no longer than we want, on a connection that somebody else has set up; and leave it as it was.

        A rollback to our savepoint takes the setting back by itself.
        """
        if self.owns_engine and host.engine is self.engine and not sessions.is_pooled(host):
            yield
            return
        before = host.execute(_LOCK_TIMEOUT, {"wanted": self._lock_timeout}).scalar_one()
        yield
        host.execute(_LOCK_TIMEOUT, {"wanted": before})

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection where each statement is its own transaction."""
        with self._by_itself(freely=False) as connection:
            yield connection

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """The same for whoever looks at much, and leaves it to Postgres how to read it."""
        with self._by_itself(freely=True) as connection:
            yield connection

    @contextmanager
    def _by_itself(self, *, freely: bool) -> Iterator[Connection]:
        with self._own(self.engine), self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            sessions.plan_freely(connection, freely=freely)
            yield _prepared(connection)

    @contextmanager
    def renewing(self, patience: float) -> Iterator[Connection]:
        """A transaction on a connection that nobody else uses, in which a statement takes at most `patience` seconds.

        Leases are renewed on it, whoever may have used up the pool, and there is time left to try again.
        """
        if self._beside is None:
            self._beside = Engine(self.engine.pool.recreate(), self.engine.dialect, self.engine.url)
        with self._own(self._beside), self._beside.begin() as connection:
            connection.execute(_STATEMENT_TIMEOUT, {"wanted": f"{int(patience * 1000)}ms"})
            yield _prepared(connection)

    def after_fork(self) -> None:
        """A child leaves its parent's sockets alone, and opens its own."""
        self.engine.dispose(close=False)
        self.listening.dispose(close=False)
        if self._beside is not None:
            self._beside.dispose(close=False)

    def committed(self, point: str) -> None:
        """A transaction of ours has just been committed: where a test may let the answer be lost."""
        with _translated():
            failpoints.hit(point)

    def close(self) -> None:
        """Let go of the connections, where they are ours."""
        if self.owns_engine:
            self._closed = True
            self.engine.dispose()
        if self._beside is not None:
            self._beside.dispose()
        if self.listening is not self.engine:
            self.listening.dispose()


def _prepared(connection: Connection) -> Connection:
    """A connection that knows our array columns."""
    raw = connection.connection.driver_connection
    info = connection.connection.info
    if "squidie" not in info:
        if type(raw).__module__.partition(".")[0] != "psycopg":
            raise InvalidArgument(
                "connection", "Squidie needs a psycopg 3 connection", hint="create_engine('postgresql+psycopg://…')"
            )
        arrays.register(raw)  # type: ignore[arg-type]
        info["squidie"] = True
    return connection


@contextmanager
def _translated(gave_way: Collection[str] = _GAVE_WAY) -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise JournalUnavailable(
            "all of this process's connections to Postgres are in use", hint="a larger pool, or fewer threads"
        ) from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == READ_ONLY:
            raise JournalReadOnly(
                "Postgres takes no writes now", hint="name the primary in the database URL"
            ) from error
        if state == LOCK_NOT_AVAILABLE:
            raise JournalBusy("somebody else holds the run; nothing was written", hint="try again") from error
        if state in gave_way:
            raise JournalBusy("Postgres gave way to somebody else; nothing was written", hint="try again") from error
        if state in _NO_SCHEMA:
            raise SchemaMismatch(None, head()) from error
        if isinstance(error, OperationalError) and (not state or state.startswith(_AWAY)):
            raise unreachable(error) from error
        if error.connection_invalidated:
            raise JournalUnavailable(
                "the connection to Postgres was lost; nothing is known of what was being written"
            ) from error
        raise
