"""Ways out of a step: on error, by a condition, otherwise, and to the end (1.16, 1.18, 1.21, 1.22)."""

import pytest

from squidie.errors import InvalidSpec
from squidie.workflow import Condition, Outcome, Workflow, approval, end, manual, step


def f(): ...


class Flows:
    """Steps to make flows of, and what the flows become."""

    def __init__(self):
        self.steps = {name: step(f) for name in "abcde"}
        for name, each in self.steps.items():
            setattr(self, name, each)

    def of(self, flow, only="abcde", **parts):
        used = {name: self.steps[name] for name in only}
        return type("Declared", (Workflow,), {"triggers": manual("start"), **used, **parts, "flow": flow}).spec

    def edges(self, flow, only="abcde", **parts):
        return {
            edge.id if edge.when is None else (edge.source, edge.on.value, edge.target, edge.when.path)
            for edge in self.of(flow, only=only, **parts).edges
        }

    def refused(self, flow, only="abcde"):
        with pytest.raises(InvalidSpec) as caught:
            self.of(flow, only=only)
        return {(issue.path, issue.code) for issue in caught.value.issues if issue.severity == "error"}


@pytest.fixture
def flows():
    return Flows()


def test_what_follows_on_error_is_reached_by_failures_alone(flows):
    """1.18: an edge waits for one outcome."""
    a, b, c = flows.a, flows.b, flows.c

    assert flows.edges([a >> b, a.on_error >> c], "abc") == {"a:ok:b", "a:error:c"}
    assert flows.edges(a >> [b, a.on_error >> c], "abc") == {"a:ok:b", "a:error:c"}
    assert flows.edges([a >> b, a.on_error >> [b, c]], "abc") == {"a:ok:b", "a:error:b", "a:error:c"}


def test_an_error_edge_says_what_it_is_for(flows):
    """1.22: recovery marks error edges for display."""
    spec = flows.of([flows.a >> flows.b, flows.a.on_error(recovery="undo") >> flows.c], only="abc")

    assert [(edge.id, edge.recovery) for edge in spec.edges] == [("a:ok:b", None), ("a:error:c", "undo")]


def test_a_rejection_is_an_error_by_a_better_name(flows):
    """6.3: approve takes ok edges, reject takes error edges."""
    ok = approval(role="ops")
    found = flows.edges([flows.a >> ok >> flows.b, ok.on_reject >> flows.c], "abc", ok=ok)

    assert found == {"a:ok:ok", "ok:ok:b", "ok:error:c"}


def test_conditions_make_branches_in_their_order_and_the_rest_is_the_fallback(flows):
    """1.16: edges with the same condition form a branch; the unconditioned one is tried last, wherever it stands."""
    a, b, c, d = flows.a, flows.b, flows.c, flows.d
    spec = flows.of(
        [a.otherwise >> d, a.when("a.n", at_least=10) >> [b, c], a.when("a.n", at_least=5) >> b], only="abcd"
    )

    assert [(when, [edge.target for edge in edges]) for when, edges in spec.branches("a", Outcome.OK)] == [
        (Condition(path="a.n", at_least=10), ["b", "c"]),
        (Condition(path="a.n", at_least=5), ["b"]),
        (None, ["d"]),
    ]


BRANCHED = {"load:ok:check", ("check", "ok", "tell", "check.status"), "check:ok:credit", "check:error:credit"}


@pytest.mark.parametrize(
    "written",
    [
        lambda load, check, tell, credit: [
            load >> check,
            check.when("check.status", greater_than=199) >> tell,
            check.otherwise >> credit,
            check.on_error >> credit,
        ],
        lambda load, check, tell, credit: (
            load
            >> check
            >> [
                check.when("check.status", greater_than=199) >> tell,
                check.otherwise >> credit,
                check.on_error >> credit,
            ]
        ),
        lambda load, check, tell, credit: (
            load >> check >> [check.when("check.status", greater_than=199) >> tell, credit, check.on_error >> credit]
        ),
        lambda load, check, tell, credit: [
            load >> check.when("check.status", greater_than=199) >> tell,
            [check, check.on_error] >> credit,
        ],
    ],
)
def test_branches_may_stand_beside_the_chain_or_inside_it(written):
    """1.16: however it is written, it is the same graph."""
    steps = {name: step(f) for name in ("load", "check", "tell", "credit")}
    spec = type("W", (Workflow,), {"triggers": manual("s"), **steps, "flow": written(**steps)}).spec

    found = {e.id if e.when is None else (e.source, e.on.value, e.target, e.when.path) for e in spec.edges}
    assert found == BRANCHED


def test_a_way_out_of_an_earlier_step_may_stand_anywhere_behind_it(flows):
    a, b, c, d = flows.a, flows.b, flows.c, flows.d

    assert flows.edges(a >> b >> [c, a.on_error >> d], "abcd") == {"a:ok:b", "b:ok:c", "a:error:d"}


def test_a_way_out_stands_for_its_step_where_something_leads_to_it(flows):
    a, b, c, d = flows.a, flows.b, flows.c, flows.d

    assert flows.edges([a, b] >> c.on_error >> d, "abcd") == {"a:ok:c", "b:ok:c", "c:error:d"}


