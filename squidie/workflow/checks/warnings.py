"""What may well be meant, and more often is forgotten. Warnings refuse nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.conditions import ORDER, kind, matches, operator_of
from squidie.workflow.issues import Issue, Severity
from squidie.workflow.spec import NodeKind, Outcome, mark
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from squidie.workflow.spec import Condition, Spec

UPWARDS = ("greater_than", "at_least")


def _warning(path: str, code: str, said: str) -> Issue:
    return Issue(path, code, said, Severity.WARNING)


def successes_go_on(spec: Spec) -> Iterable[Issue]:
    """A success that no condition meets fails the run."""
    for path, node in places.steps(spec):
        if spec.is_decided(node.name):
            said = "if none of its conditions holds, the run fails: add an edge without one, or one to end"
            yield _warning(path, "no_fallback", said)


def rejections_go_somewhere(spec: Spec) -> Iterable[Issue]:
    """Nobody reads a failed run as a no."""
    for path, node in places.steps(spec):
        if node.kind is NodeKind.APPROVAL and not any(e.on is Outcome.ERROR for e in spec.outgoing[node.name]):
            yield _warning(path, "unhandled_rejection", "a rejection fails the run: add an error edge, or one to end")


def events_end(spec: Spec) -> Iterable[Issue]:
    """What never comes is waited for without end."""
    for path, node in places.steps(spec):
        if node.kind is NodeKind.EVENT and node.timeout is None:
            yield _warning(path, "unbounded_event", "waits without end if the event never comes: give it a timeout")


def effects_come_last(spec: Spec) -> Iterable[Issue]:
    """If the transaction fails after it, what cannot be undone has been done."""
    graph = topology(spec)
    for path, node in places.steps(spec):
        before = graph.preceding(node.name) if node.transactional else ()
        lasting = [name for name in before if spec.by_name[name].irreversible]
        if lasting:
            said = f"{lasting[-1]} cannot be undone, and this transaction may still fail after it: commit first"
            yield _warning(f"{path}.transactional", "effect_before_transaction", said)


def conditions_can_hold(spec: Spec) -> Iterable[Issue]:
    """What an earlier condition takes, a later one never sees."""
    branches: dict[tuple[str, Outcome], dict[str, Condition]] = {}
    for path, edge in places.edges(spec):
        if edge.when is None:
            continue
        before = branches.setdefault((edge.source, edge.on), {})
        if mark(edge.when) not in before and any(_covers(each, edge.when) for each in before.values()):
            yield _warning(f"{path}.when", "shadowed_condition", "never decides: an earlier condition holds then too")
        before.setdefault(mark(edge.when), edge.when)


def _covers(wide: Condition, narrow: Condition) -> bool:
    """Whether the one holds whenever the other does, where that can be seen from both."""
    outer, inner = operator_of(wide), operator_of(narrow)
    if wide.path != narrow.path or outer is None or inner is None:
        return False
    operator, operand = inner
    if operator == "exists":
        return False
    if operator == "equals":
        return matches(*outer, operand)
    if operator == "is_in":
        return isinstance(operand, list | tuple) and all(matches(*outer, each) for each in operand)
    return outer == ("exists", True) or (operator in ORDER and _covers_order(*outer, operator, operand))


def _covers_order(outer: str, limit: object, operator: str, bound: object) -> bool:
    """Of two bounds in the same direction the wider covers the other; so does `not_equals` of what lies beyond."""
    if kind(limit) is not kind(bound) or kind(bound) not in (float, str):
        return False
    if outer == "not_equals":
        return not matches(operator, bound, limit)
    if outer not in ORDER or (outer in UPWARDS) is not (operator in UPWARDS):
        return False
    return matches(outer, limit, bound) or (limit == bound and outer == operator)


RULES = (successes_go_on, rejections_go_somewhere, events_end, effects_come_last, conditions_can_hold)
