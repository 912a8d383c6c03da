"""When an edge is taken: a condition against what a decision may read.

| operator | holds if |
| --- | --- |
| `equals` | the value is the same: `1` and `1.0` are, `1` and `true` are not |
| `not_equals` | there is a value of the same kind, and it is another; null is of every kind |
| `greater_than`, `at_least`, `less_than`, `at_most` | both are numbers, or both are text |
| `in` | the value is the same as one of those listed |
| `exists` | there is a value, be it null; with `false`, there is none |

Where the path leads nowhere nothing holds but `exists: false`. Nothing here raises, whatever is compared.
"""

from __future__ import annotations

from functools import lru_cache
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any

import msgspec

from squidie.workflow.mapping import ABSENT, Path, find, parse_path
from squidie.workflow.options import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from squidie.workflow.options import Condition

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "greater_than": gt,
    "at_least": ge,
    "less_than": lt,
    "at_most": le,
}
"""The operators that ask which of two is more."""


def holds(condition: Condition, roots: Mapping[str, Any]) -> bool:
    """Whether the condition holds of what is found under these roots; a malformed one never does."""
    path, asked = _path(condition.path), operator_of(condition)
    return path is not None and asked is not None and matches(*asked, find(path, roots))


def operator_of(condition: Condition) -> tuple[str, Any] | None:
    """The one operator of a condition and its operand; None if there are several, or none."""
    told = [(name, value) for name in OPERATORS if (value := getattr(condition, name)) is not msgspec.UNSET]
    return told[0] if len(told) == 1 else None


def matches(operator: str, operand: Any, value: Any) -> bool:
    """Whether a value, or `ABSENT`, passes."""
    if operator == "exists":
        return isinstance(operand, bool) and operand is (value is not ABSENT)
    if value is ABSENT:
        return False
    try:
        return _compare(operator, operand, value)
    except RecursionError:
        return False


def _compare(operator: str, operand: Any, value: Any) -> bool:
    if operator == "equals":
        return same(operand, value)
    if operator == "not_equals":
        return (None in (operand, value) or kind(operand) is kind(value)) and not same(operand, value)
    if operator == "is_in":
        return isinstance(operand, list | tuple) and any(same(each, value) for each in operand)
    return kind(operand) is kind(value) and kind(value) in (float, str) and ORDER[operator](value, operand)


def kind(value: Any) -> type:
    """What kind of JSON value it is: all numbers are one, and a boolean is none of them."""
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    if isinstance(value, list | tuple):
        return list
    return next((each for each in (str, dict) if isinstance(value, each)), type(value))


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, `true` and `1` kept apart at any depth."""
    if kind(one) is not kind(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@lru_cache(maxsize=4096)
def _path(text: str) -> Path | None:
    try:
        return parse_path(text)
    except ValueError:
        return None
