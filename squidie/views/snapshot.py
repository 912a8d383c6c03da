"""One run as it stands: read in one instant, told from its facts, its open work and the clock."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from squidie.decide.course import DEADLINE, DRAIN, RUN_SCOPE
from squidie.errors import CorruptHistory
from squidie.history.bodies import Cause, OpenKind, Origin, Undoing
from squidie.history.canonical import plain
from squidie.history.facts import RunStarted
from squidie.history.fold import fold
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.history.soundness import Flaw, flaw_at_end
from squidie.journal import facts, heads, listing
from squidie.views.commands import AcceptedCommand, commands_in
from squidie.views.deadlines import DeadlineView, deadline_of
from squidie.views.endings import compensation_of, ending_of, last_of, result_of
from squidie.views.headline import Glance, headline
from squidie.views.listing import SHORT
from squidie.views.reasons import Reason, reason_of_run
from squidie.views.states import State, state_of_end
from squidie.views.steps import Scene, StepView, error_of, forgotten_in, steps_of
from squidie.views.told import account_of
from squidie.workflow.spec import UNDO, Spec

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from squidie.history.run import Run
    from squidie.journal.store import Journal

__all__ = ["RunSnapshot", "StepView", "TimerView", "UndoView", "error_of", "inspect_run", "result_of"]


class TimerView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens at a time without a worker; `deadline:charge`, `drain:run`, or the step that waits."""

    name: str
    due_at: datetime


class UndoView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is undone, and why. `total` is None until what was running has ended."""

    cause: Cause
    reason: str | None
    step: str | None
    error: dict[str, Any] | None
    done: int
    total: int | None


class RunSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run as people and programs are shown it; plain data, ready for JSON. `at` is the database's time of reading.

    `compensation` says how the undo of an ended run went. `commands` are those it has accepted, its start first.
    """

    id: UUID
    short_id: str
    workflow: str
    version: str | None
    definition: str
    trigger: str
    key: str | None
    partition: str | None
    starter: Any
    replay_of: str | None
    forked_from: Origin | None
    status: RunStatus
    state: State
    reason: Reason | None
    headline: str
    queue: str
    priority: int
    attributes: dict[str, Any]
    archived: bool
    started_at: datetime
    ended_at: datetime | None
    revision: int
    facts: int
    payload: Any
    output: Any
    error: dict[str, Any] | None
    compensation: Undoing
    undo: UndoView | None
    deadline: DeadlineView | None
    steps: tuple[StepView, ...]
    timers: tuple[TimerView, ...]
    commands: tuple[AcceptedCommand, ...]
    anomalies: tuple[str, ...]
    at: datetime


class Reading(NamedTuple):
    """What one look at the journal brought."""

    head: Any
    started: RunStarted
    scene: Scene
    timers: tuple[TimerView, ...]
    flaw: Flaw | None = None

    @property
    def anomalies(self) -> tuple[str, ...]:
        """What is wrong with the run's history: with its chain first, then with what its facts say."""
        return ((str(self.flaw),) if self.flaw is not None else ()) + self.scene.run.anomalies


def inspect_run(journal: Journal, run_id: UUID) -> RunSnapshot:
    """The run as it stands now. Raises `RunNotFound`."""
    with listing.snapshot(journal) as connection:
        return snapshot_in(journal, connection, run_id)


def snapshot_in(journal: Journal, connection: Connection, run_id: UUID) -> RunSnapshot:
    """The same within a look that goes on. Raises `RunNotFound`."""
    return snapshot_of(reading_in(journal, connection, run_id))


