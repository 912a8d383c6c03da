"""What is drawn at random: values that may be stored and such that may not, facts of every kind, graphs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import combinations
from math import inf, nan
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from squidie.history.canonical import canonical
from squidie.history.chain import EPOCH
from squidie.history.facts import KINDS
from squidie.workflow.spec import (
    END,
    Compensate,
    Deadline,
    Edge,
    Escalation,
    GiveUp,
    Lapse,
    Node,
    NodeKind,
    OnStuck,
    Outcome,
    Overdue,
    Retry,
    Spec,
    Trigger,
)
from tests.pure.scene import graph_node, of_kind, where

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
integers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)
"""Values that the journal takes, and gives back equal."""
flat = scalars | st.lists(scalars, max_size=2) | st.dictionaries(text, scalars, max_size=2)
"""As many of them as matter inside a fact."""

odd_text = st.text(st.characters(), max_size=4) | st.just("\0") | st.just("\ud800")
odd_scalars = scalars | odd_text | st.integers() | st.sampled_from([
    nan, inf, -inf, b"x", Decimal(1), UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), frozenset({1}), object(),
])  # fmt: skip
any_values = st.recursive(
    odd_scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(odd_text | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Values that the journal takes, and such that it refuses."""

times = st.timedeltas(timedelta(0), timedelta(days=90_000)).map(EPOCH.__add__)
FEW = {
    "step": st.sampled_from("abc"),
    "attempt": st.integers(1, 3),
    "taken": st.lists(st.sampled_from(["a:ok:b", "b:ok:c", "a:error:c"]), max_size=2).map(tuple),
    "skipped_edges": st.lists(st.sampled_from(["a:ok:b", "b:ok:c", "a:error:c"]), max_size=2).map(tuple),
    "skipped_steps": st.lists(st.sampled_from("abc"), max_size=1).map(tuple),
    "bounds": st.none() | st.sampled_from("abc"),
    "buffered": st.none() | st.integers(1, 5),
    "v": st.just(1),
}
"""Drawn from few, so that one fact is about what another was about."""
PLAIN = {
    Any: flat,
    msgspec.Raw: flat.map(canonical),
    msgspec.UnsetType: st.just(msgspec.UNSET),
    str: text,
    bool: st.booleans(),
    int: st.integers(0, 999),
    float: st.floats(0, 1e9),
    datetime: times,
    NoneType: st.none(),
}


