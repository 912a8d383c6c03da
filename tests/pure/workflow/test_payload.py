"""Payload contracts: where they come from, what they admit (1.7 to 1.9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pytest

from squidie.errors import InvalidPayload, InvalidSpec
from squidie.workflow import PayloadField
from squidie.workflow.payload import admit, contract

NOW = datetime(2025, 6, 30, 22, 30, tzinfo=UTC)
OrderId = NewType("OrderId", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


@dataclass
class Line:
    sku: str
    count: int = 1


class AsStruct(msgspec.Struct):
    order_id: int
    email: str | None = None
    lines: list[Line] = []


class AsDict(TypedDict):
    order_id: int
    email: NotRequired[str]


@dataclass
class AsData:
    order_id: int
    email: str | None = None
    lines: list[Line] = field(default_factory=list)
    made_at: datetime = field(default_factory=lambda: NOW)


class Info:
    """As much of pydantic's FieldInfo as is looked at."""

    def __init__(self, annotation, default=..., metadata=()):
        self.annotation, self.default, self.metadata, self.default_factory = annotation, default, metadata, None

    def is_required(self):
        return self.default is ...


class AsModel:
    """Shaped like a pydantic model, which is not a dependency."""

    model_fields = MappingProxyType(
        {"order_id": Info(int, metadata=(msgspec.Meta(ge=1),)), "email": Info(str | None, None)}
    )

    @classmethod
    def model_validate(cls, value):
        return cls()

    def model_dump(self, *, mode):
        assert mode == "json"
        return {"order_id": 7, "email": None}


