"""Schedules as people and programs change them: at run time, without a restart, each change recorded with its author.

    squidie.schedules.create(Report, "weekly", "0 6 * * MON", input={"kind": "full"}, actor="ada")
    squidie.schedules.pause("Report.weekly", reason="the warehouse moves", actor="ada")

The code owns the expression and the input of its own triggers, operators own the pause.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from squidie.engine import ids
from squidie.engine.asking import persist
from squidie.engine.backfill import Backfill, backfill
from squidie.engine.changing import is_repeated, request
from squidie.engine.fires import Fire, Moment, Shown, fires, moments, show
from squidie.engine.hearing import ScheduleEar
from squidie.engine.requests import spec_of
from squidie.engine.start import begin
from squidie.engine.steering import masked, reason_of
from squidie.engine.sync import said_of, sync
from squidie.engine.windows import Cause, start_outside
from squidie.errors import InvalidArgument, InvalidSchedule, InvalidSpec, InvalidTransition, ScheduleNotFound
from squidie.journal import attempts, operations, schedules
from squidie.journal.operations import Subject
from squidie.journal.schedules import DECLARED, Origin, Schedule, declared
from squidie.workflow.compile import add_trigger
from squidie.workflow.dsl import cron

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.history.facts import Receipt
    from squidie.workflow.spec import Spec

Handle = TypeVar("Handle")


class Schedules(Generic[Handle]):
    """Every schedule of the journal. A name is `Workflow.trigger`; either half alone will do where only one fits."""

    def __init__(self, parts: Parts, handle: Callable[[UUID, bool], Handle]) -> None:
        self._parts = parts
        self._handle = handle

    # ------------------------------------------------------------------ looking
    def list(self) -> list[Schedule]:
        """All of them, by name."""
        with self._parts.journal.reading() as connection:
            return schedules.all_of(self._parts.journal, connection)

    def show(self, name: str, *, next: int = 5, last: int = 10) -> Shown:  # noqa: A002 the word for it
        """One schedule with its times to come, its last windows and their runs, its changes, and warnings."""
        schedule = self._find(name)
        with self._parts.journal.reading() as connection:
            return show(self._parts.journal, connection, schedule, following=next, last=last)

    def survey(self, *, next: int = 1, last: int = 30) -> tuple[Shown, ...]:  # noqa: A002 likewise
        """Every schedule, each as `show` shows it."""
        journal = self._parts.journal
        with journal.reading() as connection:
            found = schedules.all_of(journal, connection)
            return tuple(show(journal, connection, each, following=next, last=last) for each in found)

    def next(self, name: str, n: int = 5, *, timezone: str | None = None) -> tuple[Moment, ...]:
        """When it fires next, in UTC and on the local clock."""
        return moments(self._find(name), n, timezone)

    def fires(self, name: str, n: int = 10) -> tuple[Fire, ...]:
        """Its last windows, newest first, each with its run or without one."""
        schedule = self._find(name)
        with self._parts.journal.reading() as connection:
            return fires(self._parts.journal, connection, schedule, n)

    # ------------------------------------------------------------------ changing
    def create(
        self,
        workflow: Any,
        name: str,
        expression: str,
        *,
        actor: Any = None,
        reason: str | None = None,
        key: str | None = None,
        **options: Any,
    ) -> Schedule:
        """A new schedule of a declared workflow; `options` are those of `cron(...)`.

        Raises `InvalidSpec` with every issue: what would be refused in code is refused here, and the input must satisfy
        the workflow's contract now. A name that is taken is `InvalidTransition`.
        """
        spec = spec_of(self._parts, workflow)
        schedule = _valid(spec, name, {"expression": expression, **options})
        by = request("create", said_of(schedule), actor, reason, key, masking=self._parts.masking)
        if any(trigger.name == name for trigger in spec.triggers):
            raise InvalidSchedule("name", "the workflow's code has a trigger of that name")
        with self._changing(spec.name, name, by) as (connection, found, was_made):
            if was_made:
                return found or schedule
            if found is not None:
                raise InvalidTransition(f"schedule {schedule.name}", "there already", "be created")
            return self._written(connection, schedule, by, is_new=True)

    def change(
        self,
        name: str,
        *,
        actor: Any = None,
        reason: str | None = None,
        key: str | None = None,
        **options: Any,
    ) -> Schedule:
        """Other times, input or policies for a schedule that was made at run time. New times start from now."""
        known = self._find(name)
        if unknown := sorted(set(options) - set(DECLARED)):
            raise InvalidArgument(unknown[0], f"a schedule has {', '.join(DECLARED)}")
        by = request("change", options, actor, reason, key, masking=self._parts.masking)
        with self._changing(known.workflow, known.trigger, by) as (connection, found, was_made):
            if found is None:
                raise ScheduleNotFound(known.name)
            if was_made:
                return found
            _belongs_to_operators(found)
            before = {field: getattr(found, field) for field in DECLARED}
            spec = self._parts.registry.spec(found.workflow)
            return self._written(connection, _valid(spec, found.trigger, before | options), by)

    def pause(self, name: str, *, reason: str, actor: Any = None, key: str | None = None) -> Schedule:
        """Open no windows until it is resumed; a window that waited is let go. Runs that are open go on."""
        why = masked(self._parts, reason_of(reason))
        by = request("pause", {"reason": why}, actor, why, key, masking=self._parts.masking)

        def pause(connection: Connection, found: Schedule) -> None:
            if found.paused_at is not None:
                raise InvalidTransition(f"schedule {found.name}", "paused", "be paused")
            given = {"by": msgspec.json.encode(actor).decode(), "why": why}
            schedules.execute(self._parts.journal, connection, schedules.PAUSE, found, **given)

        return self._changed(name, by, pause)

    def resume(self, name: str, *, reason: str | None = None, actor: Any = None, key: str | None = None) -> Schedule:
        """Open windows again, from now on: nothing of the pause is filled in; `backfill` does that."""
        by = request("resume", {}, actor, reason, key, masking=self._parts.masking)

        def resume(connection: Connection, found: Schedule) -> None:
            if found.paused_at is None:
                raise InvalidTransition(f"schedule {found.name}", found.state, "be resumed")
            next_at = found.timing.after(attempts.clock(self._parts.journal, connection))
            schedules.execute(self._parts.journal, connection, schedules.RESUME, found, next_at=next_at)

        return self._changed(name, by, resume)

    def remove(self, name: str, *, reason: str | None = None, actor: Any = None, key: str | None = None) -> None:
        """Forget a schedule made at run time, or one whose trigger has vanished from the code. Its runs stay."""
        by = request("remove", {}, actor, reason, key, masking=self._parts.masking)

        def remove(connection: Connection, found: Schedule) -> None:
            if found.orphaned_at is None:
                _belongs_to_operators(found)
            schedules.execute(self._parts.journal, connection, schedules.REMOVE, found)

        self._changed(name, by, remove)

    def run_now(self, name: str, *, actor: Any = None, reason: str | None = None, key: str | None = None) -> Handle:
        """A run with the schedule's input, now, paused or not, whatever overlaps: somebody asks for it.

        It is no window: the next one opens at its time. `key` makes it idempotent.
        """
        known = self._find(name)
        by = request("run_now", {"schedule": known.name}, actor, reason, key, masking=self._parts.masking)
        identity = ("run_now", known.partition, known.workflow, known.trigger, key)
        run_id = ids.run_id() if key is None else ids.keyed_run_id(*identity)

        def run_now() -> Handle:
            with self._parts.journal.transaction() as connection:
                found = schedules.find(self._parts.journal, connection, known.workflow, known.trigger, lock=True)
                if found is None:
                    raise ScheduleNotFound(known.name)
                now = attempts.clock(self._parts.journal, connection)
                window = (now, found.timing.end_of(now))
                command = start_outside(
                    self._parts, found, window, fired_at=now, run_id=run_id, by=by, cause=Cause.RUN_NOW.value
                )
                verdict = begin(self._parts, [command], host=connection)[0]
                if verdict.error is not None:
                    raise verdict.error
                if verdict.created:
                    schedules.execute(self._parts.journal, connection, schedules.NOTE_RUN, found, run_id=run_id)
                    self._record(connection, found, by, {"run": str(run_id)})
            return self._handle(run_id, verdict.created)

        return persist(run_now, None)

    def backfill(self, name: str, start: datetime, end: datetime, **options: Any) -> Backfill:
        """Open the windows in `start <= window < end` that have no run; with `preview=True` (the default) only count.

        See `squidie.engine.backfill.backfill` for the options.
        """
        return backfill(self._parts, self._find(name), start, end, **options)

    def ear(self) -> ScheduleEar:
        """Something to wait with between two ticks: it ends the wait when a schedule changes."""
        return ScheduleEar(self._parts.journal)

    def sync(self) -> Mapping[str, str]:
        """Make the schedules what this code says. Workers and beats do so by themselves when they start."""
        return dict(sync(self._parts))

    # ------------------------------------------------------------------ in the small
    def _find(self, name: str) -> Schedule:
        known = {each.name: each for each in self.list()}
        wanted = name.replace(":", ".") if isinstance(name, str) else ""
        fitting = [each for each in known.values() if wanted in {each.name, each.trigger, each.workflow}]
        exact = [each for each in fitting if each.name == wanted]
        if len(found := exact or fitting) != 1:
            raise ScheduleNotFound(str(name)[:200], known if not found else [each.name for each in found])
        return found[0]

    @contextmanager
    def _changing(self, workflow: str, trigger: str, by: Receipt) -> Iterator[tuple[Connection, Schedule | None, bool]]:
        """The schedule, locked, and whether this very request was answered before."""
        journal = self._parts.journal
        with journal.transaction() as connection:
            found = schedules.find(journal, connection, workflow, trigger, lock=True)
            name = f"{workflow}.{trigger}"
            yield connection, found, is_repeated(self._parts, connection, Subject.SCHEDULE, name, by)

    def _changed(self, name: str, by: Receipt, change: Callable[[Connection, Schedule], None]) -> Schedule:
        try:
            known = self._find(name)
        except ScheduleNotFound:
            workflow, _, trigger = name.replace(":", ".").partition(".")
            known = Schedule(workflow=workflow, trigger=trigger, expression="")
            if by.verb != "remove" or by.key is None:
                raise
        with self._changing(known.workflow, known.trigger, by) as (connection, found, was_made):
            if was_made:
                return found or known
            if found is None:
                raise ScheduleNotFound(known.name)
            change(connection, found)
            self._record(connection, found, by, {})
            return schedules.find(self._parts.journal, connection, found.workflow, found.trigger) or found

    def _written(self, connection: Connection, schedule: Schedule, by: Receipt, *, is_new: bool = False) -> Schedule:
        next_at = schedule.timing.after(attempts.clock(self._parts.journal, connection))
        was_new = schedules.write(self._parts.journal, connection, schedule, next_at)
        if is_new and not was_new:  # somebody was first, since we looked
            raise InvalidTransition(f"schedule {schedule.name}", "there already", "be created")
        self._record(connection, schedule, by, said_of(schedule))
        return schedules.find(self._parts.journal, connection, schedule.workflow, schedule.trigger) or schedule

    def _record(self, connection: Connection, schedule: Schedule, by: Receipt, change: dict[str, Any]) -> None:
        operations.add(self._parts.journal, connection, Subject.SCHEDULE, schedule.name, by=by, change=change)


def _valid(spec: Spec, name: str, options: dict[str, Any]) -> Schedule:
    """The schedule, or `InvalidSpec` with everything that is wrong."""
    if unknown := sorted(set(options) - set(DECLARED)):
        raise InvalidArgument(unknown[0], f"a schedule has {', '.join(DECLARED)}")
    trigger, issues = add_trigger(spec, cron(name, **options))
    if trigger is None or issues:
        raise InvalidSpec(spec.name, issues)
    return declared(spec.name, trigger, Origin.RUNTIME)


def _belongs_to_operators(schedule: Schedule) -> None:
    if schedule.origin is Origin.CODE:
        raise InvalidSchedule(schedule.name, "belongs to the code: change its cron(...) and deploy; it can be paused")
