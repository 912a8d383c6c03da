"""Reads for people: a run's rows, and what the rows of a list need beside their heads.

Nothing here locks, and nothing decides.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from squidie.journal.arrays import Texts, Uuids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

_BEGIN = text("begin isolation level repeatable read, read only")
_END = text("rollback")

ALIVE_FOR = 60.0
"""Seconds after which a worker that has not been seen counts as gone: twelve sweeps of the default length."""

LATE = 10.0
"""Seconds for which something may be due before it was passed over: two sweeps of the default length."""

HEAD = (
    "r.run_id, r.rev, r.status, r.workflow, r.definition, r.trigger, r.queue, r.priority, r.key, r.attributes, "
    "r.started_at, r.updated_at, r.ended_at, r.archived"
)
"""What is listed of a run."""

ONE = f"""
select {HEAD}, d.version, d.spec::text as spec, {{s}}.clock() as now
from {{s}}.runs r left join {{s}}.definitions d on d.fingerprint = r.definition where r.run_id = :run_id
"""
"""One head with its graph, and the clock."""

STATUS = "select status from {s}.runs where run_id = :run_id"
"""The least there is to know of a run."""

TERMINAL = """
select kind, body::text as body from {s}.facts
where run_id = :run_id and kind = any(:kinds) order by seq desc limit 1
"""
"""The fact that ended a run: the last one of these kinds."""

BROUGHT = """
select kind, body::text as body from {s}.facts
where run_id = :run_id and (kind in ('attempt_completed', 'pause_resolved', 'event_received')
    and body->>'step' = any(:steps) or kind = 'run_started' and body->'carried' is not null) order by seq
"""
"""The facts that hold what some steps of a run brought; those of a fork may have been carried over."""

OPEN = """
with alive as materialized (
    select owner, queues, actions, slots, bell_failed_at from {s}.workers
    where role = 'worker' and left_at is null and seen_at >= {s}.clock() - make_interval(secs => :alive_for)
), open as (
    select a.*, kind <> 'timer' and claim_id is null as free,
        exists (select from alive where a.kind = 'timer' or queue = any(queues)) as attended,
        exists (select from alive where action = any(actions)) as known,
        exists (select from alive where queue = any(queues) and action = any(actions)) as served
    from {s}.attempts a where run_id = any(:runs)
)
select run_id, kind, step, attempt, action, queue, due_at, lost, claim_id is not null as claimed, owner, claimed_at,
    lease_until, {s}.clock() as now, claim_id is null and not attended as unattended,
    free and attended and not known as unserved,
    free and attended and known and not served as elsewhere, limit_key, rate_key,
    free and exists (select from {s}.queues q where q.queue in (a.queue, '*')) as paused,
    limit_key <> '' and claim_id is null and coalesce((select coalesce(l.set_n, l.n) from {s}.limits l
        where l.key = split_part(a.limit_key, ':', 1)) <= (select count(*) from {s}.attempts b
        where b.limit_key = a.limit_key and b.claim_id is not null and b.lease_until > {s}.clock()), false) as full,
    rate_key <> '' and claim_id is null and coalesce((select coalesce(m.set_n, m.n) = 0 or least(
            coalesce(m.set_burst, m.burst), l.tokens + greatest(extract(epoch from {s}.clock() - l.taken_at), 0)
                * coalesce(m.set_n, m.n) / coalesce(m.set_per, m.per)) < 1 - 1e-9
        from {s}.limits l join {s}.limits m on m.key = l.name where l.key = a.rate_key), false) as spent,
    case when free then (select min(bell_failed_at) from alive w where a.queue = any(w.queues)
        having bool_and(bell_failed_at is not null)) end as unrung_since,
    case when free and served and due_at < {s}.clock() - make_interval(secs => :late) then exists (
        select from alive w where a.queue = any(w.queues) and a.action = any(w.actions) and w.slots > (
            select count(distinct (b.owner, b.claimed_at)) from {s}.attempts b where b.claim_id is not null
                and split_part(b.owner, ':', 1) = split_part(w.owner, ':', 1)
                and split_part(b.owner, ':', 3) = split_part(w.owner, ':', 3))) else false end as idle
from open a order by run_id, step, attempt
"""
"""The open work and timers of some runs, without what only a holder may know.

Why it is not claimed though it is due: nobody serves its queue, or of a timer: nobody is alive (`unattended`); nobody
anywhere has its callable (`unserved`), or only others have it (`elsewhere`); its queue is `paused`, its limit `full`,
its rate `spent`; the bells of all who serve it fail since `unrung_since`; it was passed over although somebody is
`idle`.
"""

USUAL = """
select step, percentile_cont(0.95) within group (order by seconds)::float8 as seconds from (
    select f.body->>'step' as step,
        extract(epoch from f.at - (f.body->'claim'->>'claimed_at')::timestamptz) as seconds
    from (
        select run_id from (
            select run_id, definition from {s}.runs
            where workflow = :workflow and ended_at is not null and not archived and status = 'completed'
            order by started_at desc, run_id desc limit 2000
        ) newest where definition = :definition limit 100
    ) r join {s}.facts f on f.run_id = r.run_id
    where f.kind = 'attempt_completed' and f.body->>'step' = any(:steps)
) known group by step having count(*) >= 20
"""
"""How long steps take, in nineteen cases of twenty, of a graph's last hundred completed runs, if twenty are known."""

