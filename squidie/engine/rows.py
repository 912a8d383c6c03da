"""Open rows as a fact leaves them: what it settles and takes away is gone, what it gives back is due again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.decide.ready import row as open_row
from squidie.history.bodies import WITH_ROW, OpenKind
from squidie.history.facts import (
    TERMINAL,
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptDeferred,
    AttemptExpired,
    AttemptFailed,
    AttemptHastened,
    AttemptReleased,
    DeadlinePassed,
    EventLapsed,
    EventReceived,
    Fact,
    PauseResolved,
    WaitElapsed,
    counts_as_lost,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from squidie.history.attempts import AttemptKey, OpenAttempt
    from squidie.workflow.spec import Spec

    Rows = dict[AttemptKey, OpenAttempt]

SETTLES = (AttemptCompleted, AttemptFailed, AttemptDeadLettered)
GIVES_BACK = (AttemptDeferred, AttemptReleased, AttemptExpired)
ANSWERS = (WaitElapsed, PauseResolved, EventReceived, EventLapsed, DeadlinePassed)
"""What ends a wait, and its own timers with it."""


def follow(rows: Rows, run_id: UUID, fact: Fact) -> OpenAttempt | None:
    """Change the rows of a run by one fact, what it opens aside; the row that is due again, if one is."""
    changed = None
    if isinstance(fact, SETTLES):
        rows.pop((run_id, fact.step, fact.attempt))
    elif isinstance(fact, GIVES_BACK) and fact.due_at is not None:
        key = (run_id, fact.step, fact.attempt)
        changed = rows[key] = rows[key].given_back(fact.due_at, lost=counts_as_lost(fact))
    elif isinstance(fact, AttemptHastened):
        key = (run_id, fact.step, fact.attempt)
        changed = rows[key] = msgspec.structs.replace(rows[key], due_at=fact.due_at)
    elif isinstance(fact, ANSWERS):
        _drop_timers(rows, fact.step)
    elif isinstance(fact, TERMINAL):
        rows.clear()
    for closing in fact.closes:
        if closing.kind in WITH_ROW and closing.attempt is not None:
            rows.pop((run_id, closing.step, closing.attempt), None)
    return changed


def rows_of(run_id: UUID, spec: Spec, facts: Iterable[Fact], partition: str | None) -> Rows:
    """The rows that a whole history adds up to, as nobody holds them. Raises `KeyError` where it contradicts itself."""
    rows: Rows = {}
    for fact in facts:
        follow(rows, run_id, fact)
        opened = (open_row(run_id, spec, each, partition) for each in fact.opens)
        rows |= {row.key: row for row in opened}
    return rows


def _drop_timers(rows: Rows, step: str) -> None:
    for key in [key for key, row in rows.items() if row.kind is OpenKind.TIMER and row.step == step]:
        del rows[key]
