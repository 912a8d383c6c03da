"""Payload contracts from Python types.

What a dataclass, a `TypedDict`, a `msgspec.Struct`, a pydantic model or a parameter says of its fields.
"""

from __future__ import annotations

import dataclasses
from collections import abc
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin, is_typeddict
from uuid import UUID

import msgspec

from squidie.errors import UnstorableValue
from squidie.workflow import hints
from squidie.workflow.issues import Issue
from squidie.workflow.spec import PayloadField
from squidie.workflow.values import bare, is_model, is_record, is_union, json_problem, to_plain

if TYPE_CHECKING:
    from squidie.workflow.callables import Action

ABSENT = msgspec.UNSET

_SCALARS: tuple[tuple[type, str, str | None], ...] = (  # the first class that matches
    (bool, "boolean", None),
    (int, "integer", None),
    (float, "number", None),
    (str, "string", None),
    (datetime, "string", "datetime"),
    (date, "string", "date"),
    (UUID, "string", "uuid"),
    (Decimal, "string", "decimal"),
    (time, "string", None),
    (timedelta, "string", None),
    (bytes, "string", None),
)
_ARRAYS = (list, tuple, set, frozenset, abc.Sequence, abc.Collection, abc.Iterable, abc.Set)
_EMPTY: dict[Any, Any] = {
    list: [],
    dict: {},
    set: [],
    frozenset: [],
    tuple: [],
    str: "",
    int: 0,
    float: 0.0,
    bool: False,
}


class Member(NamedTuple):
    """A declared field of a class.

    `default` is `ABSENT` where there is none, or where only calling something would tell.
    """

    name: str
    annotation: Any
    default: Any = ABSENT
    may_be_absent: bool = False


class UnknownType(ValueError):
    """An annotation that no field type stands for."""


def fields_of(declared: Any, path: str) -> tuple[tuple[PayloadField, ...], tuple[Issue, ...]]:
    """The contract that a class or a list of fields declares, and what is wrong with it."""
    if declared is None:
        return (), ()
    if isinstance(declared, list | tuple) and all(isinstance(each, PayloadField) for each in declared):
        return tuple(declared), ()
    found = members(declared)
    if found is None:
        said = "a payload is a dataclass, a TypedDict, a msgspec.Struct, a pydantic model or a list of PayloadField"
        return (), (Issue(path, "invalid_payload_contract", said),)
    fields: list[PayloadField] = []
    issues: list[Issue] = []
    for member in found:
        field, wrong = field_of(member, f"{path}.{member.name}")
        issues += wrong
        fields += [field] if field else []
    return tuple(fields), tuple(issues)


def field_of(member: Member, path: str) -> tuple[PayloadField | None, tuple[Issue, ...]]:
    """One field, from its annotation and default."""
    try:
        known = describe(member.annotation)
    except UnknownType as error:
        return None, (Issue(path, "unknown_payload_type", str(error)),)
    default = member.default
    if default is ABSENT:
        if member.may_be_absent:  # a contract knows no absent keys: they are there, and null
            known |= {"nullable": True, "default": None}
        return PayloadField(name=member.name, **known), ()
    try:
        plain = to_plain(default)
    except UnstorableValue as error:
        return None, (Issue(path, "invalid_payload_default", error.details["reason"]),)
    plain = list(plain) if isinstance(plain, tuple | set | frozenset) else plain
    nullable = known.pop("nullable", False) or plain is None
    return PayloadField(name=member.name, nullable=nullable, default=plain, **known), ()


def members(declared: Any) -> list[Member] | None:
    """The declared fields of a class, or None if it declares none."""
    declared = get_origin(declared) or declared
    if not isinstance(declared, type):
        return None
    if is_model(declared):
        return _model_members(declared)
    if issubclass(declared, msgspec.Struct):
        return _struct_members(declared)
    if is_typeddict(declared):
        return _dict_members(declared)
    return _dataclass_members(declared) if dataclasses.is_dataclass(declared) else None


def return_members(action: Action | None) -> list[Member] | None:
    """The fields that a function declares to return; None where it declares no closed set of them."""
    returns = bare(action.returns) if action else None
    maybe_none = False
    if is_union(returns):
        rest = [each for each in get_args(returns) if each is not type(None)]
        maybe_none, returns = len(rest) < len(get_args(returns)), rest[0] if len(rest) == 1 else None
    found = None if returns is None else members(bare(returns))
    return [each._replace(may_be_absent=True) for each in found] if found and maybe_none else found


def _dataclass_members(declared: Any) -> list[Member]:
    known = hints.of_class(declared)
    found = []
    for field in dataclasses.fields(declared):
        has_default = field.default is not dataclasses.MISSING
        default = field.default if has_default else _made_by(field.default_factory)
        found.append(Member(field.name, known.get(field.name, Any), default))
    return found


