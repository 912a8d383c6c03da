"""Attempt rows: renewed, looked at, read under lock.

A row is a lease, not history; only a fact under the head's lock ends a claim.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from squidie.history.attempts import AttemptKey, Lease, OpenAttempt
from squidie.history.bodies import WITH_ROW
from squidie.journal.arrays import Blobs, Ints, Texts, Times, Uuids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

ROW = (
    "a.run_id, a.step, a.attempt, a.action, a.queue, a.priority, a.due_at, a.lost, a.alone, "
    "a.claim_id, a.token_hash, a.owner, a.claimed_at, a.lease_until, a.kind, a.partition, a.limit_key, a.rate_key"
)
"""The columns of a row, in the order in which `row_of` reads them."""

_KINDS = {kind.value: kind for kind in WITH_ROW}
_KEYS = "unnest(:runs, :steps, :attempts) as k(run_id, step, attempt)"
_ON_KEYS = "a.run_id = k.run_id and a.step = k.step and a.attempt = k.attempt"
_HELD = "unnest(:runs, :steps, :attempts, :claims) as k(run_id, step, attempt, claim_id)"
_ON_HELD = f"{_ON_KEYS} and a.claim_id is not distinct from k.claim_id"
"""Claims as their holder knows them. Of `=` Postgres would conclude that a row is held, and might read all that are."""

RENEW = f"""
with mine as (
    select a.run_id, a.kind, a.step, a.attempt, a.lease_until <= {{s}}.clock() as was_over
    from {{s}}.attempts a join {_HELD} on {_ON_HELD} for update of a skip locked
)
update {{s}}.attempts a set lease_until = greatest(a.lease_until, {{s}}.clock() + :lease) from mine m
where a.run_id = m.run_id and a.kind = m.kind and a.step = m.step and a.attempt = m.attempt
returning a.claim_id, m.was_over
"""
"""Move the end of leases, for claims that their rows still carry; a lease that had ended lives again.

It takes no head and writes no fact.
"""

STILL_HELD = f"select a.claim_id from {{s}}.attempts a join {_HELD} on {_ON_HELD}"
"""Which of these claims their rows still carry.

The look before a step's code is called, and after a renewal passed a row over.
"""

READ_ROWS = f"select {ROW}, {{s}}.clock() as now from {{s}}.attempts a join {_KEYS} on {_ON_KEYS}"
"""The rows that a batch of settles is about, and the clock: a statement after the one that took the heads.

It locks nothing. A claimed row changes in two ways: by whoever holds its head, which is us, and by a renewal, which
moves the lease's end only; and the statement that deletes the row asks for the claim once more. Only an expiry looks at
the lease, and locks.
"""

LOOK = f"""
select {{s}}.clock() as now, array_agg(k.n::integer) as held,
    array_agg(k.n::integer) filter (where a.lease_until <> k.lease_until) as moved,
    array_agg(a.lease_until) filter (where a.lease_until <> k.lease_until) as moved_to
from unnest(:runs, :steps, :attempts, :claims, :tokens, :leases) with ordinality
    as k(run_id, step, attempt, claim_id, token_hash, lease_until, n)
join {{s}}.attempts a on {_ON_HELD} and a.token_hash = k.token_hash
"""
"""The clock, and which of the rows at hand are still held by these claims; of them, whose lease was renewed meanwhile.

It reads under the heads what `READ_ROWS` reads, and gives back numbers in place of rows.
"""

LOCK_WHOLE = f"""
select {ROW}, {{s}}.clock() as now from {{s}}.attempts a
where a.run_id = any(:runs) order by a.run_id, a.step, a.attempt for update of a
"""
"""All rows of these runs, for commands that may end them."""

CLOCK = "select {s}.clock()"
"""The only clock there is."""

EXPIRED = f"""
select {ROW} from {{s}}.attempts a
where a.claim_id is not null and a.lease_until <= {{s}}.clock() order by a.lease_until limit :most
"""
"""Claims whose lease is over. That alone ends nothing."""

OF_OWNER = f"""
select {ROW} from {{s}}.attempts a
where a.claim_id is not null and a.owner = :owner order by a.run_id, a.step limit :most
"""
"""What a process holds, or held when it died."""

TIMERS = f"""
select {ROW} from {{s}}.attempts a where a.kind = 'timer' and a.due_at <= {{s}}.clock() order by a.due_at limit :most
"""
"""Timers that are due, of whatever queue: nobody claims them, and whoever finds one settles it under the head."""

DUE_QUEUES = """
select q from unnest(:queues) as q
where exists (select from {s}.attempts a
    where a.queue = q and a.kind <> 'timer' and a.claim_id is null and a.due_at <= {s}.clock())
    and not exists (select from {s}.queues p where p.queue in (q, '*'))
