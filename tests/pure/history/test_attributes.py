"""What runs are found by (SEMANTICS 18.6): declared types, never coerced, within bounds."""

from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import pytest

from squidie.errors import InvalidAttributes, InvalidConfig
from squidie.history.attributes import NOTHING_DECLARED, Schema, Type, check_size, merged, schema_of, values_of

SCHEMA = schema_of(
    {
        "customer": "string",
        "n": "integer",
        "amount": "number",
        "paid": "boolean",
        "due": "datetime",
        "tags": ["string"],
        "days": ("datetime",),
    }
)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
CANARY = "canary-4711"


def refused(given, **options):
    with pytest.raises(InvalidAttributes) as found:
        SCHEMA.admit(given, **options)
    assert CANARY not in str(found.value)
    return found.value.details["key"], found.value.details["code"]


def test_values_of_the_declared_types_are_kept_as_they_are():
    """18.6"""
    given = {"customer": "", "n": -(2**63), "amount": 1.5, "paid": False, "tags": ["a", "a"]}

    assert SCHEMA.admit(given) == given
    assert SCHEMA.admit({"amount": 7}) == {"amount": 7}
    assert SCHEMA.admit({"tags": []}) == {"tags": []}
    assert SCHEMA.admit({}) == {}


@pytest.mark.parametrize("at", [NOON, "2026-03-10T13:00:00+01:00", NOON.astimezone(timezone(timedelta(hours=-3)))])
def test_equal_times_are_kept_as_the_same_text(at):
    """18.6: a time has no JSON form; its text in UTC stands for it."""
    assert SCHEMA.admit({"due": at, "days": (at,)}) == {"due": "2026-03-10T12:00:00Z", "days": ["2026-03-10T12:00:00Z"]}


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("customer", value) for value in (1, None, b"x", ["x"], {"a": 1}, Colour.RED)],
        *[("n", value) for value in (True, 1.0, "1", 2**63, -(2**63) - 1)],
        *[("amount", value) for value in (True, "1.5", float("nan"), float("inf"))],
        *[("paid", value) for value in (0, 1, "true", None)],
        *[("due", value) for value in (CANARY, NOON.replace(tzinfo=None), "2026-03-10T12:00:00", 5)],
        *[("tags", value) for value in (CANARY, [1], [None], {"a": 1}, [["a"]])],
    ],
)
def test_nothing_is_coerced(name, value):
    """18.6"""
    assert refused({name: value}) == (name, "wrong_type")


@pytest.mark.parametrize(
    ("given", "key", "code"),
    [
        ([("customer", "x")], None, "malformed"),
        ({"Customer": CANARY}, None, "malformed"),
        ({"a" * 65: CANARY}, None, "malformed"),
        ({5: CANARY}, None, "malformed"),
        ({"other": CANARY}, "other", "undeclared"),
        ({"customer": "ä" * 129}, "customer", "too_long"),
        ({"customer": "a\0"}, "customer", "malformed"),
        ({"customer": "\ud800"}, "customer", "malformed"),
        ({"tags": ["x"] * 17}, "tags", "too_many"),
        ({"tags": ["x" * 250] * 16, "customer": "x" * 200}, None, "too_large"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name_and_a_code(given, key, code):
    """18.6: bad input; no value is repeated."""
    assert refused(given) == (key, code)


def test_the_bounds_themselves_are_allowed():
    """18.6"""
    SCHEMA.admit({"customer": "ä" * 128, "tags": ["x"] * 16})
    schema_of({f"{'a' * 62}{n:02}": "string" for n in range(32)})


def test_only_a_change_may_say_that_there_is_no_value_any_more():
    """18.6"""
    assert SCHEMA.admit({"customer": None, "n": 1}, nulls=True) == {"customer": None, "n": 1}
    assert refused({"other": None}, nulls=True) == ("other", "undeclared")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("customer", "no mapping"),
        ({f"a{n}": "string" for n in range(33)}, "more than 32 names"),
        ({"Customer": "string"}, "'Customer' is no name"),
        ({5: "string"}, "what is no text is no name"),
        ({"a": "text"}, "attributes.a is none of string, integer"),
        ({"a": ["string", "integer"]}, "attributes.a is none"),
        ({"a": None, "b": [5]}, "attributes.b is none"),
    ],
)
def test_a_schema_that_cannot_be_says_everything_that_is_wrong(given, said):
    """18.6, 17.4"""
    with pytest.raises(InvalidConfig, match=said):
        schema_of(given)


def test_no_schema_declares_nothing():
    """18.6"""
    assert schema_of(None) is NOTHING_DECLARED
    with pytest.raises(InvalidAttributes) as found:
        NOTHING_DECLARED.admit({"a": 1})
    assert found.value.details == {"key": "a", "code": "undeclared"}
    assert "Squidie(" in str(found.value.hint)


def test_runs_are_sought_by_single_values_of_the_declared_types():
    """18.6"""
    given = {"customer": "x", "tags": "a", "due": NOON, "amount": 1}

    assert SCHEMA.sought(given) == (
        ("customer", '"x"'),
        ("tags", '"a"'),
        ("due", '"2026-03-10T12:00:00Z"'),
        ("amount", "1"),
    )
    for wrong, code in (({"tags": ["a"]}, "wrong_type"), ({"other": 1}, "undeclared"), ("x", "malformed")):
        with pytest.raises(InvalidAttributes) as found:
            SCHEMA.sought(wrong)
        assert found.value.details["code"] == code


def test_without_the_code_any_name_may_be_sought():
    """18.6: an operator has the database only."""
    given = {"a": "x", "b": True, "c": 1, "d": 1.5, "e": NOON}

    assert dict(NOTHING_DECLARED.sought(given)) == {
        "a": '"x"',
        "b": "true",
        "c": "1",
        "d": "1.5",
        "e": '"2026-03-10T12:00:00Z"',
    }
    for wrong in ({"a": None}, {"a": ["x"]}, {"A": 1}):
        with pytest.raises(InvalidAttributes):
            NOTHING_DECLARED.sought(wrong)


def test_changes_add_replace_and_remove():
    """18.6: null removes."""
    assert merged({"a": 1, "b": 2}, {"a": None, "b": 3, "c": None, "d": [4]}) == {"b": 3, "d": [4]}


def test_a_run_has_a_bounded_number_of_them():
    """18.6: names that were declared one after the other add up."""
    with pytest.raises(InvalidAttributes) as found:
        check_size({f"a{n}": 1 for n in range(33)})
    assert found.value.details == {"key": None, "code": "too_many"}


def test_each_value_is_one_to_be_found_by():
    """18.6"""
    assert values_of({"a": 1, "b": ["x", "x", "y"], "c": [], "d": True}) == {
        ("a", "1"),
        ("b", '"x"'),
        ("b", '"y"'),
        ("d", "true"),
    }
    assert Schema({"a": Type("string")}).types["a"].is_list is False
