"""The two statements that write: a batch of starts, and a batch of everything else.

Each is one statement over binary array columns, whatever the number of runs and facts in it. The second repeats every
fence and counts its rows: fewer than were decided means that somebody changed what we hold locked, and the whole batch
is rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.history.run import FOLD
from squidie.journal.arrays import Blobs, Bools, Column, Documents, Ints, Texts, Times, Uuids
from squidie.journal.queues import EVERY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.history.attempts import OpenAttempt
    from squidie.journal.store import Journal

_FACTS = "unnest(:f_run, :f_seq, :f_kind, :f_at, :f_body, :f_hash) as f(run_id, seq, kind, at, body, hash)"
_ATTEMPT_COLUMNS = (
    "run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, "
    "claim_id, token_hash, owner, claimed_at, lease_until"
)
_OPENED = f"""unnest(:o_run, :o_kind, :o_step, :o_attempt, :o_action, :o_queue, :o_priority, :o_due, :o_alone,
        :o_partition, :o_limit, :o_rate, :o_claim, :o_token, :o_owner, :o_claimed, :o_lease) as o({_ATTEMPT_COLUMNS})"""
_O = ", ".join(f"o.{column.strip()}" for column in _ATTEMPT_COLUMNS.split(","))
_LEASE = ("claim_id", "token_hash", "owner", "claimed_at", "lease_until")
_UNLESS_PAUSED = ", ".join(
    f"case when p.queue is null then o.{column} end" if column in _LEASE else f"o.{column}"
    for column in _ATTEMPT_COLUMNS.split(", ")
)

START = f"""
with heads as (
    insert into {{s}}.runs (run_id, rev, head_hash, status, workflow, definition, trigger, queue, priority, partition,
        key, attributes, fold, state, started_at, updated_at, ended_at, rested_at)
    select h.run_id, h.rev, h.hash, h.status, h.workflow, h.definition, h.trigger, h.queue, h.priority, h.partition,
        h.key, h.attributes::jsonb, {FOLD}, h.state::json, h.at, h.at, h.ended, h.ended
    from unnest(:h_run, :h_rev, :h_hash, :h_status, :h_workflow, :h_definition, :h_trigger, :h_queue, :h_priority,
        :h_partition, :h_key, :h_attributes, :h_state, :h_at, :h_ended)
        as h(run_id, rev, hash, status, workflow, definition, trigger, queue, priority, partition, key, attributes,
            state, at, ended)
    where not exists (select from {{s}}.retired t where t.run_id = h.run_id and t.until > {{s}}.clock())
    order by h.run_id on conflict (run_id) do nothing returning run_id
), facts as (
    insert into {{s}}.facts (run_id, seq, kind, at, body, hash)
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from {_FACTS}
    where (f.run_id in (select run_id from heads)) is true  -- looked up, not joined: there may be thousands
), opened as (
    insert into {{s}}.attempts ({_ATTEMPT_COLUMNS}) select {_O} from {_OPENED}
    where (o.run_id in (select run_id from heads)) is true
)
select run_id from heads
"""
"""New heads in id order, with their first fact and their first work.

A run that exists, or has been retired, is left as it is, and is not among the answers.
"""


def changes(gate: str = "true") -> str:
    """What a batch of commands writes, as parts of a statement; nothing, where `gate` is not true."""
    return f"""gone as (
    delete from {{s}}.attempts a
    using unnest(:g_run, :g_step, :g_attempt, :g_claim) as g(run_id, step, attempt, claim_id)
    where a.run_id = g.run_id and a.step = g.step and a.attempt = g.attempt
        and a.claim_id is not distinct from g.claim_id and {gate}
    returning 1
), heads as (
    update {{s}}.runs r
    set rev = h.rev, head_hash = h.hash, status = h.status, state = h.state::json, fold = {FOLD},
        updated_at = h.at, ended_at = coalesce(r.ended_at, h.ended),
        rested_at = case when h.ended is not null then h.at end
    from unnest(:h_run, :h_before, :h_rev, :h_hash, :h_status, :h_state, :h_at, :h_ended)
        as h(run_id, before, rev, hash, status, state, at, ended)
    where r.run_id = h.run_id and r.rev = h.before and {gate} returning 1
), written as (
    insert into {{s}}.facts (run_id, seq, kind, at, body, hash)
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from {_FACTS} where {gate}
), opened as (
    insert into {{s}}.attempts ({_ATTEMPT_COLUMNS}) select {_UNLESS_PAUSED} from {_OPENED}
    left join lateral (select p.queue from {{s}}.queues p where p.queue in (o.queue, '*') limit 1) p on true
    where {gate}
)"""


PAUSED = "(select array_agg(p.queue) from {s}.queues p where p.queue = any(:o_queue) or p.queue = '*') as paused"

WRITE = f"""
with {changes()}, freed as (
    update {{s}}.attempts a
    set claim_id = null, token_hash = null, owner = null, claimed_at = null, lease_until = null,
        due_at = b.due_at, lost = b.lost
    from unnest(:b_run, :b_step, :b_attempt, :b_claim, :b_due, :b_lost)
        as b(run_id, step, attempt, claim_id, due_at, lost)
    where a.run_id = b.run_id and a.step = b.step and a.attempt = b.attempt
        and a.claim_id is not distinct from b.claim_id returning 1
)
select (select count(*) from gone) as gone, (select count(*) from freed) as freed,
    (select count(*) from heads) as heads, {PAUSED}
"""
"""Facts, heads and open work of a batch of commands, each fenced by what was locked.

