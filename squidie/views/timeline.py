"""A run in the order in which it happened: one event for each fact, and one for each claim that a fact has ended."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.journal import facts, heads, listing
from squidie.views.facts import fact_view

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.history.bodies import Claim
    from squidie.journal.store import Journal

CLAIMED = "attempt_claimed"
"""The kind of an event that no fact has, since a claim is a lease; what ended it says when it was made."""


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened.

    `seq` is the fact that says so: a claim has that of the fact that ended it, and stands right before it. `by` is who
    caused it: a person, a worker, or None for what followed by itself.
    """

    seq: int
    at: datetime
    kind: str
    step: str | None = None
    attempt: int | None = None
    summary: str = ""
    by: str | None = None


def inspect_run_timeline(journal: Journal, run_id: UUID) -> tuple[TimelineEvent, ...]:
    """The events of a run by `seq`. A claim that is held now has no fact yet, and is not told. Raises `RunNotFound`."""
    with listing.snapshot(journal) as connection:
        rows = facts.read(journal, connection, run_id)
        if not rows:
            raise heads.missing(journal, connection, run_id)
    return tuple(event for row in rows for event in _events(row))


def _events(row: facts.Recorded) -> list[TimelineEvent]:
    fact: Any = row.fact
    seen, claim = fact_view(row), getattr(fact, "claim", None)
    claims = [_claimed(row.seq, fact.step, fact.attempt, claim)] if claim is not None else []
    claims += [_claimed(row.seq, ended.step, ended.attempt, ended.claim) for ended in fact.ends]
    told = TimelineEvent(
        seq=seen.seq,
        at=seen.at,
        kind=seen.kind,
        step=seen.step,
        attempt=seen.attempt,
        summary=seen.summary,
        by=seen.by or (claim.owner if claim is not None else None),
    )
    return [*sorted(claims, key=lambda event: event.at), told]


def _claimed(seq: int, step: str, attempt: int, claim: Claim) -> TimelineEvent:
    return TimelineEvent(
        seq=seq, at=claim.claimed_at, kind=CLAIMED, step=step, attempt=attempt, summary=claim.owner, by=claim.owner
    )
