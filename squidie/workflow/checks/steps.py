"""Rules for the nodes, each by itself: names, actions, queues, priorities, retry policies."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.durations import LONGEST
from squidie.workflow.issues import NAME, NAME_RULE, QUEUE, RESERVED, Issue
from squidie.workflow.spec import LOG_ACTION, NodeKind
from squidie.workflow.topology import topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.spec import Node, Retry, Spec

_EXCEPTION = re.compile(r"[\w.]{1,200}:[\w.<>]{1,200}\Z")
MAX_ACTION = 512
MAX_ATTEMPTS = 10_000
MAX_PRIORITY = 999
MAX_FACTOR = 1_000


def some_step(spec: Spec) -> Iterable[Issue]:
    """A run of nothing would never begin."""
    if not spec.nodes:
        yield Issue("steps", "missing_steps", "has no steps: declare some, for example load = step(load_order)")


def names_are_names(spec: Spec) -> Iterable[Issue]:
    """Names of steps and of their outputs stand in paths and ids."""
    for path, node in places.steps(spec):
        for where, name in ((path, node.name), (f"{path}.output", node.output)):
            if name is not None and not NAME.match(name):
                yield Issue(where, "invalid_name", NAME_RULE)
            if name in RESERVED:
                yield Issue(where, "reserved_name", f"{name} means something of its own in paths; use another name")


def names_are_unique(spec: Spec) -> Iterable[Issue]:
    """Facts and edges name steps."""
    seen: set[str] = set()
    for path, node in places.steps(spec):
        if node.name in seen:
            yield Issue(path, "duplicate_step", "another step has this name")
        seen.add(node.name)


def actions_are_named(spec: Spec) -> Iterable[Issue]:
    """A step without code is not a step yet, and what undoes it is code as well."""
    said = f"names its code: module:function or a task's name, at most {MAX_ACTION} characters"
    for path, node in places.steps(spec):
        if node.kind is NodeKind.STEP and not _is_action(node.action):
            yield Issue(f"{path}.action", "missing_action", said)
        if node.kind is NodeKind.LOG and node.action != LOG_ACTION:
            yield Issue(f"{path}.action", "missing_action", f"of a log is {LOG_ACTION}")
        if node.compensate is not None and not _is_action(node.compensate.action):
            yield Issue(f"{path}.compensate.action", "missing_action", said)


def _is_action(name: str) -> bool:
    return 1 <= len(name) <= MAX_ACTION and name.isprintable() and name != LOG_ACTION


def outputs_are_distinct(spec: Spec) -> Iterable[Issue]:
    """What a step reads must not depend on which of two results came last."""
    fields = {
        field.name for contract in (spec.payload, *(each.payload or () for each in spec.triggers)) for field in contract
    }
    producers: dict[str, list[Node]] = {}
    graph = topology(spec)
    for path, node in places.steps(spec):
        where = path if node.output is None else f"{path}.output"
        if node.output_name in fields:
            yield Issue(
                where, "output_clash", "a payload field has the name of this output: give the step another output="
            )
        others = producers.setdefault(node.output_name, [])
        if any(
            other.name != node.name and graph.is_acyclic and graph.can_both_complete(other.name, node.name)
            for other in others
        ):
            yield Issue(
                where,
                "output_clash",
                "another step that may complete in the same run has this output: give one of them another output=",
            )
        others.append(node)


def queues_are_names(spec: Spec) -> Iterable[Issue]:
    """Brokers keep lists of their own under names that begin with `unacked`."""
    said = "a queue has letters, digits, _ . and -, at most 64, and does not begin with unacked"
    for path, part in places.code(spec):
        if part.queue is not None and (not QUEUE.match(part.queue) or part.queue.startswith("unacked")):
            yield Issue(f"{path}.queue", "invalid_name", said)


def priorities_are_in_range(spec: Spec) -> Iterable[Issue]:
    """0 is the most urgent."""
    for path, node in places.steps(spec):
        if node.priority is not None and not 0 <= node.priority <= MAX_PRIORITY:
            yield Issue(f"{path}.priority", "invalid_priority", f"is an integer from 0 (most urgent) to {MAX_PRIORITY}")


def retries_are_sound(spec: Spec) -> Iterable[Issue]:
    """Every number of the policy by itself, then together."""
    for path, part in places.code(spec):
        if part.retry is not None:
            for field, said in _retry(part.retry):
                yield Issue(f"{path}.retry.{field}", "invalid_retry", said)


def _retry(retry: Retry) -> Iterator[tuple[str, str]]:
    if not 1 <= retry.max_attempts <= MAX_ATTEMPTS:
        yield "max_attempts", f"counts all attempts, the first one too: 1 to {MAX_ATTEMPTS:,}"
    sound = True
    for field, delay in (("min", retry.min), ("max", retry.max)):
        if not (isfinite(delay) and 0 <= delay <= LONGEST):
            sound = False
            yield field, "is a duration of at most 36,500 days, not negative"
    if sound and retry.max < retry.min:
        yield "max", "is less than min"
    if not (isfinite(retry.factor) and 1 <= retry.factor <= MAX_FACTOR):
        yield "factor", f"is a number from 1 to {MAX_FACTOR:,}"
    if not 0 <= retry.jitter <= 1:
        yield "jitter", "is true, false, or a fraction from 0 to 1"
    if retry.within is not None and not (isfinite(retry.within) and 0 < retry.within <= LONGEST):
        yield "within", "is a duration longer than zero, of at most 36,500 days"
    for field, names in (("on", retry.on), ("never", retry.never)):
        if not all(_EXCEPTION.match(name) for name in names):
            yield field, "names exceptions: classes, or text such as module:Name"


RULES = (
    some_step,
    names_are_names,
    names_are_unique,
    actions_are_named,
    outputs_are_distinct,
    queues_are_names,
    priorities_are_in_range,
    retries_are_sound,
)
