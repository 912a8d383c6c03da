"""Claims: due attempts, taken under a lease, the most urgent first, one partition after the other.

A lane holds what is alike to a claim: one queue, one limit and rate, one priority, one partition. The index
`attempts_due` has the lanes side by side, and a claim leaps from one to the next without reading what is in them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.errors import CorruptHistory, HistoryError
from squidie.journal import heads
from squidie.journal.arrays import Ints, Texts
from squidie.journal.attempts import ROW, row_of
from squidie.journal.heads import Known

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.history.attempts import OpenAttempt
    from squidie.journal.store import Journal

log = logging.getLogger("squidie.journal")

_OF_GATE = (
    "a.queue = :queue and a.limit_key = g.limit_key and a.rate_key = g.rate_key "
    "and a.claim_id is null and a.kind <> 'timer'"
)
_OF_LEVEL = f"{_OF_GATE} and a.priority = level.priority"
_TURN = "unnest(:t_priority, :t_start, :t_used) as t(priority, start, used) where t.priority = known.priority limit 1"
_LEVELS = f"""
            with recursive known(priority) as (
                (select a.priority from {{s}}.attempts a where {_OF_GATE} order by a.priority limit 1)
                union all
                select (select a.priority from {{s}}.attempts a where {_OF_GATE} and a.priority > known.priority
                    order by a.priority limit 1) from known where known.priority is not null
            )
            select known.priority, coalesce((select t.start from {_TURN}), '') collate "C" as start,
                coalesce((select t.used from {_TURN}), 0) as used
            from known where known.priority is not null
"""
"""The priorities of a gate, the most urgent first, each with the partition whose turn it is.

Here and below nothing is joined that would not have to be walked in this order, and what is asked of a row is asked by
a subquery with a limit, which Postgres does not turn into a join: the claim stops at the first rows that suffice, and
whatever plan is chosen, they must be those whose turn it is.
"""

_LANES = f"""
            with recursive ahead(partition) as (
                (select a.partition from {{s}}.attempts a where {_OF_LEVEL} and a.partition >= level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {{s}}.attempts a where {_OF_LEVEL} and a.partition > ahead.partition
                    order by a.partition limit 1) from ahead where ahead.partition is not null
            ), behind(partition) as (
                (select a.partition from {{s}}.attempts a where {_OF_LEVEL} and a.partition < level.start
                    order by a.partition limit 1)
                union all
                select (select a.partition from {{s}}.attempts a
                    where {_OF_LEVEL} and a.partition > behind.partition and a.partition < level.start
                    order by a.partition limit 1) from behind where behind.partition is not null
            ), lane as (
                select * from (
                    select ahead.partition, false as wrapped from ahead
                    union all select behind.partition, true from behind
                ) e
                where (select a.due_at from {{s}}.attempts a where {_OF_LEVEL} and a.partition = e.partition
                    order by a.due_at limit 1) <= {{s}}.clock() limit :most
            )
            select lane.partition, lane.wrapped, lane.weight,
                case when lane.partition = level.start then level.used else 0 end as used,
                ceil(:most * lane.weight::float8 / sum(lane.weight) over ())::integer as quota
            from (
                select lane.*, coalesce((select w.weight from unnest(:w_partition, :w_weight) as w(partition, weight)
                    where w.partition = lane.partition limit 1), 1) as weight from lane
            ) lane
