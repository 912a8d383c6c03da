"""One run in one document, to be sent to somebody who cannot look at the journal: all that is known of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.journal import facts, heads, listing
from squidie.views.explain import Explanation, explain_run
from squidie.views.facts import FactView, fact_view
from squidie.views.graph import RunGraph, inspect_run_graph
from squidie.views.snapshot import RunSnapshot, inspect_run
from squidie.views.timeline import TimelineEvent, inspect_run_timeline

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.journal.store import Journal


class RawFact(FactView, frozen=True, kw_only=True):
    """A fact, and its body as it is kept."""

    body: Any


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """The run's views and its facts, as they were read, and the versions of what has read them."""

    versions: dict[str, str]
    run: RunSnapshot
    explanation: Explanation
    graph: RunGraph
    timeline: tuple[TimelineEvent, ...]
    facts: tuple[RawFact, ...]
    at: datetime


def bundle(journal: Journal, run_id: UUID, versions: dict[str, str], *, delivery: str) -> Bundle:
    """Everything about a run. Raises `RunNotFound`."""
    run = inspect_run(journal, run_id)
    return Bundle(
        versions=versions,
        run=run,
        explanation=explain_run(journal, run_id, delivery=delivery),
        graph=inspect_run_graph(journal, run_id, history=True),
        timeline=inspect_run_timeline(journal, run_id),
        facts=_facts(journal, run_id),
        at=run.at,
    )


def _facts(journal: Journal, run_id: UUID) -> tuple[RawFact, ...]:
    with listing.snapshot(journal) as connection:
        rows = facts.read(journal, connection, run_id)
        if not rows:
            raise heads.missing(journal, connection, run_id)
    told = [(msgspec.structs.asdict(fact_view(row)), msgspec.json.decode(row.body)) for row in rows]
    return tuple(RawFact(**seen, body=body) for seen, body in told)
