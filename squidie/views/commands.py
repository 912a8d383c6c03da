"""What was asked of a run, by whom and when: the facts that somebody caused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.journal import facts, heads

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from squidie.history.bodies import Receipt
    from squidie.journal.store import Journal


class AcceptedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted command: its receipt, and the first fact that it caused."""

    seq: int
    at: datetime
    fact: str
    verb: str
    key: str | None
    actor: Any
    comment: str | None
    metadata: Any
    source: str | None
    request_id: str
    digest: str


def command_history(journal: Journal, run_id: UUID) -> tuple[AcceptedCommand, ...]:
    """The commands that a run has accepted, in order; its start is the first. Raises `RunNotFound`."""
    with journal.looking() as connection:
        rows = facts.read(journal, connection, run_id)
        if not rows:
            raise heads.missing(journal, connection, run_id)
    return commands_in(rows)


def commands_in(rows: Iterable[facts.Recorded]) -> tuple[AcceptedCommand, ...]:
    """The same, from facts that have been read already."""
    return tuple(_accepted(row, row.fact.by) for row in rows if row.fact.by is not None)


def _accepted(row: facts.Recorded, by: Receipt) -> AcceptedCommand:
    return AcceptedCommand(
        seq=row.seq,
        at=row.at,
        fact=row.fact.kind,
        verb=by.verb,
        key=by.key,
        actor=by.actor,
        comment=by.comment,
        metadata=by.metadata,
        source=by.source,
        request_id=by.request_id,
        digest=by.digest,
    )
