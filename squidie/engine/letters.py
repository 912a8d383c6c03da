"""Dead letters of runs that have ended: taken up again as a new run, or put away.

Those of a parked step belong to its run, which is still open: there they are commands like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from squidie.decide.commands import Discard
from squidie.engine.asking import ask, persist, traced
from squidie.engine.permission import looking
from squidie.engine.replaying import fork_of, source_of
from squidie.engine.start import begin
from squidie.errors import DeadLetterNotFound, InvalidTransition, KeyReused
from squidie.journal import dead, finding, heads, receipts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.decide.commands import Requeue
    from squidie.engine.batch import Verdict
    from squidie.engine.parts import Parts
    from squidie.engine.requests import Who
    from squidie.history.bodies import Receipt

REQUEUED, DISCARDED = "requeued", "discarded"
_VERBS = {REQUEUED: "be requeued", DISCARDED: "be discarded"}


def is_parked(parts: Parts, command: Requeue | Discard, host: Connection | None) -> bool:
    """Whether this is for the run itself: it is still open, or was when the same request was made before.

    Raises `DeadLetterNotFound` where there is no letter.
    """
    run_id, step, by = command.run_id, command.step, command.by
    with looking(parts, host) as connection:
        about = finding.about(parts.journal, connection, run_id)
        if about is None:
            raise heads.missing(parts.journal, connection, run_id)
        if finding.letter(parts.journal, connection, run_id, step) is None:
            raise DeadLetterNotFound(run_id, step)
        if about.is_open or by.key is None:
            return bool(about.is_open)
        return bool(receipts.find(parts.journal, connection, [(run_id, by.verb, by.key)]))


def take_up(parts: Parts, command: Requeue | Discard, who: Who, host: Connection | None) -> None:
    """A parked step is tried again or given up; in the same commit its letter is closed."""
    how = DISCARDED if isinstance(command, Discard) else REQUEUED

    def close(connection: Connection) -> None:
        _close(parts, connection, command, command.by, how)

    ask(parts, command, host, who.session, beside=close)


def requeue(parts: Parts, command: Requeue, who: Who, allowed: Any, host: Connection | None) -> Verdict:
    """A new run that goes on at the step; in the same commit its letter is closed."""
    source = source_of(parts, command.run_id, host)
    asked = msgspec.structs.replace(who, comment=command.reason)
    start = traced(parts, fork_of(parts, source, asked, from_step=command.step, allowed=allowed, verb="requeue"))

    def once() -> Verdict:
        with parts.journal.transaction(host) as connection:
            _close(parts, connection, command, start.by, REQUEUED)  # before a bell is hung on the host's commit
            return begin(parts, [start], host=connection, session=who.session, strict=True)[0]

    return persist(once, host)


def discard(parts: Parts, command: Discard, host: Connection | None) -> None:
    """The letter is closed, and keeps who did it and why; the run stays as it ended."""

    def once() -> None:
        with parts.journal.transaction(host) as connection:
            _close(parts, connection, command, command.by, DISCARDED)

    persist(once, host)


def _close(parts: Parts, connection: Connection, command: Requeue | Discard, by: Receipt, how: str) -> None:
    """Nothing, or why the letter cannot be closed: somebody has done it before."""
    journal, run_id, step = parts.journal, command.run_id, command.step
    said, at = msgspec.json.encode(by).decode(), finding.clock(journal, connection)
    if dead.close(journal, connection, run_id, step, how=how, by=said, why=command.reason, at=at):
        return
    letter = finding.letter(journal, connection, run_id, step)
    if letter is None:
        raise DeadLetterNotFound(run_id, step)
    if letter.request_id == by.request_id:
        return  # our own commit, whose answer was lost
    if by.key is None or letter.key != by.key or letter.closed_as != how:
        raise InvalidTransition("a dead letter", letter.closed_as, _VERBS[how])
    if letter.digest != by.digest:
        raise KeyReused(by.key, run_id)
