"""Under which limits an attempt is opened (SEMANTICS 18.14): decided from data, and recorded where there is one."""

from __future__ import annotations

import msgspec
import pytest

from squidie.decide.limiting import Just, keys_of
from squidie.decide.ready import row
from squidie.history.facts import Opening
from squidie.history.run import NodeRun, NodeStatus, Run
from squidie.workflow.limits import Keys
from squidie.workflow.options import Limit, Rate
from squidie.workflow.spec import Edge, Node, Spec, Trigger
from tests.pure.scene import NOON, RUN

LIMITED = Node(name="b", action="m:b", limit=Limit(name="l", n=1, by="a.id"), rate=Rate(name="r", n=1, per=1.0))
SPEC = Spec(
    name="W",
    triggers=(Trigger(name="go"),),
    nodes=(Node(name="a", action="m:a"), LIMITED),
    edges=(Edge(source="a", target="b"),),
)


def raw(value):
    return msgspec.Raw(msgspec.json.encode(value))


def done(result=None):
    node = NodeRun(NodeStatus.DONE, seq=2)
    if result is not None:
        node = NodeRun(NodeStatus.DONE, seq=2, kept=True, result=result)
    return Run(nodes={"a": node})


@pytest.mark.parametrize(
    ("run", "large", "just"),
    [
        (done(raw({"id": 7})), {}, None),
        (done(), {"a": raw({"id": 7})}, None),
        (Run(), {}, Just("a", raw({"id": 7}))),
    ],
    ids=["kept", "in its fact", "just ended"],
)
def test_the_value_is_found_wherever_the_output_is(run, large, just):
    assert keys_of(SPEC, run, large, "b", just) == Keys("l:7", "r")


@pytest.mark.parametrize("output", [{}, {"id": None}, {"id": [1]}, None])
def test_what_leads_nowhere_is_under_no_limit(output):
    """18.14: it is failed where it is executed, as any step whose input is missing."""
    assert keys_of(SPEC, Run(), {}, "b", Just("a", raw(output))) == Keys("", "r")


def test_a_row_knows_whether_its_claims_are_counted():
    opened = Opening(step="b", attempt=1, queue="q", due_at=NOON, rate="r")

    assert row(RUN, SPEC, opened, "acme").is_limited
    assert row(RUN, SPEC, opened, "acme").partition == "acme"
    assert not row(RUN, SPEC, msgspec.structs.replace(opened, rate="")).is_limited


def test_a_step_under_a_rate_alone_is_under_no_limit():
    spec = msgspec.structs.replace(SPEC, nodes=(SPEC.nodes[0], msgspec.structs.replace(LIMITED, limit=None)))

    assert keys_of(spec, Run(), {}, "b") == Keys("", "r")


def test_a_step_without_limits_is_under_none():
    assert keys_of(SPEC, Run(), {}, "a") == Keys()


def test_the_keys_stand_in_the_opening_only_where_there_are_some():
    """18.14: facts from before limits are read, and those of unlimited steps are as long as they were."""
    plain = Opening(step="a", attempt=1, queue="q", due_at=NOON)
    limited = Opening(step="a", attempt=1, queue="q", due_at=NOON, limit="l:7")

    assert b"limit" not in msgspec.json.encode(plain)
    assert msgspec.json.decode(msgspec.json.encode(limited), type=Opening) == limited
