"""What this process was given: the workflows it declares and the callables it can run.

Code is looked up here and never imported from stored text.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidConfig, InvalidSpec, WorkflowNotFound
from squidie.workflow.callables import Action, describe
from squidie.workflow.dsl import Workflow, to_spec
from squidie.workflow.limits import declared, numbers
from squidie.workflow.spec import LOG_ACTION, RUNS_CODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from squidie.workflow.spec import Spec


class Registry:
    """Workflows by name, actions by name.

    `actions` gives callables names of one's own, `aliases` maps a name in old graphs to one of today (or to a
    callable), `keep` lists callables that only old graphs still use.
    """

    def __init__(
        self,
        workflows: Iterable[type[Workflow]] = (),
        *,
        actions: Mapping[str, Callable[..., Any]] | None = None,
        aliases: Mapping[str, str | Callable[..., Any]] | None = None,
        keep: Iterable[Callable[..., Any]] = (),
    ) -> None:
        self._workflows: dict[str, type[Workflow]] = {}
        self._actions: dict[str, Action] = {}
        self._limits: dict[str, tuple[Any, ...]] = {}
        for workflow in workflows:
            self._declare(workflow)
        for call in keep:
            described = _described(call, "keep")
            self._add(described.name, described)
        for name, call in (actions or {}).items():
            self._add(name, _described(call, "actions"))
        for old, target in (aliases or {}).items():
            self._alias(old, target)

    @property
    def workflows(self) -> Mapping[str, type[Workflow]]:
        """The declared workflows by name."""
        return MappingProxyType(self._workflows)

    @property
    def served(self) -> frozenset[str]:
        """The names of all actions that this process can run, old names included; every process can log."""
        return frozenset(self._actions) | {LOG_ACTION}

    def action(self, name: str) -> Action | None:
        """The action of that name, or None if this process does not have it; a log runs no code of anybody's."""
        return self._actions.get(name)

    def workflow(self, name: str) -> type[Workflow]:
        """The workflow of that name. Raises `WorkflowNotFound`."""
        try:
            return self._workflows[name]
        except KeyError:
            raise WorkflowNotFound(name, self._workflows) from None

    def spec(self, name: str) -> Spec:
        """The spec of the workflow of that name. Raises `WorkflowNotFound`."""
        return self.workflow(name).spec

    def queues(self, default: str) -> set[str]:
        """The queues that the declared workflows use, for undoing too; steps without one go to the default."""
        work = (node for workflow in self._workflows.values() for node in workflow.spec.work.values())
        return {node.queue or default for node in work if node.kind in RUNS_CODE}

    def _declare(self, workflow: type[Workflow]) -> None:
        spec = to_spec(workflow)
        if self._workflows.setdefault(spec.name, workflow) is not workflow:
            raise InvalidConfig(f"two workflows are named {spec.name}", hint='give one of them another name = "..."')
        for action in workflow.actions.values():
            self._add(action.name, action)
        for part in declared(spec):
            if self._limits.setdefault(part.name, numbers(part)) != numbers(part):
                raise InvalidConfig(f"two workflows say different things of the limit {part.name}: they share it")

    def _add(self, name: str, action: Action) -> None:
        if name == LOG_ACTION:
            raise InvalidConfig(f"{LOG_ACTION} is what log nodes run", hint="give the action another name")
        if self._actions.setdefault(name, action).function != action.function:
            raise InvalidConfig(
                f"two callables go by the name {name}", hint="rename one, or give it a name with actions={...}"
            )

    def _alias(self, old: str, target: str | Callable[..., Any]) -> None:
        action = self.action(target) if isinstance(target, str) else _described(target, "aliases")
        if action is None:
            raise InvalidConfig(
                f"the alias {old} stands for an action that is not here", hint="add the callable with keep=[...]"
            )
        self._add(old, action)


def _described(call: Callable[..., Any], where: str) -> Action:
    try:
        return describe(call)
    except InvalidSpec as error:
        said = "; ".join(issue.message for issue in error.issues)
        raise InvalidConfig(f"{where} holds what cannot be an action: {said}") from None
