"""What a transactional step writes through: a session in a transaction of ours, which the step cannot end.

Its own savepoints (`begin_nested`) are its own affair. To commit or roll back the whole is refused three times over: by
the session, by the connection, and by the driver, for whoever goes around both; and text that says so is not sent.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.orm import Session

from squidie.errors import Blocked
from squidie.journal import roles

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")

_QUOTED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_ENDS = re.compile(
    r"(?:^|;)\s*(?:commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b)|begin|start\s+transaction|"
    r"prepare\s+transaction|set\s+(?:local\s+|session\s+)?(?:role|authorization|session\s+authorization)|"
    r"reset\s+(?:role|all|session)|discard)\b",
    re.IGNORECASE,
)


def _refusal() -> Blocked:
    return Blocked(
        "a transactional step neither commits nor rolls back: its rows are committed with its outcome, or not at all",
        hint="raise an exception to undo all of it; use session.begin_nested() to undo a part",
    )


class StepSession(Session):
    """An ORM session that leaves the transaction to the engine. `refused` remembers that its step wanted it."""

    refused: Blocked | None = None

    def refuse(self) -> NoReturn:
        """Say so, and fail the step even if it does not listen: it believes in an end that has not come about."""
        self.refused = self.refused or _refusal()
        raise self.refused

    def commit(self) -> NoReturn:
        """Refused."""
        self.refuse()

    def rollback(self) -> NoReturn:
        """Refused."""
        self.refuse()


class StepTransaction:
    """The transaction of one attempt, on a connection of the journal's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._raw: Any = connection.connection.driver_connection
        self._is_open = False
        self.session = StepSession(connection, join_transaction_mode="create_savepoint")

    @property
    def is_cut_off(self) -> bool:
        """Whether the session has ended on the server's side, or on the way there."""
        return bool(self._raw.closed)

    def begin(self, role: str, timeout: float | None) -> None:
        """Take the role of steps and its limits."""
        self._before = roles.take(self._connection, role, timeout)
        event.listen(self._connection, "commit", self._refuse)
        event.listen(self._connection, "rollback", self._refuse)
        event.listen(self._connection, "before_cursor_execute", self._look)

    def run(self, call: Callable[[], T]) -> T:
        """Run the step's code, send what it has left unsent, and be ourselves again."""
        with self._raw.transaction():
            self._is_open = True
            try:
                result = call()
                if self.session.refused is not None:
                    raise self.session.refused
                self.session.flush()
            finally:
                self._is_open = False
        roles.put(self._connection, self._before)
        return result

    def commit(self) -> None:
        """Everything, and then whoever listens to the session is told."""
        self._connection.commit()
        self.session.dispatch.after_commit(self.session)
        self.session.close()

    def undo(self) -> None:
        """Roll everything back. What was interrupted in the middle of a statement is cut off."""
        self._is_open = False
        try:
            if self._raw.info.transaction_status is TransactionStatus.ACTIVE:
                raise ConnectionError  # noqa: TRY301 - as if the line were broken
            self._connection.rollback()
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it ends with its connection
            with suppress(Exception):
                self._raw.cancel()
            self._connection.invalidate()
        with suppress(Exception):
            self.session.close()

    def _refuse(self, _connection: Connection) -> None:
        if self._is_open:
            self.session.refuse()

    def _look(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if self._is_open and _ENDS.search(_QUOTED.sub(" ", statement)):
            self.session.refuse()
