"""The identity of a definition (1.3)."""

from datetime import UTC, datetime

import msgspec
import pytest

from squidie.workflow import Edge, Node, Retry, Spec, Trigger, Workflow, fingerprint, manual, step
from squidie.workflow.spec import Overlap


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
    assert fingerprint(Spec.from_json(TWIN % {"here": __name__})) == fingerprint(Parcel.spec)


def test_the_fingerprint_of_a_known_spec_stays_what_it_is():
    spec = Spec(
        name="Known",
        triggers=(Trigger(name="start"),),
        nodes=(Node(name="a", action="m:a"), Node(name="b", action="m:b")),
        edges=(Edge(source="a", target="b"),),
    )

    assert fingerprint(spec) == "e6cfcd3dd1de51c503c2375acc37a78e834834e95bd90e16914a57abe3f86dc8"


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
        {"nodes": (Parcel.spec.nodes[0], Node(name="pack", action="other:pack"))},
    ],
)
def test_what_decides_something_changes_the_fingerprint(change):
    assert fingerprint(msgspec.structs.replace(Parcel.spec, **change)) != fingerprint(Parcel.spec)
