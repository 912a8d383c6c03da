"""Open runs that keep a definition which the code at hand cannot go on with: what a deploy would strand."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from squidie.errors import HistoryError
from squidie.history.run import NodeStatus, Run
from squidie.journal import attempts, definitions
from squidie.views.listing import MOST, looks_at
from squidie.workflow.spec import RUNS_CODE, UNDO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.journal.store import Journal
    from squidie.views.rows import Look
    from squidie.workflow.registry import Registry
    from squidie.workflow.spec import Node, Spec

SHOWN = 5
_OVER = (NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.WITHDRAWN)


class StrandedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Open runs on one definition that still need a callable which is not here, or is called in another way now.

    `step` is the first that needs it, `why` what is wrong, `since` the start of the oldest run, `examples` some ids,
    the oldest first.
    """

    workflow: str
    version: str | None
    definition: str
    step: str
    action: str
    why: str
    runs: int
    since: datetime
    examples: tuple[UUID, ...]


class StrandedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, out of how many open runs, at one time; of `unreadable` ones nobody knows what they need."""

    groups: tuple[StrandedGroup, ...]
    open: int
    unreadable: int
    at: datetime


def stranded(journal: Journal, registry: Registry) -> StrandedRuns:
    """What this code could not go on with. What a run has behind it is not asked for again, but for what undoes it."""
    with journal.looking() as connection:
        kept = definitions.kept(journal, connection)
        specs = definitions.several(journal, connection, [row.definition for row in kept])
        now = attempts.clock(journal, connection)
    lacking = {definition: missing for definition, spec in specs.items() if (missing := lacks(spec, registry))}
    lost = sum(row.runs for row in kept if row.definition not in specs)
    heads: dict[tuple[str, str], list[Any]] = {}
    for workflow in sorted({row.workflow for row in kept if row.definition in lacking}):
        for look in _open(journal, workflow):
            definition = look.head.definition
            lost += isinstance(look.run, HistoryError) and definition in lacking
            for step in _needed(look, lacking.get(definition, {}), specs.get(definition)):
                heads.setdefault((definition, step), []).append(look.head)
    groups = [_group(specs[key], step, lacking[key][step], found) for (key, step), found in heads.items()]
    groups.sort(key=lambda group: (group.since, group.workflow, group.step))
    return StrandedRuns(groups=tuple(groups), open=sum(row.runs for row in kept), unreadable=lost, at=now)


def _needed(look: Look, lacking: dict[str, str], spec: Spec | None) -> list[str]:
    """The first step, for each callable that is missing, that the run may still come to."""
    run = look.run
    if not isinstance(run, Run) or spec is None:
        return []
    ahead = {spec.work[step].action: step for step in reversed(lacking) if is_ahead(run, step)}
    return list(ahead.values())


def lacks(spec: Spec, registry: Registry) -> dict[str, str]:
    """The steps of a definition that this code cannot run, and why."""
    found = {name: _wrong(node, registry) for name, node in spec.work.items() if node.kind in RUNS_CODE}
    return {name: why for name, why in found.items() if why is not None}


def _wrong(node: Node, registry: Registry) -> str | None:
    if node.action not in registry.served:
        return "is not here"
    action = registry.action(node.action)
    return None if action is None else action.misfit(node.input)


def is_ahead(run: Run, step: str) -> bool:
    """Whether the run may still come to this step."""
    node = run.nodes.get(step)
    if step.startswith(UNDO) and node is None:
        done = run.nodes.get(step.removeprefix(UNDO))
        return done is None or done.status not in _OVER
    return node is None or node.is_open


def _open(journal: Journal, workflow: str) -> Iterator[Look]:
    after = None
    while True:
        looks, after, _ = looks_at(journal, workflow=workflow, open=True, limit=MOST, after=after)
        yield from looks
        if after is None:
            return


def _group(spec: Spec, step: str, why: str, heads: list[Any]) -> StrandedGroup:
    heads.sort(key=lambda head: (head.started_at, head.run_id))
    return StrandedGroup(
        workflow=spec.name,
        version=spec.version,
        definition=heads[0].definition,
        step=step,
        action=spec.work[step].action,
        why=why,
        runs=len(heads),
        since=heads[0].started_at,
        examples=tuple(head.run_id for head in heads[:SHOWN]),
    )
