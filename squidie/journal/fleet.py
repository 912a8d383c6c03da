"""Who is alive and what they serve, one row for each worker process tree, refreshed by its sweeper; and what is due.

A row stays for a month after its worker has stopped or died, so that whoever served a queue last can be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

SEEN = """
insert into {s}.workers as w (owner, host, pid, role, queues, actions, version, code_version, delivery, slots,
    started_at, seen_at, bell_ok_at, bell_failed_at)
values (:owner, :host, :pid, :role, :queues, :actions, :version, :code_version, :delivery, :slots,
    {s}.clock(), {s}.clock(), {s}.clock() - make_interval(secs => :silence),
    case when cast(:is_mute as boolean) then {s}.clock() end)
on conflict (owner) do update set queues = excluded.queues, actions = excluded.actions, seen_at = excluded.seen_at,
    slots = excluded.slots, left_at = null, bell_ok_at = coalesce(excluded.bell_ok_at, w.bell_ok_at),
    bell_failed_at = case when excluded.bell_failed_at is not null
        then coalesce(w.bell_failed_at, excluded.bell_failed_at) end
"""
"""A worker says that it is there."""

GONE = "update {s}.workers set left_at = {s}.clock(), seen_at = {s}.clock() where owner = :owner"
"""A worker that stops in good order says so."""

FORGET = "delete from {s}.workers where seen_at < {s}.clock() - interval '30 days'"
"""Rows of workers that stopped or died long ago."""

WORKERS = """
select w.owner, w.host, w.pid, w.role, w.queues, w.actions, w.version, w.code_version, w.delivery, w.slots,
    w.started_at, w.seen_at, w.left_at, w.bell_ok_at, w.bell_failed_at,
    coalesce(h.claims, 0) as claims, coalesce(h.turns, 0) as turns,
    count(*) filter (where w.left_at is null and w.seen_at >= {s}.clock() - make_interval(secs => :alive_for))
        over (partition by w.host, split_part(w.owner, ':', 3)) as trees
from {s}.workers w left join (
    select split_part(owner, ':', 1) as host, split_part(owner, ':', 3) as boot, count(*) as claims,
        count(distinct (owner, claimed_at)) as turns
    from {s}.attempts where claim_id is not null group by 1, 2
) h on h.host = w.host and h.boot = split_part(w.owner, ':', 3)
order by w.role, w.owner
"""
"""The fleet as it has last been seen, with what the processes of each tree hold.

A turn holds what it has claimed at one moment, so that the moments tell how many turns are under way. Where several
living `trees` go by one name, what belongs to which cannot be told.
"""

COUNTS = """
select queue, partition, sum(due)::bigint as due, sum(scheduled)::bigint as scheduled, sum(claimed)::bigint as claimed,
    sum(expired)::bigint as expired, sum(parked)::bigint as parked, sum(dead)::bigint as dead, min(oldest) as oldest
from (
    select a.queue, nullif(a.partition, '') as partition,
        count(*) filter (where claim_id is null and due_at <= {s}.clock()) as due,
        count(*) filter (where claim_id is null and due_at > {s}.clock()) as scheduled,
        count(*) filter (where claim_id is not null and lease_until > {s}.clock()) as claimed,
        count(*) filter (where claim_id is not null and lease_until <= {s}.clock()) as expired, 0 as parked, 0 as dead,
        min(due_at) filter (where claim_id is null and due_at <= {s}.clock()) as oldest
    from {s}.attempts a
    where a.kind <> 'timer' and (cast(:within as text) is null or a.partition = :within) group by 1, 2
    union all
    select l.queue, l.partition, 0, 0, 0, 0,
        count(*) filter (where l.disposition = 'parked'
            and (select r.ended_at is null from {s}.runs r where r.run_id = l.run_id)), count(*), null
    from {s}.dead_letters l
    where l.closed_at is null and (cast(:within as text) is null or l.partition = :within) group by 1, 2
) counted group by queue, partition order by queue, partition nulls first
"""
"""What is open on each queue for each partition, counted now; timers are settled by whoever finds them."""

WANTED = """
select distinct a.queue, a.action from {s}.attempts a
where a.kind <> 'timer' and a.claim_id is null and (cast(:within as text) is null or a.partition = :within)
order by 1, 2
"""
"""Which callables the open work of each queue needs."""


def seen(journal: Journal, connection: Connection, worker: dict[str, Any]) -> None:
    """Refresh a worker's row."""
    connection.execute(journal.sql(SEEN), worker)


def gone(journal: Journal, connection: Connection, owner: str) -> None:
    """Note that a worker has stopped, and forget those that nobody has refreshed for a month."""
    connection.execute(journal.sql(GONE), {"owner": owner})
    forget(journal, connection)


def forget(journal: Journal, connection: Connection) -> None:
    """Forget those that nobody has refreshed for a month."""
    connection.execute(journal.sql(FORGET))


def workers(journal: Journal, connection: Connection, *, alive_for: float) -> Sequence[Any]:
    """Every worker's row, and what it holds."""
    return connection.execute(journal.sql(WORKERS), {"alive_for": alive_for}).all()


def counts(journal: Journal, connection: Connection, *, within: str | None = None) -> Sequence[Any]:
    """What is open, by queue and partition."""
    return connection.execute(journal.sql(COUNTS), {"within": within}).all()


def wanted(journal: Journal, connection: Connection, *, within: str | None = None) -> Sequence[Any]:
    """Queues and the callables that their open work needs."""
    return connection.execute(journal.sql(WANTED), {"within": within}).all()
