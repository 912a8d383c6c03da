"""Who may do what: the host's own policy, asked before a command is tried, outside any lock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.errors import NotPermitted, RunNotFound
from squidie.history.lifecycle import RunStatus
from squidie.journal import finding, heads

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.history.run import NodeRun, Run


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the host's policy is told of a run."""

    run_id: UUID
    workflow: str
    partition: str | None
    status: RunStatus


class StepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What it is told of the step, and who is asked there: the role as it was last handed on."""

    name: str
    role: str | None = None


Authorize = Callable[[Any, str, RunFacts, StepFacts | None], bool | None]
"""`authorize(actor, verb, run, step)`: whatever is false, but for None, refuses."""


Retain = Callable[[Sequence[RunFacts]], Collection[UUID]]
"""`retain(runs)`: of these, which are past their age, the ids of those that must stay."""


Visibility = Callable[[Any, Any], str]
"""`visibility(actor, view)`: the scope in which this actor sees this view; see `squidie.views.visibility.Scope`."""


class Policy(msgspec.Struct, frozen=True):
    """The host's hooks, and the partition that a handle is bound to; any may be missing."""

    authorize: Authorize | None = None
    within: str | None = None
    retain: Retain | None = None
    visibility: Visibility | None = None


def permit(
    parts: Parts, policy: Policy, verb: str, run_id: UUID, *, actor: Any, step: str | None, host: Connection | None
) -> None:
    """Nothing, or `NotPermitted`; `RunNotFound` for a run in another partition."""
    if policy.within is not None:
        with looking(parts, host) as connection:
            about = finding.about(parts.journal, connection, run_id)
            if about is None or about.partition != policy.within:
                raise RunNotFound(run_id)
    if policy.authorize is None:
        return
    with looking(parts, host) as connection:
        head = heads.read(parts.journal, connection, run_id)
        if head is None:
            raise heads.missing(parts.journal, connection, run_id)
    run, where = head.run, _step(head.run, step, verb)
    told = RunFacts(run_id=run_id, workflow=run.workflow, partition=run.partition, status=run.status)
    answer = policy.authorize(actor, verb, told, _about_step(parts, run, where))
    if answer is not None and not answer:
        details = {"verb": verb, "run_id": str(run_id), "step": where}
        raise NotPermitted(f"this actor may not {verb.replace('_', ' ')}", details=details)


def looking(parts: Parts, host: Connection | None) -> AbstractContextManager[Connection]:
    """A connection to read on: the host's, which sees what it has not committed yet, or one of our own."""
    return parts.journal.reading() if host is None else parts.journal.transaction(host)


def _step(run: Run, step: str | None, verb: str) -> str | None:
    """The step that is named, or the only one that can be meant."""
    if step is not None or verb not in {"resume", "approve", "reject", "delegate"}:
        return step
    asked = [name for name, node in run.nodes.items() if node.is_manual and node.waiting is not None]
    return asked[0] if len(asked) == 1 else None


def _about_step(parts: Parts, run: Run, step: str | None) -> StepFacts | None:
    if step is None:
        return None
    reached: NodeRun | None = run.nodes.get(step)
    if reached is not None and reached.waiting is not None:
        return StepFacts(name=step, role=reached.waiting.role)
    node = parts.definitions.find(run.definition).by_name.get(step)
    return StepFacts(name=step, role=None if node is None else node.role)
