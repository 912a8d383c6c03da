"""Whom an event is for, where only the workflow is known: the one open run that awaits it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.engine.permission import looking
from squidie.engine.requests import key_of, spec_of
from squidie.engine.steering import text_of
from squidie.errors import InvalidArgument, RunNotFound
from squidie.history.run import NodeStatus
from squidie.journal import finding, heads

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from squidie.engine.parts import Parts
    from squidie.engine.requests import Who
    from squidie.history.run import NodeRun

VERB = "signal_run"
MOST = 1000
"""So many runs are looked at: events that more of them await need a correlation."""


def addressed(
    parts: Parts,
    who: Who,
    host: Connection | None,
    *,
    workflow: Any,
    event: Any,
    correlation: Any,
    within: str | None,
) -> UUID:
    """The run that awaits this event, or that the same request has reached before.

    Raises `RunNotFound` where there is none, and `InvalidArgument` where there are several.
    """
    name, word = _workflow(parts, workflow), text_of(event, "event")
    about = None if correlation is None else text_of(correlation, "correlation")
    asked = {"workflow": name, "event": word, "correlation": about, "key": key_of(who.key), "within": within}
    with looking(parts, host) as connection:
        found = _look(parts, connection, asked)
        if not found and who.key is not None:  # the same request may just have been taken, between our two questions
            found = _look(parts, connection, asked)
    if not found:
        raise RunNotFound(None, f"of {name} that awaits {word}")
    if len(found) > 1:
        hint = "give the run's id, or the correlation that it waits for"
        raise InvalidArgument("workflow", f"{len(found)} of its runs await {word}", hint=hint)
    return found[0]


def _look(parts: Parts, connection: Connection, asked: dict[str, Any]) -> list[UUID]:
    """The run that this request has reached before, else those that await the event now."""
    rows = finding.awaiting(parts.journal, connection, **asked, verb=VERB, limit=MOST)
    before = [row.run_id for row in rows if row.is_keyed]
    event, correlation = asked["event"], asked["correlation"]
    return before or [row.run_id for row in rows if _awaits(parts, connection, row.run_id, event, correlation)]


def _workflow(parts: Parts, workflow: Any) -> str:
    """By its class it must be declared here; by its name it need not be any more."""
    return text_of(workflow, "workflow") if isinstance(workflow, str) else spec_of(parts, workflow).name


def _awaits(parts: Parts, connection: Connection, run_id: UUID, event: str, correlation: str | None) -> bool:
    head = heads.read(parts.journal, connection, run_id)
    return head is not None and any(_fits(node, event, correlation) for node in head.run.nodes.values())


def _fits(node: NodeRun, event: str, correlation: str | None) -> bool:
    wait = node.waiting
    if node.status is not NodeStatus.OPEN or wait is None:
        return False
    return wait.event == event and wait.correlation in (None, correlation)
