"""A bell is one NOTIFY in the journal's own Postgres: no broker at all.

`Squidie(..., delivery="notify")`, worked by `squidie worker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.delivery import Finding
from squidie.errors import MissingConfig, Unavailable
from squidie.ringing import Ringer
from squidie_notify.listener import NotifyListener, connect, hears_itself, is_direct

if TYPE_CHECKING:
    from collections.abc import Collection

DEAF = Finding(
    "listen",
    "a connection that listens is told nothing, as behind a pooler in transaction mode: work waits for the next sweep",
    "settings.listen_url: a URL that leads to Postgres itself",
    check="db.listen",
)


class NotifyDelivery:
    """Rings by NOTIFY, on a connection and from a thread of its own.

    The channel is the journal's schema, the payload the queue.
    """

    name = "notify"

    def __init__(self) -> None:
        self._squidie: Any = None
        self._ringer = Ringer(self._dial)

    @property
    def reachable(self) -> bool:
        """False while the last bells failed."""
        return self._ringer.reachable

    @property
    def rung(self) -> int:
        """Bells sent by this process."""
        return self._ringer.rung

    @property
    def failed(self) -> int:
        """Bells that this process could not send when it tried."""
        return self._ringer.failed

    @property
    def ok_at(self) -> float | None:
        """The `time.monotonic()` of the last bell that was sent; None before the first."""
        return self._ringer.ok_at

    def ring(self, queues: Collection[str]) -> None:
        """Leave the names for the bell thread; microseconds."""
        self._ringer.ring(queues)

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until every bell is sent, at most this long."""
        return self._ringer.flush(timeout)

    def check(self) -> str:
        """Whether a bell can be rung, as `squidie doctor` says it. Raises `Unavailable`."""
        try:
            line = self._dial()
            try:
                line.send(())
            finally:
                line.hang_up()
        except Exception as error:
            raise Unavailable(f"no bell can be rung ({type(error).__name__})", hint="is Postgres up?") from error
        return "NOTIFY, in the journal's own Postgres"

    def findings(self) -> list[Finding]:
        """Whether what is told is heard, for `squidie doctor`. Raises `Unavailable`."""
        try:
            is_heard = hears_itself(self._journal().listening)
        except Exception as error:
            raise Unavailable(f"nothing can be heard ({type(error).__name__})", hint="is Postgres up?") from error
        return [] if is_heard else [DEAF]

    def checked(self) -> dict[str, str]:
        """What was looked at, in the words for when all is well."""
        return {"db.listen": "what is told by NOTIFY is heard"}

    def attach(self, squidie: Any) -> None:
        """Learn where the journal is."""
        self._squidie = squidie
        self._ringer.told = squidie.tell_of_bells

    def listener(self) -> NotifyListener:
        """An ear for these bells; it serves one process."""
        return NotifyListener(self._journal().listening, self._journal().schema)

    def close(self) -> None:
        """Send what is unsent, at most a second, and end the thread."""
        self._ringer.close()

    def _journal(self) -> Any:
        if self._squidie is None:
            raise MissingConfig("this delivery belongs to no Squidie yet", hint="pass it as Squidie(..., delivery=...)")
        return self._squidie

    def _dial(self) -> NotifyLine:
        return NotifyLine(self._journal().engine, self._journal().schema)


class NotifyLine:
    """The connection that rings."""

    def __init__(self, engine: Any, channel: str) -> None:
        self._channel = channel
        self._connection = connect(engine)
        try:
            if is_direct(self._connection):  # else the session is not ours, and what we set would stay in it
                self._connection.execute("set statement_timeout = '1s'")
        except Exception:
            self._connection.close()  # nobody else knows of it any more
            raise

    def send(self, queues: Collection[str]) -> int:
        """All bells in one statement and commit."""
        names = sorted(queues)
        self._connection.execute("select pg_notify(%s, queue) from unnest(%s::text[]) as queue", (self._channel, names))
        return len(names)

    def hang_up(self) -> None:
        """Close the connection."""
        self._connection.close()
