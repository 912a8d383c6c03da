"""Which runs are about to be undone: what still runs in them is asked to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.history.lifecycle import RunStatus
from squidie.journal.arrays import Uuids

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

AMONG = "select run_id from {s}.runs where run_id = any(:ids) and status = :status"
"""Those of these runs that stand so."""


def among(journal: Journal, connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Which of these runs are being undone."""
    given = {"ids": Uuids(ids), "status": RunStatus.COMPENSATING.value}
    return set(connection.execute(journal.sql(AMONG), given).scalars())
