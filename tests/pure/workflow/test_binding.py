"""What each parameter is bound to, level by level (1.10 to 1.14)."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pytest

from squidie.errors import InvalidSpec
from squidie.workflow import PayloadField, StepContext, Workflow, cron, end, manual, step

START = (manual("start"),)
ORDER = [PayloadField(name="order", type="object"), PayloadField(name="email", type="string", nullable=True)]


@dataclass
class Hold:
    hold_id: str
    until: str


class Maybe(TypedDict):
    sure: int
    perhaps: NotRequired[int]


def first() -> dict: ...
def typed() -> Hold: ...
def loose() -> Maybe: ...
def nothing() -> Hold | None: ...


def declare(*calls, payload=ORDER, triggers=START, **options):
    """A chain of steps named s0, s1, and so on; `options` are those of the last one."""
    steps = {f"s{n}": step(call, **(options if n == len(calls) - 1 else {})) for n, call in enumerate(calls)}
    flow = None
    for each in steps.values():
        flow = each if flow is None else flow >> each
    return type("W", (Workflow,), {**steps, "flow": flow, "payload": payload, "triggers": list(triggers)})


def inputs(*calls, **parts):
    """What the parameters of the last step are bound to."""
    return declare(*calls, **parts).spec.nodes[-1].input


def refused(*calls, **parts):
    with pytest.raises(InvalidSpec) as caught:
        declare(*calls, **parts)
    return {(issue.path.replace("steps.", "").replace(".input", ""), issue.code) for issue in caught.value.issues}


def test_the_context_comes_first_by_name_or_by_annotation():
    """1.11: `ctx` by name or annotation."""
    assert inputs(lambda ctx: 0) == {"ctx": "ctx"}

    def annotated(here: StepContext): ...
    def as_text(here: "StepContext"): ...

    assert inputs(annotated) == inputs(as_text) == {"here": "ctx"}


def test_an_explicit_input_comes_before_an_output_of_that_name():
    """1.11: then the explicit input."""
    assert inputs(first, lambda s0: 0, input={"s0": "payload.email"}) == {"s0": "payload.email"}


def test_an_output_comes_before_a_field_of_a_declared_return_type():
    """1.11: then the output of a preceding step."""

    def hold_id(): ...

    named = type("W", (Workflow,), {
        "triggers": [manual("start")], "payload": ORDER,
        "a": (a := step(typed)), "b": (b := step(hold_id, output="hold_id")), "c": (c := step(lambda hold_id: 0)),
        "flow": a >> b >> c,
    })  # fmt: skip
    assert named.spec.nodes[-1].input == {"hold_id": "hold_id"}


def test_a_payload_field_comes_before_a_field_of_a_declared_return_type():
    """1.11: then a payload field."""
    payload = [PayloadField(name="hold_id", type="string")]

    assert inputs(typed, lambda hold_id: 0, payload=payload) == {"hold_id": "payload.hold_id"}


def test_a_field_of_a_declared_return_type_comes_before_the_own_default():
    """1.11: then a field of a declared return type."""
    assert inputs(typed, lambda hold_id="x": 0) == {"hold_id": "s0.hold_id"}


def test_the_own_default_comes_last_and_is_left_to_the_function():
    """1.11: its own default comes last."""
    assert inputs(first, lambda other=3, *args, **kwargs: 0) == {}


def test_what_nothing_binds_is_refused():
    """1.11: a parameter that nothing binds."""
    assert refused(first, lambda other: 0) == {("s1.other", "unbound_parameter")}


def test_the_output_of_a_step_that_is_not_before_is_not_bound():
    """1.13: only steps before it are visible, whatever siblings do."""
    a, b, c = step(first), step(first), step(lambda b: 0)
    with pytest.raises(InvalidSpec) as caught:
        type("W", (Workflow,), {"triggers": [manual("s")], "a": a, "b": b, "c": c, "flow": a >> [b, c]})

    (issue,) = caught.value.issues
    assert (issue.path, issue.code) == ("steps.c.input.b", "unbound_parameter")
    assert "does not come before" in issue.message


def test_two_steps_that_return_such_a_field_are_ambiguous():
    """1.11: two candidates of the same rank."""
    assert refused(typed, typed, lambda until: 0) == {("s2.until", "ambiguous_binding")}


def test_an_input_for_a_parameter_that_does_not_exist_is_refused():
    assert refused(first, lambda: 0, input={"x": "s0"}) == {("s1.x", "unknown_parameter")}
    assert refused(first, lambda ctx: 0, input={"ctx": "s0"}) == {("s1.ctx", "unknown_parameter")}


def test_a_function_that_takes_any_keyword_takes_what_input_names():
    assert inputs(first, lambda **kwargs: 0, input={"total": "order.total"}) == {"total": "payload.order.total"}


@pytest.mark.parametrize(
    ("written", "absolute"),
    [
        ("order.total", "payload.order.total"),
        (["order", "total"], "payload.order.total"),
        (["order", "a.b", 0], "payload.order.a\\.b.0"),
        ("payload.order.lines.0.sku", "payload.order.lines.0.sku"),
        ("payload", "payload"),
        ("s0", "s0"),
        ("s0.any.thing", "s0.any.thing"),
    ],
)
def test_an_explicit_path_becomes_absolute(written, absolute):
    """1.12: dotted text or a list."""
    assert inputs(first, lambda x: 0, input={"x": written}) == {"x": absolute}


@pytest.mark.parametrize(
    "path",
    [
        "nobody.total",
        "payload.nothing",
        "payload.email.deeper",
        "",
        ".",
        "a..b",
        5,
        None,
        [],
        {"from": "order"},
        "error.message",
    ],
)
def test_an_explicit_path_that_leads_nowhere_is_refused(path):
    """1.12: explicit roots, and nothing else."""
    assert refused(first, lambda x: 0, input={"x": path}) >= {("s1.x", "unknown_input_path")}


def test_a_field_that_the_declared_return_type_does_not_have_is_refused():
    assert refused(typed, lambda x: 0, input={"x": "s0.total"}) == {("s1.x", "unknown_input_path")}
    assert inputs(typed, lambda x: 0, input={"x": "s0.until"}) == {"x": "s0.until"}


def test_an_input_that_is_no_map_is_refused():
    assert refused(first, lambda x=1: 0, input=["x"]) == {("s1", "unknown_input_path")}


def test_reading_a_later_step_is_refused():
    a, b = step(lambda x: 0, input={"x": "b.total"}), step(first)
    with pytest.raises(InvalidSpec) as caught:
        type("W", (Workflow,), {"triggers": [manual("s")], "a": a, "b": b, "flow": a >> b})

    assert [(issue.path, issue.code) for issue in caught.value.issues] == [("steps.a.input.x", "reads_later_step")]


def test_an_optional_path_needs_a_default():
    """1.12: the parameter's default then applies."""
    assert refused(first, lambda x: 0, input={"x": "s0.total?"}) == {("s1.x", "unbound_parameter")}
    assert inputs(first, lambda x=1: 0, input={"x": "s0.total?"}) == {"x": "s0.total?"}


