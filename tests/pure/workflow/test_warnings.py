"""What is warned of and refuses nothing (1.2)."""

import pytest

from squidie.workflow import Workflow, approval, end, event, manual, step, validate_spec
from squidie.workflow.issues import Severity


def f(): ...


def warned(flow, **steps):
    """The warnings of a workflow, which is not refused for them."""
    spec = type("W", (Workflow,), {"triggers": manual("s"), **steps, "flow": flow}).spec
    issues = validate_spec(spec)
    assert {issue.severity for issue in issues} <= {Severity.WARNING}
    return {(issue.path, issue.code) for issue in issues}


def ab():
    return {"a": step(f), "b": step(f)}


def test_a_success_that_may_meet_no_condition():
    """1.19: it would fail the run."""
    steps = ab()
    asked = steps["a"].when("a", equals=1) >> steps["b"]

    assert warned(asked, **steps) == {("steps.a", "no_fallback")}
    assert warned([asked, steps["a"] >> end], **steps) == set()
    assert warned([asked, steps["a"].otherwise >> steps["b"]], **steps) == set()


def test_a_failure_that_may_meet_no_condition_is_a_failure_like_any_other():
    steps = ab()
    flow = [steps["a"] >> end, steps["a"].on_error.when("error.code", equals="x") >> steps["b"]]

    assert warned(flow, **steps) == set()


def test_a_rejection_that_nobody_hears_of():
    """6.3: a reject without an error edge fails the run, and the spec had warned."""
    steps = {**ab(), "ok": approval(role="ops")}
    flow = steps["a"] >> steps["ok"] >> steps["b"]

    assert warned(flow, **steps) == {("steps.ok", "unhandled_rejection")}
    assert warned([flow, steps["ok"].on_reject >> end], **steps) == set()


def test_an_event_that_may_never_come():
    """18.4: a timeout bounds the wait."""
    assert warned(paid := event("paid"), paid=paid) == {("steps.paid", "unbounded_event")}
    assert warned(paid := event("paid", timeout="1d"), paid=paid) == set()


def test_what_cannot_be_undone_before_a_transaction_that_may_fail():
    """18.17: there, effects are exactly once; what was done before stays done."""
    steps = {"a": step(f, irreversible=True), "b": step(f), "c": step(f, transactional=True)}
    code = ("steps.c.transactional", "effect_before_transaction")

    assert warned(steps["a"] >> steps["b"] >> steps["c"], **steps) == {code}
    assert warned(steps["c"] >> steps["b"] >> steps["a"], **steps) == set()


SHADOWED = [
    ({"greater_than": 10}, {"greater_than": 10.5}),
    ({"greater_than": 10}, {"at_least": 11}),
    ({"at_least": 10}, {"greater_than": 10}),
    ({"less_than": 10}, {"at_most": 9}),
    ({"at_most": 10}, {"less_than": 10}),
    ({"greater_than": 10}, {"equals": 11}),
    ({"is_in": ["a", "b"]}, {"equals": "a"}),
    ({"is_in": ["a", "b"]}, {"is_in": ["b"]}),
    ({"equals": 1}, {"equals": 1.0}),
    ({"exists": True}, {"equals": None}),
    ({"exists": True}, {"less_than": 3}),
    ({"exists": True}, {"not_equals": 3}),
    ({"not_equals": 5}, {"greater_than": 5}),
    ({"not_equals": "x"}, {"equals": "y"}),
]
SEEN = [
    ({"greater_than": 10}, {"greater_than": 9}),
    ({"greater_than": 10}, {"at_least": 10}),
    ({"greater_than": 10}, {"less_than": 20}),
    ({"less_than": 10}, {"at_most": 10}),
    ({"equals": 1}, {"equals": True}),
    ({"equals": "a"}, {"is_in": ["a", "b"]}),
    ({"exists": False}, {"equals": None}),
    ({"exists": True}, {"exists": False}),
    ({"not_equals": 5}, {"greater_than": 4}),
    ({"greater_than": 10}, {"greater_than": "10"}),
]


@pytest.mark.parametrize(("earlier", "later", "expected"), [
    *((one, other, True) for one, other in SHADOWED), *((one, other, False) for one, other in SEEN)
])  # fmt: skip
def test_a_condition_that_an_earlier_one_always_takes(earlier, later, expected):
    """1.16: conditioned branches are tried in declaration order."""
    steps = {**ab(), "c": step(f)}
    a = steps["a"]
    flow = [a.when("a", **earlier) >> steps["b"], a.when("a", **later) >> steps["c"], a >> end]

    assert warned(flow, **steps) == ({("edges.a:ok:c.when", "shadowed_condition")} if expected else set())


def test_conditions_on_other_paths_or_outcomes_shadow_nothing():
    steps = {**ab(), "c": step(f)}
    a = steps["a"]

    other = [a.when("a.x", at_least=1) >> steps["b"], a.when("a.y", at_least=2) >> steps["c"], a >> end]
    assert warned(other, **steps) == set()
    same = a.when("a.x", at_least=1) >> [steps["b"], steps["c"]]
    assert warned([same, a >> end], **steps) == set()
