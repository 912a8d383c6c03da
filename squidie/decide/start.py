"""Starting a run: one fact, which opens the entry steps, and those of what waits at the entry."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from squidie.decide.advance import proceed
from squidie.decide.commands import Limits, Situation
from squidie.decide.course import DEADLINE, RUN_SCOPE, Course, brought
from squidie.decide.limiting import keys_of
from squidie.decide.ready import acts_timer, entries, openings
from squidie.history.bodies import NOTHING_MOVED, Opening
from squidie.history.facts import Fact, RunStarted
from squidie.history.fold import fold
from squidie.history.run import Run
from squidie.workflow.spec import RUNS_CODE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from squidie.decide.commands import Start
    from squidie.workflow.limits import Keys
    from squidie.workflow.spec import Spec


def start(command: Start, now: datetime, limits: Limits | None = None) -> tuple[Fact, ...]:
    """The first facts of a run. A time in the past means now.

    What waits at the entry is asked, or awaited, at once; how long it waits counts from that time.
    """
    due_at = max(now, command.at) if command.at is not None else now
    steps = command.fork.begins if command.fork is not None else entries(command.spec)
    started = _started(command, steps, now, due_at)
    if all(command.spec.by_name[step].kind in RUNS_CODE for step in steps):
        return (started,)
    situation = Situation(Run(), command.spec, due_at, MappingProxyType({}), limits=limits or Limits())
    course = Course(situation)
    course.add(started)
    proceed(course, steps)
    return tuple(course.facts)


def _started(command: Start, steps: tuple[str, ...], now: datetime, due_at: datetime) -> RunStarted:
    fork, spec = command.fork, command.spec
    started = RunStarted(
        by=command.by,
        workflow=spec.name,
        version=spec.version,
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
        replay_of=str(command.replay_of) if command.replay_of is not None else None,
        forked_from=fork.origin if fork is not None else None,
        carried=fork.carried if fork is not None else (),
        moved=fork.moved if fork is not None else NOTHING_MOVED,
        trace=command.trace,
    )
    keys = _keys(spec, started, steps, now)
    opens = openings(spec, steps, queue=command.queue, priority=command.priority, due_at=due_at, keys=keys)
    return msgspec.structs.replace(started, opens=opens + _deadline(command, now))


def _keys(spec: Spec, started: RunStarted, steps: tuple[str, ...], now: datetime) -> Callable[[str], Keys]:
    """Under which limits the first steps are: they may read the payload, and what was carried over."""
    if not any(spec.by_name[step].asked for step in steps):
        return partial(keys_of, spec, Run(), {})
    return partial(keys_of, spec, fold([(now, started)]), brought(started))


def _deadline(command: Start, now: datetime) -> tuple[Opening, ...]:
    deadline = command.spec.deadline
    if deadline is None:
        return ()
    return (acts_timer(f"{DEADLINE}{RUN_SCOPE}", deadline, command.queue, now),)
