"""One look that says whether there is anything to do: an idle worker asks no more than this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from squidie.journal.arrays import Texts
from squidie.journal.attempts import DUE_QUEUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

GLANCE = f"""
select exists (select from {{s}}.attempts a where a.claim_id is not null and a.lease_until <= {{s}}.clock()) as expired,
    exists (select from {{s}}.attempts a where a.kind = 'timer' and a.due_at <= {{s}}.clock()) as timers,
    array({DUE_QUEUES}) as due
"""
"""Whether leases are over, timers are due, and which of these queues, but for paused ones, have work to be taken."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What was seen."""

    expired: bool
    timers: bool
    due: tuple[str, ...]


def glance(journal: Journal, connection: Connection, queues: Sequence[str]) -> Glance:
    """Look once."""
    found = connection.execute(journal.sql(GLANCE), {"queues": Texts(queues)}).one()
    return Glance(found.expired, found.timers, tuple(found.due))
