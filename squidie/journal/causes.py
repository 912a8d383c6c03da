"""What an explanation is founded on beside the run's own rows: who holds a limit, and who is ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

MOST_AHEAD = 10_000
MOST_HOLDERS = 10

AHEAD = """
select count(*) from (
    select from {s}.attempts a join {s}.attempts me on me.run_id = :run_id and me.step = :step and me.kind <> 'timer'
    where a.queue = me.queue and a.claim_id is null and a.kind <> 'timer' and a.due_at <= {s}.clock()
        and (a.priority, a.due_at, a.run_id, a.step) < (me.priority, me.due_at, me.run_id, me.step)
    limit :most
) ahead
"""
"""How many due attempts would be claimed before this one, were there no turns between partitions."""

HOLDERS = """
select a.run_id, a.step, a.lease_until from {s}.attempts a
where a.limit_key = :key and a.claim_id is not null and a.lease_until > {s}.clock()
order by a.lease_until limit :most
"""
"""Who holds the slots of a limit, the one whose lease ends first in front."""


class Slot(NamedTuple):
    """A slot in use, and until when unless its lease is renewed."""

    run_id: UUID
    step: str
    lease_until: datetime


def ahead(journal: Journal, connection: Connection, run_id: UUID, step: str) -> int:
    """How many are before it; at most ten thousand are counted."""
    given = {"run_id": run_id, "step": step, "most": MOST_AHEAD}
    return int(connection.execute(journal.sql(AHEAD), given).scalar_one())


def holders(journal: Journal, connection: Connection, key: str) -> list[Slot]:
    """The first ten that hold a slot."""
    found = connection.execute(journal.sql(HOLDERS), {"key": key, "most": MOST_HOLDERS})
    return [Slot(*row) for row in found]
