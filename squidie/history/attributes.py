"""What runs are found by: names that the host declares, each with the type of its values. Nothing is ever coerced.

    attributes={"customer": "string", "amount": "number", "tags": ["string"], "due": "datetime"}

A time is given as an aware `datetime`, or as the text that JSON has for one; it is kept as text in UTC, so that equal
times are found as equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from squidie.errors import InvalidAttributes, InvalidConfig, UnstorableValue
from squidie.history.canonical import canonical

TYPES = ("string", "integer", "number", "boolean", "datetime")
MOST_NAMES, LONGEST_NAME, LONGEST_TEXT, LONGEST_LIST, MOST_BYTES = 32, 64, 256, 16, 4096
NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_LARGEST = 2**63


class Type(NamedTuple):
    """Of which type the values of an attribute are, and whether there may be several."""

    name: str
    is_list: bool = False


class Schema(msgspec.Struct, frozen=True):
    """The attributes that are declared."""

    types: Mapping[str, Type] = {}

    def admit(self, given: Any, *, nulls: bool = False) -> dict[str, Any]:
        """These attributes as they are kept, or `InvalidAttributes`. `nulls`: None may stand for no value any more."""
        if not isinstance(given, Mapping):
            raise InvalidAttributes(None, "malformed", "is an object of names and values")
        found = {name: self._value(name, value, nulls=nulls) for name, value in given.items()}
        check_size(found)
        return found

    def sought(self, given: Any) -> tuple[tuple[str, str], ...]:
        """Names and values to find runs by, each value as JSON: one value, also of a list. Raises `InvalidAttributes`.

        Where nothing is declared, as for an operator without the code, any name may be asked for.
        """
        if not isinstance(given, Mapping):
            raise InvalidAttributes(None, "malformed", "is an object of names and values")
        pairs = []
        for name, value in given.items():
            kind = self._type(name) if self.types else Type(_type_of(_named(name), value))
            pairs.append((name, bytes(canonical(_one(name, kind.name, value))).decode()))
        return tuple(pairs)

    def _value(self, name: Any, value: Any, *, nulls: bool) -> Any:
        kind = self._type(name)
        if value is None and nulls:
            return None
        if not kind.is_list:
            return _one(name, kind.name, value)
        if not isinstance(value, list | tuple):
            raise InvalidAttributes(name, "wrong_type", f"is a list of {kind.name}s")
        if len(value) > LONGEST_LIST:
            raise InvalidAttributes(name, "too_many", f"is a list of at most {LONGEST_LIST}")
        return [_one(name, kind.name, each) for each in value]

    def _type(self, name: Any) -> Type:
        kind = self.types.get(_named(name))
        if kind is None:
            declared = f"declared: {', '.join(sorted(self.types))}"
            hint = declared if self.types else 'Squidie(..., attributes={"customer": "string"})'
            raise InvalidAttributes(name, "undeclared", "is not declared", hint=hint)
        return kind


NOTHING_DECLARED = Schema()


def schema_of(given: Any) -> Schema:
    """The schema, or `InvalidConfig` with everything that is wrong."""
    if given is None:
        return NOTHING_DECLARED
    if not isinstance(given, Mapping):
        raise InvalidConfig("attributes is no mapping of names to types", hint='attributes={"customer": "string"}')
    wrong = [f"attributes: more than {MOST_NAMES} names"] if len(given) > MOST_NAMES else []
    wrong += [f"attributes: {_told(name)} is no name" for name in given if not is_name(name)]
    types = {name: _declared(kind) for name, kind in given.items() if is_name(name)}
    wrong += [
        f"attributes.{name} is none of {', '.join(TYPES)}, nor a list with one of them"
        for name, kind in types.items()
        if kind is None
    ]
    if wrong:
        raise InvalidConfig("; ".join(wrong), details={"problems": wrong})
    return Schema({name: kind for name, kind in types.items() if kind is not None})


def is_name(name: Any) -> bool:
    """Whether an attribute can be called so."""
    return isinstance(name, str) and len(name) <= LONGEST_NAME and NAME.fullmatch(name) is not None


def check_size(attributes: Mapping[str, Any]) -> None:
    """Nothing, or `InvalidAttributes` where a run would have too much of them."""
    if len(attributes) > MOST_NAMES:
        raise InvalidAttributes(None, "too_many", f"a run has at most {MOST_NAMES}")
    if len(msgspec.json.encode(attributes)) > MOST_BYTES:
        raise InvalidAttributes(None, "too_large", f"are at most {MOST_BYTES} bytes of JSON in all")


def merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's attributes are after these changes."""
    return {name: value for name, value in {**before, **changes}.items() if value is not None}


def values_of(attributes: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What a run is found by: names and single values, each value as JSON."""
    return {
        (name, msgspec.json.encode(each).decode())
        for name, value in attributes.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    }


def _declared(kind: Any) -> Type | None:
    is_list = isinstance(kind, list | tuple) and len(kind) == 1
    name = kind[0] if is_list else kind
    return Type(name, is_list) if isinstance(name, str) and name in TYPES else None


def _named(name: Any) -> str:
    if not is_name(name):
        rule = f"lower-case letters, digits, '_', '.', '-', at most {LONGEST_NAME}, beginning with a letter"
        raise InvalidAttributes(None, "malformed", f"names are {rule}")
    return str(name)


def _one(name: str, kind: str, value: Any) -> Any:
    """One value of this type, as it is kept."""
    if kind == "datetime":
        return _time(name, value)
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST,
        "number": isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value),
    }
    if not fits[kind]:
        raise InvalidAttributes(name, "wrong_type", f"is {_a(kind)}")
    try:
        canonical(value, root=name)
    except UnstorableValue as error:
        raise InvalidAttributes(name, "malformed", str(error.details["reason"])) from None
    if kind == "string" and len(value.encode()) > LONGEST_TEXT:
        raise InvalidAttributes(name, "too_long", f"is at most {LONGEST_TEXT} bytes of UTF-8")
    return value


def _time(name: str, value: Any) -> str:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(at, datetime) and at.tzinfo is not None:
            return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        pass
    raise InvalidAttributes(name, "wrong_type", "is a datetime with a time zone, or its text in ISO 8601")


def _type_of(name: str, value: Any) -> str:
    """Of which type a value is that nobody has declared."""
    by_type = {str: "string", bool: "boolean", int: "number", float: "number", datetime: "datetime"}
    kind = by_type.get(type(value))
    if kind is None:
        raise InvalidAttributes(name, "wrong_type", f"is one of {', '.join(TYPES)}")
    return kind


def _a(kind: str) -> str:
    return {"integer": "a whole number of 64 bits", "boolean": "true or false", "string": "text"}.get(kind, f"a {kind}")


def _told(name: Any) -> str:
    return repr(name[:LONGEST_NAME]) if isinstance(name, str) else "what is no text"
