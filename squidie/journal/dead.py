"""Dead letters: one row for each attempt that was given up with nothing to handle it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from squidie.journal.store import Journal

ADD = """
insert into {s}.dead_letters (run_id, step, attempt, seq, workflow, queue, reason, error, at)
values (:run_id, :step, :attempt, :seq, :workflow, :queue, :reason, cast(:error as json), :at)
"""
"""A letter, in the commit that gave up."""


def add(journal: Journal, connection: Connection, letters: Sequence[dict[str, Any]]) -> None:
    """Keep these letters. They are rare: a failure that an error edge handles leaves none."""
    for letter in letters:
        connection.execute(journal.sql(ADD), letter)
