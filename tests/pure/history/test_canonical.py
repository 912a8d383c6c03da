"""The gate: what may enter the journal, and in which bytes (3.5)."""

import json
from collections import OrderedDict
from dataclasses import make_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from math import inf, nan
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given

from squidie.errors import PayloadTooLarge, UnstorableValue
from squidie.history.canonical import MAX_BODY, canonical, plain
from tests.pure.drawn import any_values, values


class Point(NamedTuple):
    x: int
    y: list


Colour = StrEnum("Colour", {"RED": "red"})
Size = IntEnum("Size", {"BIG": 9, "HUGE": 2**70})
Letter = Enum("Letter", {"NUL": "a\0", "A": "a"}, type=str)
Order = make_dataclass("Order", ["number"])
Text = type("Text", (str,), {})


def nested(depth, of=list):
    value = None
    for _ in range(depth):
        value = [value] if of is list else {"a": value}
    return value


def verdict(value):
    """The path of what is refused, or what is stored."""
    try:
        return None, bytes(canonical(value))
    except UnstorableValue as refused:
        return refused.details["path"], None


def deeper(frames, call):
    return call() if frames == 0 else deeper(frames - 1, call)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (-0.0, b"-0.0"),
        (1e16, b"1e16"),
        (0.1 + 0.2, b"0.30000000000000004"),
        (2**63 - 1, b"9223372036854775807"),
        (-(2**63), b"-9223372036854775808"),
        ((1, (2,)), b"[1,[2]]"),
        ({"b": 1, "a": True, "aa": None}, b'{"a":true,"aa":null,"b":1}'),
        ({"__type__": "os:system", "$ref": "#"}, b'{"$ref":"#","__type__":"os:system"}'),
        ("æ\x7f\n😀", '"æ\x7f\\n😀"'.encode()),
        (Colour.RED, b'"red"'),
        (Size.BIG, b"9"),
        (Letter.A, b'"a"'),
        (Point(1, [2]), b"[1,[2]]"),
        (OrderedDict(b=1, a={"c": 2}), b'{"a":{"c":2},"b":1}'),
        ({"k" * 512: 1}, b'{"' + b"k" * 512 + b'":1}'),
    ],
)
def test_what_is_accepted_is_kept_byte_for_byte(value, stored):
    """3.5."""
    assert bytes(canonical(value)) == stored
    assert bytes(canonical(plain(stored))) == stored


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        ({"a": [1, nan]}, "value.a[1]", "finite"),
        ({"a": inf}, "value.a", "finite"),
        ([-inf], "value[0]", "finite"),
        ({"a": "x\0"}, "value.a", "NUL"),
        ({"a": {"x\0": 1}}, "value.a (a key)", "NUL"),
        ({"a": "\ud800"}, "value.a", "surrogate"),
        ({"a": {"\udfff": 1}}, "value.a (a key)", "surrogate"),
        ([2**63], "value[0]", "64 bits"),
        ([-(2**63) - 1], "value[0]", "64 bits"),
        ({"a": {1: 2}}, "value.a", "keys are text"),
        ({"a": {1: 2, "1": 3}}, "value.a", "keys are text"),
        ({Colour.RED: 1}, "value", "keys are text"),
        ({"a": {"k" * 513: 1}}, "value.a", "512 bytes"),
        ({"a": {"é" * 257: 1}}, "value.a", "512 bytes"),
        ([Letter.NUL], "value[0]", "NUL"),
        ([Size.HUGE], "value[0]", "64 bits"),
        ({"a": OrderedDict(b=[b"x"])}, "value.a.b[0]", "bytes"),
        ({"a": Point(1, nan)}, "value.a[1]", "finite"),
        ({"a": Text("x")}, "value.a", "Text has no JSON form"),
        ([Order(1)], "value[0]", "Order has no JSON form"),
    ],
)
def test_what_is_refused_is_named_by_its_path(value, path, said):
    """3.5."""
    with pytest.raises(UnstorableValue, match=said) as refused:
        canonical(value)

    assert refused.value.details["path"] == path


@pytest.mark.parametrize(
    "value", [b"x", {1}, frozenset(), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), Decimal(1), UUID(int=1)]
)
def test_types_that_json_lacks_are_refused_with_a_hint(value):
    """3.5."""
    with pytest.raises(UnstorableValue) as refused:
        canonical({"a": value})

    assert refused.value.details["path"] == "value.a"
    assert refused.value.hint


@pytest.mark.parametrize("of", [list, dict])
def test_64_levels_are_accepted_and_65_refused(of):
    """3.5."""
    accepted = canonical(nested(64, of))

    assert plain(accepted) == nested(64, of)
    with pytest.raises(UnstorableValue, match="64 levels"):
        canonical(nested(65, of))
    with pytest.raises(UnstorableValue, match="64 levels"):
        canonical(nested(100_000, of))


def test_ten_thousand_keys_are_counted_over_the_whole_value():
    """3.5."""
    half = {str(number): 1 for number in range(4_999)}

    assert canonical({"a": half, "b": half})
    with pytest.raises(UnstorableValue, match="10,000 keys"):
        canonical({"a": half, "b": half, "c": 1})


def test_a_value_may_be_as_large_as_the_limit_and_no_larger():
    """3.5."""
    assert len(canonical("x" * (MAX_BODY - 2))) == MAX_BODY
    with pytest.raises(PayloadTooLarge) as refused:
        canonical("x" * 10 * MAX_BODY, root="payload")

    assert refused.value.details["path"] == "payload"
    assert refused.value.details["size"] == 10 * MAX_BODY + 2
    with pytest.raises(PayloadTooLarge):
        canonical({"a": 1}, limit=6)


def test_a_refusal_never_repeats_the_value():
    """0: refusals"""
    with pytest.raises(UnstorableValue) as refused:
        canonical({"card": "4111 1111\0"}, root="payload")

    assert "4111" not in str(refused.value.to_dict())


@given(values)
def test_every_plain_value_is_stored_as_it_reads_back(value):
    """3.5."""
    stored = canonical(value)

    assert plain(stored) == value == json.loads(bytes(stored))
    assert bytes(canonical(plain(stored))) == bytes(stored)


@given(any_values)
def test_every_value_is_stored_whole_or_refused_with_a_path(value):
    """3.5."""
    refused, stored = verdict(value)

    if stored is None:
        assert refused.startswith("value")
        return
    assert bytes(canonical(plain(stored))) == stored
    assert stored.decode()


@pytest.mark.parametrize("value", [nested(64), nested(64, dict), nested(65), OrderedDict(a=nested(63))])
def test_the_verdict_is_the_same_500_frames_deep(value):
    """3.5."""
    assert deeper(500, lambda: verdict(value)) == verdict(value)