@cache
def of_type(kind):
    """Values of a type, as the fields of facts have them."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, UnionType):
        return st.one_of(*map(of_type, get_args(kind)))
    if get_origin(kind) is tuple:
        return st.lists(of_type(get_args(kind)[0]), max_size=2).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(*map(of_type, get_args(kind)), max_size=2)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    hints = get_type_hints(kind)
    fields = {name: FEW[name] if name in FEW else of_type(hints[name]) for name in kind.__struct_fields__}
    return st.builds(kind, **fields)


def facts_of(kind):
    """Facts of one kind, every field of them drawn by its type."""
    return of_type(KINDS[kind])


facts = st.one_of(*map(facts_of, KINDS))
histories = st.lists(st.tuples(times, facts), max_size=6)


@st.composite
def graphs(draw, most=6):
    """Acyclic graphs with ok and error edges, diamonds, islands and ends; some steps are tried again."""
    names = "abcdefgh"[: draw(st.integers(1, most))]
    ways = st.sampled_from([(), (), (Outcome.OK,), (Outcome.OK,), (Outcome.ERROR,), tuple(Outcome)])
    pairs = [*combinations(names, 2), *((name, END) for name in names)]
    found = [Edge(source=source, target=target, on=on) for source, target in pairs for on in draw(ways)]
    retry = st.none() | st.builds(Retry, st.integers(1, 3))
    nodes = [Node(name=name, action=name, retry=draw(retry)) for name in draw(st.permutations(names))]
    return Spec(
        name="Drawn", triggers=(Trigger(name="go"),), nodes=tuple(nodes), edges=tuple(draw(st.permutations(found)))
    )


CONDITIONS = [
    None,
    None,
    where("payload.order", equals=5),
    where("payload.order", greater_than=5),
    where("payload.nothing", exists=False),
]


def conditions(source, on):
    """What edges ask for: of the payload, of what the step brought, of its error; or nothing."""
    if on is Outcome.ERROR:
        return [*CONDITIONS, where("error.type", equals="Declined"), where("error.kind", not_equals="step_raised")]
    return [*CONDITIONS, where(f"{source}.n", at_least=1), where(f"{source}.n", equals=2)]


@st.composite
def branching(draw, most=6):
    """Graphs whose edges may have conditions as well."""
    spec = draw(graphs(most))
    found = {}
    for edge in spec.edges:
        for when in draw(st.lists(st.sampled_from(conditions(edge.source, edge.on)), min_size=1, max_size=2)):
            again = msgspec.structs.replace(edge, when=when)
            found[again.id] = again
    return msgspec.structs.replace(spec, edges=tuple(found.values()))


WAITING = [
    of_kind("log", message="x"),
    of_kind("wait", duration=1.0),
    of_kind("wait", until="payload.at"),
    of_kind("wait", until="payload.nowhere"),
    of_kind("wait", until="payload.order"),
    of_kind("pause"),
    of_kind("pause", due=9.0),
    of_kind("pause", due=9.0, then=Lapse.RESUME),
    of_kind("approval"),
    of_kind("approval", quorum=2, exclude=("starter",)),
    of_kind("approval", quorum=2, due=900.0),
    of_kind("approval", due=9.0, then=Lapse.APPROVE),
    of_kind("approval", due=9.0, then=Lapse.ESCALATE, escalate=Escalation(role="boss", due=9.0)),
    of_kind("event"),
    of_kind("event", event="paid", timeout=9.0),
    of_kind("event", event="paid", correlation_from="payload.order"),
    of_kind("event", event="paid", correlation_from="payload.nowhere"),
]


def workflow(dice):
    """A graph of every kind of node, with everything that can be declared of how they end.

    Drawn with dice of its own: what Hypothesis draws is small on purpose, and most of this matters in company.
    """
    names = "abcdefg"[: dice.randint(2, 7)]
    nodes = [graph_node(name, **(dice.choice(WAITING) if dice.random() < 0.4 else _step(dice))) for name in names]
    pairs = [(one, two) for one, two in combinations(names, 2) if dice.random() < 0.5]
    pairs += [(name, END) for name in names if dice.random() < 0.2]
    found = [edge for pair in pairs for edge in _edges(dice, *pair)]
    dice.shuffle(found)
    limit = _deadline(dice) if dice.random() < 0.1 else None
    return Spec(
        name="Drawn",
        triggers=(Trigger(name="go"),),
        nodes=tuple(nodes),
        edges=tuple({edge.id: edge for edge in found}.values()),
        deadline=limit,
    )


def _edges(dice, source, target):
    for on in dice.choice([(Outcome.OK,), (Outcome.OK,), (Outcome.ERROR,), tuple(Outcome)]):
        for _ in range(dice.choice([1, 1, 2])):
            when = dice.choice(conditions(source, on)) if dice.random() < 0.4 else None
            yield Edge(source=source, target=target, on=on, when=when)


def _deadline(dice):
    return Deadline(within=dice.choice([5.0, 500.0]), then=dice.choice(list(Overdue)), escalate_after=5.0)


def _step(dice):
    undo = Compensate(
        action="undo", when_unsure=dice.random() < 0.5, on_stuck=dice.choice(list(OnStuck)), retry=Retry(2)
    )
    return {
        "retry": dice.choice([None, Retry(1), Retry(3)]),
        "deadline": _deadline(dice) if dice.random() < 0.2 else None,
        "on_give_up": dice.choice(list(GiveUp)),
        "compensate": dice.choice([undo, None]),
    }


def runnable(dice):
    """Such a graph with steps that a worker can call, and with what matters only where rows are claimed.

    Queues and priorities, delays that are drawn, steps whose effects cannot be taken back, steps that read nothing.
    """
    spec = workflow(dice)
    return msgspec.structs.replace(spec, nodes=tuple(_furnished(node, dice) for node in spec.nodes))


def _furnished(node, dice):
    if node.kind is not NodeKind.STEP:
        return node
    chosen = {
        "input": dice.choice([{"ctx": "ctx"}, {"ctx": "ctx"}, {}]),
        "queue": dice.choice([None, None, "other"]),
        "priority": dice.choice([None, None, 5]),
        "replayable": dice.random() < 0.8,
        "on_give_up": dice.choice([GiveUp.PARK, node.on_give_up]),
    }
    if node.retry is not None and dice.random() < 0.3:
        chosen["retry"] = msgspec.structs.replace(node.retry, jitter=dice.choice([True, 0.5]))
    if node.compensate is None:
        chosen["irreversible"] = dice.random() < 0.2
    else:
        chosen["compensate"] = msgspec.structs.replace(node.compensate, input={"ctx": "ctx"})
    return msgspec.structs.replace(node, **chosen)
