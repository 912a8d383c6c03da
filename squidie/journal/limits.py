"""Limits and rates: what they are, how many slots and tokens are left, and what waits for them.

A slot is a live lease, and is counted, never kept. Tokens are kept with the time of the last taking, and refill by the
database's clock. The row of a key is locked while claims under it are made, and it is the last thing that is locked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.decide.rooms import Bucket
from squidie.journal.arrays import Texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from squidie.journal.store import Journal
    from squidie.workflow.options import Limit, Rate

DECLARE = """
insert into {s}.limits as l (key, name, kind, n, per, burst)
select :name, :name, :kind, cast(:n as integer), cast(:per as double precision), cast(:burst as integer)
where not exists (select from {s}.limits k where k.key = :name
    and (k.kind, k.n, k.per, k.burst) is not distinct from (:kind, cast(:n as integer), cast(:per as double precision),
        cast(:burst as integer)))
on conflict (key) do update
set kind = excluded.kind, n = excluded.n, per = excluded.per, burst = excluded.burst
"""
"""What the code says of a name. What an operator has set stays set."""

SURVEY = """
with recursive gate(limit_key, rate_key) as (
    (select a.limit_key, a.rate_key from {s}.attempts a
        where a.queue = :queue and a.claim_id is null and a.kind <> 'timer'
            and (a.limit_key, a.rate_key) > (:after_limit, :after_rate) order by a.limit_key, a.rate_key limit 1)
    union all
    select next.limit_key, next.rate_key from gate g cross join lateral (
        select a.limit_key, a.rate_key from {s}.attempts a
        where a.queue = :queue and a.claim_id is null and a.kind <> 'timer'
            and (a.limit_key, a.rate_key) > (g.limit_key, g.rate_key) order by a.limit_key, a.rate_key limit 1) next
)
select g.limit_key, g.rate_key,
    g.limit_key = '' or (select true from {s}.limits l where l.key = g.limit_key limit 1) is not null as has_limit,
    g.rate_key = '' or (select true from {s}.limits r where r.key = g.rate_key limit 1) is not null as has_rate
from gate g
where (select true from {s}.attempts a where a.queue = :queue and a.limit_key = g.limit_key
        and a.rate_key = g.rate_key and a.claim_id is null and a.kind <> 'timer' and a.due_at <= {s}.clock()
        order by a.priority, a.partition, a.due_at limit 1)
    and coalesce((
        select coalesce(m.set_n, m.n, 0) > (select count(*) from {s}.attempts a
            where a.limit_key = g.limit_key and a.claim_id is not null and a.lease_until > {s}.clock())
        from {s}.limits m where m.key = split_part(g.limit_key, ':', 1) limit 1), true)
limit :most
"""
"""The limits and rates under which something is due on a queue, in their order, but for limits that are full now.

It locks nothing: what it says of slots is only a hint. Nothing is joined, so that they come in the order of the leaps,
whatever plan is chosen, and the leaps end with the last that is wanted.
"""

KEEP = """
insert into {s}.limits (key, name, kind)
select key, split_part(key, ':', 1), kind from unnest(:keys, :kinds) as k(key, kind)
order by key on conflict (key) do nothing
"""
"""Rows for single values, to be locked."""

HOLD = "select key from {s}.limits where key = any(:keys) order by key for no key update skip locked"
"""Take the rows of these keys. What somebody else is claiming under is passed over: he rings if more can be claimed."""

ROOM = """
select l.key, m.kind, coalesce(m.set_n, m.n) as n, coalesce(m.set_per, m.per) as per,
    coalesce(m.set_burst, m.burst) as burst, l.tokens, l.taken_at, {s}.clock() as now,
    (select count(*) from {s}.attempts a
        where a.limit_key = l.key and a.claim_id is not null and a.lease_until > {s}.clock()) as held
from {s}.limits l join {s}.limits m on m.key = l.name where l.key = any(:keys)
"""
"""What is left under these keys, by a statement after the one that took them: it sees every claim that was made."""

TAKE = """
update {s}.limits l set tokens = t.tokens, taken_at = :now
from unnest(:keys, cast(:tokens as double precision[])) as t(key, tokens) where l.key = t.key
"""
"""So many tokens are left after a claim."""

WAITING = """
with recursive place(limit_key, rate_key, queue) as (
    select k.key, null::text collate "C", null::text from unnest(:keys) as k(key)
    union all
    select p.limit_key, next.rate_key, next.queue from place p cross join lateral (
        select a.rate_key, a.queue from {s}.attempts a
        where a.limit_key = p.limit_key and a.claim_id is null and (a.limit_key <> '' or a.rate_key <> '')
            and (a.rate_key, a.queue) > (coalesce(p.rate_key, ''), coalesce(p.queue, ''))
        order by a.rate_key, a.queue limit 1) next
)
select distinct p.queue from place p
where p.queue is not null and exists (select from {s}.attempts a
    where a.limit_key = p.limit_key and a.rate_key = p.rate_key and a.queue = p.queue and a.claim_id is null
        and (a.limit_key <> '' or a.rate_key <> '') and a.due_at <= {s}.clock())
"""
"""The queues on which something is due that may have waited for a slot under these limits."""

ALL = """
select key as name, kind, n, per, burst, set_n, set_per, set_burst, set_at,
    (select o.receipt::text from {s}.operations o where o.subject = 'limit' and o.name = l.key and l.set_at is not null
        order by o.id desc limit 1) as receipt,
    (select true from {s}.limits v where v.key > l.key || ':' and v.key < l.key || ';' limit 1) is not null as by_value,
    (select count(*) from {s}.attempts a
        where a.limit_key = l.key and a.claim_id is not null and a.lease_until > {s}.clock())
    + (select count(*) from {s}.attempts a
        where a.limit_key > l.key || ':' and a.limit_key < l.key || ';'
            and a.claim_id is not null and a.lease_until > {s}.clock()) as held