"""
"""The partitions of a level that have something due, from the one on whose turn it is, and how much each may give."""

CLAIM = f"""
with wall as materialized (
    select is_limited, is_limited and not :surveyed as stands
    from (select (select a.run_id from {{s}}.attempts a where a.queue = :queue
        and (a.limit_key, a.rate_key) > ('', '') and a.claim_id is null and a.kind <> 'timer'
        order by a.limit_key, a.rate_key limit 1) is not null as is_limited) w
), due as materialized (
    select found.*, g.limit_room, g.rate_room
    from unnest(:g_limit, :g_rate, :g_limit_room, :g_rate_room) as g(limit_key, rate_key, limit_room, rate_room)
    cross join lateral (
        select row.*, lane.wrapped, lane.weight, lane.used, lane.quota
        from ({_LEVELS}) level cross join lateral ({_LANES}) lane cross join lateral (
            select a.ctid as place, a.run_id, a.kind, a.step, a.attempt, a.priority, a.due_at, a.partition,
                a.limit_key, a.rate_key, (a.alone or a.lost > 0 or a.action <> all(:short)) as alone
            from {{s}}.attempts a
            where {_OF_LEVEL} and a.partition = lane.partition and a.due_at <= {{s}}.clock()
                and a.action = any(:served)
            order by a.due_at, a.run_id, a.step limit lane.quota for update skip locked
        ) row
        limit least(:most, g.limit_room, g.rate_room)
    ) found
    where not (select stands from wall) and not exists (select from {{s}}.queues q where q.queue in (:queue, '*'))
), rounds as (
    select *, (row_number() over (partition by priority, partition order by due_at, run_id, step) - 1 + used) / weight
        as round from due
), ordered as (
    select *, row_number() over (order by priority, round, wrapped, partition, due_at, run_id, step) as n from rounds
), fitting as (
    select *, row_number() over (partition by limit_key order by n) <= limit_room
        and row_number() over (partition by rate_key order by n) <= rate_room as fits from ordered
), within as (
    select *, min(n) over () as first, min(n) filter (where alone) over () as first_alone
    from fitting where fits and n <= :most
), take as materialized (
    select * from within where first_alone is null or n < first_alone or (first_alone = first and n = first)
), lazily as materialized (
    select set_config('synchronous_commit', 'off', true) from take having bool_and(not alone)
), claimed as (
    update {{s}}.attempts a
    set claim_id = gen_random_uuid(), token_hash = :token_hash, owner = :owner, claimed_at = {{s}}.clock(),
        lease_until = {{s}}.clock() + :lease
    from take where a.ctid = take.place returning {ROW}, take.n
), told as (
    select wall.is_limited, wall.stands, (select count(*) from within) > (select count(*) from take)
        or coalesce((select bool_or(is_full) from (
            select count(*) >= min(quota) and min(quota) < min(least(limit_room, rate_room)) as is_full
            from due group by limit_key, rate_key, priority, partition) lanes), false) as is_left,
        (select count(*) from lazily) as lazily,
        case when :asks or not exists (select from take) then coalesce((select a.due_at from {{s}}.attempts a
            where a.kind = 'timer' order by a.due_at limit 1) <= {{s}}.clock(), false) end as rings
    from wall
)
select a.*, r.definition, r.rev, r.head_hash, r.fold,
    case when row_number() over (partition by a.run_id order by a.n) = 1 then r.state::text end as state,
    told.is_limited, told.stands, told.is_left, told.lazily, told.rings
from told left join claimed a on true left join {{s}}.runs r on r.run_id = a.run_id order by a.n
"""
"""Take the most urgent due attempts of a queue that this worker can run.

Strictly by priority. Within one, partitions take turns: each gives as many as its weight in a round, the first in the
round is the one whose turn it is, and within a partition the order is by due time and id. Those that someone else is
taking are passed over; one that may give only its share is the reason why a claim may bring less than it could.

What is under a limit or a rate is not looked at unless its gate is given here, with how many may pass. Where there is
such work and nobody has looked at it (`surveyed`), nothing is taken: it may be the most urgent.

A step that is slow, unknown, irreversible or was lost before is taken alone and durably; several short ones are taken
together, and that commit does not wait for the disk: a crash of the database would make them due again, and the fence
would refuse their first holder.

Whoever asks, or finds nothing, is told besides whether a timer is due.
"""

_OPEN_WORK = "a.claim_id is null and a.kind <> 'timer'"

CLAIM_BEHIND = CLAIM.replace(_OPEN_WORK, f"{_OPEN_WORK} and a.due_at >= :since")
"""The same from a due time on: what lies before it in the index, work or what is left of it, is not walked over."""

_LANE = "a.limit_key, a.rate_key, a.priority, a.partition"
_OLDEST = f"select {_LANE}, a.due_at from {{s}}.attempts a where a.queue = :queue and {_OPEN_WORK}"
_IN_ORDER = f"and a.due_at >= coalesce(cast(:since as timestamptz), '-infinity') order by {_LANE}, a.due_at limit 1"

OLDEST = f"""
with recursive lane as (
    ({_OLDEST} {_IN_ORDER})
    union all
    select n.* from lane cross join lateral ({_OLDEST}
        and ({_LANE}) > (lane.limit_key, lane.rate_key, lane.priority, lane.partition) {_IN_ORDER}) n
)
select least(min(due_at), {{s}}.clock()) from lane
"""
"""The oldest due time of what nobody holds, from a due time on: a step in the index for each lane."""

UNDER_TOKEN = f"""
select {ROW}, r.definition, r.rev, r.head_hash, r.fold, r.state::text as state from {{s}}.attempts a
join {{s}}.runs r on r.run_id = a.run_id
where a.claim_id is not null and a.owner = :owner and a.token_hash = :token_hash
order by a.priority, a.due_at, a.run_id, a.step
"""
"""What one claim or one handover has taken, by the token that was drawn for it alone."""

ALL = 2**31 - 1


class Gate(NamedTuple):
    """A limit and a rate, and how many more claims each lets pass."""

    limit: str = ""
    rate: str = ""
    limit_room: int = ALL
    rate_room: int = ALL


OPEN = Gate()
"""What is under no limit."""


class Turn(NamedTuple):
    """Which partition is next at a priority, and how much of its turn it has had."""

    priority: int
    start: str
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Who claims, for how many seconds, and what he can run, together (`short`) or at all (`served`)."""

    served: Collection[str]
    short: Collection[str]
    owner: str
    token_hash: bytes
    lease: float
    weights: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that this process holds, with the run as it stood when it was claimed."""

    row: OpenAttempt
    known: Known
    definition: str


class Unread(NamedTuple):
    """A run whose work cannot be begun: its history is damaged, or told by a newer version."""

    run_id: UUID
    is_damaged: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What a claim brought, in its order.

    `left` says that more was due than was taken. `is_limited`: there was work under limits, due or not; it `stands` in
    the way, and nothing was taken, where nobody had looked at it. `rings`: whether a timer is due, None where that was
    not asked. `damaged` are runs whose work was claimed and cannot be begun: their histories are broken.
    """

    claims: tuple[Claimed, ...]
    left: bool
    is_limited: bool = False
    stands: bool = False
    rings: bool | None = None
    damaged: tuple[UUID, ...] = ()


