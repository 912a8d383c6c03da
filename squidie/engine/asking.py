"""Ask, and ask again.

A verb whose connection was lost is asked once more, and finds what it may have written already.
"""

from __future__ import annotations

import logging
import os
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from sqlalchemy.exc import TimeoutError as PoolTimeout

from squidie.engine import ids
from squidie.engine.batch import Verdict
from squidie.engine.hosts import host_of
from squidie.engine.requests import as_uuid
from squidie.engine.start import begin
from squidie.engine.transact import transact
from squidie.errors import InvalidArgument, JournalUnavailable, Refused
from squidie.history.lines import named
from squidie.journal import facts, heads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from squidie.decide.commands import Asked, Start
    from squidie.engine.parts import Parts

T = TypeVar("T")
PAUSES = (0.05, 0.3)
"""Seconds before the second and the third try. A host's own transaction is the host's to try again."""

audit = logging.getLogger("squidie.audit")


def start(
    parts: Parts, commands: Sequence[Start], session: Any, connection: Connection | None, *, strict: bool
) -> list[Verdict]:
    """Start these runs, in the host's transaction where it gives one."""
    host = host_of(parts.journal, session, connection)
    commands = [traced(parts, command) for command in commands]
    verdicts = persist(lambda: begin(parts, commands, host=host, session=session, strict=strict), host)
    for command, verdict in zip(commands, verdicts, strict=True):
        if not verdict.created and verdict.error is None:
            audit.info("repeated: %s of run %s by %s", command.by.verb, command.run_id, command.by.actor)
            parts.telling.repeated()
    return verdicts


def traced(parts: Parts, command: Start) -> Start:
    """The command, in the trace of whoever gives it, unless it names another."""
    trace = parts.telling.traceparent() if command.trace is None else None
    return command if trace is None else msgspec.structs.replace(command, trace=trace)


def ask(
    parts: Parts,
    command: Asked,
    host: Connection | None,
    session: Any,
    *,
    beside: Callable[[Connection], None] | None = None,
) -> Verdict:
    """What became of this command; its error is raised. `beside` is done in the same commit.

    Asked twice with one key, it is answered the second time as it was the first. Without a key, a commit whose answer
    was lost is looked for before the command is decided once more.
    """
    tries = 0

    def once() -> Verdict:
        nonlocal tries
        tries += 1
        found = _lost(parts, command) if tries > 1 else None
        return found or _try(parts, command, host, session, beside)

    verdict = persist(once, host)
    if verdict.error is not None:
        raise verdict.error
    return verdict


def _try(
    parts: Parts,
    command: Asked,
    host: Connection | None,
    session: Any,
    beside: Callable[[Connection], None] | None,
) -> Verdict:
    if beside is None:
        return transact(parts, [command], host=host, session=session)[0]
    with parts.journal.transaction(host) as connection:
        verdict = transact(parts, [command], host=connection, session=session)[0]
        if verdict.error is None and verdict.created:
            beside(connection)
    return verdict


def _lost(parts: Parts, command: Asked) -> Verdict | None:
    """What this very request has written, if it has: read under the head's lock, behind whoever still commits."""
    by = command.by
    with parts.journal.transaction() as connection:
        heads.lock(parts.journal, connection, {command.run_id}, heads.LOCK_WAITING)
        fact = facts.by_command(
            parts.journal, connection, command.run_id, verb=by.verb, request_id=by.request_id, key=None
        )
    return None if fact is None else Verdict(command, (fact,))


@contextmanager
def audited(parts: Parts, verb: str, run_id: object, actor: Any, *, is_whole: bool = True) -> Iterator[None]:
    """A verb is being answered. A refusal reaches the audit's log: who asked, and why not, and no value that was given.

    Whoever listens is told of either; where it is only the beginning (not `is_whole`), of a refusal.
    """
    with parts.telling.command(verb, is_whole=is_whole):
        try:
            yield
        except Refused as error:
            _note(parts, verb, run_id, actor, error)
            raise


def refused(parts: Parts, verb: str, run_id: object, actor: Any, error: Exception) -> None:
    """One of many was refused, and the others go on: it is told as if it had been asked alone."""
    if isinstance(error, Refused):
        _note(parts, verb, run_id, actor, error)
        parts.telling.refused(verb, error)


def _note(parts: Parts, verb: str, run_id: object, actor: Any, error: Refused) -> None:
    audit.info("refused: %s of %s by %s: %s", verb, _named(run_id), named(actor, parts.masking), error.code)


def _named(run_id: object) -> str:
    """A run by its id; what is none may be anything, and is not repeated."""
    try:
        return f"run {as_uuid(run_id)}"
    except InvalidArgument:
        return "a run"


def renew_after_fork(parts: Parts) -> None:
    """A forked child leaves its parent's sockets alone; the reference is weak, so that a discarded runtime can go."""
    weak = weakref.ref(parts)

    def renew() -> None:
        alive = weak()
        if alive is not None:
            alive.after_fork()

    os.register_at_fork(after_in_child=renew)


def persist(ask: Callable[[], T], host: Connection | None) -> T:
    """Ask, and where the connection was lost ask again, unless it was the host's, or there was none to be had."""
    for pause in PAUSES if host is None else ():
        try:
            return ask()
        except JournalUnavailable as error:
            if isinstance(error.__cause__, PoolTimeout):
                raise  # it has been waited for
            time.sleep(ids.jittered(pause))
    return ask()
