"""Rules for payload contracts, the workflow's own and those of its triggers."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from squidie.workflow.checks import places
from squidie.workflow.contracts import ABSENT
from squidie.workflow.issues import NAME, NAME_RULE, Issue
from squidie.workflow.payload import FORMATS, TYPES, check_of, is_clock
from squidie.workflow.values import json_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from squidie.workflow.spec import PayloadField, Spec

WRONG = "invalid_payload_field"


def fields_are_sound(spec: Spec) -> Iterable[Issue]:
    """Each field by itself."""
    for inside, fields in places.contracts(spec):
        for path, field in places.fields(inside, fields):
            yield from field_issues(field, path)


def fields_are_unique(spec: Spec) -> Iterable[Issue]:
    """An object has each key once."""
    for inside, fields in places.contracts(spec):
        seen: set[str] = set()
        for field in fields:
            if field.name in seen:
                yield Issue(f"{inside}.{field.name}", WRONG, "the contract has this field twice")
            seen.add(field.name)


def fields_have_one_type(spec: Spec) -> Iterable[Issue]:
    """The steps do not know by which trigger the run was started."""
    known: dict[str, tuple[object, ...]] = {}
    for inside, fields in places.contracts(spec):
        for field in fields:
            kind = (field.type, field.items, field.format)
            if known.setdefault(field.name, kind) != kind:
                said = "another contract of this workflow gives this field another type"
                yield Issue(f"{inside}.{field.name}", "conflicting_payload_field", said)


def field_issues(field: PayloadField, path: str) -> Iterator[Issue]:
    """What is wrong with one field; its default is tried only if the rest is right."""
    found = [*_name(field, path), *_type(field, path), *_limits(field, path)]
    yield from found
    if not found:
        yield from _enum(field, path)
        yield from _default(field, path)


def _name(field: PayloadField, path: str) -> Iterator[Issue]:
    if not NAME.match(field.name):
        yield Issue(f"{path}.name", WRONG, NAME_RULE)


def _type(field: PayloadField, path: str) -> Iterator[Issue]:
    if field.type not in TYPES:
        yield Issue(f"{path}.type", "unknown_payload_type", f"is one of {', '.join(TYPES)}")
    if field.items is not None and field.items not in set(TYPES) - {"any"}:
        yield Issue(f"{path}.items", "unknown_payload_type", f"is one of {', '.join(set(TYPES) - {'any'})}")
    if field.items is not None and field.type != "array":
        yield Issue(f"{path}.items", WRONG, "only an array has items")
    if field.format is not None and field.format not in FORMATS:
        yield Issue(f"{path}.format", WRONG, f"is one of {', '.join(FORMATS)}")
    if field.format is not None and field.type != "string":
        yield Issue(f"{path}.format", WRONG, "only a string has a format")


def _limits(field: PayloadField, path: str) -> Iterator[Issue]:
    low, high = field.minimum, field.maximum
    for name, limit in (("minimum", low), ("maximum", high)):
        if limit is not None and not (isfinite(limit) and field.type in ("integer", "number")):
            yield Issue(f"{path}.{name}", WRONG, "is a finite number, and belongs to an integer or a number")
    if low is not None and high is not None and low > high:
        yield Issue(f"{path}.maximum", WRONG, "is less than the minimum")


def _enum(field: PayloadField, path: str) -> Iterator[Issue]:
    """Each value allowed must be one that the type allows."""
    check = check_of(type(field)(name=field.name, type=field.type, nullable=field.nullable))
    if any(json_problem(value) or check(value) for value in field.enum):
        yield Issue(f"{path}.enum", WRONG, f"holds a value that is no {field.type}")


def _default(field: PayloadField, path: str) -> Iterator[Issue]:
    if field.default is ABSENT or is_clock(field):
        return
    why = json_problem(field.default) or check_of(field)(field.default)
    if why:
        yield Issue(f"{path}.default", "invalid_payload_default", why)


RULES = (fields_are_sound, fields_are_unique, fields_have_one_type)
