"""A run's journal, one line a fact, in order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.errors import RunNotFound
from squidie.history.facts import AttemptExpired, AttemptFailed, AttemptReleased, RunCancelled, RunFailed, RunStarted
from squidie.journal import facts, listing
from squidie.views.headline import first_line

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.history.facts import Fact
    from squidie.journal.store import Journal


class FactView(msgspec.Struct, frozen=True, kw_only=True):
    """One fact: its place, its kind, what it is about in a few words, and who caused it."""

    seq: int
    at: datetime
    kind: str
    step: str | None
    attempt: int | None
    summary: str
    by: str | None
    hash: str


def facts_of(journal: Journal, run_id: UUID) -> tuple[FactView, ...]:
    """The facts of a run. Raises `RunNotFound`."""
    with listing.snapshot(journal) as connection:
        rows = facts.read(journal, connection, run_id)
    if not rows:
        raise RunNotFound(run_id)
    return tuple(_view(row) for row in rows)


def _view(row: facts.Recorded) -> FactView:
    fact: Any = row.fact
    return FactView(
        seq=row.seq,
        at=row.at,
        kind=fact.kind,
        step=getattr(fact, "step", None),
        attempt=getattr(fact, "attempt", None),
        summary=" · ".join(part for part in (_about(fact), _opened(fact)) if part),
        by=_by(fact),
        hash=row.hash.hex(),
    )


def _about(fact: Fact) -> str:  # noqa: PLR0911 - one for each kind
    match fact:
        case RunStarted():
            return f"{fact.workflow} by {fact.trigger}"
        case RunFailed():
            return first_line(msgspec.to_builtins(fact.error))
        case RunCancelled():
            return fact.reason
        case AttemptFailed():
            said = first_line(msgspec.to_builtins(fact.error))
            return f"{said} ({fact.disposition}, {fact.attempt} of {fact.max_attempts})"
        case AttemptReleased():
            return f"{fact.claim.owner} gave it back: {fact.reason.value.replace('_', ' ')}"
        case AttemptExpired():
            return f"{fact.claim.owner} was lost (loss {fact.lost})"
        case _:
            return ""


def _opened(fact: Fact) -> str:
    opened = [
        opening.step if opening.attempt == 1 else f"{opening.step} try {opening.attempt}" for opening in fact.opens
    ]
    return f"opens {', '.join(opened)}" if opened else ""


def _by(fact: Fact) -> str | None:
    actor = fact.by.actor if fact.by else None
    return actor if actor is None or isinstance(actor, str) else msgspec.json.encode(actor).decode()
