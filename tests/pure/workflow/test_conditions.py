"""When a condition holds, value by value (1.21)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squidie.workflow import Condition
from squidie.workflow.conditions import holds
from squidie.workflow.options import OPERATORS

MISSING = object()


@pytest.mark.parametrize(
    ("asked", "yes", "no"),
    [
        ({"equals": 1}, [1, 1.0], [True, "1", None, 2, [1], MISSING]),
        ({"equals": True}, [True], [1, False, "true", None, MISSING]),
        ({"equals": None}, [None], [False, 0, "", [], {}, MISSING]),
        ({"equals": "a"}, ["a"], ["A", None, ["a"], MISSING]),
        ({"equals": [1, {"a": True}]}, [[1.0, {"a": True}]], [[1, {"a": 1}], [1], [{"a": True}, 1], {}, MISSING]),
        ({"equals": {"a": 1, "b": 2}}, [{"b": 2, "a": 1.0}], [{"a": 1}, {"a": 1, "b": 2, "c": 3}, [], MISSING]),
        ({"not_equals": 1}, [2, 1.5, None], [1, 1.0, True, "2", [], MISSING]),
        ({"not_equals": None}, [0, False, "", [], {}], [None, MISSING]),
        ({"not_equals": "a"}, ["b", None], ["a", 1, MISSING]),
        ({"greater_than": 199}, [200, 199.5], [199, 0, True, "200", None, MISSING]),
        ({"at_least": 199}, [199, 199.0, 10**30], [198.9, "199", None, MISSING]),
        ({"less_than": 0.5}, [0, -1], [0.5, 1, False, "0", None, MISSING]),
        ({"at_most": 2}, [2, 2.0, -(10**30)], [2.1, None, "1", [], MISSING]),
        ({"greater_than": "2026-01-01"}, ["2026-01-02", "2027"], ["2026-01-01", 2027, None, MISSING]),
        ({"at_most": "b"}, ["a", "b"], ["c", 1, MISSING]),
        ({"is_in": ["a", 1, None]}, ["a", 1.0, None], ["b", True, 0, [], MISSING]),
        ({"exists": True}, [None, 0, False, "", [], {}], [MISSING]),
        ({"exists": False}, [MISSING], [None, 0, False, "", []]),
    ],
)
def test_an_operator_holds_for_these_values_and_not_for_those(asked, yes, no):
    """1.21: numbers compare only with numbers; a missing path or another type is no match."""
    condition = Condition(path="check.status", **asked)

    def found(value):
        return holds(condition, {"check": {} if value is MISSING else {"status": value}})

    assert all(map(found, yes))
    assert not any(map(found, no))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("check", True),
        ("check.lines.1.sku", True),
        ("check.lines.2.sku", False),
        ("check.lines.first", False),
        ("check.a\\.b", True),
        ("check.none.deeper", False),
        ("nobody", False),
        ("", False),
        ("a..b", False),
        ("\ud800", False),
    ],
)
def test_a_path_leads_into_what_there_is_or_nowhere(path, expected):
    """1.12 and 1.21: as inputs do."""
    roots = {"check": {"lines": [{"sku": 1}, {"sku": 2}], "a.b": 0, "none": None}}

    assert holds(Condition(path=path, exists=True), roots) is expected


@pytest.mark.parametrize(
    "asked", [{}, {"equals": 1, "exists": True}, {"exists": 1}, {"is_in": 1}, {"greater_than": None}]
)
def test_a_malformed_condition_never_holds(asked):
    assert not holds(Condition(path="a", **asked), {"a": 1})


def test_a_root_is_asked_for_only_when_it_is_read():
    class Roots(dict):
        def __missing__(self, root):
            if root == "late":
                return {"x": 1}
            raise KeyError(root)

    assert holds(Condition(path="late.x", equals=1), Roots())
    assert not holds(Condition(path="never.x", equals=1), Roots())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from(["a", "a.b", "a.0", "a.b.c", "b", "", "a?"]) | st.text(max_size=6)


@settings(max_examples=100, deadline=None)
@given(paths, st.sampled_from(OPERATORS), values, st.dictionaries(st.sampled_from("ab"), values))
def test_whatever_is_compared_the_answer_is_yes_or_no(path, operator, operand, roots):
    """1.21: pure and total."""
    assert holds(Condition(path=path, **{operator: operand}), roots) in (True, False)


def test_what_is_nested_beyond_reason_is_no_match():
    deep = []
    for _ in range(100_000):
        deep = [deep]

    assert not holds(Condition(path="a", equals=deep), {"a": [deep]})
