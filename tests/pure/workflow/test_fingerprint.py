"""The identity of a definition (1.3)."""

from datetime import UTC, datetime

import msgspec
import pytest

from squidie.workflow import (
    Compensate,
    Condition,
    Deadline,
    Edge,
    Node,
    PayloadField,
    Retry,
    Spec,
    Trigger,
    Workflow,
    approval,
    end,
    event,
    fingerprint,
    log,
    manual,
    pause,
    step,
    wait,
)
from squidie.workflow.checks import read
from squidie.workflow.spec import Deadline as PlainDeadline
from squidie.workflow.spec import Outcome, Overlap


def load(order_id: int) -> dict:
    """Load it."""


def pack(load) -> str:
    """Pack it."""


class Parcel(Workflow):
    """From order to parcel."""

    triggers = manual("start")
    load = step(load, retry=Retry(3, min="1s"))
    pack = step(pack)
    flow = load >> pack


TWIN = """{"name": "Parcel", "triggers": [{"name": "start", "timezone": "UTC", "kind": "manual"}],
 "payload": [{"type": "integer", "name": "order_id", "nullable": false}],
 "nodes": [{"name": "pack", "action": "%(here)s:pack", "output": "pack", "input": {"load": "load"}},
           {"name": "load", "action": "%(here)s:load", "input": {"order_id": "payload.order_id"},
            "retry": {"max_attempts": 3, "factor": 2.0, "min": 1, "jitter": false}}],
 "edges": [{"to": "pack", "from": "load", "on": "ok"}]}"""


def test_a_class_and_its_twin_in_json_have_one_fingerprint():
    """1.3: class and JSON forms of the same graph are one."""
    assert fingerprint(Spec.from_json(TWIN % {"here": __name__})) == fingerprint(Parcel.spec)


def test_the_fingerprint_of_a_known_spec_stays_what_it_is():
    """1.3: what later versions add leaves it as it is."""
    spec = Spec(
        name="Known",
        triggers=(Trigger(name="start"),),
        nodes=(Node(name="a", action="m:a"), Node(name="b", action="m:b")),
        edges=(Edge(source="a", target="b"),),
    )

    assert fingerprint(spec) == "e6cfcd3dd1de51c503c2375acc37a78e834834e95bd90e16914a57abe3f86dc8"


def test_a_class_of_every_kind_of_node_and_its_twin_in_json_have_one_fingerprint():
    """1.3: class and JSON forms of the same graph are one."""
    assert fingerprint(read(EVERYTHING_TWIN % {"here": __name__})[0]) == fingerprint(Everything.spec)


class Everything(Workflow):
    """Every kind of node."""

    triggers = manual("start")
    payload = (PayloadField(name="order_id", type="integer"), PayloadField(name="at", type="string"))
    deadline = Deadline("1d", due_soon="20h", then="fail")

    load = step(load, timeout="2m", compensate=Compensate(pack, on_stuck="park"), on_give_up="fail", deadline="1h")
    nap = wait("1h30m")
    until = wait(until="at")
    say = log("loaded")
    halt = pause(due=60, then="fail")
    ok = approval(role="ops", due="4h", then="reject", exclude="starter", form=[PayloadField(name="n", type="integer")])
    paid = event("paid", correlation="order_id", timeout=60)
    pack = step(pack, retry=Retry(3, never=[KeyError, ValueError]))

    flow = (
        load >> [nap, until] >> say >> halt >> ok >> paid,
        ok.on_reject >> end,
        paid.when("paid.total", greater_than=10) >> pack,
        paid.otherwise >> end,
        paid.on_error(recovery="undo") >> pack,
    )


EVERYTHING_TWIN = """{"name": "Everything", "triggers": [{"name": "start"}],
 "payload": [{"name": "at", "type": "string"}, {"name": "order_id", "type": "integer"}],
 "deadline": {"then": "fail", "due_soon": 72000, "within": 86400},
 "nodes": [
  {"name": "paid", "kind": "event", "correlation_from": "payload.order_id", "timeout": 60},
  {"name": "ok", "kind": "approval", "role": "ops", "due": 14400, "exclude": ["starter"],
   "form": [{"type": "integer", "name": "n"}]},
  {"name": "halt", "kind": "pause", "due": 60.0},
  {"name": "say", "kind": "log", "message": "loaded"},
  {"name": "until", "kind": "wait", "until": "payload.at"},
  {"name": "nap", "kind": "wait", "duration": 5400},
  {"name": "load", "action": "%(here)s:load", "input": {"order_id": "payload.order_id"}, "timeout": 120,
   "deadline": {"within": 3600}, "compensate": {"action": "%(here)s:pack", "input": {"load": "load"}}},
  {"name": "pack", "action": "%(here)s:pack", "input": {"load": "load"},
   "retry": {"max_attempts": 3, "never": ["builtins:ValueError", "builtins:KeyError"]}}],
 "edges": [
  {"from": "paid", "to": "end"},
  {"from": "paid", "to": "pack", "when": {"path": "paid.total", "greater_than": 10}},
  {"from": "paid", "to": "pack", "on": "error", "recovery": "undo"},
  {"from": "ok", "to": "end", "on": "error"}, {"from": "ok", "to": "paid"}, {"from": "halt", "to": "ok"},
  {"from": "say", "to": "halt"}, {"from": "until", "to": "say"}, {"from": "nap", "to": "say"},
  {"from": "load", "to": "until"}, {"from": "load", "to": "nap"}]}"""


def branched(*edges):
    when = {"big": Condition(path="a", at_least=10), "some": Condition(path="a", at_least=5), None: None}
    nodes = tuple(Node(name=name, action="m:f") for name in "abcd")
    found = tuple(Edge(source="a", target=target, when=when[which]) for target, which in edges)
    return fingerprint(Spec(name="B", triggers=(Trigger(name="start"),), nodes=nodes, edges=found))


def test_of_conditioned_branches_the_order_counts_and_of_nothing_else():
    """1.3 and 1.16: the order decides which is tried first; in a branch, and of the fallback, it does not."""
    first = branched(("b", "big"), ("c", "big"), ("c", "some"), ("d", None))

    assert branched(("c", "some"), ("b", "big"), ("c", "big"), ("d", None)) != first
    assert branched(("c", "big"), ("b", "big"), ("c", "some"), ("d", None)) == first
    assert branched(("d", None), ("b", "big"), ("c", "some"), ("c", "big")) == first


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Other"},
        {"edges": ()},
        {"triggers": (Trigger(name="begin"),)},
        {"triggers": (Trigger(name="start", overlap=Overlap.SKIP),)},
        {"triggers": (Trigger(name="start", starts=datetime(2026, 1, 1, tzinfo=UTC)),)},
        {"payload": ()},
        {"version": "2"},
        {"deadline": PlainDeadline(within=5)},
        {"edges": (Edge(source="load", target="pack", on=Outcome.ERROR),)},
        {"edges": (Edge(source="load", target="pack", when=Condition(path="load", exists=True)),)},
        {"nodes": (Parcel.spec.nodes[0], Node(name="pack", action="other:pack"))},
    ],
)
def test_what_decides_something_changes_the_fingerprint(change):
    """1.3: SHA-256 over the canonical spec."""
    assert fingerprint(msgspec.structs.replace(Parcel.spec, **change)) != fingerprint(Parcel.spec)
