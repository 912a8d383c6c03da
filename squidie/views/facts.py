"""A run's journal, one line a fact, in order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.history.bodies import OpenKind
from squidie.journal import facts, heads, listing
from squidie.views.tellings import about

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from squidie.history.bodies import Closing, Ended, Opening
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
            raise heads.missing(journal, connection, run_id)
    return tuple(fact_view(row) for row in rows)


def fact_view(row: facts.Recorded) -> FactView:
    """One fact as it is shown."""
    fact: Any = row.fact
    said = (about(fact), _opened(fact.opens), _closed(fact.closes), _ended(fact.ends))
    return FactView(
        seq=row.seq,
        at=row.at,
        kind=fact.kind,
        step=getattr(fact, "step", None),
        attempt=getattr(fact, "attempt", None),
        summary=" · ".join(part for part in said if part),
        by=_by(fact),
        hash=row.hash.hex(),
    )


def _opened(opens: Iterable[Opening]) -> str:
    work = [_numbered(each.step, each.attempt) for each in opens if each.kind is not OpenKind.TIMER]
    timers = [f"timer {each.step} at {each.due_at:%Y-%m-%d %H:%M:%S}" for each in opens if each.kind is OpenKind.TIMER]
    return f"opens {', '.join((*work, *timers))}" if work or timers else ""


def _closed(closes: Iterable[Closing]) -> str:
    closed = [f"timer {each.step}" if each.kind is OpenKind.TIMER else each.step for each in closes]
    return f"closes {', '.join(closed)}" if closed else ""


def _ended(ends: Iterable[Ended]) -> str:
    ended = [f"{each.claim.owner} on {each.step}" for each in ends]
    return f"ends the claim of {', '.join(ended)}" if ended else ""


def _numbered(step: str, attempt: int) -> str:
    return step if attempt == 1 else f"{step} try {attempt}"


def _by(fact: Fact) -> str | None:
    actor = fact.by.actor if fact.by else None
    return actor if actor is None or isinstance(actor, str) else msgspec.json.encode(actor).decode()
