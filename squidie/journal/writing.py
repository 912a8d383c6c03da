"""The statement that writes a batch of everything but starts, and the rows that both write.

It is one over binary array columns, whatever the number of runs and facts in it. It repeats every fence and counts its
rows: fewer than were decided means that somebody changed what we hold locked, and the whole batch is rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.history.run import FOLD
from squidie.journal.arrays import Blobs, Bools, Documents, Ints, Texts, Times, Uuids
from squidie.journal.columns import Columns, Kinds, single, unnested
from squidie.journal.queues import EVERY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.history.attempts import OpenAttempt
    from squidie.journal.store import Journal

FACT: Kinds = {
    "f_run": Uuids,
    "f_seq": Ints,
    "f_kind": Texts,
    "f_at": Times,
    "f_body": Documents,
    "f_hash": Blobs,
}
FACT_COLUMNS = "run_id, seq, kind, at, body, hash"
FREE: Kinds = {
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

GONE: Kinds = {"g_run": Uuids, "g_step": Texts, "g_attempt": Ints, "g_claim": Uuids}
FREED: Kinds = {"b_run": Uuids, "b_step": Texts, "b_attempt": Ints, "b_claim": Uuids, "b_due": Times, "b_lost": Ints}
HEAD: Kinds = {
    "h_run": Uuids,
    "h_before": Ints,
    "h_rev": Ints,
    "h_hash": Blobs,
    "h_status": Texts,
    "h_state": Documents,
    "h_at": Times,
    "h_ended": Times,
}
_LEASE: Kinds = {
    "o_claim": Uuids,
    "o_token": Blobs,
    "o_owner": Texts,
    "o_claimed": Times,
    "o_lease": Times,
}
_LEASE_COLUMNS = ("claim_id", "token_hash", "owner", "claimed_at", "lease_until")
OPENED = FREE | _LEASE
OPENED_COLUMNS = (
    "run_id, kind, step, attempt, action, queue, priority, due_at, alone, partition, limit_key, rate_key, "
    f"{', '.join(_LEASE_COLUMNS)}"
)
_UNLESS_PAUSED = ", ".join(
    f"case when p.queue is null then o.{column} end" if column in _LEASE_COLUMNS else f"o.{column}"
    for column in OPENED_COLUMNS.split(", ")
)


def changes(gate: str = "true", *, alone: bool = False) -> str:
    """What a batch of commands writes, as parts of a statement; nothing, where `gate` is not true.

    For a step `alone`, which has one successor, they take values in place of columns.
    """
    given = single if alone else unnested
    return f"""gone as (
    delete from {{s}}.attempts a
    using {given(GONE, "g(run_id, step, attempt, claim_id)")}
    where a.run_id = g.run_id and a.step = g.step and a.attempt = g.attempt
        and a.claim_id is not distinct from g.claim_id and {gate}
    returning 1
), heads as (
    update {{s}}.runs r
    set rev = h.rev, head_hash = h.hash, status = h.status, state = h.state::json, fold = {FOLD},
        updated_at = h.at, ended_at = coalesce(r.ended_at, h.ended),
        rested_at = case when h.ended is not null then h.at end
    from {given(HEAD, "h(run_id, before, rev, hash, status, state, at, ended)")}
    where r.run_id = h.run_id and r.rev = h.before and {gate} returning 1
), written as (
    insert into {{s}}.facts ({FACT_COLUMNS})
    select f.run_id, f.seq, f.kind, f.at, f.body::json, f.hash from {given(FACT, f"f({FACT_COLUMNS})")}
    where {gate}
), opened as (
    insert into {{s}}.attempts ({OPENED_COLUMNS})
    select {_UNLESS_PAUSED} from {given(OPENED, f"o({OPENED_COLUMNS})")}
    left join lateral (select p.queue from {{s}}.queues p where p.queue in (o.queue, '*') limit 1) p on true
    where {gate}
)"""


def paused(*, alone: bool = False) -> str:
    """Which queues of what is opened are paused."""
    named = "p.queue = cast(:o_queue as text)" if alone else "p.queue = any(:o_queue)"
    return f"(select array_agg(p.queue) from {{s}}.queues p where {named} or p.queue = '*') as paused"


WRITE = f"""
with {changes()}, freed as (
    update {{s}}.attempts a
    set claim_id = null, token_hash = null, owner = null, claimed_at = null, lease_until = null,
        due_at = b.due_at, lost = b.lost
    from {unnested(FREED, "b(run_id, step, attempt, claim_id, due_at, lost)")}
    where a.run_id = b.run_id and a.step = b.step and a.attempt = b.attempt
        and a.claim_id is not distinct from b.claim_id returning 1
)
select (select count(*) from gone) as gone, (select count(*) from freed) as freed,
    (select count(*) from heads) as heads, {paused()}
"""
"""Facts, heads and open work of a batch of commands, each fenced by what was locked.

What would have been handed over on a queue that is paused is not: it is only due.
"""


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
        self.facts = Columns(FACT)
        self.opened = Columns(OPENED)

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


class Changes(Rows):
    """A batch of changes to runs that exist."""

    def __init__(self) -> None:
        super().__init__()
        self.paused: frozenset[str] = frozenset()
        self.gone = Columns(GONE)
        self.freed = Columns(FREED)
        self.heads = Columns(HEAD)

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

    @property
    def is_alone(self) -> bool:
        """Whether this is the outcome of one step with one successor, as most are where there is little to do."""
        return len(self.heads) == len(self.facts) == len(self.gone) == len(self.opened) == 1

    def values(self) -> dict[str, Any]:
        """What is written, but for what is freed, by name."""
        if not self.is_alone:
            return self.parameters(self.gone, self.heads)
        return self.facts.alone | self.opened.alone | self.gone.alone | self.heads.alone

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
