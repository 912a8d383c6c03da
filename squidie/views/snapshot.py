"""One run as it stands: read in one instant, told from its facts, its open work and the clock."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from squidie.errors import CorruptHistory, RunNotFound
from squidie.history.canonical import plain
from squidie.history.codec import decode
from squidie.history.facts import (
    TERMINAL,
    AttemptCompleted,
    AttemptDeadLettered,
    AttemptExpired,
    AttemptFailed,
    AttemptReleased,
    ErrorRecord,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
)
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus, fold
from squidie.journal import definitions, facts, listing
from squidie.views.headline import headline
from squidie.views.listing import SHORT, work_of
from squidie.views.states import Standing, State, state_of_run, state_of_step
from squidie.workflow.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from squidie.history.facts import Fact
    from squidie.history.run import Run
    from squidie.journal.facts import Recorded
    from squidie.journal.store import Journal
    from squidie.workflow.spec import Node

_ENDS = tuple(fact.kind for fact in TERMINAL)
_OF_A_STEP = (AttemptCompleted, AttemptFailed, AttemptDeadLettered, AttemptReleased, AttemptExpired)


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run: where it stands, who is at it, how it ended.

    `claims` counts those made on its latest attempt.
    """

    name: str
    state: State
    action: str
    queue: str
    attempt: int = 0
    max_attempts: int = 1
    claims: int = 0
    lost: int = 0
    owner: str | None = None
    claimed_at: datetime | None = None
    lease_until: datetime | None = None
    due_at: datetime | None = None
    error: dict[str, Any] | None = None
    output: Any = None
    settled_at: datetime | None = None
    after: tuple[str, ...] = ()


class RunSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run as people and programs are shown it; plain data, ready for JSON. `at` is the database's time of reading."""

    id: UUID
    short_id: str
    workflow: str
    version: str | None
    definition: str
    trigger: str
    key: str | None
    status: RunStatus
    state: State
    headline: str
    queue: str
    priority: int
    attributes: dict[str, Any]
    started_at: datetime
    ended_at: datetime | None
    revision: int
    facts: int
    payload: Any
    output: Any
    error: dict[str, Any] | None
    steps: tuple[StepView, ...]
    anomalies: tuple[str, ...]
    at: datetime


class _Reading(NamedTuple):
    """What one look at the journal brought."""

    head: Any
    spec: Spec
    run: Run
    rows: Sequence[Recorded]
    work: dict[str, Any]


def inspect_run(journal: Journal, run_id: UUID) -> RunSnapshot:
    """The run as it stands now. Raises `RunNotFound`."""
    with listing.snapshot(journal) as connection:
        reading = _read(journal, connection, run_id)
    head, run = reading.head, reading.run
    steps = tuple(_step(reading, node) for node in reading.spec.nodes)
    state = state_of_run(run.status, (step.state for step in steps))
    _, output, error = _ending(reading.rows[-1].fact, reading.spec, (row.fact for row in reading.rows))
    started = next(row.fact for row in reading.rows if isinstance(row.fact, RunStarted))
    return RunSnapshot(
        id=head.run_id,
        short_id=head.run_id.hex[-SHORT:],
        workflow=head.workflow,
        version=head.version,
        definition=head.definition,
        trigger=head.trigger,
        key=head.key,
        status=run.status,
        state=state,
        headline=headline(state, steps, error, run_at=(head.started_at, head.ended_at, head.now)),
        queue=head.queue,
        priority=head.priority,
        attributes=head.attributes or {},
        started_at=head.started_at,
        ended_at=head.ended_at,
        revision=head.rev,
        facts=len(reading.rows),
        payload=plain(started.payload),
        output=output,
        error=error,
        steps=steps,
        anomalies=run.anomalies,
        at=head.now,
    )


def result_of(journal: Journal, run_id: UUID) -> tuple[str, Any, dict[str, Any] | None] | None:
    """How the run ended: status, output and error; None while it is open. Raises `RunNotFound`.

    A waiting caller asks this again and again: it is cheap.
    """
    with journal.reading() as connection:
        status = listing.status(journal, connection, run_id)
        if status is None:
            raise RunNotFound(run_id)
        if status == RunStatus.RUNNING:
            return None
        row = listing.terminal(journal, connection, run_id, _ENDS)
        if row is None:
            raise CorruptHistory(f"run {run_id} is {status}, and no fact says so", details={"run_id": str(run_id)})
        fact = decode(row.kind, row.body)
        if not (isinstance(fact, RunCompleted) and fact.leaves):
            return _ending(fact, None, ())
        spec = definitions.find(journal, connection, listing.definition(journal, connection, run_id))
        leaves = [node.name for node in spec.nodes if node.output_name in fact.leaves]
        done = [decode("attempt_completed", body) for body in listing.done(journal, connection, run_id, leaves)]
    return _ending(fact, spec, done)