from {s}.limits l where key = name order by name
"""
"""Every name, as it is declared and as it was set, and by whom; a value's key is its name, a colon and the value."""

LOCK = f"{ALL.replace('where key = name order by name', 'where key = name and name = :name')} for no key update of l"
"""One name, to be changed."""

SET = """
update {s}.limits
set set_n = case when cast(:is_set as boolean) then coalesce(cast(:n as integer), set_n) end,
    set_per = case when cast(:is_set as boolean) then coalesce(cast(:per as double precision), set_per) end,
    set_burst = case when cast(:is_set as boolean) then coalesce(cast(:burst as integer), set_burst) end,
    set_at = case when cast(:is_set as boolean) then {s}.clock() end
where key = :name
"""
"""What an operator says of a name: of what he says nothing, what was said before stays; nothing at all unsets it."""

QUEUES_OF = """
select distinct queue from {s}.attempts
where claim_id is null and (limit_key <> '' or rate_key <> '') and due_at <= {s}.clock()
    and :name in (split_part(limit_key, ':', 1), split_part(rate_key, ':', 1))
"""
"""The queues on which something is due under a name."""

FORGET = """
delete from {s}.limits l where l.key <> l.name and (l.taken_at is null or l.taken_at < {s}.clock() - interval '7 days')
    and not exists (select from {s}.attempts a where a.limit_key = l.key or a.rate_key = l.key)
"""
"""Rows of single values that nothing is under any more; a bucket of a week ago is full."""


class Waiting(NamedTuple):
    """A limit and a rate under which something is due, and whether the rows of their keys exist."""

    limit: str
    rate: str
    has_limit: bool
    has_rate: bool


def declare(journal: Journal, connection: Connection, parts: Iterable[Limit | Rate]) -> None:
    """Write what the code says, where it says something else than before; in the order of names."""
    for part in sorted(parts, key=lambda part: part.name):
        per = getattr(part, "per", None)
        given = {"name": part.name, "kind": "limit" if per is None else "rate", "n": part.n, "per": per}
        burst = getattr(part, "burst", None)
        given["burst"] = None if per is None else (burst if burst is not None else part.n)
        connection.execute(journal.sql(DECLARE), given)


def survey(journal: Journal, connection: Connection, queue: str, after: tuple[str, str], most: int) -> list[Waiting]:
    """The limits under which something is due on this queue, behind a given one."""
    given = {"queue": queue, "after_limit": after[0], "after_rate": after[1], "most": most}
    return [Waiting(*row) for row in connection.execute(journal.sql(SURVEY), given)]


def hold(journal: Journal, connection: Connection, found: Sequence[Waiting]) -> set[str]:
    """Lock the rows of these limits and rates, as far as nobody else has; which they are."""
    missing = {each.limit: "limit" for each in found if not each.has_limit}
    missing |= {each.rate: "rate" for each in found if not each.has_rate}
    if missing:
        connection.execute(journal.sql(KEEP), {"keys": Texts(missing), "kinds": Texts(missing.values())})
    keys = {key for each in found for key in (each.limit, each.rate) if key}
    return set(connection.execute(journal.sql(HOLD), {"keys": Texts(sorted(keys))}).scalars())


def buckets(
    journal: Journal, connection: Connection, keys: Collection[str]
) -> tuple[dict[str, Bucket], datetime | None]:
    """How full these limits and rates are, whose rows are locked, and when that was."""
    found = connection.execute(journal.sql(ROOM), {"keys": Texts(keys)}).all()
    return {row.key: _bucket(row) for row in found}, found[0].now if found else None


def _bucket(row: Any) -> Bucket:
    if row.kind == "limit":
        return Bucket(n=row.n, held=row.held)
    if row.taken_at is None:
        return Bucket(n=row.n, per=row.per, burst=row.burst)
    since = (row.now - row.taken_at).total_seconds()
    return Bucket(n=row.n, per=row.per, burst=row.burst, tokens=row.tokens, since=since)


def take(journal: Journal, connection: Connection, left: Mapping[str, float], now: datetime) -> None:
    """So many tokens are left under these keys, counted from when they were looked at."""
    given = {"keys": Texts(left), "tokens": list(left.values()), "now": now}
    connection.execute(journal.sql(TAKE), given)


def waiting(journal: Journal, connection: Connection, keys: Collection[str]) -> list[str]:
    """The queues on which something waits for a slot under these limits."""
    return list(connection.execute(journal.sql(WAITING), {"keys": Texts(sorted(keys))}).scalars())


def all_of(journal: Journal, connection: Connection) -> Sequence[Any]:
    """Every name."""
    return connection.execute(journal.sql(ALL)).all()


def lock(journal: Journal, connection: Connection, name: str) -> Any | None:
    """One name, locked, or None where there is no such."""
    return connection.execute(journal.sql(LOCK), {"name": name}).one_or_none()


def change(journal: Journal, connection: Connection, name: str, **numbers: Any) -> list[str]:
    """Set what an operator says; the queues on which something is due under the name."""
    is_set = any(number is not None for number in numbers.values())
    connection.execute(journal.sql(SET), {"name": name, "is_set": is_set, **numbers})
    return list(connection.execute(journal.sql(QUEUES_OF), {"name": name}).scalars())


def forget(journal: Journal, connection: Connection) -> None:
    """Let go of single values that nothing is under any more."""
    connection.execute(journal.sql(FORGET))
