"""Open the cron windows that are due.

Beat calls it, and so does every sweeper: without beat, cron still runs; with three of them, no window twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.decide.windows import due, window_name
from squidie.engine.requests import start_of_window
from squidie.engine.start import begin
from squidie.errors import Refused
from squidie.journal import schedules
from squidie.workflow.spec import TriggerKind

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts

log = logging.getLogger("squidie.tick")

LONGEST = 5.0


def tick(parts: Parts) -> float:
    """Open what is due, one schedule a commit; the seconds until the next window, at most `LONGEST`.

    Raises `JournalUnavailable`.
    """
    workflows = tuple(parts.crons)
    if not workflows:
        return LONGEST
    if not parts.schedules_synced:
        with parts.journal.transaction() as connection:
            schedules.sync(parts.journal, connection, declared(parts))
        parts.schedules_synced = True
    while (seconds := _seconds_to_next(parts, workflows)) <= 0 and _open_one(parts, workflows):
        pass
    return min(LONGEST, max(0.0, seconds))


def _seconds_to_next(parts: Parts, workflows: tuple[str, ...]) -> float:
    with parts.journal.reading() as connection:
        return schedules.seconds_to_next(parts.journal, connection, workflows)


def declared(parts: Parts) -> list[dict[str, Any]]:
    """What the code says of every cron trigger."""
    return [
        {
            "workflow": name,
            "trigger": trigger.name,
            "expression": trigger.expression,
            "timezone": trigger.timezone,
            "input": msgspec.json.encode(trigger.input).decode(),
        }
        for name, triggers in parts.crons.items()
        for trigger in triggers
        if trigger.kind is TriggerKind.CRON
    ]


def _open_one(parts: Parts, workflows: tuple[str, ...]) -> bool:
    """One due schedule, locked; its window's run and its next time are one commit."""
    with parts.journal.transaction() as connection:
        row = schedules.lock_due(parts.journal, connection, workflows)
        if row is None:
            return False
        found = due(row.expression, row.timezone, next_at=row.next_at, now=row.now)
        if found.window is not None:
            _open(parts, connection, row, found.window, found.next_at)
        schedules.move_on(
            parts.journal, connection, row.workflow, row.trigger, next_at=found.next_at, last_at=found.window
        )
    return True


def _open(parts: Parts, connection: Connection, row: Any, window: datetime, end: datetime) -> None:
    try:
        command = start_of_window(parts, row.workflow, row.trigger, window=window, end=end, fired_at=row.now)
        verdict = begin(parts, [command], host=connection)[0]
    except Refused as error:
        log.error("window %s of %s.%s could not be opened: %s", window_name(window), row.workflow, row.trigger, error)  # noqa: TRY400
        return
    if verdict.created:
        log.info("window %s of %s.%s opened as run %s", window_name(window), row.workflow, row.trigger, command.run_id)