def test_a_field_that_may_be_absent_needs_a_default():
    """1.14: else `maybe_missing_input`."""
    assert refused(loose, lambda perhaps: 0) == {("s1.perhaps", "maybe_missing_input")}
    assert refused(nothing, lambda until: 0) == {("s1.until", "maybe_missing_input")}
    assert inputs(loose, lambda perhaps=1: 0) == {"perhaps": "s0.perhaps?"}
    assert inputs(loose, lambda sure: 0) == {"sure": "s0.sure"}


def test_a_field_that_only_some_triggers_have_needs_a_default():
    triggers = [manual("one", payload=[PayloadField(name="x", type="string")]), manual("two", payload=[])]

    assert refused(lambda x: 0, payload=None, triggers=triggers) == {("s0.x", "maybe_missing_input")}
    assert inputs(lambda x=1: 0, payload=None, triggers=triggers) == {"x": "payload.x?"}


def test_the_schedule_is_there_for_certain_only_if_nothing_else_starts_the_run():
    """1.12: `schedule.` is a root."""
    nightly = cron("nightly", "@daily", input={"order": {}, "email": None})
    source = {"input": {"x": "schedule.window.start"}}

    assert inputs(lambda x: 0, triggers=[nightly], **source) == {"x": "schedule.window.start"}
    assert refused(lambda x: 0, triggers=[nightly, manual("now")], **source) == {("s0.x", "maybe_missing_input")}
    assert inputs(lambda x=None: 0, triggers=[nightly, manual("now")], **source) == {"x": "schedule.window.start?"}
    assert refused(lambda x: 0, **source) == {("s0.x", "unknown_input_path")}


