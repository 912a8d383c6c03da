"""Ask, and ask again.

A verb whose connection was lost is asked once more, and finds what it may have written already.
"""

from __future__ import annotations

import inspect
import os
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from squidie.engine import ids
from squidie.engine.start import begin
from squidie.engine.transact import transact
from squidie.errors import InvalidArgument, InvalidTransition, JournalUnavailable, KeyReused
from squidie.journal import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from squidie.decide.commands import Cancel, Start
    from squidie.engine.batch import Verdict
    from squidie.engine.parts import Parts

T = TypeVar("T")
PAUSES = (0.05, 0.3)
"""Seconds before the second and the third try. A host's own transaction is the host's to try again."""


ASYNC = "from async code: await session.run_sync(lambda sync: squidie.start(..., session=sync))"


def start(
    parts: Parts, commands: Sequence[Start], session: Any, connection: Connection | None, *, strict: bool
) -> list[Verdict]:
    """Start these runs, in the host's transaction where it gives one."""
    host = host_of(session, connection)
    return persist(lambda: begin(parts, commands, host=host, session=session, strict=strict), host)


def cancel(parts: Parts, command: Cancel, session: Any, connection: Connection | None) -> None:
    """Cancel a run. Asked twice with one key, it answers the second time as it did the first."""
    host = host_of(session, connection)
    verdict = persist(lambda: transact(parts, [command], host=host, session=session), host)[0]
    if isinstance(verdict.error, InvalidTransition) and _was_ours(parts, command, host):
        return
    if verdict.error is not None:
        raise verdict.error


def host_of(session: Any, connection: Connection | None) -> Connection | None:
    """The host's connection, given as it is or as an ORM session."""
    if session is not None and connection is not None:
        raise InvalidArgument("session", "give a session or a connection, not both")
    if session is None:
        return _sync(connection, "connection")
    if not hasattr(session, "connection") or inspect.iscoroutinefunction(session.connection):
        raise InvalidArgument("session", "is no SQLAlchemy session", hint=ASYNC)
    return _sync(session.connection(), "session")


def _sync(given: Any, argument: str) -> Connection | None:
    if given is not None and not isinstance(given, Connection):
        raise InvalidArgument(argument, "is no SQLAlchemy connection", hint=ASYNC)
    return given


def renew_after_fork(parts: Parts) -> None:
    """A forked child leaves its parent's sockets alone; the reference is weak, so that a discarded runtime can go."""
    weak = weakref.ref(parts)

    def renew() -> None:
        alive = weak()
        if alive is not None:
            alive.after_fork()

    os.register_at_fork(after_in_child=renew)


def persist(ask: Callable[[], T], host: Connection | None) -> T:
    """Ask, and where the connection was lost ask again, unless it was the host's."""
    for pause in PAUSES if host is None else ():
        try:
            return ask()
        except JournalUnavailable:
            time.sleep(ids.jittered(pause))
    return ask()


def _was_ours(parts: Parts, command: Cancel, host: Connection | None) -> bool:
    """Whether this very request, or an earlier one under its key, has ended the run."""
    by = command.by
    with parts.journal.transaction(host) as connection:
        fact = facts.by_command(
            parts.journal, connection, command.run_id, verb=by.verb, request_id=by.request_id, key=by.key
        )
    if fact is None or fact.by is None:
        return False
    if fact.by.digest != by.digest:
        raise KeyReused(by.key or "", command.run_id)
    return True