def _struct_members(declared: Any) -> list[Member]:
    known = hints.of_class(declared)
    names, written = declared.__struct_fields__, declared.__struct_encode_fields__
    defaults = declared.__struct_defaults__
    padded = (msgspec.NODEFAULT,) * (len(names) - len(defaults)) + defaults
    return [
        Member(key, known.get(name, Any), _struct_default(value))
        for name, key, value in zip(names, written, padded, strict=True)
    ]


def _struct_default(value: Any) -> Any:
    if value is msgspec.NODEFAULT:
        return ABSENT
    return _made_by(value.factory) if type(value).__name__ == "Factory" else value


def _dict_members(declared: Any) -> list[Member]:
    required = declared.__required_keys__
    return [Member(name, hint, may_be_absent=name not in required) for name, hint in hints.of_class(declared).items()]


def _model_members(declared: Any) -> list[Member]:
    found = []
    for name, info in declared.model_fields.items():
        metadata = tuple(getattr(info, "metadata", ()))
        annotation = Annotated[(info.annotation, *metadata)] if metadata else info.annotation
        default = _made_by(info.default_factory) if getattr(info, "default_factory", None) else info.default
        found.append(Member(name, annotation, ABSENT if info.is_required() else default))
    return found


def _made_by(factory: Any) -> Any:
    """A factory is never called; of the built-in ones it is known what they make.

    The others leave the field to whoever makes the object.
    """
    try:
        made = _EMPTY.get(factory, ABSENT)
    except TypeError:
        return ABSENT
    return type(made)(made) if made is not ABSENT else ABSENT


def describe(annotation: Any) -> dict[str, Any]:
    """The type, and what limits it, as arguments of a `PayloadField`. Raises `UnknownType`."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return describe(inner) | _limits(metadata)
    annotation = bare(annotation)
    if annotation in (Any, object) or isinstance(annotation, TypeVar):
        return {"type": "any", "nullable": True}
    if is_union(annotation):
        return _describe_union(get_args(annotation))
    if get_origin(annotation) is Literal:
        return _describe_values(get_args(annotation))
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        raise UnknownType("this annotation is no payload type")
    return _describe_class(kind, get_args(annotation))


def _describe_class(kind: type, args: tuple[Any, ...]) -> dict[str, Any]:
    if issubclass(kind, Enum):
        return _describe_values(tuple(member.value for member in kind))
    for scalar, name, form in _SCALARS:
        if issubclass(kind, scalar):
            return {"type": name, **({"format": form} if form else {})}
    if is_record(kind) or is_typeddict(kind) or issubclass(kind, dict | abc.Mapping) or kind is abc.Mapping:
        return {"type": "object"}
    if issubclass(kind, list | tuple | set | frozenset) or kind in _ARRAYS:
        return {"type": "array", **_items(args)}
    raise UnknownType(
        f"{kind.__name__} is no payload type: use str, int, float, bool, dict, list, date, datetime, UUID, Decimal, "
        "or a class with declared fields"
    )


def _items(args: tuple[Any, ...]) -> dict[str, Any]:
    """What the elements are, where all of them are the same plain thing."""
    kinds = {str(describe(arg)["type"]) for arg in args if arg is not ...}
    nullable = any(describe(arg).get("nullable") for arg in args if arg is not ...)
    return {"items": kinds.pop()} if len(kinds) == 1 and kinds != {"any"} and not nullable else {}


def _describe_union(args: tuple[Any, ...]) -> dict[str, Any]:
    known = [describe(arg) for arg in args if arg is not type(None)]
    nullable = {"nullable": True} if len(known) < len(args) or any(each.get("nullable") for each in known) else {}
    kinds = {each["type"] for each in known}
    if len(known) == 1:
        return known[0] | nullable
    if kinds == {"integer", "number"}:
        return {"type": "number"} | nullable
    if len(kinds) == 1:
        return {"type": kinds.pop()} | nullable
    raise UnknownType("a union of several types; a payload field has one type, or that type and None")


def _describe_values(values: tuple[Any, ...]) -> dict[str, Any]:
    plain = tuple(value for value in values if value is not None)
    kinds = {str(describe(type(value))["type"]) for value in plain}
    if len(kinds) != 1 or any(json_problem(value) for value in plain):
        raise UnknownType("the values allowed are of several types")
    nullable = {"nullable": True} if len(plain) < len(values) else {}
    return {"type": kinds.pop(), "enum": plain} | nullable


def _limits(metadata: list[Any]) -> dict[str, Any]:
    """`msgspec.Meta(ge=, le=)` and what pydantic's `Field(ge=, le=)` leaves behind."""
    found: dict[str, Any] = {}
    for each in metadata:
        for ours, theirs in (("minimum", "ge"), ("maximum", "le")):
            limit = getattr(each, theirs, None)
            if isinstance(limit, int | float) and not isinstance(limit, bool):
                found[ours] = limit
    return found
