"""Dead letters: one row for each attempt that was given up with nothing to handle it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from squidie.journal.store import Journal

ADD = """
insert into {s}.dead_letters (run_id, step, attempt, seq, workflow, queue, reason, error, at)
values (:run_id, :step, :attempt, :seq, :workflow, :queue, :reason, cast(:error as json), :at)
"""
"""A letter, in the commit that gave up."""

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


def add(journal: Journal, connection: Connection, letters: Sequence[dict[str, Any]]) -> None:
    """Keep these letters. They are rare: a failure that an error edge handles leaves none."""
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
