"""The parts of a spec, each with the path by which issues point at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.workflow.checks.shape import part_path
from squidie.workflow.spec import Compensate, Edge, Node, PayloadField, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.workflow.spec import Spec


def steps(spec: Spec) -> Iterator[tuple[str, Node]]:
    """Each node."""
    for index, node in enumerate(spec.nodes):
        yield part_path("steps", node, Node, index), node


def code(spec: Spec) -> Iterator[tuple[str, Node | Compensate]]:
    """Whatever runs code and may be tried again: each node, and what undoes it."""
    for path, node in steps(spec):
        yield path, node
        if node.compensate is not None:
            yield f"{path}.compensate", node.compensate


def triggers(spec: Spec) -> Iterator[tuple[str, Trigger]]:
    """Each trigger."""
    for index, trigger in enumerate(spec.triggers):
        yield part_path("triggers", trigger, Trigger, index), trigger


def edges(spec: Spec) -> Iterator[tuple[str, Edge]]:
    """Each edge."""
    for index, edge in enumerate(spec.edges):
        yield part_path("edges", edge, Edge, index), edge


def contracts(spec: Spec) -> Iterator[tuple[str, tuple[PayloadField, ...]]]:
    """Every payload contract: the workflow's own, then those of its triggers."""
    yield "payload", spec.payload
    for path, trigger in triggers(spec):
        if trigger.payload is not None:
            yield f"{path}.payload", trigger.payload


def fields(inside: str, contract: tuple[PayloadField, ...]) -> Iterator[tuple[str, PayloadField]]:
    """Each field of a contract."""
    for index, field in enumerate(contract):
        yield part_path(inside, field, PayloadField, index), field


def contract_of(spec: Spec, trigger: Trigger) -> tuple[PayloadField, ...]:
    """What a start by this trigger must satisfy."""
    return spec.payload if trigger.payload is None else trigger.payload
