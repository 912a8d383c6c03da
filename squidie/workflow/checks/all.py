"""The checks in their order: first whether a value has the shape of a spec, then every rule, in groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from squidie.workflow.checks import (
    conditions,
    graph,
    inputs,
    limits,
    options,
    payload,
    steps,
    timing,
    triggers,
    undo,
    warnings,
    whole,
)
from squidie.workflow.checks.shape import read_shape
from squidie.workflow.issues import Issue, distinct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from squidie.workflow.spec import Spec

    Rule = Callable[[Spec], Iterable[Issue]]

LIMITS: tuple[Rule, ...] = whole.LIMITS
"""These hold first: a spec beyond them is not looked at any further."""

RULES: tuple[Rule, ...] = (
    *whole.RULES,
    *triggers.RULES,
    *payload.RULES,
    *steps.RULES,
    *options.RULES,
    *timing.RULES,
    *limits.RULES,
    *graph.RULES,
    *inputs.RULES,
    *undo.RULES,
    *conditions.RULES,
    *warnings.RULES,
)


def validate_spec(value: Spec | dict[str, Any] | bytes | str) -> tuple[Issue, ...]:
    """Everything that is wrong with a spec, with its path; an empty tuple if nothing is.

    Any value is welcome, none raises.
    """
    spec, issues = read(value)
    return distinct((*issues, *(judge(spec) if spec is not None else ())))


def read(value: Any) -> tuple[Spec | None, tuple[Issue, ...]]:
    """The spec in a value as far as it can be read, and what could not be."""
    try:
        return read_shape(msgspec.json.decode(value) if isinstance(value, bytes | bytearray | str) else value)
    except (msgspec.DecodeError, UnicodeError):
        return None, (Issue("spec", "invalid_spec", "is no JSON"),)
    except RecursionError:
        return None, (Issue("spec", "invalid_spec", "is nested too deeply"),)


def judge(spec: Spec) -> tuple[Issue, ...]:
    """What the rules find in a spec of the right shape."""
    return tuple(_found(LIMITS, spec)) or tuple(_found(RULES, spec))


def _found(rules: tuple[Rule, ...], spec: Spec) -> Iterable[Issue]:
    return [issue for rule in rules for issue in rule(spec)]
