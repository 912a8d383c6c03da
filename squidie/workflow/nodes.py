"""From what an author wrote to the nodes and edges of a spec, and the code that they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import fields

from squidie.errors import UnstorableValue
from squidie.workflow.callables import Action, examine
from squidie.workflow.checks.options import OPTIONS
from squidie.workflow.contracts import fields_of
from squidie.workflow.drafts import Compensate, known
from squidie.workflow.flow import End
from squidie.workflow.issues import NAME, Issue
from squidie.workflow.mapping import Path, parse_path
from squidie.workflow.options import OPERATORS
from squidie.workflow.spec import (
    END,
    LOG_ACTION,
    Condition,
    Edge,
    Escalation,
    Lapse,
    Node,
    NodeKind,
    Recovery,
)
from squidie.workflow.spec import Compensate as PlainCompensate
from squidie.workflow.tasks import declared, is_task
from squidie.workflow.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from squidie.workflow.flow import Flow, Link, Question, Step

NO_ACTION = "unnamed:unnamed"
SOME_PATH = Path(("payload",))
"""What stands in for a path that could not be read: one that always leads somewhere."""
NODE_OPTIONS = frozenset(each.name for each in fields(Node)) - {
    "name",
    "kind",
    "action",
    "correlation_from",
    "escalate",
}
"""Every option that an author may give to some kind of node."""
UNDO_OPTIONS = ("when_unsure", "retry", "on_stuck", "queue")


class Code(NamedTuple):
    """What the steps of a workflow run, and what undoes them, by step; and the explicit inputs of both."""

    runs: dict[str, Action]
    undoes: dict[str, Action]
    given: dict[str, dict[str, Path]]
    undo_given: dict[str, dict[str, Path]]


def code_of(steps: Mapping[str, Step], issues: list[Issue]) -> Code:
    """Every callable of the workflow, looked at; what cannot be one is an issue."""
    found = Code({}, {}, {}, {})
    for name, step in steps.items():
        place = f"steps.{name}"
        if step.kind is NodeKind.STEP:
            _look_at(name, step.call, place, found.runs, issues)
            found.given[name] = _paths(step.options["input"], f"{place}.input", issues)
        undo = undo_of(step)
        if undo is not None:
            _look_at(name, undo.call, f"{place}.compensate", found.undoes, issues)
            given = {} if undo.input is None else undo.input
            found.undo_given[name] = _paths(given, f"{place}.compensate.input", issues)
    issues += _namesakes(found)
    issues += _coroutines(steps, found.runs)
    return found


def undo_of(step: Step) -> Compensate | None:
    """How the step is undone, if its author said so: a bare callable is enough."""
    written = step.options.get("compensate")
    return written if written is None or isinstance(written, Compensate) else Compensate(written)


def _look_at(step: str, call: Any, place: str, found: dict[str, Action], issues: list[Issue]) -> None:
    action, wrong = examine(call, place)
    issues += wrong
    if action is not None:
        found[step] = action


def _namesakes(found: Code) -> Iterator[Issue]:
    places = [(f"steps.{name}", action) for name, action in found.runs.items()]
    places += [(f"steps.{name}.compensate", action) for name, action in found.undoes.items()]
    known_as: dict[str, Any] = {}
    for place, action in places:
        if known_as.setdefault(action.name, action.function) != action.function:
            said = f"another callable goes by the same name, {action.name}: a spec could not tell them apart"
            yield Issue(place, "not_callable", said)


def _coroutines(steps: Mapping[str, Step], actions: dict[str, Action]) -> Iterator[Issue]:
    for name, action in actions.items():
        if action.is_async and steps[name].options.get("transactional"):
            said = "a coroutine cannot use the transaction's session: write a plain function"
            yield Issue(f"steps.{name}.transactional", "invalid_transactional", said)
        elif is_task(action.function) and steps[name].options.get("transactional"):
            said = "a task is run by its delivery, outside of the transaction: write a plain function"
            yield Issue(f"steps.{name}.transactional", "invalid_transactional", said)


def _paths(given: Any, place: str, issues: list[Issue]) -> dict[str, Path]:
    """An explicit input, as paths."""
    code = "unknown_input_path"
    if not hasattr(given, "items"):
        issues.append(Issue(place, code, "maps parameters to paths: {'amount': 'order.total'}"))
        return {}
    paths = {}
    for parameter, source in given.items():
        try:
            paths[parameter] = parse_path(source)
        except ValueError as error:
            shown = parameter if isinstance(parameter, str) and NAME.match(parameter) else "?"
            issues.append(Issue(f"{place}.{shown}", code, f"{error}; literals are not accepted"))
            paths[parameter] = SOME_PATH
    return paths


def node_of(name: str, step: Step, code: Code, issues: list[Issue]) -> Node:
    """The node that a draft stands for. Paths are still as they were written."""
    place = f"steps.{name}"
    issues += _strangers(step, place)
    options = {option: value for option, value in step.options.items() if option in NODE_OPTIONS}
    if step.kind is NodeKind.STEP:
        options = _brought(step.call, options) | {"input": {}}
        options["compensate"] = _undo(step, code.undoes.get(name))
        return Node(name=name, action=code.runs[name].name if name in code.runs else NO_ACTION, **options)
    options |= _escalation(options) | _form(options, place, issues) | _sources(options, place, issues)
    return Node(name=name, kind=step.kind, action=LOG_ACTION if step.kind is NodeKind.LOG else "", **options)


def _strangers(step: Step, place: str) -> Iterator[Issue]:
    words = ", ".join(sorted(OPTIONS[step.kind] & NODE_OPTIONS))
    for option in step.options:
        if option not in NODE_OPTIONS:
            yield Issue(f"{place}.{option if NAME.match(option) else '?'}", "unknown_option", f"is none of {words}")


def _brought(call: Any, options: dict[str, Any]) -> dict[str, Any]:
    """What a task declares for itself holds where the author says nothing."""
    return options | {option: value for option, value in declared(call).items() if options.get(option) is None}


def _undo(step: Step, action: Action | None) -> Any:
    undo = undo_of(step)
    if undo is None:
        return None
    said = {option: getattr(undo, option) for option in UNDO_OPTIONS}
    brought = {option: value for option, value in _brought(undo.call, said).items() if option in said}
    return PlainCompensate(action=action.name if action else NO_ACTION, **brought)


def _escalation(options: dict[str, Any]) -> dict[str, Any]:
    then = options.get("then")
    return {"then": Lapse.ESCALATE, "escalate": then} if isinstance(then, Escalation) else {}


def _form(options: dict[str, Any], place: str, issues: list[Issue]) -> dict[str, Any]:
    if options.get("form") is None:
        return {}
    found, wrong = fields_of(options["form"], f"{place}.form")
    issues += wrong
    return {"form": found}


def _sources(options: dict[str, Any], place: str, issues: list[Issue]) -> dict[str, Any]:
    """Where a wait's time and an event's correlation are found; text of the latter may yet turn out to be no path."""
    found: dict[str, Any] = {}
    for option in ("until", "correlation"):
        written = options.get(option)
        if written is None or (option == "correlation" and isinstance(written, str)):
            continue
        try:
            path = str(parse_path(written))
        except ValueError as error:
            issues.append(Issue(f"{place}.{option}", "unknown_input_path", str(error)))
            path = str(SOME_PATH)
        found |= {"until": path} if option == "until" else {"correlation": None, "correlation_from": path}
    return found


def edges_of(flow: Flow, names: Mapping[Step, str], issues: list[Issue]) -> tuple[Edge, ...]:
    """The edges of a flow, each once."""
    found: dict[str, Edge] = {}
    for link in flow.edges:
        source = names.get(link.way.step)
        target = END if isinstance(link.target, End) else names.get(link.target)
        if source is not None and target is not None:
            edge = _edge(link, source, target, issues)
            found.setdefault(repr(edge), edge)
    return tuple(found.values())


def _edge(link: Link, source: str, target: str, issues: list[Issue]) -> Edge:
    way = link.way
    when = None if way.asked is None else _condition(way.asked, f"edges.{source}:{way.on}:{target}.when", issues)
    return Edge(source=source, target=target, on=way.on, when=when, recovery=known(Recovery, way.recovery))


def _condition(asked: Question, place: str, issues: list[Issue]) -> Condition:
    code = "invalid_condition"
    try:
        path = str(parse_path(asked.path))
    except ValueError as error:
        issues.append(Issue(f"{place}.path", code, str(error)))
        path = str(SOME_PATH)
    for name in asked.operators.keys() - set(OPERATORS):
        words = ", ".join(OPERATORS)
        issues.append(Issue(f"{place}.{name if NAME.match(name) else '?'}", code, f"is none of {words}"))
    told = {name: _operand(name, value) for name, value in asked.operators.items() if name in OPERATORS}
    return Condition(path=path, **told)


def _operand(operator: str, value: Any) -> Any:
    """The value as JSON has it; one that has no such form is kept, for the checks to name."""
    value = list(value) if operator == "is_in" and isinstance(value, tuple | set | frozenset) else value
    try:
        return to_plain(value)
    except UnstorableValue:
        return value
