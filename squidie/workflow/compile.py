"""From a class to a spec: gather what was declared, bind every parameter, and let the checks judge the result."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from squidie.errors import UnstorableValue
from squidie.workflow.binding import bind_all
from squidie.workflow.checks import judge, read
from squidie.workflow.contracts import fields_of
from squidie.workflow.drafts import as_deadline
from squidie.workflow.durations import seconds
from squidie.workflow.flow import Flow, Step, whole
from squidie.workflow.issues import NAME, Issue, distinct
from squidie.workflow.nodes import Code, code_of, edges_of, node_of
from squidie.workflow.spec import POLICIES, Spec, Trigger
from squidie.workflow.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from squidie.workflow.callables import Action

SETTINGS = frozenset({"name", "version", "triggers", "deadline", "spec", "actions"})
"""Attributes of a workflow that are never steps. `flow` may be one: a flow of a single step."""


class Compiled(NamedTuple):
    """A spec, the actions it runs, and every issue found on the way."""

    spec: Spec | None
    actions: Mapping[str, Action]
    issues: tuple[Issue, ...]


class _Declared(NamedTuple):
    """What stands in the class: its steps by name, and the name of each step object, those of overridden steps too."""

    steps: dict[str, Step]
    names: dict[Step, str]


def has_parts(cls: type) -> bool:
    """Whether there is anything to compile: a shared base class has neither steps nor a flow."""
    return bool(_declared(cls).steps) or getattr(cls, "flow", None) is not None


def compile_class(cls: type) -> Compiled:
    """Everything that the class declares, as a spec. The spec is complete only if no issue is an error."""
    declared = _declared(cls)
    issues: list[Issue] = list(_misplaced(declared))
    flow = _flow(cls, declared)
    issues += _flow_issues(flow, declared)
    code = code_of(declared.steps, issues)
    payload = _payload(cls, issues)
    draft = Spec(
        name=cls.__dict__.get("name", cls.__name__),
        version=_setting(cls, "version"),
        description=inspect.cleandoc(cls.__dict__.get("__doc__") or ""),
        triggers=_triggers(cls, issues),
        payload=payload or (),
        nodes=tuple(node_of(name, step, code, issues) for name, step in declared.steps.items()),
        edges=edges_of(flow, declared.names, issues),
        deadline=as_deadline(_setting(cls, "deadline")),
    )
    return _finish(draft, code, payload, issues)


def _finish(draft: Spec, code: Code, payload: Any, issues: list[Issue]) -> Compiled:
    spec, found = read(draft)
    issues += found
    by_name = {action.name: action for action in (*code.runs.values(), *code.undoes.values())}
    if spec is None:
        return Compiled(None, by_name, distinct(issues))
    bound = bind_all(spec, code, derive=payload is None)
    issues += bound.issues
    issues += judge(bound.spec)
    return Compiled(bound.spec, by_name, distinct(issues))


def _declared(cls: type) -> _Declared:
    steps: dict[str, Step] = {}
    names: dict[Step, str] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            if isinstance(value, Step) and attribute != "flow":
                steps[attribute] = value
                names.setdefault(value, attribute)
            elif attribute in steps:
                del steps[attribute]
    return _Declared(steps, names)


def _setting(cls: type, name: str) -> Any:
    """What the class says of itself; a step of that name is an issue, not a setting."""
    value = getattr(cls, name, None)
    return None if isinstance(value, Step) else value


def _misplaced(declared: _Declared) -> Iterator[Issue]:
    for name, step in declared.steps.items():
        if name in SETTINGS:
            yield Issue(
                f"steps.{name}", "reserved_name", f"{name} is a setting of the workflow; give the step another name"
            )
        if declared.names[step] != name and declared.names[step] in declared.steps:
            said = f"is the same step as {declared.names[step]}: declare a step of its own"
            yield Issue(f"steps.{name}", "duplicate_step", said)


def _flow(cls: type, declared: _Declared) -> Flow:
    """The declared flow; without one, the only step is the flow."""
    flow = getattr(cls, "flow", None)
    if flow is None:
        return whole(next(iter(declared.steps.values()))) if len(declared.steps) == 1 else Flow()
    return whole(flow)


def _flow_issues(flow: Flow, declared: _Declared) -> Iterator[Issue]:
    for stray in flow.strays:
        yield Issue("flow", "invalid_spec", f"holds {stray}")
    if any(step not in declared.names for step in flow.steps):
        yield Issue("flow", "invalid_name", "holds a step without a name: make it an attribute of the workflow first")
    used = {declared.names.get(step) for step in flow.steps}
    for name, step in declared.steps.items():
        if declared.names[step] not in used:
            yield Issue(
                f"steps.{name}",
                "unreachable_step",
                "is not part of the flow: add it, side by side as in flow = [a >> b, c]",
            )


def _payload(cls: type, issues: list[Issue]) -> tuple[Any, ...] | None:
    """The declared contract.

    One that cannot be read counts as not declared, so that its own issue is not buried under others.
    """
    fields, wrong = fields_of(_setting(cls, "payload"), "payload")
    issues += wrong
    return None if wrong or _setting(cls, "payload") is None else fields


def add_trigger(spec: Spec, draft: Any) -> tuple[Trigger | None, tuple[Issue, ...]]:
    """A trigger that was written after its workflow, judged as if it stood there; and what is wrong with it."""
    issues: list[Issue] = []
    given, found = read(replace(spec, triggers=(_trigger(draft, issues),)))
    issues += found
    if given is not None:
        issues += [issue for issue in judge(given) if issue.path.startswith("triggers")]
    trigger = given.triggers[0] if given is not None and given.triggers else None
    return trigger, distinct(issues)


def _triggers(cls: type, issues: list[Issue]) -> tuple[Trigger, ...]:
    declared = _setting(cls, "triggers") or ()
    declared = declared if isinstance(declared, list | tuple) else (declared,)
    found = []
    for index, draft in enumerate(declared):
        if not isinstance(draft, Trigger) and not hasattr(draft, "expression"):
            issues.append(Issue(f"triggers[{index}]", "invalid_trigger", "is no trigger: use manual(...) or cron(...)"))
        else:
            found.append(draft if isinstance(draft, Trigger) else _trigger(draft, issues))
    return tuple(found)


def _trigger(draft: Any, issues: list[Issue]) -> Trigger:
    path = f"triggers.{draft.name if isinstance(draft.name, str) and NAME.match(draft.name) else '?'}"
    fields, wrong = fields_of(draft.payload, f"{path}.payload")
    issues += wrong
    try:
        filled = to_plain(draft.input)
    except UnstorableValue as error:
        issues.append(Issue(f"{path}.input", "incomplete_trigger_input", error.details["reason"]))
        filled = {}
    return Trigger(
        name=draft.name,
        kind=draft.kind,
        payload=None if draft.payload is None or wrong else fields,
        expression=draft.expression,
        timezone=getattr(draft.timezone, "key", draft.timezone),
        input=filled,
        **_policies(draft, path, issues),
    )


def _policies(draft: Any, path: str, issues: list[Issue]) -> dict[str, Any]:
    """A cron trigger's options, as the spec keeps them; what was not given has the spec's default."""
    given = {name: value for name in POLICIES if (value := getattr(draft, name, None)) is not None}
    if "jitter" in given:
        try:
            given["jitter"] = seconds(given["jitter"], allow_zero=True)
        except ValueError as error:
            issues.append(Issue(f"{path}.jitter", "invalid_schedule_policy", str(error)))
            del given["jitter"]
    return given
