"""Rules for what steps read.

A path must lead to the payload, the start's context, or the output of a step that has surely completed before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.workflow.checks import places
from squidie.workflow.issues import NAME, Issue
from squidie.workflow.mapping import Path, parse_path
from squidie.workflow.spec import NodeKind, Outcome, TriggerKind
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.spec import Node, Spec

    Finding = tuple[str, str]

UNKNOWN, LATER, MAYBE = "unknown_input_path", "reads_later_step", "maybe_missing_input"
OPTIONAL = "give the parameter a default, or end the path with ?"


def paths_lead_somewhere(spec: Spec) -> Iterable[Issue]:
    """Each path of each node. A graph with a cycle has no before and after; its own issue comes first."""
    if not topology(spec).is_acyclic:
        return
    for place, node in places.steps(spec):
        for option in ("until", "correlation_from"):
            for code, said in _required(spec, node, getattr(node, option)):
                yield Issue(f"{place}.{option}", code, said)
        for option in ("limit", "rate"):
            part = getattr(node, option)
            for code, said in _required(spec, node, part.by if part is not None else None):
                yield Issue(f"{place}.{option}.by", code, said)
        for parameter, text in node.input.items():
            shown = parameter if NAME.match(parameter) else "?"
            for code, said in path_findings(spec, node, text):
                yield Issue(f"{place}.input.{shown}", code, said)


def _required(spec: Spec, node: Node, text: str | None) -> Iterator[Finding]:
    """A path that a wait or a limit cannot do without."""
    found = list(path_findings(spec, node, text)) if text is not None else []
    yield from found
    if text is not None and not any(code == UNKNOWN for code, _ in found):
        path = parse_path(text)
        if path.optional:
            yield UNKNOWN, "may not be optional: without it nobody knows what is meant"
        if path.root == "ctx":
            yield UNKNOWN, "the context is for code; this is a path to data"


def path_findings(spec: Spec, node: Node, text: str) -> Iterator[Finding]:
    """What is wrong with one path, as code and message."""
    try:
        path = parse_path(text)
    except ValueError as error:
        yield UNKNOWN, str(error)
        return
    yield from _ROOTS.get(path.root, _output)(spec, node, path)


def _ctx(_spec: Spec, _node: Node, path: Path) -> Iterator[Finding]:
    if len(path.segments) > 1:
        yield UNKNOWN, "the context is given as a whole: write ctx"


def _payload(spec: Spec, _node: Node, path: Path) -> Iterator[Finding]:
    if len(path.segments) == 1:
        return
    contracts = [places.contract_of(spec, trigger) for trigger in spec.triggers] or [spec.payload]
    found = [field for fields in contracts for field in fields if field.name == path.segments[1]]
    if not found:
        yield UNKNOWN, "the payload has no such field"
    elif len(path.segments) > 2 and not any(_may_hold(field, path.segments[2]) for field in found):
        yield UNKNOWN, "the payload field has nothing inside"
    elif len(found) < len(contracts) and not path.optional:
        yield MAYBE, f"a trigger's contract does not have this field: {OPTIONAL}"


def _may_hold(field: Any, segment: str) -> bool:
    return field.type in ("object", "any") or (field.type == "array" and segment.isdigit())


def _schedule(spec: Spec, _node: Node, path: Path) -> Iterator[Finding]:
    kinds = {trigger.kind for trigger in spec.triggers}
    if TriggerKind.CRON not in kinds:
        yield UNKNOWN, "no cron trigger starts this workflow, so that there is no schedule"
    elif kinds != {TriggerKind.CRON} and not path.optional:
        yield MAYBE, f"a manual start has no schedule: {OPTIONAL}"


def _parent(_spec: Spec, _node: Node, path: Path) -> Iterator[Finding]:
    if not path.optional:
        yield MAYBE, f"only a child run has a parent: {OPTIONAL}"


def _error(spec: Spec, node: Node, path: Path) -> Iterator[Finding]:
    outcomes = {edge.on for edge in spec.incoming[node.name]}
    if Outcome.ERROR not in outcomes:
        yield UNKNOWN, "no error edge leads to this step"
    elif outcomes != {Outcome.ERROR} and not path.optional:
        yield MAYBE, f"an ok edge leads to this step as well: {OPTIONAL}"


def _output(spec: Spec, node: Node, path: Path) -> Iterator[Finding]:
    producers = [each for each in spec.nodes if each.output_name == path.root]
    graph = topology(spec)
    earlier = [each for each in producers if graph.precedes(each.name, node.name)]
    if not producers:
        yield UNKNOWN, "no step has an output of this name; a field of the payload is written payload.name"
    elif not earlier:
        yield LATER, "the step with this output does not come before this one on any path"
    elif (found := _inside(earlier, path)) is not None:
        yield found
    elif not path.optional and not graph.is_sure(node.name, [each.name for each in earlier]):
        yield MAYBE, f"the step with this output may be skipped: {OPTIONAL}"


def _inside(producers: list[Node], path: Path) -> Finding | None:
    """What is wrong with a path into an output whose shape its kind of node decides."""
    if len(path.segments) < 2:
        return None
    known = [_MADE[each.kind] for each in producers if each.kind in _MADE]
    if len(known) == len(producers) and not any(path.segments[1] in fields for fields in known):
        fields = ", ".join(dict.fromkeys(name for each in known for name in each))
        return UNKNOWN, f"this output has {fields}" if fields else "this output is null: there is nothing inside"
    if any(fields.get(path.segments[1]) is False for fields in known) and not path.optional:
        return MAYBE, f"a decision may come without it: {OPTIONAL}"
    return None


_MADE: dict[NodeKind, dict[str, bool]] = {
    NodeKind.WAIT: {},
    NodeKind.LOG: {},
    NodeKind.APPROVAL: {
        "decision": True, "actor": True, "decided_at": True, "votes": True, "comment": False, "data": False
    },
}  # fmt: skip
"""What the outputs of some kinds of nodes hold, each with whether it is there for certain."""
_ROOTS = {"ctx": _ctx, "payload": _payload, "schedule": _schedule, "parent": _parent, "error": _error}

RULES = (paths_lead_somewhere,)