def test_outputs_of_one_name_clash():
    """1.11 and 1.13: an output named like another, or like a payload field."""
    assert refused(first, first, output="s0") == {("s1.output", "output_clash")}
    assert refused(first, output="email") == {("s0.output", "output_clash")}


# the error


def recovering(call, *, also_ok=False, payload=ORDER, **options):
    """The input of a step to which an error edge leads."""
    a, b = step(first), step(call, **options)
    flow = [a.on_error >> b, a >> b] if also_ok else [a.on_error >> b, a >> end]
    parts = {"a": a, "b": b, "flow": flow, "triggers": [manual("s")], "payload": payload}
    return type("W", (Workflow,), parts).spec.by_name["b"].input


def test_the_target_of_an_error_edge_is_told_the_error():
    """5.9: as the parameter `error`, whole or by a path."""
    field = [PayloadField(name="error", type="string")]

    assert recovering(lambda error: 0) == {"error": "error"}
    assert recovering(lambda error: 0, payload=field) == {"error": "error"}
    assert recovering(lambda error: 0, input={"error": "order.id"}) == {"error": "payload.order.id"}
    assert recovering(lambda why: 0, input={"why": "error.message"}) == {"why": "error.message"}


def test_where_an_ok_edge_leads_as_well_there_may_be_no_error():
    """1.14: fed by what may not be there."""
    with pytest.raises(InvalidSpec, match="maybe_missing_input"):
        recovering(lambda error: 0, also_ok=True)
    assert recovering(lambda error=None: 0, also_ok=True) == {"error": "error?"}


def test_elsewhere_error_is_a_name_like_any_other_and_never_asked_for():
    """1.11: a payload field, the own default, or nothing."""
    field = [PayloadField(name="error", type="string")]

    assert inputs(first, lambda error: 0, payload=field) == {"error": "payload.error"}
    assert inputs(first, lambda error=None: 0, payload=None) == {}
    assert refused(first, lambda error: 0, payload=None) == {("s1.error", "unbound_parameter")}
    assert refused(first, lambda error: 0) == {("s1.error", "unbound_parameter")}


def test_what_only_one_branch_puts_out_needs_a_default():
    """1.14: a step on a branch may be skipped."""

    def joined(call):
        a, b, c, d = step(first), step(typed), step(loose), step(call)
        flow = [a >> [a.when("a.n", at_least=1) >> b, a.otherwise >> c] >> d]
        return type("W", (Workflow,), {"triggers": [manual("s")], "a": a, "b": b, "c": c, "d": d, "flow": flow}).spec

    assert joined(lambda a, b=None: 0).by_name["d"].input == {"a": "a", "b": "b?"}
    with pytest.raises(InvalidSpec, match="maybe_missing_input"):
        joined(lambda b: 0)


# the derived contract


def greet(name: str, times: int = 1, ctx=None): ...
def tell(greeting, name, loud: bool = False): ...


def test_without_a_declared_payload_the_contract_is_derived():
    """1.10: one field for each parameter that no earlier step provides."""
    spec = declare(greet, lambda s0, name: 0, payload=None).spec

    assert spec.payload == (
        PayloadField(name="name", type="string"),
        PayloadField(name="times", type="integer", default=1),
    )
    assert spec.nodes[0].input == {"name": "payload.name", "times": "payload.times", "ctx": "ctx"}
    assert spec.nodes[1].input == {"s0": "s0", "name": "payload.name"}


def test_a_parameter_without_annotation_becomes_a_field_of_any_type():
    assert declare(lambda x: 0, payload=None).spec.payload == (PayloadField(name="x", type="any", nullable=True),)


def test_an_explicit_path_into_the_payload_is_part_of_the_derived_contract():
    def priced(total: float): ...

    assert declare(priced, payload=None, input={"total": "payload.sum"}).spec.payload == (
        PayloadField(name="sum", type="number"),
    )


def test_two_steps_that_mean_different_things_by_a_name_are_refused():
    def number(x: int): ...
    def text(x: str): ...

    assert refused(number, text, payload=None) == {("s1.x", "conflicting_payload_field")}
    assert refused(lambda x=1: 0, named_two, payload=None) == {("s1.x", "conflicting_payload_field")}


def named_two(x=2): ...


def test_a_parameter_of_a_type_that_no_payload_has_is_refused_unless_it_has_a_default():
    class Session: ...

    def needs(session: Session): ...
    def brings(session: Session = Session()): ...  # noqa: B008

    assert refused(needs, payload=None) == {("payload.session", "unknown_payload_type")}
    assert inputs(brings, payload=None) == {}