def one(annotation, default=msgspec.UNSET):
    made = msgspec.defstruct(
        "Made", [("x", annotation, default) if default is not msgspec.UNSET else ("x", annotation)]
    )
    (found,) = contract(made)
    return found


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (int | float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (OrderId, {"type": "integer"}),
        (str | None, {"type": "string", "nullable": True}),
        (Any, {"type": "any", "nullable": True}),
        (dict, {"type": "object"}),
        (dict[str, int], {"type": "object"}),
        (Mapping[str, Any], {"type": "object"}),
        (Line, {"type": "object"}),
        (AsStruct, {"type": "object"}),
        (AsDict, {"type": "object"}),
        (AsModel, {"type": "object"}),
        (Line | AsStruct, {"type": "object"}),
        (list, {"type": "array"}),
        (list[int], {"type": "array", "items": "integer"}),
        (list[int | None], {"type": "array"}),
        (list[Line], {"type": "array", "items": "object"}),
        (tuple[str, ...], {"type": "array", "items": "string"}),
        (tuple[str, int], {"type": "array"}),
        (set[str], {"type": "array", "items": "string"}),
        (Sequence[float], {"type": "array", "items": "number"}),
        (date, {"type": "string", "format": "date"}),
        (datetime, {"type": "string", "format": "datetime"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (Decimal, {"type": "string", "format": "decimal"}),
        (timedelta, {"type": "string"}),
        (Colour, {"type": "string", "enum": ("red", "blue")}),
        (Level, {"type": "integer", "enum": (1,)}),
        (Literal["a", "b"] | None, {"type": "string", "enum": ("a", "b"), "nullable": True}),
        (Annotated[int, msgspec.Meta(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
        (Annotated[int | None, "a note"], {"type": "integer", "nullable": True}),
    ],
)
def test_an_annotation_becomes_a_field_type(annotation, expected):
    assert one(annotation) == PayloadField(name="x", **expected)


@pytest.mark.parametrize("annotation", [object(), int | str, Literal["a", 1], complex, type, NOW])
def test_an_annotation_that_is_no_payload_type_is_an_issue_and_never_unchecked(annotation):
    """1.7: an unknown type is an issue."""
    made = dataclass(type("Made", (), {"__annotations__": {"x": annotation}}))

    with pytest.raises(InvalidSpec) as caught:
        contract(made)
    assert [(issue.path, issue.code) for issue in caught.value.issues] == [("payload.x", "unknown_payload_type")]


def test_every_kind_of_declaration_gives_the_same_contract():
    """1.7: a dataclass, TypedDict, Struct or model."""
    order_id, email = (
        PayloadField(name="order_id", type="integer"),
        PayloadField(name="email", type="string", nullable=True, default=None),
    )
    lines = PayloadField(name="lines", type="array", items="object", default=[])

    assert contract(AsStruct) == (order_id, email, lines)
    assert contract(AsDict) == (order_id, email)
    assert contract(AsData) == (order_id, email, lines, PayloadField(name="made_at", type="string", format="datetime"))
    assert contract(AsModel) == (PayloadField(name="order_id", type="integer", minimum=1), email)
    assert contract([order_id, email]) == (order_id, email)
    assert contract(None) == ()


def test_a_default_is_written_as_json():
    assert one(Colour, Colour.RED).default == "red"
    assert one(date, date(2025, 1, 2)).default == "2025-01-02"
    assert one(Decimal, Decimal("1.50")).default == "1.50"


def test_a_default_without_a_json_form_is_an_issue():
    with pytest.raises(InvalidSpec) as caught:
        contract(dataclass(type("Made", (), {"__annotations__": {"x": int}, "x": object()})))

    assert caught.value.issues[0].code == "invalid_payload_default"


@pytest.mark.parametrize("declared", [int, "order", 5, object(), [1], lambda: 0])
def test_what_declares_no_fields_is_no_contract(declared):
    with pytest.raises(InvalidSpec) as caught:
        contract(declared)

    assert caught.value.issues[0].code == "invalid_payload_contract"


def check(kind, value, **limits):
    """The reason why a value is refused, or None."""
    try:
        admit((PayloadField(name="x", type=kind, **limits),), {"x": value}, now=NOW)
    except InvalidPayload as error:
        return error.details["invalid"]["x"]
    return None


@pytest.mark.parametrize(
    ("kind", "value", "limits"),
    [
        ("string", "a", {}),
        ("string", None, {"nullable": True}),
        ("integer", 5, {}),
        ("number", 5, {}),
        ("number", 5.5, {}),
        ("boolean", False, {}),
        ("object", {}, {}),
        ("array", [1, "a"], {}),
        ("array", (1, 2), {"items": "integer"}),
        ("array", [1, 2.5], {"items": "number"}),
        ("any", object, {}),
        ("integer", 1, {"enum": (1, 2)}),
        ("number", 1, {"enum": (1.0,)}),
        ("integer", 3, {"minimum": 3, "maximum": 3}),
        ("string", "2025-01-02", {"format": "date"}),
        ("string", "2025-01-02T03:04:05Z", {"format": "datetime"}),
        ("string", "12345678-1234-5678-1234-567812345678", {"format": "uuid"}),
        ("string", "1.50", {"format": "decimal"}),
        ("string", date(2025, 1, 2), {"format": "date"}),
        ("string", Decimal(5), {"format": "decimal"}),
        ("object", Line("a"), {}),
    ],
)
def test_a_value_that_fits_is_admitted(kind, value, limits):
    """1.7: an integer is a number."""
    assert check(kind, value, **limits) is None


@pytest.mark.parametrize(
    ("kind", "value", "limits"),
    [
        ("string", 5, {}),
        ("string", None, {}),
        ("integer", True, {}),
        ("integer", 5.0, {}),
        ("integer", "5", {}),
        ("number", "5", {}),
        ("number", True, {}),
        ("number", float("nan"), {}),
        ("number", float("inf"), {}),
        ("boolean", 1, {}),
        ("object", [], {}),
        ("array", {}, {}),
        ("array", "abc", {}),
        ("array", [1, "a"], {"items": "integer"}),
        ("array", [True], {"items": "integer"}),
        ("any", None, {}),
        ("integer", 3, {"enum": (1, 2)}),
        ("integer", 2, {"minimum": 3}),
        ("integer", 4, {"maximum": 3}),
        ("string", "2025-02-30", {"format": "date"}),
        ("string", "yesterday", {"format": "datetime"}),
        ("string", "1234", {"format": "uuid"}),
        ("string", "1,50", {"format": "decimal"}),
        ("string", "NaN", {"format": "decimal"}),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_not_converted(kind, value, limits):
    """1.7: strict."""
    assert check(kind, value, **limits)


def test_everything_that_is_wrong_is_said_at_once_and_no_value_is_repeated():
    """1.9: unknown keys are refused."""
    with pytest.raises(InvalidPayload) as caught:
        admit(contract(AsStruct), {"email": 5, "colour": "hunter2"}, now=NOW)

    assert caught.value.details == {
        "missing": ["order_id"],
        "unknown": ["colour"],
        "invalid": {"email": "is no string"},
    }
    assert "hunter2" not in str(caught.value)


def test_defaults_fill_absent_keys_only():
    """1.8: an explicit null must be allowed by the type."""
    assert admit(contract(AsStruct), {"order_id": 7}, now=NOW) == {"order_id": 7, "email": None, "lines": []}
    with pytest.raises(InvalidPayload):
        admit(contract(AsStruct), {"order_id": 7, "lines": None}, now=NOW)


def test_a_default_list_is_each_payloads_own():
    fields = contract(AsStruct)
    admit(fields, {"order_id": 7}, now=NOW)["lines"].append(1)

    assert admit(fields, {"order_id": 7}, now=NOW)["lines"] == []


@pytest.mark.parametrize("value", [AsStruct(7, lines=[Line("a")]), AsData(7, lines=[Line("a")], made_at=NOW)])
def test_a_typed_object_is_encoded_first(value):
    admitted = admit(contract(type(value)), value, now=NOW)

    assert admitted["order_id"] == 7
    assert admitted["lines"] == [{"sku": "a", "count": 1}]


def test_a_model_is_asked_for_its_json():
    assert admit(contract(AsModel), AsModel(), now=NOW) == {"order_id": 7, "email": None}


def test_the_callers_dictionary_is_left_alone():
    given = {"order_id": 7}
    admit(contract(AsStruct), given, now=NOW)

    assert given == {"order_id": 7}


@pytest.mark.parametrize("value", [5, "text", [], [("order_id", 7)], object()])
def test_a_payload_that_is_no_object_is_refused(value):
    with pytest.raises(InvalidPayload):
        admit(contract(AsStruct), value, now=NOW)


def test_no_payload_is_an_empty_one():
    assert admit((), None, now=NOW) == {}


def test_now_and_today_are_the_time_of_the_start_in_the_zone_of_the_trigger():
    """1.8: the clock, in the zone of the trigger, at the start."""
    fields = (
        PayloadField(name="at", type="string", format="datetime", default="now"),
        PayloadField(name="day", type="string", format="date", default="today"),
        PayloadField(name="word", type="string", default="now"),
    )

    assert admit(fields, {}, now=NOW) == {"at": "2025-06-30T22:30:00+00:00", "day": "2025-06-30", "word": "now"}
    oslo = admit(fields, {}, now=NOW, timezone="Europe/Oslo")
    assert (oslo["at"], oslo["day"]) == ("2025-07-01T00:30:00+02:00", "2025-07-01")
