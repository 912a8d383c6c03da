"""Why a run is where it is: one sentence, what it is founded on, what happens next, and who can do what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from squidie.errors import StepNotFound
from squidie.history.bodies import OpenKind
from squidie.history.lifecycle import RunStatus
from squidie.journal import listing
from squidie.views.blockers import NOTHING, Action, Answer, Next, answer
from squidie.views.causes import Causes
from squidie.views.reasons import RANK, Reason
from squidie.views.sentences import SENTENCES
from squidie.views.snapshot import snapshot_in
from squidie.views.states import State
from squidie.views.words import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from squidie.journal.store import Journal
    from squidie.views.snapshot import RunSnapshot
    from squidie.views.steps import StepView

__all__ = ["Action", "Blocker", "Explanation", "Next", "explain_run"]

WAITING_DEPENDENCY = "waiting_dependency"


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an open run waits for: which step, since when, who acts, and what happens without anybody."""

    code: Reason
    step: str | None
    headline: str
    since: datetime | None
    who: str
    next: Next
    actions: tuple[Action, ...]
    evidence: dict[str, Any]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run, or one of its steps, stands where it does at its `revision`.

    `code` is the first reason of an open run, else how it ended. `blockers` are the most pressing first, and the first
    gives the headline; `next` and `actions` are theirs. `evidence` is what an ended run is told by.
    """

    run_id: UUID
    short_id: str
    workflow: str
    status: RunStatus
    revision: int
    state: State
    code: str
    headline: str
    blockers: tuple[Blocker, ...]
    next: tuple[Next, ...]
    actions: tuple[Action, ...]
    evidence: dict[str, Any]
    at: datetime


class _Said(NamedTuple):
    """What is said first."""

    state: State
    code: str
    headline: str


def explain_run(
    journal: Journal,
    run_id: UUID,
    step: str | None = None,
    *,
    delivery: str = "celery",
    alive_for: float = listing.ALIVE_FOR,
) -> Explanation:
    """The run as it stands now, explained; with `step`, that step. Raises `RunNotFound` and `StepNotFound`.

    `delivery` is what carries the application's bells, and thereby what its workers are started with.
    """
    with listing.snapshot(journal) as connection:
        run = snapshot_in(journal, connection, run_id)
        rows = listing.open_work(journal, connection, [run_id], alive_for=alive_for)
        work = {row.step: row for row in rows if row.kind != OpenKind.TIMER}
        causes = Causes(journal, connection, run, work, delivery)
        if step is not None:
            return _of_step(run, _found(run, step), causes)
        if run.reason is None:
            return _ended(run)
        return _open(run, causes)


def _open(run: RunSnapshot, causes: Causes) -> Explanation:
    blockers = _blockers(run, causes)
    first = blockers[0]
    return _explained(run, _Said(run.state, str(first.code.value), run.headline), blockers, first.evidence)


def _blockers(run: RunSnapshot, causes: Causes) -> tuple[Blocker, ...]:
    """The most pressing first, then the oldest, then as declared."""
    found = [_blocker(step, answer(step, causes), run.at) for step in run.steps if step.reason is not None]
    if run.undo is not None:
        found.append(_undoing(run))
    if run.anomalies or not found:
        evidence = {"anomalies": list(run.anomalies)}
        found.insert(0, _made(Reason.ANOMALY, None, run.headline, None, Answer("maintainers", NOTHING, (), evidence)))
    return tuple(sorted(found, key=lambda each: (RANK[each.code], each.since or run.at)))


def _blocker(step: StepView, given: Answer, now: datetime) -> Blocker:
    assert step.reason is not None  # noqa: S101 - only of open steps
    since = given.evidence.get("since") or step.claimed_at or step.due_at
    return _made(step.reason, step.name, SENTENCES[step.reason](step, now), since, given)


def _undoing(run: RunSnapshot) -> Blocker:
    undo = run.undo
    assert undo is not None  # noqa: S101 - asked by the caller
    drained = next((timer.due_at for timer in run.timers if timer.name.startswith("drain:")), None)
    if undo.total is None:
        held = [{"step": step.name, "owner": step.owner} for step in run.steps if step.state is State.RUNNING]
        ends = Next(what="undoing begins when they settle, at the latest", at=drained)
        return _made(Reason.DRAINING, None, run.headline, None, Answer("nobody", ends, (), {"claims": held}))
    evidence = {"cause": str(undo.cause.value), "done": undo.done, "total": undo.total}
    given = Answer("nobody", Next(what="the next undo follows"), (), evidence)
    return _made(Reason.COMPENSATING, None, run.headline, None, given)


def _made(code: Reason, step: str | None, headline: str, since: datetime | None, given: Answer) -> Blocker:
    return Blocker(
        code=code,
        step=step,
        headline=headline,
        since=since,
        who=given.who,
        next=given.next,
        actions=given.actions,
        evidence=given.evidence,
    )


def _ended(run: RunSnapshot) -> Explanation:
    evidence: dict[str, Any] = {"seq": run.revision, "ended_at": run.ended_at}
    if run.error is not None:
        evidence |= {"error": run.error, "compensation": str(run.compensation.value)}
    return _explained(run, _Said(run.state, str(run.state.value), run.headline), (), evidence)


def _of_step(run: RunSnapshot, step: StepView, causes: Causes) -> Explanation:
    """One step: why it is open, what it waits for where it has not begun, or how it ended."""
    if step.reason is not None:
        blocker = _blocker(step, answer(step, causes), run.at)
        said = _Said(step.state, str(step.reason.value), blocker.headline)
        return _explained(run, said, (blocker,), blocker.evidence)
    if step.state is State.NOT_STARTED and run.reason is not None:
        states = {each.name: each.state for each in run.steps}
        sources = [{"step": name, "state": str(states[name].value)} for name in step.after]
        told = " and ".join(f"{each['step']} ({each['state'].replace('_', ' ')})" for each in sources) or "its turn"
        said = _Said(step.state, WAITING_DEPENDENCY, f"{step.name} waits for {told}.")
        return _explained(run, said, (), {"sources": sources})
    ended = f"{step.name} is {step.state.word}" + (f": {first_line(step.error)}" if step.error else "")
    evidence = {"settled_at": step.settled_at, "error": step.error, "attempt": step.attempt}
    return _explained(run, _Said(step.state, str(step.state.value), f"{ended}."), (), evidence)


def _found(run: RunSnapshot, name: str) -> StepView:
    for step in run.steps:
        if step.name == name:
            return step
    raise StepNotFound(run.id, name)


def _explained(run: RunSnapshot, said: _Said, blockers: Sequence[Blocker], evidence: dict[str, Any]) -> Explanation:
    return Explanation(
        run_id=run.id,
        short_id=run.short_id,
        workflow=run.workflow,
        status=run.status,
        revision=run.revision,
        state=said.state,
        code=said.code,
        headline=said.headline,
        blockers=tuple(blockers),
        next=tuple(dict.fromkeys(blocker.next for blocker in blockers)) or (NOTHING,),
        actions=tuple(dict.fromkeys(action for blocker in blockers for action in blocker.actions)),
        evidence=evidence,
        at=run.at,
    )
