"""What holds for every value and every spec (1.1 and 1.3)."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from squidie.workflow import Edge, Node, Outcome, PayloadField, Spec, Trigger, fingerprint, validate_spec
from squidie.workflow.checks import read
from squidie.workflow.fingerprint import canonical
from squidie.workflow.options import OPERATORS
from squidie.workflow.spec import (
    Backoff,
    Compensate,
    Condition,
    Deadline,
    Escalation,
    GiveUp,
    Lapse,
    Level,
    NodeKind,
    OnCancel,
    OnStuck,
    Overdue,
    Recovery,
    Retry,
    TriggerKind,
)

KEYS = [
    "name", "triggers", "nodes", "edges", "payload", "version", "kind", "action", "input", "retry", "from", "to",
    "on", "max_attempts", "type", "default", "enum", "expression", "timezone", "output", "queue", "priority", "items",
    "format", "when", "path", "equals", "greater_than", "in", "exists", "recovery", "deadline", "within", "then",
    "compensate", "timeout", "duration", "until", "message", "due", "escalate", "form", "event", "correlation_from",
]  # fmt: skip
texts = st.sampled_from(
    [
        "a",
        "b",
        "end",
        "ok",
        "error",
        "cron",
        "0 3 * * *",
        "payload.a",
        "a.b?",
        "UTC",
        "string",
        "array",
        "",
        "\ud800",
        "\0",
    ]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.text(max_size=5)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | texts, inner, max_size=6),
    max_leaves=25,
)
fields = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("name", "triggers", "nodes", "edges", "payload", "version"), values)
)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
optional_numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e6)
retries = st.builds(
    Retry,
    max_attempts=st.integers(1, 9),
    backoff=st.sampled_from(Backoff),
    max=st.floats(3600, 1e6),
    jitter=st.booleans() | st.floats(0, 1),
    on=st.lists(names.map("app:{}".format), max_size=2).map(tuple),
    within=optional_numbers,
)
plain_values = st.none() | st.booleans() | st.integers(-9, 9) | names | st.just(msgspec.UNSET)
deadlines = st.builds(
    Deadline,
    within=st.floats(1, 1e6),
    due_soon=optional_numbers,
    then=st.sampled_from(Overdue),
    escalate_after=optional_numbers,
)
undos = st.builds(
    Compensate,
    action=names,
    input=st.dictionaries(names, names, max_size=2),
    retry=st.none() | retries,
    when_unsure=st.booleans(),
    on_stuck=st.sampled_from(OnStuck),
    queue=st.none() | names,
)
escalations = st.builds(Escalation, role=names, due=optional_numbers, then=st.sampled_from(Lapse))
payloads = st.lists(
    st.builds(PayloadField, name=names, type=names, default=plain_values, minimum=optional_numbers), max_size=3
).map(tuple)
nodes = st.builds(
    Node,
    name=names,
    kind=st.sampled_from(NodeKind),
    action=names,
    input=st.dictionaries(names, names, max_size=3),
    output=st.none() | names,
    retry=st.none() | retries,
    queue=st.none() | names,
    priority=st.none() | st.integers(0, 999),
    irreversible=st.booleans(),
    timeout=optional_numbers,
    grace=optional_numbers,
    deadline=st.none() | deadlines,
    compensate=st.none() | undos,
    transactional=st.booleans(),
    on_give_up=st.sampled_from(GiveUp),
    on_cancel=st.sampled_from(OnCancel),
    duration=optional_numbers,
    until=st.none() | names,
    message=st.text(max_size=3),
    level=st.sampled_from(Level),
    role=st.none() | names,
    quorum=st.integers(1, 3),
    due=optional_numbers,
    then=st.none() | st.sampled_from(Lapse),
    escalate=st.none() | escalations,
    form=st.none() | payloads,
    exclude=st.sampled_from([(), ("starter",)]),
    event=st.none() | names,
    correlation=st.none() | names,
    correlation_from=st.none() | names,
)
conditions = st.builds(
    lambda path, operator, operand: Condition(path=path, **{operator: operand}),
    names,
    st.sampled_from(OPERATORS),
    st.none() | st.booleans() | st.integers(-9, 9) | names | st.lists(st.integers(-9, 9) | names, max_size=2),
)
triggers = st.builds(
    Trigger,
    name=names,
    kind=st.sampled_from(TriggerKind),
    payload=st.none() | payloads,
    input=st.dictionaries(names, names),
)
edges = st.builds(
    Edge,
    source=names,
    target=names,
    on=st.sampled_from(Outcome),
    when=st.none() | conditions,
    recovery=st.none() | st.sampled_from(Recovery),
)
specs = st.builds(
    Spec,
    name=names,
    version=st.none() | names,
    description=st.text(max_size=9),
    triggers=st.lists(triggers, max_size=3).map(tuple),
    nodes=st.lists(nodes, max_size=4).map(tuple),
    payload=payloads,
    edges=st.lists(edges, max_size=4).map(tuple),
    deadline=st.none() | deadlines,
)


@settings(max_examples=60, deadline=None)
@given(values | fields)
def test_any_value_is_judged_without_an_exception(value):
    """1.1: any value is welcome, and all issues come at once."""
    assert all(issue.path and issue.code and issue.message for issue in validate_spec(value))


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=50) | st.text(max_size=50) | st.builds(object))
def test_any_text_and_any_object_is_judged_without_an_exception(value):
    assert validate_spec(value)


@settings(max_examples=25, deadline=None)
@given(specs)
def test_a_spec_read_back_from_its_json_is_the_same(spec):
    """1.1: `to_json` and back is the identity."""
    assert Spec.from_json(spec.to_json()) == spec
    assert Spec.from_json(spec.to_json()).to_json() == spec.to_json()


@settings(max_examples=60, deadline=None)
@given(specs)
def test_a_drawn_spec_is_judged_without_an_exception_and_read_as_it_is(spec):
    """1.1: all issues at once, whatever was written."""
    assert all(issue.path and issue.code and issue.message for issue in validate_spec(spec))
    assert read(spec)[0] == spec
    assert read(spec.to_json())[0] == spec


def _plain(edges):
    """Of each source and outcome one condition at most: between several the order does count."""
    known = {}
    return tuple(
        edge for edge in edges if edge.when is None or known.setdefault((edge.source, edge.on), edge.when) == edge.when
    )


@settings(max_examples=25, deadline=None)
@given(specs, st.randoms(use_true_random=False))
def test_the_fingerprint_knows_no_order_where_order_means_nothing(spec, dice: random.Random):
    """1.3: where order means nothing it does not count."""

    def shuffled(parts):
        return tuple(dice.sample(parts, len(parts)))

    unique = msgspec.structs.replace(spec, nodes=tuple({node.name: node for node in spec.nodes}.values()))
    unique = msgspec.structs.replace(unique, edges=_plain(spec.edges))
    unique = msgspec.structs.replace(unique, payload=tuple({each.name: each for each in spec.payload}.values()))
    other = msgspec.structs.replace(
        Spec.from_json(unique.to_json()),
        nodes=shuffled(unique.nodes),
        edges=shuffled(unique.edges),
        payload=shuffled(unique.payload),
        description="another",
    )

    assert canonical(other) == canonical(unique)
    assert fingerprint(other) == fingerprint(unique)
    assert len(fingerprint(other)) == 64
