"""The steps of a run as they are shown: each node of its graph, and each undo once it has begun."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from squidie.decide.course import DEADLINE
from squidie.history.bodies import Decision, OpenKind
from squidie.history.canonical import plain
from squidie.history.run import GOOD, NodeStatus
from squidie.journal.facts import output_in
from squidie.views.deadlines import DeadlineStatus, DeadlineView, deadline_of
from squidie.views.reasons import Reason, Standing, Work, reason_of_step, state_of_step
from squidie.views.states import State
from squidie.views.told import Told
from squidie.workflow.spec import RUNS_CODE, UNDO
from squidie.workflow.vocabulary import Lapse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from squidie.history.bodies import ErrorRecord
    from squidie.history.run import NodeRun, Run
    from squidie.journal.facts import Recorded
    from squidie.views.told import Account
    from squidie.workflow.spec import Node, Spec

_SETTLED = (*GOOD, NodeStatus.FAILED, NodeStatus.WITHDRAWN)
GO_ON = ("requeue", "discard")

NEARLY, FAR = 0.8, 3.0
"""A step runs long past this share of its timeout, or at so many times its usual time."""


class Effects(StrEnum):
    """How often the effects of a step can happen: exactly once inside the journal's own database, else at least."""

    EXACTLY_ONCE = "exactly_once"
    AT_LEAST_ONCE = "at_least_once"