def error_of(record: ErrorRecord, step: str | None = None) -> dict[str, Any]:
    """A recorded failure as plain data, what is unknown left out."""
    found: dict[str, Any] = msgspec.to_builtins(record)
    return {"step": step, **found} if step else found


def _ending(fact: Fact, spec: Spec | None, before: Iterable[Fact]) -> tuple[str, Any, dict[str, Any] | None]:
    match fact:
        case RunCompleted():
            return (
                RunStatus.COMPLETED.value,
                _leaves(fact, spec, before) if fact.leaves and spec else plain(fact.output),
                None,
            )
        case RunFailed():
            return RunStatus.FAILED.value, None, error_of(fact.error, fact.step)
        case RunCancelled():
            return RunStatus.CANCELLED.value, None, {"kind": "cancelled", "message": fact.reason}
        case _:
            return RunStatus.RUNNING.value, None, None


def _leaves(fact: RunCompleted, spec: Spec, before: Iterable[Fact]) -> Any:
    """An output that was too large to be said twice, from the facts of its steps."""
    names = {node.name: node.output_name for node in spec.nodes if node.output_name in fact.leaves}
    found = {
        names[each.step]: plain(each.output)
        for each in before
        if isinstance(each, AttemptCompleted) and each.step in names
    }
    return next(iter(found.values())) if len(fact.leaves) == 1 else found


def _read(journal: Journal, connection: Connection, run_id: UUID) -> _Reading:
    head = listing.one(journal, connection, run_id)
    if head is None:
        raise RunNotFound(run_id)
    if head.spec is None:
        raise CorruptHistory(
            "the journal does not hold the definition that the run started with", details={"run_id": str(run_id)}
        )
    rows = facts.read(journal, connection, run_id)
    if not rows or not isinstance(rows[0].fact, RunStarted):
        raise CorruptHistory(
            f"the history of run {run_id} does not begin with its start", details={"run_id": str(run_id), "seq": 1}
        )
    work = {row.step: row for row in listing.open_work(journal, connection, [run_id])}
    return _Reading(head, Spec.from_json(head.spec), fold((row.at, row.fact) for row in rows), rows, work)


def _step(reading: _Reading, node: Node) -> StepView:
    reached = reading.run.nodes.get(node.name)
    row = reading.work.get(node.name)
    standing = Standing(
        reached.status if reached else None, work_of(row) if row else None, reading.run.is_open, reading.head.now
    )
    view = StepView(
        name=node.name,
        state=state_of_step(standing),
        action=node.action,
        queue=row.queue if row else node.queue or reading.head.queue,
        max_attempts=node.retry.max_attempts if node.retry else 1,
        after=tuple(dict.fromkeys(edge.source for edge in reading.spec.incoming[node.name])),
    )
    if reached is None or reached.status is NodeStatus.SKIPPED:
        return view
    view = msgspec.structs.replace(
        view, attempt=reached.attempt, claims=reached.claims, lost=reached.lost, **_told(reading, node.name)
    )
    if row is None:
        return view
    claims = reached.claims + bool(row.claimed)
    return msgspec.structs.replace(
        view, claims=claims, due_at=row.due_at, owner=row.owner, claimed_at=row.claimed_at, lease_until=row.lease_until
    )


def _told(reading: _Reading, step: str) -> dict[str, Any]:
    """What the facts say of a step: its last error while it has none better, its output, who settled it and when."""
    told: dict[str, Any] = {}
    for row in reading.rows:
        fact = row.fact
        if not isinstance(fact, _OF_A_STEP) or fact.step != step:
            continue
        match fact:
            case AttemptCompleted():
                told |= {"output": plain(fact.output), "settled_at": row.at, "error": None}
                told |= {"owner": fact.claim.owner, "claimed_at": fact.claim.claimed_at}
            case AttemptFailed():
                told |= {"error": error_of(fact.error)}
                if not fact.opens or fact.disposition != "retried":
                    told |= {"settled_at": row.at, "owner": fact.claim.owner, "claimed_at": fact.claim.claimed_at}
            case AttemptDeadLettered():
                told |= {"error": error_of(fact.error), "settled_at": row.at}
    return told
