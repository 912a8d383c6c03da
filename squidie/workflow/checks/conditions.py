"""Rules for conditions, and for what an edge is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.checks.inputs import MAYBE, path_findings
from squidie.workflow.conditions import ORDER, kind, operator_of
from squidie.workflow.issues import Issue
from squidie.workflow.mapping import Path, parse_path
from squidie.workflow.spec import NodeKind, Outcome
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.spec import Condition, Edge, Node, Spec

CODE = "invalid_condition"


def conditions_ask_one_thing(spec: Spec) -> Iterable[Issue]:
    """One path, one operator, and an operand that it can compare with."""
    for path, edge in places.edges(spec):
        if edge.when is not None:
            yield from _asked(edge.when, f"{path}.when")


def _asked(when: Condition, path: str) -> Iterator[Issue]:
    asked = operator_of(when)
    if asked is None:
        yield Issue(path, CODE, "has exactly one operator, for example greater_than")
        return
    operator, operand = asked
    shown = "in" if operator == "is_in" else operator
    if operator in ORDER and kind(operand) not in (float, str):
        yield Issue(f"{path}.{shown}", CODE, "is a number or text")
    if operator == "is_in" and not (isinstance(operand, list | tuple) and operand):
        yield Issue(f"{path}.{shown}", CODE, "is a list of at least one value")
    if operator == "exists" and not isinstance(operand, bool):
        yield Issue(f"{path}.{shown}", CODE, "is true or false")


def conditions_read_what_is_there(spec: Spec) -> Iterable[Issue]:
    """What the step itself could read, and how it ended."""
    if not topology(spec).is_acyclic:
        return
    for path, edge in places.edges(spec):
        if edge.when is not None and edge.source in spec.by_name:
            for said in _unreadable(spec, spec.by_name[edge.source], edge, edge.when):
                yield Issue(f"{path}.when.path", CODE, said)


def _unreadable(spec: Spec, node: Node, edge: Edge, when: Condition) -> Iterator[str]:
    try:
        path = parse_path(when.path)
    except ValueError as error:
        yield str(error)
        return
    if path.optional:
        yield "needs no ?: where a path leads nowhere, nothing holds but exists=False"
    yield from _root(spec, node, edge, path)


def _root(spec: Spec, node: Node, edge: Edge, path: Path) -> Iterator[str]:
    failed = edge.on is Outcome.ERROR
    if path.root == "ctx":
        yield "the context is for code; a condition reads data"
    elif path.root == "error":
        if not failed:
            yield "there is an error on error edges only"
    elif path.root == node.output_name and failed:
        yield "a step that failed has no output"
    elif path.root != node.output_name:
        yield from (said for code, said in path_findings(spec, node, str(path)) if code != MAYBE)


def outcomes_happen(spec: Spec) -> Iterable[Issue]:
    """What cannot fail has nobody waiting for its failure."""
    for path, edge in places.edges(spec):
        node = spec.by_name.get(edge.source)
        if edge.on is Outcome.ERROR and node is not None and _cannot_fail(node):
            yield Issue(
                f"{path}.on", "invalid_outcome", f"a node of the kind {node.kind} does not fail: it has ok only"
            )


def _cannot_fail(node: Node) -> bool:
    """A wait until a time at a path can: there may be none."""
    return node.kind is NodeKind.LOG or (node.kind is NodeKind.WAIT and node.until is None)


def recovery_is_from_errors(spec: Spec) -> Iterable[Issue]:
    """After a success there is nothing to recover from."""
    for path, edge in places.edges(spec):
        if edge.recovery is not None and edge.on is not Outcome.ERROR:
            yield Issue(f"{path}.recovery", "invalid_recovery", "belongs to an error edge")


RULES = (conditions_ask_one_thing, conditions_read_what_is_there, outcomes_happen, recovery_is_from_errors)
