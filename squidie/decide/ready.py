"""Which steps may run now, and the rows they are worked from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.history.attempts import OpenAttempt
from squidie.history.facts import Opening

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from squidie.workflow.spec import Spec


def entries(spec: Spec) -> tuple[str, ...]:
    """The steps that nothing leads to: ready at the start."""
    return tuple(node.name for node in spec.nodes if not spec.incoming.get(node.name))


def openings(spec: Spec, steps: Iterable[str], *, queue: str, priority: int, due_at: datetime) -> tuple[Opening, ...]:
    """The first attempts of these steps, each on its own queue and with its own priority, or else the run's."""
    return tuple(opening(spec, step, 1, queue=queue, priority=priority, due_at=due_at) for step in steps)


def opening(spec: Spec, step: str, attempt: int, *, queue: str, priority: int, due_at: datetime) -> Opening:
    """One attempt of one step, made due."""
    node = spec.by_name[step]
    urgency = node.priority if node.priority is not None else priority
    return Opening(step=step, attempt=attempt, queue=node.queue or queue, due_at=due_at, priority=urgency)


def row(run_id: UUID, spec: Spec, opened: Opening) -> OpenAttempt:
    """The row that appears with an opening."""
    node = spec.by_name[opened.step]
    return OpenAttempt(
        run_id=run_id,
        step=opened.step,
        attempt=opened.attempt,
        action=node.action,
        queue=opened.queue,
        priority=opened.priority,
        due_at=opened.due_at,
        irreversible=node.irreversible,
    )
