"""One window of a schedule, made into the command that starts its run.

The window is the run's identity, so any number of deliverers make one run.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from squidie.decide.commands import Start
from squidie.decide.windows import ON_TIME, delayed, window_name
from squidie.engine import ids
from squidie.errors import InvalidSchedule, InvalidTrigger
from squidie.history.canonical import canonical
from squidie.history.facts import Receipt
from squidie.journal.schedules import Origin, declared
from squidie.workflow.cron import window_input, window_source
from squidie.workflow.payload import admit
from squidie.workflow.spec import TriggerKind

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from squidie.engine.parts import Parts
    from squidie.journal.schedules import Schedule
    from squidie.workflow.spec import PayloadField


class Cause(StrEnum):
    """What opened a run of a schedule."""

    TICK = "tick"
    RUN_NOW = "run_now"
    BACKFILL = "backfill"
    DELIVERED = "delivered"


def start_of_window(
    parts: Parts,
    schedule: Schedule,
    window: datetime,
    *,
    fired_at: datetime,
    end: datetime | None = None,
    cause: Cause = Cause.TICK,
    priority: int = 100,
) -> Start:
    """The command that opens one window. Raises `Refused` where its input does not fit the contract any more."""
    name = window_name(window)
    run_id = window_id(schedule, window)
    end = end or schedule.timing.end_of(window)
    context = {
        "window": {"start": window.isoformat(), "end": end.isoformat()},
        "late_by": max(0.0, (fired_at - window).total_seconds()),
        "catchup": cause is Cause.BACKFILL or fired_at - window > ON_TIME,
        "cause": cause.value,
    }
    by = Receipt(verb="start_cron", digest=name, request_id=ids.request_id())
    at = delayed(window, schedule.jitter, run_id.int)
    options = {"run_id": run_id, "by": by, "window": name, "at": at, "priority": priority}
    return _start(parts, schedule, context, (window, end), fired_at, **options)


def start_outside(
    parts: Parts,
    schedule: Schedule,
    window: tuple[datetime, datetime] | None,
    *,
    fired_at: datetime,
    run_id: UUID,
    by: Receipt,
    **told: Any,
) -> Start:
    """A run of the schedule that is no window's: asked for by hand, or known by a signal of somebody else's."""
    start, end = (each.isoformat() for each in window) if window else (None, None)
    context = {"window": {"start": start, "end": end}, "late_by": 0.0, "catchup": False, **told}
    if window is None and any(window_source(value) for value in schedule.input.values()):
        raise InvalidSchedule("window_start", "the input is made of the window: give window_start and window_end")
    return _start(parts, schedule, context, window, fired_at, run_id=run_id, by=by)


def window_id(schedule: Schedule, window: datetime) -> UUID:
    """The id of the run of this window, whether there is one or not."""
    return ids.keyed_run_id("window", schedule.partition, schedule.workflow, schedule.trigger, window_name(window))


def contract(parts: Parts, schedule: Schedule) -> tuple[PayloadField, ...]:
    """What the schedule's input must satisfy: its trigger's contract, else the workflow's."""
    spec = parts.registry.spec(schedule.workflow)
    found = next((each for each in spec.triggers if each.name == schedule.trigger), None)
    if found is None and schedule.origin is Origin.CODE:
        raise InvalidTrigger(schedule.trigger, [each.name for each in spec.triggers])
    return spec.payload if found is None or found.payload is None else found.payload


def from_code(parts: Parts, workflow: str, trigger: str) -> Schedule | None:
    """What the code declares under this name, if it is a cron trigger."""
    return next(
        (
            declared(workflow, each)
            for each in parts.registry.spec(workflow).triggers
            if each.name == trigger and each.kind is TriggerKind.CRON
        ),
        None,
    )


def _start(
    parts: Parts,
    schedule: Schedule,
    context: dict[str, Any],
    times: tuple[datetime, datetime] | None,
    fired_at: datetime,
    **options: Any,
) -> Start:
    given = window_input(schedule.input, *times) if times else schedule.input
    admitted = admit(contract(parts, schedule), given, now=fired_at, timezone=schedule.timezone)
    told = {
        "trigger": schedule.trigger,
        "expression": schedule.expression,
        "timezone": schedule.timezone,
        "fired_at": fired_at.isoformat(),
    }
    return Start(
        spec=parts.registry.spec(schedule.workflow),
        definition=parts.definitions.declared(schedule.workflow),
        trigger=schedule.trigger,
        payload=canonical(admitted, root="payload", limit=parts.settings.max_body),
        queue=parts.default_queue,
        partition=schedule.partition,
        schedule=told | context,
        **options,
    )
