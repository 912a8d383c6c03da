"""Dead letters: one row for each attempt that was given up with nothing to handle it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.journal.arrays import Texts, Uuids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from squidie.journal.store import Journal

ADD = """
insert into {s}.dead_letters (run_id, step, attempt, seq, workflow, queue, partition, reason, code, fingerprint,
    disposition, error, at, claims, owner, first_failed_at)
select :run_id, :step, :attempt, :seq, :workflow, :queue, :partition, :reason, :code, :fingerprint,
    :disposition, cast(:error as json), :at, count(*),
    (array_agg(f.body->'claim'->>'owner' order by f.seq desc))[1],
    coalesce(min(f.at) filter (where f.kind in ('attempt_failed', 'attempt_expired')
        or f.body->>'reason' = 'child_died'), :at)
from {s}.facts f where f.run_id = :run_id and f.body->>'step' = :step and f.body->'claim' is not null
"""
"""A letter, in the commit that gave up: what was claimed, by whom last, and since when it fails, its facts say."""

CLOSE = """
update {s}.dead_letters set closed_at = :at, closed_as = :how, closed_by = cast(:by as json), closed_why = :why
where run_id = :run_id and step = :step and closed_at is null
"""
"""What was done about it: the row keeps who and why."""

OF_RUN = """
select step, attempt, closed_at, closed_as from {s}.dead_letters
where run_id = :run_id and (cast(:step as text) is null or step = :step) order by seq desc
"""
"""The letters of a run, the latest first."""

PAGE = """
select l.run_id, l.step, l.attempt, l.seq, l.workflow, l.queue, l.partition, l.reason, l.code, l.fingerprint,
    l.disposition, l.error::text as error, l.claims, l.owner, l.first_failed_at, l.at,
    l.closed_at, l.closed_as, l.closed_by::text as closed_by, l.closed_why, r.ended_at is null as is_open
from {s}.dead_letters l join {s}.runs r on r.run_id = l.run_id
"""
"""Letters as they were written, and whether their runs still go on; to be narrowed by `FILTERS`."""

FILTERS = {
    "run_id": "l.run_id = :run_id",
    "workflow": "l.workflow = :workflow",
    "step": "l.step = :step",
    "queue": "l.queue = :queue",
    "partition": "l.partition = :partition",
    "reason": "l.reason = :reason",
    "code": "l.code = :code",
    "fingerprint": "l.fingerprint = :fingerprint",
    "fingerprints": "starts_with(l.fingerprint, :fingerprints)",
    "since": "l.at >= :since",
    "until": "l.at < :until",
    "place": "(l.at, l.run_id, l.step, l.attempt) < (:place_at, :place_run, :place_step, :place_attempt)",
}
"""What may narrow a page; the last is where the page before it stopped."""

OPEN, CLOSED = "l.closed_at is null", "l.closed_at is not null"

NEWEST_FIRST = "order by l.at desc, l.run_id desc, l.step desc, l.attempt desc limit :limit"
"""The order that pages are walked in, by `dead_letters_at` or `dead_letters_open`."""

GROUPS = """
select l.fingerprint, count(*) as count, min(l.at) as first_at, max(l.at) as last_at,
    (array_agg(l.run_id order by l.at desc, l.run_id desc))[1] as newest
from {s}.dead_letters l
"""
"""How often each kind of failure happened, since when, and the run in which it did last."""

MOST_FREQUENT_FIRST = "group by l.fingerprint order by count(*) desc, max(l.at) desc, l.fingerprint limit :limit"

SAMPLES = """
select l.fingerprint, l.workflow, l.step, l.queue, l.reason, l.code, l.error::text as error
from unnest(:prints, :runs) as g(fingerprint, run_id)
    join {s}.dead_letters l on l.run_id = g.run_id and l.fingerprint = g.fingerprint
order by l.at
"""
"""One letter of each kind of failure: the last one of the run that is named."""

COUNT = "select count(*) from {s}.dead_letters l"


def add(journal: Journal, connection: Connection, letters: Sequence[dict[str, Any]]) -> None:
    """Keep these letters; their facts have been written. They are rare: what an error edge handles leaves none."""
    for letter in letters:
        connection.execute(journal.sql(ADD), letter)


def close(
    journal: Journal, connection: Connection, run_id: UUID, step: str, *, how: str, by: str, why: str, at: datetime
) -> int:
    """Close the open letters of a step; how many there were."""
    given = {"run_id": run_id, "step": step, "how": how, "by": by, "why": why, "at": at}
    return connection.execute(journal.sql(CLOSE), given).rowcount


def of_run(journal: Journal, connection: Connection, run_id: UUID, step: str | None) -> list[Row[Any]]:
    """The letters of a run, or of one of its steps."""
    return list(connection.execute(journal.sql(OF_RUN), {"run_id": run_id, "step": step}).all())


def page(
    journal: Journal, connection: Connection, where: Mapping[str, Any], *, is_open: bool | None, limit: int
) -> Sequence[Any]:
    """Letters, newest first. `where` holds the parameters of `FILTERS`."""
    statement = f"{PAGE} where {narrowed(where, is_open=is_open)} {NEWEST_FIRST}"
    return connection.execute(journal.sql(statement), {**where, "limit": limit}).all()


def groups(
    journal: Journal, connection: Connection, where: Mapping[str, Any], *, is_open: bool | None, limit: int
) -> Sequence[Any]:
    """Kinds of failures, the most frequent first."""
    statement = f"{GROUPS} where {narrowed(where, is_open=is_open)} {MOST_FREQUENT_FIRST}"
    return connection.execute(journal.sql(statement), {**where, "limit": limit}).all()


def samples(journal: Journal, connection: Connection, found: Sequence[Any]) -> dict[str, Any]:
    """The latest letter of each of these groups, by fingerprint."""
    given = {"prints": Texts(row.fingerprint for row in found), "runs": Uuids(row.newest for row in found)}
    return {row.fingerprint: row for row in connection.execute(journal.sql(SAMPLES), given)}


def count(journal: Journal, connection: Connection, where: Mapping[str, Any], *, is_open: bool | None) -> int:
    """How many letters there are."""
    statement = f"{COUNT} where {narrowed(where, is_open=is_open)}"
    found: int = connection.execute(journal.sql(statement), where).scalar_one()
    return found


def narrowed(where: Mapping[str, Any], *, is_open: bool | None) -> str:
    """The condition that these parameters and the letters' standing make."""
    clauses = [clause for name, clause in FILTERS.items() if name in where or f"{name}_at" in where]
    if is_open is not None:
        clauses.append(OPEN if is_open else CLOSED)
    return " and ".join(clauses) or "true"
