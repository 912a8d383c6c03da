"""Between Python's typed objects and plain JSON values, in both directions."""

from __future__ import annotations

import types
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)
from uuid import UUID

import msgspec

from squidie.errors import UnstorableValue
from squidie.workflow import hints

if TYPE_CHECKING:
    from collections.abc import Callable

SCALARS = (datetime, date, time, timedelta, UUID, Decimal, bytes)


def is_model(kind: Any) -> bool:
    """A pydantic model, by its shape: pydantic is not a dependency."""
    return isinstance(kind, type) and hasattr(kind, "model_fields") and hasattr(kind, "model_validate")


def is_record(kind: Any) -> bool:
    """A class whose instances are objects with declared fields."""
    return isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, msgspec.Struct) or is_model(kind))


def bare(annotation: Any) -> Any:
    """The annotation without `Annotated`, `NotRequired`, `NewType` and alias wrappers."""
    while True:
        if get_origin(annotation) in (Annotated, Required, NotRequired):
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def is_union(annotation: Any) -> bool:
    """`A | B` or `Union[A, B]`."""
    return get_origin(annotation) in (Union, types.UnionType)


def is_typed(annotation: Any) -> bool:
    """Whether values of this annotation are other than the plain JSON they come from."""
    return _is_typed(annotation, frozenset())


def _is_typed(annotation: Any, seen: frozenset[int]) -> bool:
    annotation = bare(annotation)
    if annotation is Any or id(annotation) in seen:
        return False
    seen |= {id(annotation)}
    if is_typeddict(annotation):
        return any(_is_typed(each, seen) for each in hints.of_class(annotation).values())
    if isinstance(annotation, type) and not get_args(annotation):
        return is_record(annotation) or issubclass(annotation, (*SCALARS, Enum, set, frozenset, tuple))
    origin = get_origin(annotation)
    if origin is Literal:
        return False
    if origin in (set, frozenset, tuple) or is_record(origin):
        return True
    return any(_is_typed(each, seen) for each in get_args(annotation))


def decoder(annotation: Any) -> Callable[[Any], Any] | None:
    """How a JSON value becomes a value of this type; None if it is one already, or if msgspec cannot tell.

    Raises `ValueError` with the reason.
    """
    if not is_typed(annotation):
        return None
    try:
        msgspec.json.Decoder(annotation, dec_hook=_from_json)
    except Exception:  # noqa: BLE001 - e.g. a union of two dataclasses: the step then gets the plain value
        return None

    def decode(value: Any) -> Any:
        try:
            return msgspec.convert(value, annotation, dec_hook=_from_json)
        except msgspec.ValidationError as error:
            raise ValueError(reason(error)) from None

    return decode


def reason(error: msgspec.ValidationError) -> str:
    """What msgspec found wrong, without the value."""
    said = str(error)
    place = said.rpartition(" - at ")[2].strip("`") if " - at " in said else ""
    what = "not one of the values allowed" if said.startswith("Invalid enum value") else said.partition(" - at ")[0]
    return f"{what[:1].lower()}{what[1:]}" + (f", at {place}" if place else "")


def _from_json(kind: Any, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if not is_model(kind):
        raise TypeError(f"an object of type {kind.__name__} cannot be made from JSON")
    try:
        return kind.model_validate(value)
    except ValueError as error:
        raise ValueError(_model_reason(error)) from None


def _model_reason(error: Any) -> str:
    """Pydantic repeats the input in its message; its list of errors can be had without."""
    try:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in found[:5])
    except Exception:  # noqa: BLE001 - another library's error: its shape is a guess
        return "does not fit its model"


def to_plain(value: Any, *, root: str = "value") -> Any:
    """The JSON form of a typed object, or of what contains one. Raises `UnstorableValue`."""
    if is_model(type(value)):
        return value.model_dump(mode="json")
    try:
        return msgspec.to_builtins(value, enc_hook=_to_json)
    except UnstorableValue as error:
        raise UnstorableValue(root, error.details["reason"]) from None
    except RecursionError:
        raise UnstorableValue(root, "nested too deeply") from None
    except (TypeError, ValueError, OverflowError):
        raise UnstorableValue(
            root, f"a value of type {type(value).__name__} holds something without a JSON form"
        ) from None


def _to_json(value: Any) -> Any:
    if is_model(type(value)):
        return value.model_dump(mode="json")
    raise UnstorableValue("value", f"a value of type {type(value).__name__} has no JSON form")


def json_problem(value: Any) -> str | None:
    """Why a literal is no plain JSON, or None.

    What is written must read back as it was: NaN, tuples and dates do not.
    """
    try:
        same = msgspec.json.decode(msgspec.json.encode(value)) == value
    except RecursionError:
        return "nested too deeply"
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        return "no JSON value"
    return None if same else "no plain JSON value"