def snapshot_of(reading: Reading) -> RunSnapshot:
    """The run as one look has brought it."""
    head, scene, timers = reading.head, reading.scene, reading.timers
    run, rows, steps = scene.run, scene.rows, steps_of(scene)
    reason = reason_of_run(run.undo, (step.reason for step in steps)) if run.is_open else None
    reason = Reason.ANOMALY if run.is_open and reading.anomalies else reason
    last = last_of(rows)
    compensation, undo = compensation_of(last), _undo(run)
    state = state_of_end(run.status, compensation) if reason is None else reason.state
    _, output, error = ending_of(last, scene.spec, (row.fact for row in rows)) or (None, None, None)
    drained_at, until = scene.account.timers.get(DRAIN), (head.started_at, head.ended_at, head.now)
    glance = Glance(state, reason, steps, error, undo, compensation, drained_at, *until, reading.anomalies)
    return RunSnapshot(
        **_identity(reading),
        status=run.status,
        state=state,
        reason=reason,
        headline=headline(glance),
        output=output,
        error=error,
        compensation=compensation,
        undo=undo,
        deadline=deadline_of(
            scene.spec.deadline, scene.account.timers.get(f"{DEADLINE}{RUN_SCOPE}"), head.ended_at or head.now
        ),
        steps=steps,
        timers=timers,
        commands=commands_in(rows),
        anomalies=reading.anomalies,
        at=head.now,
    )


def _identity(reading: Reading) -> dict[str, Any]:
    """Which run it is, and where it came from."""
    head, started = reading.head, reading.started
    return {
        "id": head.run_id,
        "short_id": head.run_id.hex[-SHORT:],
        "workflow": head.workflow,
        "version": head.version,
        "definition": head.definition,
        "trigger": head.trigger,
        "key": head.key,
        "partition": started.partition,
        "starter": started.by.actor if started.by is not None else None,
        "replay_of": started.replay_of,
        "forked_from": started.forked_from,
        "queue": head.queue,
        "priority": head.priority,
        "attributes": head.attributes or {},
        "archived": head.archived,
        "started_at": head.started_at,
        "ended_at": head.ended_at,
        "revision": head.rev,
        "facts": len(reading.scene.rows),
        "payload": plain(started.payload),
    }


def _undo(run: Run) -> UndoView | None:
    undo = run.undo
    if undo is None:
        return None
    undone = sum(node.status is NodeStatus.DONE for name, node in run.nodes.items() if name.startswith(UNDO))
    return UndoView(
        cause=undo.cause,
        reason=undo.reason,
        step=undo.step,
        error=error_of(undo.error) if undo.error is not None else None,
        done=undone,
        total=len(undo.order) if undo.order is not None else None,
    )


def reading_in(journal: Journal, connection: Connection, run_id: UUID) -> Reading:
    """One look at a run: its head, its facts and their sum, its open rows. Raises `RunNotFound`, `CorruptHistory`."""
    head = listing.one(journal, connection, run_id)
    if head is None:
        raise heads.missing(journal, connection, run_id)
    if head.spec is None:
        raise CorruptHistory(
            "the journal does not hold the definition that the run started with", details={"run_id": str(run_id)}
        )
    rows, flaw = facts.readable(journal, connection, run_id)
    if not rows or not isinstance(rows[0].fact, RunStarted):
        raise CorruptHistory(
            f"the history of run {run_id} does not begin with its start", details={"run_id": str(run_id), "seq": 1}
        )
    open_rows = listing.open_work(journal, connection, [run_id])
    work = {row.step: row for row in open_rows if row.kind != OpenKind.TIMER}
    timers = tuple(TimerView(name=row.step, due_at=row.due_at) for row in open_rows if row.kind == OpenKind.TIMER)
    run = fold((row.at, row.fact) for row in rows)
    held = [row.step for row in open_rows if row.claimed]
    usual = listing.usual(journal, connection, head.workflow, head.definition, held) if held else {}
    scene = Scene(
        Spec.from_json(head.spec),
        run,
        rows,
        work,
        account_of(rows),
        head.ended_at,
        head.now,
        usual,
        forgotten_in(open_rows),
    )
    return Reading(head, rows[0].fact, scene, timers, flaw or flaw_at_end(head.rev, None, [row.hash for row in rows]))
