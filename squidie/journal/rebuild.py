"""Facts beside what is derived from them: read together, and the derived part written again.

What can be made again is the cached state, the head's columns that repeat facts, and the open rows. All of it is read
in one instant, or under the heads' locks.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.errors import UnknownFact
from squidie.history.attributes import values_of
from squidie.history.run import FOLD
from squidie.journal import facts, notes
from squidie.journal.arrays import Bools, Ints, Texts, Times, Uuids
from squidie.journal.attempts import ROW, row_of
from squidie.journal.columns import Columns
from squidie.journal.writing import FREE, free

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.history.attempts import OpenAttempt
    from squidie.history.run import Run
    from squidie.history.soundness import Flaw
    from squidie.journal.facts import Recorded
    from squidie.journal.store import Journal

AFTER = "select run_id, rev from {s}.runs where run_id > :after order by run_id limit :most"
"""The next runs by id, and how long their streams are."""

SAMPLE = """
select run_id, rev from {s}.runs tablesample system (least(100, 100.0 * 50 * :most / greatest(:most, (
    select reltuples from pg_class where oid = cast(:runs as regclass))))::real) order by random() limit :most
"""
"""Some runs, from pages that were drawn; of a table that is small, or was never counted, from all of them."""

NUMBER = "select count(*) from {s}.runs"
"""How many runs there are."""

HEADS = """
select run_id, rev, head_hash, status, workflow, definition, trigger, queue, priority, partition, fold,
    state::text as state, ended_at, rested_at, archived, attributes
from {s}.runs where run_id = any(:runs) order by run_id
"""
"""Heads with everything of them that facts say, too."""

LOCK = "select run_id from {s}.runs where run_id = any(:runs) order by run_id for no key update skip locked"
"""Heads, locked in id order; those that somebody holds are passed over."""

LOCK_WAITING = "select run_id from {s}.runs where run_id = any(:runs) order by run_id for no key update"
"""The same, waiting for at most `lock_timeout`: for one run alone."""

STREAMS = """
select run_id, seq, kind, at, body::text as body, hash from {s}.facts where run_id = any(:runs) order by run_id, seq
"""
"""All facts of some runs."""

ROWS = f"select {ROW} from {{s}}.attempts a where a.run_id = any(:runs) order by a.run_id, a.step, a.attempt"
"""The open rows of some runs."""

SET_ASIDE = """
with gone as (delete from {s}.attempts where run_id = any(:runs))
update {s}.runs set state = null where run_id = any(:runs) and ended_at is null returning run_id
"""
"""Nothing is kept of what was derived from histories that cannot be trusted: nothing is claimed, and whoever wants to
decide has to read the facts."""

CLEAR = """
delete from {s}.attempts a using unnest(:g_run, :g_kind, :g_step, :g_attempt) as g(run_id, kind, step, attempt)
where a.run_id = g.run_id and a.kind = g.kind and a.step = g.step and a.attempt = g.attempt
"""
"""Rows that no fact speaks of, or that say something else."""

FILL = """
insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key,
    rate_key, lost)
select * from unnest(:o_run, :o_kind, :o_step, :o_attempt, :o_action, :o_queue, :o_priority, :o_due, :o_alone,
    :o_partition, :o_limit, :o_rate, :o_lost)
"""
"""Rows as facts say them, held by nobody."""

KEEP = f"""
update {{s}}.runs r
set status = h.status, state = h.state::json, fold = {FOLD}, updated_at = h.at, ended_at = h.ended,
    rested_at = case when h.ended is not null then h.at end, archived = h.archived, attributes = h.attributes::jsonb,
    workflow = h.workflow, definition = h.definition, trigger = h.trigger, queue = h.queue, priority = h.priority,
    partition = h.partition
from unnest(:h_run, :h_rev, :h_status, :h_state, :h_at, :h_ended, :h_workflow, :h_definition, :h_trigger, :h_queue,
    :h_priority, :h_partition, :h_archived, :h_attributes) as h(run_id, rev, status, state, at, ended, workflow,
    definition, trigger, queue, priority, partition, archived, attributes)
