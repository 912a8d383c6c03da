"""Commands with a key: the same request again is answered as it was the first time, and writes no fact."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from squidie.engine.batch import Verdict
from squidie.errors import KeyReused
from squidie.journal import receipts
from squidie.journal.receipts import Kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.decide.commands import OnRun
    from squidie.engine.parts import Parts
    from squidie.history.bodies import Receipt
    from squidie.journal.receipts import Identity

audit = logging.getLogger("squidie.audit")


class Keyed:
    """The receipts of one batch of commands, read once their heads are locked."""

    def __init__(self, parts: Parts, connection: Connection, commands: Sequence[OnRun]) -> None:
        self._parts = parts
        self._connection = connection
        asked = {_identity(command) for command in commands} - {None}
        self._kept = receipts.find(parts.journal, connection, [each for each in asked if each is not None])

    def answer(self, command: OnRun) -> Verdict | None:
        """The answer to a request that was made before; None for a new one."""
        who, by = _identity(command), _by(command)
        kept = self._kept.get(who) if who is not None else None
        if who is None or by is None or kept is None:
            return None
        if kept.digest != by.digest:
            return Verdict(command, error=KeyReused(who[2], command.run_id))
        receipts.seen(self._parts.journal, self._connection, who)
        audit.info("repeated: %s of run %s by %s", by.verb, command.run_id, by.actor)
        self._parts.telling.repeated()
        return Verdict(command, created=False)

    def keep(self, verdicts: Sequence[Verdict]) -> None:
        """A receipt for each keyed command that was accepted."""
        for verdict in verdicts:
            who, by = _identity(verdict.command), _by(verdict.command)
            if who is None or by is None or verdict.run is None or not verdict.facts or verdict.run.at is None:
                continue
            seq = verdict.run.revision - len(verdict.facts) + 1
            receipts.add(self._parts.journal, self._connection, who, Kept(by.digest, seq), verdict.run.at)


def _by(command: object) -> Receipt | None:
    return getattr(command, "by", None)


def _identity(command: object) -> Identity | None:
    by = _by(command)
    if by is None or by.key is None:
        return None
    return command.run_id, by.verb, by.key  # type: ignore[attr-defined]
