"""Starting a run: one fact, which opens the entry steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.decide.ready import entries, openings
from squidie.history.facts import RunStarted

if TYPE_CHECKING:
    from datetime import datetime

    from squidie.decide.commands import Start


def start(command: Start, now: datetime) -> RunStarted:
    """The first fact of a run. A time in the past means now."""
    due_at = max(now, command.at) if command.at is not None else now
    steps = entries(command.spec)
    return RunStarted(
        by=command.by,
        workflow=command.spec.name,
        version=command.spec.version,
        definition=command.definition,
        trigger=command.trigger,
        payload=command.payload,
        queue=command.queue,
        priority=command.priority,
        key=command.key,
        partition=command.partition,
        window=command.window,
        schedule=command.schedule,
        attributes=dict(command.attributes) if command.attributes else None,
        opens=openings(command.spec, steps, queue=command.queue, priority=command.priority, due_at=due_at),
    )