where r.run_id = h.run_id and r.rev = h.rev
"""
"""Heads as facts say them."""

MOST_RUNS = 200
MOST_FACTS = 5_000


class Look(NamedTuple):
    """One run: its head, how many facts there are, those that can be read, what is wrong first, and its open rows."""

    head: Any
    length: int
    facts: Sequence[Recorded]
    flaw: Flaw | UnknownFact | None
    rows: Sequence[OpenAttempt]


def number(journal: Journal, connection: Connection) -> int:
    """How many runs there are."""
    found: int = connection.execute(journal.sql(NUMBER)).scalar_one()
    return found


def after(journal: Journal, connection: Connection, run_id: UUID) -> list[UUID]:
    """The runs that come next by id, as many as can be looked at together."""
    rows = connection.execute(journal.sql(AFTER), {"after": run_id, "most": MOST_RUNS}).all()
    return _share(rows)


def sample(journal: Journal, connection: Connection, most: int) -> list[UUID]:
    """So many runs, drawn."""
    given = {"most": most, "runs": f'"{journal.schema}".runs'}
    return [row.run_id for row in connection.execute(journal.sql(SAMPLE), given)]


def _share(rows: Sequence[Any]) -> list[UUID]:
    """The first one, and more while their streams are short."""
    shared: list[UUID] = []
    size = 0
    for row in rows:
        size += row.rev
        if shared and size > MOST_FACTS:
            break
        shared.append(row.run_id)
    return shared


def lock(journal: Journal, connection: Connection, runs: Collection[UUID]) -> list[UUID]:
    """Lock heads: of several, those that nobody holds; one alone is waited for."""
    statement = LOCK if len(runs) > 1 else LOCK_WAITING
    return list(connection.execute(journal.sql(statement), {"runs": Uuids(sorted(runs))}).scalars())


def looks(journal: Journal, connection: Connection, runs: Collection[UUID]) -> list[Look]:
    """These runs, by id; those that do not exist are not among them."""
    given = {"runs": Uuids(sorted(runs))}
    heads = connection.execute(journal.sql(HEADS), given).all()
    streams = _by_run(connection.execute(journal.sql(STREAMS), given).all())
    rows = _by_run(connection.execute(journal.sql(ROWS), given).all())
    return [_look(head, streams.get(head.run_id, []), rows.get(head.run_id, [])) for head in heads]


def _look(head: Any, stream: Sequence[Any], rows: Sequence[Any]) -> Look:
    return Look(head, len(stream), *_read(head.run_id, stream), [row_of(row) for row in rows])


def _by_run(rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    return {run_id: list(found) for run_id, found in groupby(rows, key=lambda row: row.run_id)}


def _read(run_id: UUID, stream: Sequence[Any]) -> tuple[list[Recorded], Flaw | UnknownFact | None]:
    try:
        return facts.read_through(run_id, stream)
    except UnknownFact as error:
        return [], error


def set_aside(journal: Journal, connection: Connection, runs: Collection[UUID]) -> list[UUID]:
    """Claim nothing more of these runs, whose heads are locked; those of them that are open."""
    return list(connection.execute(journal.sql(SET_ASIDE), {"runs": Uuids(sorted(runs))}).scalars())


class Rebuilt:
    """What differs from facts, of runs whose heads are locked, on its way into the journal."""

    def __init__(self) -> None:
        self.untrue: list[notes.Value] = []
        self.true: list[notes.Value] = []
        self.gone = Columns({"g_run": Uuids, "g_kind": Texts, "g_step": Texts, "g_attempt": Ints})
        self.opened = Columns(FREE | {"o_lost": Ints})
        self.heads = Columns(
            {
                "h_run": Uuids,
                "h_rev": Ints,
                "h_status": Texts,
                "h_state": Texts,
                "h_at": Times,
                "h_ended": Times,
                "h_workflow": Texts,
                "h_definition": Texts,
                "h_trigger": Texts,
                "h_queue": Texts,
                "h_priority": Ints,
                "h_partition": Texts,
                "h_archived": Bools,
                "h_attributes": Texts,
            }
        )

    def drop(self, row: OpenAttempt) -> None:
        """A row goes, whoever holds it."""
        self.gone.add(row.run_id, row.kind, row.step, row.attempt)

    def fill(self, row: OpenAttempt) -> None:
        """A row comes, held by nobody."""
        self.opened.add(*free(row), row.lost)

    def keep(self, head: Any, run: Run, state: bytes | None, ended: datetime | None) -> None:
        """A head becomes what its run is, and the run is found by what it has, and by nothing that it had wrongly."""
        run_id, had, has = head.run_id, values_of(head.attributes or {}), values_of(run.attributes or {})
        self.untrue += [(run_id, *pair) for pair in had - has]
        self.true += [(run_id, *pair) for pair in has]
        self.heads.add(
            run_id,
            run.revision,
            run.status.value,
            state,
            run.at,
            ended,
            run.workflow,
            run.definition,
            run.trigger,
            run.queue,
            run.priority,
            run.partition,
            run.archived,
            notes.as_json(run.attributes),
        )

    def write(self, journal: Journal, connection: Connection) -> None:
        """Write it all."""
        for statement, columns in ((CLEAR, self.gone), (FILL, self.opened), (KEEP, self.heads)):
            if len(columns):
                connection.execute(journal.sql(statement), columns.columns)
        notes.replace(journal, connection, self.untrue, self.true)
