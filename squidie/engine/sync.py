"""What the code says of its cron triggers, written into the journal; operators' pauses stay as they are."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.engine import ids
from squidie.history.facts import Receipt
from squidie.journal import attempts, operations, schedules
from squidie.journal.operations import Subject
from squidie.journal.schedules import DECLARED, Ours, declared

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.journal.schedules import Schedule

log = logging.getLogger("squidie.tick")


def ours(parts: Parts) -> Ours:
    """Which schedules are this process' business."""
    names = tuple(f"{workflow}.{trigger.name}" for workflow, triggers in parts.crons.items() for trigger in triggers)
    return Ours(tuple(parts.registry.workflows), names)


def sync(parts: Parts) -> list[tuple[str, str]]:
    """Make the schedules what the code says, and stop those that vanished from it; what was changed, and how.

    Any number of processes may do so at once.
    """
    journal = parts.journal
    changed: list[tuple[str, str]] = []
    with journal.transaction() as connection:
        now = attempts.clock(journal, connection)
        for schedule in sorted(_declared(parts), key=lambda each: (each.workflow, each.trigger)):
            is_new = schedules.write(journal, connection, schedule, schedule.timing.after(now))
            if is_new is not None:
                changed.append((schedule.name, "created" if is_new else "changed"))
                _record(parts, connection, schedule.workflow, schedule.trigger, said_of(schedule))
        for workflow, trigger in schedules.orphan(journal, connection, ours(parts)):
            changed.append((f"{workflow}.{trigger}", "orphaned"))
            _record(parts, connection, workflow, trigger, {"orphaned": True})
    parts.schedules_synced = True
    for name, what in changed:
        log.info("schedule %s was %s by the code", name, what)
    return changed


def said_of(schedule: Schedule) -> dict[str, Any]:
    """What a change says that the schedule is from now on."""
    found: dict[str, Any] = msgspec.to_builtins({name: getattr(schedule, name) for name in DECLARED})
    return found


def _declared(parts: Parts) -> list[Schedule]:
    return [declared(workflow, trigger) for workflow, triggers in parts.crons.items() for trigger in triggers]


def _record(parts: Parts, connection: Connection, workflow: str, trigger: str, change: dict[str, Any]) -> None:
    digest = sha256(msgspec.json.encode(change, order="sorted")).hexdigest()
    by = Receipt(verb="sync", digest=digest, request_id=ids.request_id(), actor={"code": ids.owner()})
    operations.add(parts.journal, connection, Subject.SCHEDULE, f"{workflow}.{trigger}", by=by, change=change)
