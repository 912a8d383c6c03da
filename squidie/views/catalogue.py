"""The workflows there are: those that this code declares, and those that the journal remembers, with their graphs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.errors import WorkflowNotFound
from squidie.journal import attempts, definitions
from squidie.workflow.fingerprint import fingerprint
from squidie.workflow.spec import RUNS_CODE, Spec, TriggerKind

if TYPE_CHECKING:
    from squidie.journal.store import Journal
    from squidie.workflow.registry import Registry


class DefinitionView(msgspec.Struct, frozen=True, kw_only=True):
    """One graph of a workflow: since when it is kept, how many runs were started on it, and how many are open.

    `is_declared`: it is what this code would start a run on. `kept_at` is None for one that no run was started on.
    """

    definition: str
    version: str | None
    is_declared: bool
    kept_at: datetime | None = None
    last_at: datetime | None = None
    runs: int = 0
    open: int = 0


class WorkflowView(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow. What is said of its steps is of the graph declared here, or else of the one kept last."""

    name: str
    version: str | None
    description: str
    is_declared: bool
    triggers: tuple[str, ...]
    queues: tuple[str, ...]
    steps: int
    runs: int
    open: int
    last_at: datetime | None
    definitions: tuple[DefinitionView, ...]


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All workflows by name, at one time."""

    workflows: tuple[WorkflowView, ...]
    at: datetime


def catalogue(journal: Journal, registry: Registry, default_queue: str) -> Catalogue:
    """Every workflow that is declared here or of which a run was ever started."""
    with journal.looking() as connection:
        rows = definitions.everything(journal, connection)
        now = attempts.clock(journal, connection)
    kept: dict[str, list[Any]] = {}
    for row in rows:
        kept.setdefault(row.workflow, []).append(row)
    names = sorted({*kept, *registry.workflows})
    views = tuple(_workflow(name, kept.get(name, []), registry, default_queue) for name in names)
    return Catalogue(workflows=views, at=now)


def workflow_of(found: Catalogue, name: str) -> WorkflowView:
    """The workflow of that name. Raises `WorkflowNotFound`."""
    for view in found.workflows:
        if view.name == name:
            return view
    raise WorkflowNotFound(name, {view.name: view for view in found.workflows})


def _workflow(name: str, rows: list[Any], registry: Registry, default_queue: str) -> WorkflowView:
    declared = registry.spec(name) if name in registry.workflows else None
    own = fingerprint(declared) if declared is not None else None
    graphs = [
        DefinitionView(
            definition=row.fingerprint,
            version=row.version,
            is_declared=row.fingerprint == own,
            kept_at=row.at,
            last_at=row.last_at,
            runs=row.runs,
            open=row.open,
        )
        for row in rows
    ]
    if declared is not None and own is not None and not any(each.is_declared for each in graphs):
        graphs.append(DefinitionView(definition=own, version=declared.version, is_declared=True))
    spec = declared if declared is not None else Spec.from_json(rows[-1].spec)
    return WorkflowView(
        name=name,
        version=spec.version,
        description=spec.description,
        is_declared=declared is not None,
        triggers=tuple(_trigger(each) for each in spec.triggers),
        queues=tuple(sorted({node.queue or default_queue for node in spec.work.values() if node.kind in RUNS_CODE})),
        steps=len(spec.nodes),
        runs=sum(each.runs for each in graphs),
        open=sum(each.open for each in graphs),
        last_at=max((each.last_at for each in graphs if each.last_at is not None), default=None),
        definitions=tuple(graphs),
    )


def _trigger(trigger: Any) -> str:
    if trigger.kind is TriggerKind.CRON:
        return f"{trigger.name} ({trigger.expression} {trigger.timezone})"
    return str(trigger.name)
