"""Verbs that look, and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.engine.permission import Policy, permit
from squidie.engine.requests import as_uuid
from squidie.errors import InvalidArgument, WorkflowNotFound
from squidie.journal import attempts, definitions
from squidie.runtime.door import Door
from squidie.runtime.run import Run
from squidie.views.commands import AcceptedCommand, command_history
from squidie.views.fleet import QueueView, fleet
from squidie.views.graph import RunGraph, graph_of_spec, inspect_run_graph
from squidie.views.listing import RunPage, list_runs
from squidie.views.snapshot import RunSnapshot, inspect_run, result_of
from squidie.views.timeline import TimelineEvent, inspect_run_timeline
from squidie.workflow.checks import Issue, validate_spec
from squidie.workflow.dsl import to_spec

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from squidie.workflow.dsl import Workflow
    from squidie.workflow.spec import Spec


class Seeing(Door):
    """Runs one by one, and in pages."""

    def run(self, run_id: UUID | str) -> Run:
        """A handle to a run that exists. Raises `RunNotFound`."""
        found = as_uuid(run_id)
        self.inspect_run(found)
        return self._handle(found)

    def inspect_run(self, run_id: UUID | str) -> RunSnapshot:
        """The run as it stands now, with its steps and their attempts. Raises `RunNotFound`."""
        return inspect_run(self._parts.journal, self._seen(run_id))

    def inspect_run_graph(self, run_id: UUID | str, *, history: bool = False) -> RunGraph:
        """The run's graph: nodes with their states, edges with what became of them, and which nodes are open.

        It needs the definition that the run keeps, never the workflow's code. With `history` each node has its input,
        output, error and attempts. `to_map()` of it is JSON. Raises `RunNotFound`.
        """
        return inspect_run_graph(self._parts.journal, self._seen(run_id), history=history)

    def inspect_run_timeline(self, run_id: UUID | str) -> tuple[TimelineEvent, ...]:
        """What has happened in the run, by `seq`: its facts, and the claims that they ended. Raises `RunNotFound`."""
        return inspect_run_timeline(self._parts.journal, self._seen(run_id))

    def inspect_workflow_graph(self, workflow: type[Workflow] | Spec | str) -> RunGraph:
        """The graph of a workflow, by its class, its spec, or its name: nothing of it has started.

        One that is not declared here is found by its name if a run was ever started of it: the graph is the one that
        was kept last. Raises `WorkflowNotFound`.
        """
        if not isinstance(workflow, str) or workflow in self._parts.registry.workflows:
            return graph_of_spec(self.to_spec(workflow))
        with self._parts.journal.looking() as connection:
            spec = definitions.newest(self._parts.journal, connection, workflow)
        if spec is None:
            raise WorkflowNotFound(workflow, self._parts.registry.workflows)
        return graph_of_spec(spec)

    def list_runs(self, **query: Any) -> RunPage:
        """Runs, newest first, in pages: see `squidie.views.listing.list_runs` for what may be asked.

        Cursors are signed where `settings.secret` is set.
        """
        parts = self._parts
        return list_runs(parts.journal, **self._narrowed(query), schema=parts.attributes, secret=parts.settings.secret)

    def queues(self) -> tuple[QueueView, ...]:
        """What is open on each queue, counted now, in all and by partition; who serves it, and what nobody serves.

        Where somebody has paused it, `paused` says who, since when and why.
        A handle that is bound to a partition counts the work of that partition only.
        """
        return fleet(self._parts.journal, within=self._policy.within).queues

    def ended(self, run_id: UUID) -> tuple[str, Any, dict[str, Any] | None] | None:
        """How the run ended: status, output and error; None while it is open."""
        return result_of(self._parts.journal, self._seen(run_id))

    def command_history(self, run_id: UUID | str) -> tuple[AcceptedCommand, ...]:
        """The commands that the run has accepted, and from whom. Raises `RunNotFound`."""
        return command_history(self._parts.journal, self._seen(run_id))

    def to_spec(self, workflow: type[Workflow] | Spec | str) -> Spec:
        """The graph of a workflow, by its class or by the name under which it is declared here."""
        return self._parts.registry.spec(workflow) if isinstance(workflow, str) else to_spec(workflow)

    def validate_spec(self, value: Any) -> tuple[Issue, ...]:
        """Everything that is wrong with a spec; nothing is imported, run or started to find it."""
        return validate_spec(value)

    def now(self) -> datetime:
        """The database's clock: the only one."""
        with self._parts.journal.looking() as connection:
            return attempts.clock(self._parts.journal, connection)

    def _narrowed(self, query: dict[str, Any]) -> dict[str, Any]:
        """A query as this handle may ask it."""
        within = self._policy.within
        if within is None:
            return query
        if query.get("partition") not in (None, within):
            raise InvalidArgument("partition", "is another one than this handle's")
        return {**query, "partition": within}

    def _seen(self, run_id: UUID | str) -> UUID:
        """The run's id, if this handle sees it; the host's policy is about acting, not about looking."""
        found = as_uuid(run_id)
        if self._policy.within is not None:
            looking = Policy(within=self._policy.within)
            permit(self._parts, looking, "inspect_run", found, actor=None, step=None, host=None)
        return found

    def _handle(self, run_id: UUID, *, created: bool = False) -> Run:
        return Run(self, run_id, created=created)
