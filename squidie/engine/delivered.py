"""Windows that a foreign scheduler delivers: a signal's id or a window is the run's identity, never the message."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from squidie.engine import ids
from squidie.engine.requests import Request, receipt, spec_of
from squidie.engine.windows import Cause, from_code, start_of_window, start_outside
from squidie.errors import InvalidSchedule, InvalidTrigger
from squidie.journal import schedules
from squidie.workflow.spec import TriggerKind

if TYPE_CHECKING:
    from squidie.decide.commands import Start
    from squidie.engine.parts import Parts
    from squidie.journal.schedules import Schedule
    from squidie.workflow.spec import Spec

ON_DUPLICATE = ("return_existing", "skip_duplicate")
LONGEST_SIGNAL = 255


class Delivered:
    """What arrived: for which trigger, under which identity. Raises `InvalidSchedule` for what has none."""

    def __init__(self, workflow: Any, trigger: str | None, *, signal_id: Any, window: tuple[Any, Any]) -> None:
        self.workflow, self.trigger = workflow, trigger
        self.signal_id, self.window = _signal(signal_id), _window(*window)
        if self.signal_id is None and self.window is None:
            raise InvalidSchedule("signal_id", "give a signal_id, or window_start and window_end: a run needs identity")

    def command(self, parts: Parts, now: datetime, actor: Any) -> Start:
        """The command that starts its run. By its window it is the very run that a tick would open."""
        schedule = self._schedule(parts, spec_of(parts, self.workflow))
        if self.signal_id is None and self.window is not None:
            start, end = self.window
            return start_of_window(parts, schedule, start, end=end, fired_at=now, cause=Cause.DELIVERED)
        identity = ("signal", schedule.partition, schedule.workflow, schedule.trigger, self.signal_id)
        by = receipt("start_cron", sha256("\x1f".join(map(str, identity)).encode()).hexdigest(), Request(actor=actor))
        told = {"cause": Cause.DELIVERED.value, "signal_id": self.signal_id}
        run_id = ids.keyed_run_id(*identity)
        return start_outside(parts, schedule, self.window, fired_at=now, run_id=run_id, by=by, **told)

    def _schedule(self, parts: Parts, spec: Spec) -> Schedule:
        crons = [each.name for each in spec.triggers if each.kind is TriggerKind.CRON]
        name = self.trigger if self.trigger is not None else next(iter(crons), "")
        found = from_code(parts, spec.name, name)
        if found is None:
            with parts.journal.reading() as connection:
                found = schedules.find(parts.journal, connection, spec.name, name)
        if found is None:
            raise InvalidTrigger(name, crons)
        return found


def is_skipped(on_duplicate: str) -> bool:
    """Whether a duplicate is answered by nothing instead of the run that exists."""
    if on_duplicate not in ON_DUPLICATE:
        raise InvalidSchedule("on_duplicate", f"is one of {', '.join(ON_DUPLICATE)}")
    return on_duplicate == ON_DUPLICATE[1]


def _signal(signal_id: Any) -> str | None:
    if signal_id is None:
        return None
    if not isinstance(signal_id, str) or not 1 <= len(signal_id) <= LONGEST_SIGNAL or "\x1f" in signal_id:
        raise InvalidSchedule("signal_id", f"is text of 1 to {LONGEST_SIGNAL} characters")
    return signal_id


def _window(start: Any, end: Any) -> tuple[datetime, datetime] | None:
    if start is None and end is None:
        return None
    for field, at in (("window_start", start), ("window_end", end)):
        if at is None:
            raise InvalidSchedule(field, "is missing: half a window is none")
        if not isinstance(at, datetime) or at.tzinfo is None:
            raise InvalidSchedule(field, "is a datetime with a time zone")
    if start >= end:
        raise InvalidSchedule("window_end", "is later than window_start")
    return start.astimezone(UTC), end.astimezone(UTC)
