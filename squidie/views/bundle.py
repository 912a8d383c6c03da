"""One run in one document, to be sent to somebody who cannot look at the journal: all that is known of it.

A run whose history is damaged is the one that is sent: what cannot be read is said, and the rest is there all the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from squidie.errors import HistoryError
from squidie.journal import attempts, facts, heads, listing
from squidie.views.explain import Explanation, explain_run
from squidie.views.facts import FactView, fact_view
from squidie.views.graph import RunGraph, inspect_run_graph
from squidie.views.snapshot import RunSnapshot, inspect_run
from squidie.views.timeline import TimelineEvent, inspect_run_timeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from squidie.journal.store import Journal

T = TypeVar("T")


class RawFact(FactView, frozen=True, kw_only=True):
    """A fact, and its body as it is kept; text where that is no JSON."""

    body: Any


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the bundle that the history does not give, and why."""

    name: str
    code: str
    message: str


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """The run's views and its facts, as they were read, and the versions of what has read them."""

    versions: dict[str, str]
    run: RunSnapshot | None
    explanation: Explanation | None
    graph: RunGraph | None
    timeline: tuple[TimelineEvent, ...] | None
    facts: tuple[RawFact, ...]
    unreadable: tuple[Unreadable, ...]
    at: datetime


def bundle(journal: Journal, run_id: UUID, versions: dict[str, str], *, delivery: str) -> Bundle:
    """Everything about a run. Raises `RunNotFound`."""
    unreadable: list[Unreadable] = []

    def read(name: str, look: Callable[[], T]) -> T | None:
        try:
            return look()
        except HistoryError as error:
            unreadable.append(Unreadable(name=name, code=error.code, message=error.message))
            return None

    kept = _facts(journal, run_id)
    with journal.looking() as connection:
        now = attempts.clock(journal, connection)
    return Bundle(
        versions=versions,
        run=read("run", lambda: inspect_run(journal, run_id)),
        explanation=read("explanation", lambda: explain_run(journal, run_id, delivery=delivery)),
        graph=read("graph", lambda: inspect_run_graph(journal, run_id, history=True)),
        timeline=read("timeline", lambda: inspect_run_timeline(journal, run_id)),
        facts=kept,
        unreadable=tuple(unreadable),
        at=now,
    )


def _facts(journal: Journal, run_id: UUID) -> tuple[RawFact, ...]:
    with listing.snapshot(journal) as connection:
        rows = facts.rows(journal, connection, run_id)
        if not rows:
            raise heads.missing(journal, connection, run_id)
    return tuple(_raw(row) for row in rows)


def _raw(row: Any) -> RawFact:
    """A stored fact with what it says; without, if nobody can tell."""
    try:
        body = msgspec.json.decode(row.body)
        said = msgspec.structs.asdict(fact_view(facts.recorded(row)))
    except (HistoryError, msgspec.DecodeError):
        about = {"step": None, "attempt": None, "summary": "cannot be read", "by": None}
        said = {"seq": row.seq, "at": row.at, "kind": row.kind, "hash": bytes(row.hash).hex(), **about}
        body = _plain(row.body)
    return RawFact(**said, body=body)


def _plain(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
