"""Whether commits that somebody saw are still there: after a failover to a standby that lacked them they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from squidie.journal.arrays import Blobs, Ints, Uuids

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

LOST = """
select s.run_id from unnest(:runs, :revs, :hashes) as s(run_id, rev, hash)
where not exists (select from {s}.retired t where t.run_id = s.run_id) and (
    coalesce((select r.rev from {s}.runs r where r.run_id = s.run_id), 0) < s.rev
    or exists (select from {s}.facts f where f.run_id = s.run_id and f.seq = s.rev and f.hash <> s.hash)
)
"""
"""Of runs that were seen at a revision, with the hash of their last fact: those that are not there, not so far, or went
another way. What retention has removed was removed in good order."""


class Seen(NamedTuple):
    """How a run stood when one of our commits had been answered."""

    rev: int
    hash: bytes


def lost(journal: Journal, connection: Connection, seen: dict[UUID, Seen]) -> Collection[UUID]:
    """The runs of which a commit that was answered is gone."""
    given = {
        "runs": Uuids(seen),
        "revs": Ints(each.rev for each in seen.values()),
        "hashes": Blobs(each.hash for each in seen.values()),
    }
    return list(connection.execute(journal.sql(LOST), given).scalars())