class VoteView(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said."""

    actor: Any
    decision: Decision
    at: datetime
    comment: str | None = None


class WaitView(msgspec.Struct, frozen=True, kw_only=True):
    """What a node that holds no worker waits for, or waited for: a time, people, or an event.

    `due_at` is when it is over, or when `then` happens because nobody has decided. `decision` and `by` are set once it
    has been answered.
    """

    since: datetime | None
    due_at: datetime | None = None
    then: Lapse | None = None
    role: str | None = None
    quorum: int = 1
    votes: tuple[VoteView, ...] = ()
    exclude: tuple[str, ...] = ()
    event: str | None = None
    correlation: str | None = None
    decision: Decision | None = None
    by: Any = None


class ParkedView(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was given up and waits for a person: since when, after how many attempts, how it can go on."""

    since: datetime | None
    attempts: int
    go_on: tuple[str, ...] = GO_ON


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run: where it stands and why, who is at it, how it ended.

    `kind` is that of its node, or `compensation` for one that undoes another. `claims` counts those made on its latest
    attempt; `undone` says where the step stands that undoes it. `tolerated`: it has failed, and the run went on;
    `carried`: it ended in the run that this one was forked from. `usual` is how many seconds it takes at most in
    nineteen runs of twenty, where that is known and it is running; `times_out_at` is when it would be stopped.
    """

    name: str
    kind: str
    state: State
    reason: Reason | None = None
    action: str
    queue: str
    attempt: int = 0
    max_attempts: int = 1
    claims: int = 0
    lost: int = 0
    owner: str | None = None
    claimed_at: datetime | None = None
    lease_until: datetime | None = None
    usual: float | None = None
    times_out_at: datetime | None = None
    due_at: datetime | None = None
    waits: WaitView | None = None
    deadline: DeadlineView | None = None
    deferrals: int = 0
    deferred_because: str | None = None
    parked: ParkedView | None = None
    undone: State | None = None
    tolerated: bool = False
    carried: bool = False
    effects: Effects | None = None
    error: dict[str, Any] | None = None
    output: Any = None
    settled_at: datetime | None = None
    after: tuple[str, ...] = ()


class Scene(NamedTuple):
    """Everything that one look at a run has brought: its facts, their sum, its open rows, and the time."""

    spec: Spec
    run: Run
    rows: Sequence[Recorded]
    work: Mapping[str, Any]
    account: Account
    ended_at: datetime | None
    now: datetime
    usual: Mapping[str, float] = {}
    forgotten: frozenset[str] = frozenset()


def steps_of(scene: Scene) -> tuple[StepView, ...]:
    """The graph's nodes in the order of declaration, then the undos in the order in which they are made."""
    order = scene.run.undo.order or () if scene.run.undo is not None else ()
    begun = [f"{UNDO}{name}" for name in order if f"{UNDO}{name}" in scene.run.nodes]
    undone = {name: state_of_step(_standing(scene, scene.spec.work[f"{UNDO}{name}"])) for name in order}
    nodes = [*scene.spec.nodes, *(scene.spec.work[name] for name in begun)]
    return tuple(_step(scene, node, undone.get(node.name)) for node in nodes)


def error_of(record: ErrorRecord, step: str | None = None) -> dict[str, Any]:
    """A recorded failure as plain data, what is unknown left out."""
    found: dict[str, Any] = msgspec.to_builtins(record)
    return {"step": step, **found} if step else found


def work_of(row: Any, *, turned_away: bool = False) -> Work:
    """The part of an attempt row that its state depends on.

    One that nobody can serve counts as such when it is due, or when a worker has already given it back for that.
    """
    return Work(
        row.due_at,
        row.attempt,
        row.lost,
        row.lease_until if row.claimed else None,
        unattended=row.unattended,
        unserved=row.unserved and (turned_away or row.due_at <= row.now),
        elsewhere=row.elsewhere,
        paused=row.paused,
        full=row.full,
        spent=row.spent,
        unrung=row.unrung_since is not None,
        idle=row.idle,
    )


def _standing(scene: Scene, node: Node) -> Standing:
    name = node.name
    row, told = scene.work.get(name), scene.account.steps.get(name)
    undo = scene.run.nodes.get(f"{UNDO}{name}")
    return Standing(
        scene.run.nodes.get(name),
        work_of(row, turned_away=told is not None and told.turned_away) if row is not None else None,
        scene.run.is_open,
        scene.now,
        is_undo=name.startswith(UNDO),
        undone=undo is not None and undo.status is NodeStatus.DONE,
        is_forgotten=name in scene.forgotten,
        is_long=row is not None and row.claimed and _is_long(scene, node, row),
    )


def forgotten_in(rows: Iterable[Any]) -> frozenset[str]:
    """The waits whose time has come while no worker is alive."""
    return frozenset(
        row.step for row in rows if row.kind == OpenKind.TIMER and row.unattended and row.due_at <= row.now
    )


def _is_long(scene: Scene, node: Node, row: Any) -> bool:
    """Whether a claimed step has used most of its time, is near its deadline, or takes far longer than usual."""
    age = (scene.now - row.claimed_at).total_seconds()
    acts_at = scene.account.timers.get(f"{DEADLINE}{node.name}")
    deadline = deadline_of(node.deadline, acts_at, scene.now)
    return (
        (node.timeout is not None and age > NEARLY * node.timeout)
        or (deadline is not None and deadline.status is not DeadlineStatus.ON_TIME)
        or age > FAR * scene.usual.get(node.name, inf)
    )


def _step(scene: Scene, node: Node, undone: State | None) -> StepView:
    standing, row = _standing(scene, node), scene.work.get(node.name)
    is_undo = node.name.startswith(UNDO)
    view = StepView(
        name=node.name,
        kind="compensation" if is_undo else node.kind.value,
        state=state_of_step(standing),
        reason=reason_of_step(standing),
        action=node.action,
        queue=row.queue if row else node.queue or scene.run.queue,
        max_attempts=node.retry.max_attempts if node.retry else 1,
        effects=_effects(node),
        undone=undone,
        after=() if is_undo else tuple(dict.fromkeys(edge.source for edge in scene.spec.incoming[node.name])),
    )
    reached = standing.node
    if reached is None or reached.status is NodeStatus.SKIPPED:
        return view
    return msgspec.structs.replace(view, **_history(scene, node, reached) | _holder(scene, node, row, reached))


def _effects(node: Node) -> Effects | None:
    if node.kind not in RUNS_CODE:
        return None
    return Effects.EXACTLY_ONCE if node.transactional else Effects.AT_LEAST_ONCE


def _history(scene: Scene, node: Node, reached: NodeRun) -> dict[str, Any]:
    """What is behind it."""
    told = scene.account.steps.get(node.name, Told())
    settled_at = scene.rows[reached.seq - 1].at if reached.status in _SETTLED and reached.seq else None
    acts_at = scene.account.timers.get(f"{DEADLINE}{node.name}")
    carried = reached.seq == 1
    return {
        "attempt": 0 if reached.waiting or carried else reached.attempt,
        "max_attempts": max(reached.history.base + (node.retry.max_attempts if node.retry else 1), told.max_attempts),
        "lost": reached.lost,
        "owner": told.owner,
        "claimed_at": told.claimed_at,
        "waits": _wait(reached, told),
        "deadline": deadline_of(node.deadline, acts_at, settled_at or scene.ended_at or scene.now),
        "deferrals": reached.history.deferred,
        "deferred_because": told.put_off,
        "parked": _parked(scene, reached, told),
        "carried": carried,
        "tolerated": reached.status is NodeStatus.TOLERATED,
        "error": error_of(told.error) if told.error is not None else None,
        "output": _output(scene, node.name, reached),
        "settled_at": settled_at,
    }


def _holder(scene: Scene, node: Node, row: Any, reached: NodeRun) -> dict[str, Any]:
    """Its open row, if it has one."""
    if row is None:
        return {"claims": reached.claims}
    shown = {name: getattr(row, name) for name in ("due_at", "owner", "claimed_at", "lease_until")}
    if row.claimed:
        shown["usual"] = scene.usual.get(node.name)
        shown["times_out_at"] = row.claimed_at + timedelta(seconds=node.timeout) if node.timeout else None
    return {"claims": reached.claims + bool(row.claimed), **shown}


def _wait(reached: NodeRun, told: Told) -> WaitView | None:
    wait = reached.waiting
    if wait is None:
        return None
    votes = tuple(
        VoteView(actor=vote.actor, decision=vote.decision, at=vote.at, comment=vote.comment) for vote in wait.votes
    )
    return WaitView(
        since=told.since,
        due_at=wait.due_at,
        then=wait.then,
        role=wait.role,
        quorum=wait.quorum,
        votes=votes,
        exclude=wait.exclude,
        event=wait.event,
        correlation=wait.correlation,
        decision=wait.decision,
        by=wait.by if wait.decision is not None else None,
    )


def _parked(scene: Scene, reached: NodeRun, told: Told) -> ParkedView | None:
    if reached.status is not NodeStatus.PARKED or not scene.run.is_open:
        return None
    return ParkedView(since=told.since, attempts=reached.attempt)


def _output(scene: Scene, step: str, reached: NodeRun) -> Any:
    """What it brought, out of the fact that settled it."""
    if reached.status is not NodeStatus.DONE or not reached.seq:
        return None
    found = output_in(scene.rows[reached.seq - 1].fact, step)
    return None if found is None else plain(found)