def claim(  # noqa: PLR0917 - the parts of one claim
    journal: Journal,
    connection: Connection,
    queue: str,
    most: int,
    by: Claimant,
    turns: Sequence[Turn] = (),
    gates: Sequence[Gate] | None = None,
    since: datetime | None = None,
    *,
    asks: bool = False,
) -> Batch:
    """Claim at most `most` due attempts of one queue, of those that became due at `since` or later where it is given.

    Whoever `asks` is told about timers, whatever there is to claim.
    `gates` are those that were looked at, under their locks; without them only what is under no limit is taken.
    """
    given = {
        "queue": queue,
        "most": most,
        "served": Texts(by.served),
        "short": Texts(by.short),
        "owner": by.owner,
        "token_hash": by.token_hash,
        "lease": timedelta(seconds=by.lease),
        "surveyed": gates is not None,
        "asks": asks,
        **_given(turns, gates if gates is not None else (OPEN,), by.weights),
    }
    if since is None:
        found = journal.run(connection, CLAIM, given).all()
    else:
        found = journal.run(connection, CLAIM_BEHIND, {**given, "since": since}).all()
    read = _claimed(journal, connection, [r for r in found if r.run_id is not None])
    claims = tuple(each for each in read if isinstance(each, Claimed))
    damaged = tuple(each.run_id for each in read if isinstance(each, Unread) and each.is_damaged)
    told = found[0]
    return Batch(claims, told.is_left, told.is_limited, told.stands, told.rings, damaged)


def oldest(journal: Journal, connection: Connection, queue: str, since: datetime | None) -> datetime:
    """The due time, at `since` or later, before which nothing waits to be claimed; now, where nothing waits at all."""
    found: datetime = connection.execute(journal.sql(OLDEST), {"queue": queue, "since": since}).scalar_one()
    return found


def under_token(journal: Journal, connection: Connection, owner: str, token_hash: bytes) -> list[Claimed]:
    """What was claimed under this token and is held still, for whoever has lost the answer."""
    given = {"owner": owner, "token_hash": token_hash}
    found = connection.execute(journal.sql(UNDER_TOKEN), given).all()
    return [each for each in _claimed(journal, connection, found) if isinstance(each, Claimed)]


def _given(turns: Sequence[Turn], gates: Sequence[Gate], weights: Mapping[str, int]) -> dict[str, Any]:
    return {
        "t_priority": Ints(turn.priority for turn in turns),
        "t_start": Texts(turn.start for turn in turns),
        "t_used": Ints(turn.used for turn in turns),
        "g_limit": Texts(gate.limit for gate in gates),
        "g_rate": Texts(gate.rate for gate in gates),
        "g_limit_room": Ints(gate.limit_room for gate in gates),
        "g_rate_room": Ints(gate.rate_room for gate in gates),
        "w_partition": Texts(weights),
        "w_weight": Ints(weights.values()),
    }


def _claimed(journal: Journal, connection: Connection, found: Sequence[Any]) -> list[Claimed | Unread]:
    """Each run is read once, from the first of its rows: there alone is its state."""
    runs: dict[UUID, Known | Unread] = {}
    claimed: list[Claimed | Unread] = []
    for r in found:
        known = runs.get(r.run_id)
        if known is None:
            known = runs[r.run_id] = _known(journal, connection, r)
        claimed.append(known if isinstance(known, Unread) else Claimed(row_of(r), known, r.definition))
    return claimed


def _known(journal: Journal, connection: Connection, r: Any) -> Known | Unread:
    """A run whose history cannot be read here harms none of its mates; its claims are left to their leases."""
    try:
        return Known(bytes(r.head_hash), heads.state_of(journal, connection, r))
    except HistoryError as error:
        log.error("run %s cannot be worked on: %s", r.run_id, error)  # noqa: TRY400 - the history is at fault, not the code
        return Unread(r.run_id, isinstance(error, CorruptHistory))