def test_branches_join_again(flows):
    a, b, c, d = flows.a, flows.b, flows.c, flows.d
    found = flows.edges(a >> [a.when("a", exists=True) >> b, a.otherwise >> c] >> d, "abcd")

    assert found == {("a", "ok", "b", "a"), "a:ok:c", "b:ok:d", "c:ok:d"}


def test_a_path_may_end(flows):
    """1.18: `end` is a target that ends a path."""
    a, b = flows.a, flows.b

    assert flows.edges([a.when("a", equals=1) >> b, a.otherwise >> end], "ab") == {("a", "ok", "b", "a"), "a:ok:end"}
    assert flows.edges(a >> [b, a.on_error >> end], "ab") == {"a:ok:b", "a:error:end"}


def test_a_failure_may_be_told_apart_by_its_error(flows):
    """1.21: on error edges conditions read `error`."""
    a, b, c = flows.a, flows.b, flows.c
    declined = a.on_error.when("error.code", equals="declined")

    found = flows.edges([a >> end, declined >> b, a.on_error.otherwise >> c], "abc")
    assert found == {"a:ok:end", ("a", "error", "b", "error.code"), "a:error:c"}


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        ({"equals": None}, Condition(path="a", equals=None)),
        ({"in_": ("x", "y")}, Condition(path="a", is_in=["x", "y"])),
        ({"is_in": ["x"]}, Condition(path="a", is_in=["x"])),
        ({"exists": False}, Condition(path="a", exists=False)),
        ({"less_than": 1.5}, Condition(path="a", less_than=1.5)),
        ({"at_most": "2026"}, Condition(path="a", at_most="2026")),
        ({"not_equals": {"b": [1]}}, Condition(path="a", not_equals={"b": [1]})),
    ],
)
def test_a_condition_is_written_with_one_operator(flows, asked, condition):
    """1.21: one path and one operator."""
    spec = flows.of([flows.a.when("a", **asked) >> flows.b, flows.a >> end], only="ab")

    assert spec.edges[0].when == condition


@pytest.mark.parametrize(
    ("path", "absolute"),
    [
        ("a.status", "a.status"),
        (["a", "status", 0], "a.status.0"),
        ("order_id", "payload.order_id"),
        ("payload.order_id", "payload.order_id"),
        ("payload.unasked", "payload.unasked"),
    ],
)
def test_the_path_of_a_condition_becomes_absolute(path, absolute):
    """1.12: a bare payload field is completed."""

    def load(order_id: int): ...

    a, b = step(load), step(f)
    spec = type("W", (Workflow,), {
        "triggers": manual("s"), "a": a, "b": b, "flow": [a.when(path, exists=True) >> b, a >> end]
    }).spec  # fmt: skip

    assert spec.edges[0].when.path == absolute


@pytest.mark.parametrize(
    ("path", "asked", "where"),
    [
        ("a", {}, "when"),
        ("a", {"equals": 1, "exists": True}, "when"),
        ("a", {"like": "x"}, "when.like"),
        ("a", {"greater_than": True}, "when.greater_than"),
        ("a", {"equals": object()}, "when.equals"),
        ("a", {"in_": []}, "when.in"),
        ("a", {"exists": 1}, "when.exists"),
        ("", {"exists": True}, "when.path"),
        ("nobody.there", {"exists": True}, "when.path"),
        ("b", {"exists": True}, "when.path"),
        ("ctx", {"exists": True}, "when.path"),
        ("error.code", {"exists": True}, "when.path"),
        ("a?", {"exists": True}, "when.path"),
    ],
)
def test_a_condition_that_cannot_be_decided_is_refused(flows, path, asked, where):
    """1.21: one operator, on what the step could read, or has just put out."""
    found = flows.refused([flows.a.when(path, **asked) >> flows.b, flows.a.otherwise >> end], "ab")

    assert (f"edges.a:ok:b.{where}", "invalid_condition") in found
    assert {code for _, code in found} == {"invalid_condition"}


def test_what_leads_nowhere_is_refused(flows):
    a, b = flows.a, flows.b

    for lost in (a.on_error, a.when("a", exists=True), a.otherwise, b >> a.on_error):
        assert flows.refused([a >> b, lost], "ab") >= {("flow", "invalid_spec")}


def test_nothing_follows_the_end(flows):
    a, b = flows.a, flows.b

    assert ("flow", "invalid_spec") in flows.refused(a >> end >> b, "ab")
    assert ("flow", "invalid_spec") in flows.refused([a, end >> b], "ab")


def test_the_same_edge_twice_is_one(flows):
    a, b = flows.a, flows.b

    assert len(flows.of([a.when("a", equals=1) >> b, a.when("a", equals=1) >> b, a >> end], only="ab").edges) == 2
    assert flows.edges([a.on_error >> b, a.on_error.otherwise >> b, a >> end], "ab") == {"a:error:b", "a:ok:end"}


def test_ways_out_are_shown_by_what_they_are(flows):
    shown = [repr(each) for each in (flows.a.on_error, flows.a.otherwise, flows.a.when("a", equals=1), end)]

    assert shown == ["step(f).on_error", "step(f).otherwise", "step(f).when(...)", "end"]
