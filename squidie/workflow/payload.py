"""The payload of a run against its contract: defaults first, then the check.

Unknown keys are refused, nothing is converted.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from squidie.errors import InvalidPayload, InvalidSpec, UnstorableValue
from squidie.workflow.contracts import ABSENT, fields_of
from squidie.workflow.memo import by_identity
from squidie.workflow.values import is_record, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from squidie.workflow.spec import PayloadField

    Check = Callable[[Any], str | None]

TYPES = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list, tuple),
    "any": (),
}
FORMATS: dict[str, type] = {"date": date, "datetime": datetime, "uuid": UUID, "decimal": Decimal}
CLOCK = {"now": "datetime", "today": "date"}
"""Defaults that stand for the start's time, on fields of this format."""


class Contract(NamedTuple):
    """A contract made ready: what checks each field, and what fills those that are absent."""

    checks: dict[str, Check]
    required: frozenset[str]
    defaults: tuple[tuple[str, Any, bool], ...]  # name, default, whether it may be changed and so is copied
    clock: tuple[tuple[str, str], ...]


def contract(declared: Any) -> tuple[PayloadField, ...]:
    """The fields that a payload type declares. Raises `InvalidSpec` with every issue."""
    fields, issues = fields_of(declared, "payload")
    if issues:
        raise InvalidSpec(getattr(declared, "__name__", "payload"), issues)
    return fields


def admit(fields: tuple[PayloadField, ...], value: Any, *, now: datetime, timezone: str = "UTC") -> dict[str, Any]:
    """The payload as the journal will hold it, defaults filled in.

    `now` (aware) and the zone answer the defaults "now" and "today".

    Raises `InvalidPayload` with everything that is wrong. Typed objects are welcome, whole or as values of a
    dictionary.
    """
    ready = _ready(fields)
    given = value if type(value) is dict else _as_dict(value)
    payload = _filled(ready, given, now, timezone)
    if faults := _faults(ready, payload):
        payload = _filled(ready, _plain(given, faults), now, timezone)
        if faults := _faults(ready, payload):
            raise faults
    return payload


def _filled(ready: Contract, given: dict[str, Any], now: datetime, timezone: str) -> dict[str, Any]:
    payload = dict(given)
    for name, default, mutable in ready.defaults:
        if name not in payload:
            payload[name] = deepcopy(default) if mutable else default
    for name, word in ready.clock:
        if name not in payload:
            local = now.astimezone(ZoneInfo(timezone))
            payload[name] = local.isoformat() if word == "now" else local.date().isoformat()
    return payload


def _faults(ready: Contract, payload: dict[str, Any]) -> InvalidPayload | None:
    checks = ready.checks
    invalid = {}
    unknown = 0
    for name, value in payload.items():
        check = checks.get(name)
        if check is None:
            unknown += 1
        elif (why := check(value)) is not None:
            invalid[name] = why
    if not invalid and not unknown and ready.required <= payload.keys():
        return None
    strange = [str(name)[:64] for name in payload if name not in checks]
    return InvalidPayload(missing=sorted(ready.required - payload.keys()), unknown=strange, invalid=invalid)


def _plain(given: dict[str, Any], faults: InvalidPayload) -> dict[str, Any]:
    """Dates and other typed values in a plain dictionary, encoded.

    If they cannot be, the faults already found stand.
    """
    try:
        encoded: dict[str, Any] = to_plain(given)
    except UnstorableValue:
        raise faults from None
    return encoded


def _as_dict(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if is_record(type(value)) or hasattr(value, "keys"):
        try:
            plain = to_plain(value, root="payload") if is_record(type(value)) else dict(value)
        except UnstorableValue as error:
            raise InvalidPayload(invalid={"payload": error.details["reason"]}) from None
        if isinstance(plain, dict):
            return plain
    raise InvalidPayload(invalid={"payload": f"is no object but a value of type {type(value).__name__}"})


def _prepare(fields: tuple[PayloadField, ...]) -> Contract:
    with_default = [field for field in fields if field.default is not ABSENT]
    return Contract(
        checks={field.name: check_of(field) for field in fields},
        required=frozenset(field.name for field in fields if field.default is ABSENT),
        defaults=tuple(
            (f.name, f.default, isinstance(f.default, list | dict)) for f in with_default if not is_clock(f)
        ),
        clock=tuple((f.name, f.default) for f in with_default if is_clock(f)),
    )


_ready = by_identity(_prepare)


def is_clock(field: PayloadField) -> bool:
    """Whether the default is the time of the start."""
    return isinstance(field.default, str) and field.default in CLOCK and CLOCK[field.default] == field.format


def check_of(field: PayloadField) -> Check:
    """What says why a value does not fit the field, or None if it does.

    A closure with no more in it than the field asks for.
    """
    kinds = frozenset(TYPES[field.type])
    wanted = f"is no {field.type}" if field.type != "any" else ""
    rules = _rules(field)
    nullable = field.nullable
    if field.type == "any":
        return lambda value: "must not be null" if value is None and not nullable else _first(rules, value)

    def check(value: Any) -> str | None:
        if type(value) in kinds:
            return _first(rules, value) if rules else None
        if value is None:
            return None if nullable else "must not be null"
        if not isinstance(value, tuple(kinds)) or isinstance(value, bool):
            return wanted
        return _first(rules, value)

    return check


def _first(rules: tuple[Check, ...], value: Any) -> str | None:
    for rule in rules:
        if (why := rule(value)) is not None:
            return why
    return None


def _rules(field: PayloadField) -> tuple[Check, ...]:
    rules: list[Check] = []
    if field.type == "number":
        rules.append(lambda value: None if isfinite(value) else "is not finite")
    if field.enum:
        rules.append(_enum_rule(field.enum))
    if field.minimum is not None:
        rules.append(_minimum_rule(field.minimum))
    if field.maximum is not None:
        rules.append(_maximum_rule(field.maximum))
    if field.format is not None:
        rules.append(_format_rule(field.format))
    if field.items is not None:
        rules.append(_items_rule(field.items))
    return tuple(rules)


def _enum_rule(allowed: tuple[Any, ...]) -> Check:
    """`True` is no 1: an equal value of another kind is not the one that was allowed; 1 and 1.0 are the same number."""

    def rule(value: Any) -> str | None:
        fits = any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in allowed)
        return None if fits else "is not one of the values allowed"

    return rule


def _minimum_rule(limit: float) -> Check:
    return lambda value: None if value is None or value >= limit else f"is less than {limit:g}"


def _maximum_rule(limit: float) -> Check:
    return lambda value: None if value is None or value <= limit else f"is more than {limit:g}"


def _format_rule(form: str) -> Check:
    kind = FORMATS[form]

    def rule(value: Any) -> str | None:
        try:
            read: Any = msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return f"is no {form}"
        return None if form != "decimal" or read.is_finite() else "is not finite"

    return rule


def _items_rule(items: str) -> Check:
    kinds = frozenset(TYPES[items])

    def rule(value: Any) -> str | None:
        for index, each in enumerate(value):
            if type(each) not in kinds and (not isinstance(each, tuple(kinds)) or isinstance(each, bool)):
                return f"the element at {index} is no {items}"
        return None

    return rule
