"""The attempts of a run's steps: every claim that a fact has ended, and what is open now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.history.facts import AttemptDeadLettered
from squidie.views.steps import error_of

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.history.bodies import Claim
    from squidie.journal.facts import Recorded
    from squidie.views.steps import Scene

PREFIX = "attempt_"


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One claim of an attempt, or the attempt that is open.

    `id` is `<run>:<node>:<n>`. `outcome` is how the claim ended: `completed`, `failed`, `deferred`, `released`,
    `expired`, `withdrawn`; `dead_lettered` for an attempt that no claim was left to settle; `claimed` or `scheduled`
    while it is open. `seq` is the fact that says so, None for one that is open.
    """

    id: str
    attempt: int
    outcome: str
    seq: int | None = None
    owner: str | None = None
    claimed_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    error: dict[str, Any] | None = None


def attempts_in(run_id: UUID, scene: Scene) -> dict[str, tuple[AttemptView, ...]]:
    """The attempts of each step, in the order in which they ended."""
    found: dict[str, list[AttemptView]] = {}
    for row in scene.rows:
        for step, view in _told(run_id, row):
            found.setdefault(step, []).append(view)
    for step, row in scene.work.items():
        found.setdefault(step, []).append(_open(run_id, step, row))
    return {step: tuple(views) for step, views in found.items()}


def _told(run_id: UUID, row: Recorded) -> list[tuple[str, AttemptView]]:
    fact: Any = row.fact
    told = []
    claim: Claim | None = getattr(fact, "claim", None)
    if claim is not None or isinstance(fact, AttemptDeadLettered):
        told.append((fact.step, fact.attempt, fact.kind.removeprefix(PREFIX), claim, getattr(fact, "error", None)))
    told += [(ended.step, ended.attempt, "withdrawn", ended.claim, None) for ended in fact.ends]
    return [
        (
            step,
            AttemptView(
                id=f"{run_id}:{step}:{attempt}",
                attempt=attempt,
                outcome=outcome,
                seq=row.seq,
                owner=claim.owner if claim is not None else None,
                claimed_at=claim.claimed_at if claim is not None else None,
                ended_at=row.at,
                error=error_of(error) if error is not None else None,
            ),
        )
        for step, attempt, outcome, claim, error in told
    ]


def _open(run_id: UUID, step: str, row: Any) -> AttemptView:
    return AttemptView(
        id=f"{run_id}:{step}:{row.attempt}",
        attempt=row.attempt,
        outcome="claimed" if row.claimed else "scheduled",
        owner=row.owner,
        claimed_at=row.claimed_at,
        due_at=row.due_at,
    )
