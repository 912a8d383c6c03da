"""Open the cron windows that are due.

Beat calls it, and so does every sweeper: without beat, cron still runs; with three of them, no window twice. Each
schedule is one commit: its runs, what overlaps, and its next time.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING

from squidie import failpoints
from squidie.decide.commands import Cancel
from squidie.decide.windows import due, plan, window_name
from squidie.engine import ids
from squidie.engine.start import begin
from squidie.engine.sync import ours, sync
from squidie.engine.transact import transact
from squidie.engine.windows import start_of_window
from squidie.errors import JournalBusy, Refused
from squidie.history.facts import Receipt
from squidie.journal import schedules
from squidie.workflow.spec import Overlap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.decide.commands import Start
    from squidie.decide.windows import Due, Plan
    from squidie.engine.parts import Parts
    from squidie.journal.schedules import Schedule

log = logging.getLogger("squidie.tick")

LONGEST = 5.0
SOONEST = 0.05
"""Seconds until another look where somebody else holds what is due."""

REMEMBERED = 64
"""Runs that a schedule knows as possibly open."""


def tick(parts: Parts) -> float:
    """Open what is due, one schedule a commit; the seconds until the next window, at most `LONGEST`.

    Raises `JournalUnavailable`.
    """
    if not parts.registry.workflows:
        return LONGEST
    if parts.crons and not parts.schedules_synced:
        sync(parts)
    with parts.telling.span("tick"):
        return _open_all(parts)


def _open_all(parts: Parts) -> float:
    passed: set[str] = set()
    while (seconds := _look(parts)) <= 0:
        if not _open_one(parts, passed):
            return SOONEST
    return min(LONGEST, seconds)


def _look(parts: Parts) -> float:
    with parts.journal.reading() as connection:
        seconds, is_forgotten = schedules.next_look(parts.journal, connection, ours(parts))
    if is_forgotten:  # older code has come up beside ours, and took what it does not know for gone
        parts.schedules_synced = False
    return seconds


def _open_one(parts: Parts, passed: set[str]) -> bool:
    """One due schedule, locked; its windows' runs and its next time are one commit.

    One whose open run is held by somebody is passed over, and looked at again soon.
    """
    with parts.journal.transaction() as connection:
        schedule = schedules.lock_due(parts.journal, connection, ours(parts), passed)
        if schedule is None:
            return False
        try:
            with parts.journal.transaction(connection):  # all of it, or nothing
                _advance(parts, connection, schedule)
        except JournalBusy as error:
            passed.add(schedule.name)
            log.info("%s waits for a run that somebody holds: %s", schedule.name, error)
        else:
            failpoints.hit("tick.before_commit")
    return True


def _advance(parts: Parts, connection: Connection, schedule: Schedule) -> None:
    assert schedule.now is not None  # noqa: S101 read in the statement that locked it
    now = schedule.now
    found = due(schedule.timing, next_at=schedule.next_at, now=now)
    open_runs: Sequence[UUID] = schedule.open_runs
    if schedule.overlap is not Overlap.ALLOW:
        open_runs = schedules.still_open(parts.journal, connection, open_runs)
    chosen = plan(schedule.overlap, found.windows, queued=schedule.queued_at, is_open=bool(open_runs))
    commands, refused = _commands(parts, schedule, chosen.opens, now)
    if chosen.cancels and commands:
        _end(parts, connection, schedule, open_runs, chosen.opens[0])
    opened = _open(parts, connection, schedule, commands)
    left = {} if refused is None else {"refused": (len(chosen.opens) - len(opened), refused.code)}
    skipped, why = _left_out(schedule, found, chosen, left)
    schedules.move_on(
        parts.journal,
        connection,
        schedule,
        next_at=found.next_at,
        last_at=chosen.opens[-1] if opened else None,
        queued_at=chosen.queued,
        open_runs=[*open_runs, *opened][-REMEMBERED:],
        over_at=now if found.next_at is None and chosen.queued is None else None,
        skipped=skipped,
        why=why,
    )


def _commands(
    parts: Parts, schedule: Schedule, windows: Sequence[datetime], now: datetime
) -> tuple[list[Start], Refused | None]:
    """What starts the runs of these windows; and why others cannot be started."""
    commands: list[Start] = []
    refused = None
    for window in windows:
        try:
            commands.append(start_of_window(parts, schedule, window, fired_at=now))
        except Refused as error:
            refused = error
            log.error("window %s of %s could not be opened: %s", window_name(window), schedule.name, error)  # noqa: TRY400
    return commands, refused


def _open(parts: Parts, connection: Connection, schedule: Schedule, commands: Sequence[Start]) -> list[UUID]:
    """The runs, those that existed too."""
    for verdict in begin(parts, commands, host=connection) if commands else ():
        if verdict.created:
            log.info("%s opened run %s", schedule.name, verdict.command.run_id)
    return [command.run_id for command in commands]


def _end(parts: Parts, connection: Connection, schedule: Schedule, open_runs: Sequence[UUID], window: datetime) -> None:
    """Cancel what is open, in the very commit that opens the next one. A run that has ended meanwhile is just that."""
    name = window_name(window)
    reason = f"the window {name} of {schedule.name} is due, and it cancels the run before it"
    digest = sha256(reason.encode()).hexdigest()
    for run_id in sorted(open_runs):
        by = Receipt(verb="cancel", digest=digest, request_id=ids.request_id(), actor={"schedule": schedule.name})
        verdict = transact(parts, [Cancel(run_id, by, reason)], host=connection)[0]
        if verdict.busy:
            raise JournalBusy("somebody holds the run that is to be cancelled")
        if verdict.error is not None and not isinstance(verdict.error, Refused):
            raise verdict.error


def _left_out(
    schedule: Schedule, found: Due, chosen: Plan, refused: dict[str, tuple[int, str]]
) -> tuple[int, str | None]:
    """How many windows no run was made for, and why."""
    counts = {
        f"missed, and catchup is {schedule.catchup}": found.skipped,
        f"a run was open, and overlap is {schedule.overlap}": chosen.skipped,
        **{f"refused: {code}": number for number, code in refused.values()},
    }
    said = [f"{number} {why}" for why, number in counts.items() if number]
    return sum(counts.values()), "; ".join(said) or None