ENDINGS = """
select f.run_id, f.kind, f.body->>'step' as step,
    coalesce(f.body->'error'->>'message', f.body->>'reason') as message, f.body->>'compensation' as compensation
from {s}.facts f where f.run_id = any(:runs) and f.kind in ('run_failed', 'run_cancelled')
"""
"""In a few words why some runs ended otherwise than completed."""

PROGRESS = """
select run_id, sum(case kind when 'run_started' then coalesce(json_array_length(body->'carried'), 0) else 1 end) as done
from {s}.facts
where run_id = any(:runs) and (kind in ('run_started', 'event_received')
    or kind = 'attempt_completed' and not starts_with(body->>'step', 'compensate:')
    or kind in ('wait_elapsed', 'pause_resolved') and body->'error' is null) group by run_id
"""
"""How many steps of some runs have ended well, here or in the run that they were forked from."""

SIZES = """
select fingerprint, json_array_length(spec->'nodes') as steps from {s}.definitions
where fingerprint = any(:definitions)
"""
"""How many steps some graphs have."""

BY_TAIL = """
select run_id, workflow, status, started_at from {s}.runs where run_id = any(array(
    select run_id from {s}.facts where seq = 1
        and reverse(right(run_id::text, 12)) ~>=~ :low and reverse(right(run_id::text, 12)) ~<~ :high
        and replace(run_id::text, '-', '') ~ :ends))
order by started_at desc, run_id limit :limit
"""
"""Runs whose id ends so, by the index `facts_short_id`; a range, so that a prepared statement uses it too."""

DEFINITION = "select definition from {s}.runs where run_id = :run_id"
"""Which graph a run keeps."""


@contextmanager
def snapshot(journal: Journal) -> Iterator[Connection]:
    """A read-only transaction in which every statement sees the same instant."""
    with journal.looking() as connection:
        connection.execute(_BEGIN)
        try:
            yield connection
        finally:
            if not connection.invalidated:  # where it was lost there is nothing to end
                connection.execute(_END)


def one(journal: Journal, connection: Connection, run_id: UUID) -> Any | None:
    """One head, or None."""
    return connection.execute(journal.sql(ONE), {"run_id": run_id}).one_or_none()


def status(journal: Journal, connection: Connection, run_id: UUID) -> str | None:
    """A run's status, or None where there is no such run."""
    found: str | None = connection.execute(journal.sql(STATUS), {"run_id": run_id}).scalar()
    return found


def definition(journal: Journal, connection: Connection, run_id: UUID) -> str:
    """The fingerprint of the graph that a run keeps."""
    found: str = connection.execute(journal.sql(DEFINITION), {"run_id": run_id}).scalar_one()
    return found


def terminal(journal: Journal, connection: Connection, run_id: UUID, kinds: Collection[str]) -> Any | None:
    """Kind and body of the fact that ended the run."""
    return connection.execute(journal.sql(TERMINAL), {"run_id": run_id, "kinds": Texts(kinds)}).one_or_none()


def brought(journal: Journal, connection: Connection, run_id: UUID, steps: Collection[str]) -> Sequence[Any]:
    """Kind and body of the facts that hold what these steps brought."""
    return connection.execute(journal.sql(BROUGHT), {"run_id": run_id, "steps": Texts(steps)}).all()


def open_work(
    journal: Journal, connection: Connection, runs: Collection[UUID], *, alive_for: float = ALIVE_FOR
) -> Sequence[Any]:
    """The open attempts and timers of these runs."""
    if not runs:
        return ()
    return connection.execute(journal.sql(OPEN), {"runs": Uuids(runs), "alive_for": alive_for, "late": LATE}).all()


def usual(
    journal: Journal, connection: Connection, workflow: str, definition: str, steps: Collection[str]
) -> dict[str, float]:
    """Seconds that these steps of a graph take from claim to outcome, at most in nineteen cases of twenty."""
    given = {"workflow": workflow, "definition": definition, "steps": Texts(steps)}
    found = connection.execute(journal.sql(USUAL), given)
    return {row.step: row.seconds for row in found}


def endings(journal: Journal, connection: Connection, runs: Collection[UUID]) -> dict[UUID, Any]:
    """Why these runs ended, for those that failed or were cancelled."""
    return {row.run_id: row for row in connection.execute(journal.sql(ENDINGS), {"runs": Uuids(runs)})} if runs else {}


def progress(journal: Journal, connection: Connection, runs: Collection[UUID]) -> dict[UUID, int]:
    """How many steps of these runs have ended well."""
    return (
        {row.run_id: row.done for row in connection.execute(journal.sql(PROGRESS), {"runs": Uuids(runs)})}
        if runs
        else {}
    )


def sizes(journal: Journal, connection: Connection, definitions: Collection[str]) -> dict[str, int]:
    """How many steps these graphs have."""
    found = connection.execute(journal.sql(SIZES), {"definitions": Texts(definitions)})
    return {row.fingerprint: row.steps for row in found}


def by_tail(journal: Journal, connection: Connection, tail: str, *, limit: int = 10) -> Sequence[Any]:
    """Runs whose id, without its dashes, ends with these lower-case hex digits."""
    low = tail[-12:][::-1]
    given = {"low": low, "high": low + "g", "ends": f"{tail}$", "limit": limit}
    return connection.execute(journal.sql(BY_TAIL), given).all()