What would have been handed over on a queue that is paused is not: it is only due.
"""


class Columns:
    """Rows on their way into a statement, turned into columns at its end."""

    def __init__(self, **kinds: type[Column]) -> None:
        self._kinds = kinds
        self._rows: list[tuple[Any, ...]] = []

    def add(self, *values: Any) -> None:
        """One row, in the order of the columns."""
        self._rows.append(values)

    @property
    def columns(self) -> dict[str, Column]:
        """The rows as columns by name."""
        values = zip(*self._rows, strict=True) if self._rows else ((),) * len(self._kinds)
        return {name: kind(column) for (name, kind), column in zip(self._kinds.items(), values, strict=True)}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)


FREE: dict[str, type[Column]] = {
    "o_run": Uuids,
    "o_kind": Texts,
    "o_step": Texts,
    "o_attempt": Ints,
    "o_action": Texts,
    "o_queue": Texts,
    "o_priority": Ints,
    "o_due": Times,
    "o_alone": Bools,
    "o_partition": Texts,
    "o_limit": Texts,
    "o_rate": Texts,
}
"""The columns of an open row that nobody holds, as `free` gives them."""


def free(row: OpenAttempt) -> tuple[Any, ...]:
    """An open row, whoever may hold it."""
    return (
        row.run_id,
        row.kind,
        row.step,
        row.attempt,
        row.action,
        row.queue,
        row.priority,
        row.due_at,
        row.alone,
        row.partition,
        row.limit,
        row.rate,
    )


class Rows:
    """Everything that one statement writes."""

    def __init__(self) -> None:
        self.facts = Columns(f_run=Uuids, f_seq=Ints, f_kind=Texts, f_at=Times, f_body=Documents, f_hash=Blobs)
        self.opened = Columns(**FREE, o_claim=Uuids, o_token=Blobs, o_owner=Texts, o_claimed=Times, o_lease=Times)

    def add_fact(  # noqa: PLR0917 - in the order of the columns
        self, run_id: UUID, seq: int, kind: str, at: datetime, body: bytes, digest: bytes
    ) -> None:
        """One fact."""
        self.facts.add(run_id, seq, kind, at, body, digest)

    def add_opened(self, row: OpenAttempt) -> None:
        """One new attempt row, claimed already where it was handed over."""
        held = row.lease
        lease = (held.claim_id, held.token_hash, held.owner, held.claimed_at, held.lease_until) if held else (None,) * 5
        self.opened.add(*free(row), *lease)

    def parameters(self, *more: Columns) -> dict[str, Any]:
        """All columns by name."""
        return {
            name: column for columns in (self.facts, self.opened, *more) for name, column in columns.columns.items()
        }


class Starts(Rows):
    """A batch of new runs."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = Columns(
            h_run=Uuids,
            h_rev=Ints,
            h_hash=Blobs,
            h_status=Texts,
            h_workflow=Texts,
            h_definition=Texts,
            h_trigger=Texts,
            h_queue=Texts,
            h_priority=Ints,
            h_partition=Texts,
            h_key=Texts,
            h_attributes=Texts,
            h_state=Documents,
            h_at=Times,
            h_ended=Times,
        )

    @property
    def stand(self) -> Iterator[tuple[UUID, int, bytes]]:
        """The heads as they begin: run, revision, hash."""
        return ((row[0], row[1], row[2]) for row in self.heads)

    def write(self, journal: Journal, connection: Connection) -> set[UUID]:
        """Write them; the runs that did not exist before are given back."""
        return set(connection.execute(journal.sql(START), self.parameters(self.heads)).scalars())


class Changes(Rows):
    """A batch of changes to runs that exist."""

    def __init__(self) -> None:
        super().__init__()
        self.paused: frozenset[str] = frozenset()
        self.gone = Columns(g_run=Uuids, g_step=Texts, g_attempt=Ints, g_claim=Uuids)
        self.freed = Columns(b_run=Uuids, b_step=Texts, b_attempt=Ints, b_claim=Uuids, b_due=Times, b_lost=Ints)
        self.heads = Columns(
            h_run=Uuids,
            h_before=Ints,
            h_rev=Ints,
            h_hash=Blobs,
            h_status=Texts,
            h_state=Documents,
            h_at=Times,
            h_ended=Times,
        )

    def add_gone(self, row: OpenAttempt) -> None:
        """An attempt that ended: its row goes, if it is still held as it was."""
        self.gone.add(row.run_id, row.step, row.attempt, row.lease.claim_id if row.lease else None)

    def add_freed(self, row: OpenAttempt, after: OpenAttempt) -> None:
        """A claim that ended without an outcome, or an attempt made due earlier: the row is due again."""
        claim_id = row.lease.claim_id if row.lease is not None else None
        self.freed.add(row.run_id, row.step, row.attempt, claim_id, after.due_at, after.lost)

    @property
    def stand(self) -> Iterator[tuple[UUID, int, bytes]]:
        """The heads as they are left: run, revision, hash."""
        return ((row[0], row[2], row[3]) for row in self.heads)

    def write(self, journal: Journal, connection: Connection) -> bool:
        """Write them; whether every fence held. `paused` then tells on which queues nothing was handed over."""
        if not len(self.heads):
            return True
        done = connection.execute(journal.sql(WRITE), self.parameters(self.gone, self.freed, self.heads)).one()
        self.leave(done.paused)
        return (done.gone, done.freed, done.heads) == (len(self.gone), len(self.freed), len(self.heads))

    def leave(self, paused: Sequence[str] | None) -> None:
        """Of these queues nothing was handed over: they turned out to be paused."""
        self.paused = frozenset(paused or ())
        if EVERY in self.paused:
            self.paused = frozenset(self.opened.columns["o_queue"])
