"""The journal as it grows: facts over all runs, look by look, none left out and none told twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID  # noqa: TC003 - whoever asks the view for its types wants it

import msgspec

from squidie.history.facts import TERMINAL
from squidie.journal import listing, tailing
from squidie.views.facts import FactView, fact_view
from squidie.views.listing import SHORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

MARGIN = timedelta(seconds=5)
"""A start reads the clock before its transaction is seen to write, by no more than this."""

FLOOR = timedelta(minutes=10)
"""A start that is in its host's transaction for longer than this when somebody begins to look may be missed."""

TOGETHER = 500
"""Runs whose facts are read by one statement."""


class TailedFact(FactView, frozen=True, kw_only=True):
    """A fact, and of which run."""

    run_id: UUID
    short_id: str
    workflow: str


class _Known(NamedTuple):
    """How far a run was read, and when it was last written if it is over. What was written before `told` is told."""

    seq: int
    workflow: str
    rested_at: datetime | None
    told: datetime | None = None


class Tail:
    """Whoever looks on. Each `look` gives the facts that were committed since the one before.

    The first gives those since a time, or none. Narrowed to a workflow, a partition or one run (`only`), if asked.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        since: datetime | None = None,
        workflow: str | None = None,
        partition: str | None = None,
        only: UUID | None = None,
    ) -> None:
        self._journal = journal
        self._since = since
        self._fits = {"workflow": workflow, "partition": partition, "only": only}
        self._known: dict[UUID, _Known] = {}
        self._looks: list[tuple[frozenset[str], datetime]] = []
        self._horizon: datetime | None = None

    def look(self) -> Iterator[TailedFact]:
        """The new facts in portions, each by its time. Nothing is held open while they are told."""
        with self._journal.looking() as connection:
            at = tailing.now(self._journal, connection)
        with listing.snapshot(self._journal) as connection:
            if self._horizon is None:
                new = self._begin(connection, at)
            else:
                self._reach(at)
                new = self._found(connection)
        rest = iter(new)
        while some := list(islice(rest, TOGETHER)):
            yield from self._facts(some)
        self._forget()

    def _begin(self, connection: Connection, at: Any) -> list[Any]:
        """What there is counts as read, unless it is asked for."""
        self._horizon = at.now - FLOOR
        self._looks = [(frozenset(at.running), at.now)]
        heads = tailing.before(self._journal, connection, self._since or at.now, self._fits)
        recent = tailing.started(self._journal, connection, self._horizon, self._fits)
        rows = list({head.run_id: head for head in (*heads, *recent)}.values())
        for head in rows:
            self._known[head.run_id] = _known(head, 0 if self._since else head.rev, self._since)
        return rows if self._since else []

    def _reach(self, at: Any) -> None:
        """Move the horizon to the last look after which all began that can have been committed since the last one.

        That is whoever was writing then, and whoever has begun since.
        """
        writing = self._looks[-1][0]
        over = [n for n, (then, _) in enumerate(self._looks) if not then & writing]
        if over:
            self._looks = self._looks[over[-1] :]
            self._horizon = max(self._horizon or at.now, self._looks[0][1] - MARGIN)
        self._looks.append((frozenset(at.running), at.now))

    def _found(self, connection: Connection) -> list[Any]:
        """Heads with facts that were not read."""
        assert self._horizon is not None  # noqa: S101 - set by the first look
        heads = tailing.started(self._journal, connection, self._horizon, self._fits)
        new = [head for head in heads if self._is_new(head)]
        read = {run_id: known.seq for run_id, known in self._known.items() if known.rested_at is None}
        return [*new, *tailing.moved(self._journal, connection, read)]

    def _is_new(self, head: Any) -> bool:
        """Whether it was never seen, or somebody has noted something on it since it was over."""
        known = self._known.get(head.run_id)
        return known is None or (known.rested_at is not None and known.seq < head.rev)

    def _facts(self, heads: list[Any]) -> list[TailedFact]:
        """The unread facts of some runs, those included that have come since their heads were read."""
        for head in heads:
            known = self._known.get(head.run_id)
            self._known[head.run_id] = self._met(head) if known is None else _known(head, known.seq, known.told)
        read = {head.run_id: self._known[head.run_id].seq for head in heads}
        with self._journal.looking() as connection:
            rows = tailing.after(self._journal, connection, read)
        for run_id, row in rows:
            known = self._known[run_id]
            over = known.rested_at is not None or isinstance(row.fact, TERMINAL)
            self._known[run_id] = known._replace(
                seq=max(known.seq, row.seq), rested_at=max(row.at, known.rested_at or row.at) if over else None
            )
        seen = ((run_id, row, self._known[run_id]) for run_id, row in rows)
        return [
            _told(run_id, known.workflow, fact_view(row))
            for run_id, row, known in seen
            if known.told is None or row.at >= known.told
        ]

    def _met(self, head: Any) -> _Known:
        """A run that is new; or one that was over long ago, of which only what was noted since is."""
        assert self._horizon is not None  # noqa: S101 - set by the first look
        return _known(head, 0, self._since if head.started_at >= self._horizon else self._horizon)

    def _forget(self) -> None:
        """An ended run is forgotten once no look would take it for a new one."""
        gone = [
            run_id
            for run_id, known in self._known.items()
            if known.rested_at is not None and self._horizon is not None and known.rested_at < self._horizon
        ]
        for run_id in gone:
            del self._known[run_id]


def _known(head: Any, seq: int, told: datetime | None) -> _Known:
    return _Known(seq, head.workflow, head.rested_at, told)


def _told(run_id: UUID, workflow: str, fact: FactView) -> TailedFact:
    return TailedFact(**msgspec.structs.asdict(fact), run_id=run_id, short_id=run_id.hex[-SHORT:], workflow=workflow)