"""
"""Which of these queues, but for paused ones, have work due that nobody has taken."""


def renew(journal: Journal, connection: Connection, rows: Collection[OpenAttempt], lease: float) -> dict[UUID, bool]:
    """Renew what these rows are held by; the claims that were found are given back, and whether their lease was over.

    The others were passed over or are gone.
    """
    given = {**_keys(row.key for row in rows), "claims": _claims(rows), "lease": timedelta(seconds=lease)}
    return {row.claim_id: row.was_over for row in connection.execute(journal.sql(RENEW), given)}


def still_held(journal: Journal, connection: Connection, rows: Collection[OpenAttempt]) -> set[UUID]:
    """The claims of these rows that still stand, by a plain read."""
    given = {**_keys(row.key for row in rows), "claims": _claims(rows)}
    return set(journal.run(connection, STILL_HELD, given).scalars())


def decisive(
    journal: Journal,
    connection: Connection,
    settled: Mapping[AttemptKey, OpenAttempt | None],
    whole: Collection[UUID],
) -> tuple[datetime, dict[AttemptKey, OpenAttempt]]:
    """The database's clock, and the rows that a batch decides on. The heads are locked already.

    Those of `settled` are read as they are, and of those whose holder is at hand only whether it still holds them; all
    rows of the `whole` runs are locked in key order.
    """
    now: datetime | None = None
    rows: dict[AttemptKey, OpenAttempt] = {}
    if at_hand := [row for row in settled.values() if row is not None]:
        now = _look(journal, connection, at_hand, rows)
    if others := [key for key, row in settled.items() if row is None]:
        now = _collect(connection.execute(journal.sql(READ_ROWS), _keys(others)).all(), rows) or now
    if whole:
        found = connection.execute(journal.sql(LOCK_WHOLE), {"runs": Uuids(sorted(whole))}).all()
        now = _collect(found, rows) or now
    return now or clock(journal, connection), rows


def _collect(found: Sequence[Any], rows: dict[AttemptKey, OpenAttempt]) -> datetime | None:
    for row in map(row_of, found):
        rows[row.key] = row
    return found[-1][-1] if found else None


def _look(
    journal: Journal, connection: Connection, at_hand: list[OpenAttempt], rows: dict[AttemptKey, OpenAttempt]
) -> datetime:
    leases = [row.lease for row in at_hand if row.lease is not None]
    given = {
        **_keys(row.key for row in at_hand),
        "claims": Uuids(lease.claim_id for lease in leases),
        "tokens": Blobs(lease.token_hash for lease in leases),
        "leases": Times(lease.lease_until for lease in leases),
    }
    found = connection.execute(journal.sql(LOOK), given).one()
    for n in found.held or ():
        rows[at_hand[n - 1].key] = at_hand[n - 1]
    for n, lease_until in zip(found.moved or (), found.moved_to or (), strict=True):
        rows[at_hand[n - 1].key] = at_hand[n - 1].until(lease_until)
    now: datetime = found.now
    return now


def clock(journal: Journal, connection: Connection) -> datetime:
    """What the database's clock says."""
    now: datetime = connection.execute(journal.sql(CLOCK)).scalar_one()
    return now


def expired(journal: Journal, connection: Connection, most: int = 500) -> list[OpenAttempt]:
    """Rows whose lease is over."""
    return [row_of(r) for r in connection.execute(journal.sql(EXPIRED), {"most": most})]


def of_owner(journal: Journal, connection: Connection, owner: str, most: int = 1000) -> list[OpenAttempt]:
    """Rows that this owner holds."""
    return [row_of(r) for r in connection.execute(journal.sql(OF_OWNER), {"owner": owner, "most": most})]


def due_timers(journal: Journal, connection: Connection, most: int = 100) -> list[OpenAttempt]:
    """Timers that are due, the oldest first."""
    return [row_of(r) for r in connection.execute(journal.sql(TIMERS), {"most": most})]


def due_queues(journal: Journal, connection: Connection, queues: Sequence[str]) -> list[str]:
    """Which of these queues have unclaimed work due."""
    return list(connection.execute(journal.sql(DUE_QUEUES), {"queues": Texts(queues)}).scalars())


def _keys(keys: Iterable[AttemptKey]) -> dict[str, Any]:
    given = list(keys)
    return {
        "runs": Uuids(k[0] for k in given),
        "steps": Texts(k[1] for k in given),
        "attempts": Ints(k[2] for k in given),
    }


def _claims(rows: Iterable[OpenAttempt]) -> Uuids:
    return Uuids(row.lease.claim_id for row in rows if row.lease is not None)


def row_of(r: Sequence[Any]) -> OpenAttempt:
    """A row of `ROW`'s columns. By position: this is read once for every step."""
    lease = None if r[9] is None else Lease(r[9], bytes(r[10]), r[11], r[12], r[13])
    return OpenAttempt(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], lease, _KINDS[r[14]], r[15], r[16], r[17])
