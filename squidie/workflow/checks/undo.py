"""Rules for undoing: what cannot be undone says so once, and what an undo reads is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.checks.inputs import MAYBE, OPTIONAL, UNKNOWN, path_findings
from squidie.workflow.issues import NAME, Issue
from squidie.workflow.mapping import Path, parse_path
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.spec import Compensate, Node, Spec

    Finding = tuple[str, str]

WORDS = ("input", "output", "error")
"""Roots that only an undo has: the step's arguments, its result, and why the run is undone."""


def recovery_agrees(spec: Spec) -> Iterable[Issue]:
    """A step that cannot be undone has no undo."""
    for path, node in places.steps(spec):
        if node.irreversible and node.compensate is not None:
            said = "an irreversible step cannot be undone: leave out irreversible, or the compensation"
            yield Issue(f"{path}.compensate", "contradictory_recovery", said)


def undo_reads_what_is_there(spec: Spec) -> Iterable[Issue]:
    """Each input of each undo."""
    if not topology(spec).is_acyclic:
        return
    for place, node in places.steps(spec):
        for parameter, text in (node.compensate.input if node.compensate else {}).items():
            shown = parameter if NAME.match(parameter) else "?"
            for code, said in undo_findings(spec, node, text):
                yield Issue(f"{place}.compensate.input.{shown}", code, said)


def undo_findings(spec: Spec, node: Node, text: str) -> Iterator[Finding]:
    """What is wrong with one path of an undo, as code and message."""
    try:
        path = parse_path(text)
    except ValueError as error:
        yield UNKNOWN, str(error)
        return
    undo = node.compensate
    if path.root == "input":
        yield from _argument(node, path)
    elif path.root in ("output", node.output_name):
        yield from _result(undo, path)
    elif path.root != "error":
        yield from path_findings(spec, node, text)


def _argument(node: Node, path: Path) -> Iterator[Finding]:
    given = {name: source for name, source in node.input.items() if source != "ctx"}
    if len(path.segments) == 1:
        return
    if path.segments[1] not in given:
        yield UNKNOWN, "the step is given no such argument"
    elif parse_path(given[path.segments[1]]).optional and not path.optional:
        yield MAYBE, f"the step may be run without this argument: {OPTIONAL}"


def _result(undo: Compensate | None, path: Path) -> Iterator[Finding]:
    if undo is not None and undo.when_unsure and not path.optional:
        yield MAYBE, f"with when_unsure there may be no result: {OPTIONAL}"


RULES = (recovery_agrees, undo_reads_what_is_there)
