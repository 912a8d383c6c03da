"""The statement that starts runs: a batch of them, or one alone.

It is one, with all that a start consists of, and writes nothing about a run that exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.history.run import FOLD
from squidie.journal.arrays import Blobs, Documents, Ints, Texts, Times, Uuids
from squidie.journal.columns import Columns, Kinds, single, unnested
from squidie.journal.writing import FACT, FACT_COLUMNS, OPENED, OPENED_COLUMNS, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

STARTED: Kinds = {
    "h_run": Uuids,
    "h_rev": Ints,
    "h_hash": Blobs,
    "h_status": Texts,
    "h_workflow": Texts,
    "h_definition": Texts,
    "h_trigger": Texts,
    "h_queue": Texts,
    "h_priority": Ints,
    "h_partition": Texts,
    "h_key": Texts,
    "h_attributes": Texts,
    "h_state": Documents,
    "h_at": Times,
    "h_ended": Times,
}
_HEAD = (
    "h(run_id, rev, hash, status, workflow, definition, trigger, queue, priority, partition, key, attributes, "
    "state, at, ended)"
)
_O = ", ".join(f"o.{column}" for column in OPENED_COLUMNS.split(", "))


def starting(*, alone: bool = False, gate: str = "true", told: str = "run_id") -> str:
    """The statement; for a run `alone`, with one fact and one piece of work, it takes values in place of columns.

    Nothing is written where `gate` is not true, and for each new head `told` is the answer.
    """
    given = single if alone else unnested

    def is_new(run_id: str) -> str:  # looked up, not joined: there may be thousands
        return "exists (select from heads)" if alone else f"({run_id} in (select run_id from heads)) is true"

    return f"""
with heads as (
    insert into {{s}}.runs (run_id, rev, head_hash, status, workflow, definition, trigger, queue, priority, partition,
        key, attributes, fold, state, started_at, updated_at, ended_at, rested_at)
    select h.run_id, h.rev, h.hash, h.status, h.workflow, h.definition, h.trigger, h.queue, h.priority, h.partition,
        h.key, h.attributes::jsonb, {FOLD}, h.state::json, h.at, h.at, h.ended, h.ended
    from {given(STARTED, _HEAD)}
    where {gate}
        and not exists (select from {{s}}.retired t where t.run_id = h.run_id and t.until > {{s}}.clock())
    order by h.run_id on conflict (run_id) do nothing returning run_id
), facts as (
    insert into {{s}}.facts ({FACT_COLUMNS})
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from {given(FACT, f"f({FACT_COLUMNS})")}
    where {is_new("f.run_id")}
), opened as (
    insert into {{s}}.attempts ({OPENED_COLUMNS}) select {_O} from {given(OPENED, f"o({OPENED_COLUMNS})")}
    where {is_new("o.run_id")}
)
select {told} from heads
"""


START = starting()
"""New heads in id order, with their first facts and their first work.

A run that exists, or has been retired, is left as it is, and is not among the answers.
"""

START_ALONE = starting(alone=True)
"""The same of a run alone."""


class Starts(Rows):
    """A batch of new runs."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = Columns(STARTED)

    @property
    def stand(self) -> Iterator[tuple[UUID, int, bytes]]:
        """The heads as they begin: run, revision, hash."""
        return ((row[0], row[1], row[2]) for row in self.heads)

    def write(self, journal: Journal, connection: Connection) -> set[UUID]:
        """Write them; the runs that did not exist before are given back."""
        return set(journal.run(connection, START_ALONE if self.is_alone else START, self.values()).scalars())

    @property
    def is_alone(self) -> bool:
        """Whether this is one run, with one fact and one piece of work, as most starts are."""
        return len(self.heads) == len(self.facts) == len(self.opened) == 1

    def values(self) -> dict[str, Any]:
        """What the statement takes, by name."""
        if not self.is_alone:
            return self.parameters(self.heads)
        return self.facts.alone | self.opened.alone | self.heads.alone
