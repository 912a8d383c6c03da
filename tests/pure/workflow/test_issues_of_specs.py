"""Every issue code that a spec can have: a spec that yields it, with its path (1.1, 1.2)."""

import copy

import pytest

from squidie.workflow import Spec, Trigger, validate_spec

SOUND = {
    "name": "Fulfilment",
    "version": "2",
    "triggers": [{"name": "placed"}],
    "payload": [{"name": "order_id", "type": "integer"}, {"name": "gift", "type": "boolean", "default": False}],
    "nodes": [
        {"name": "reserve", "action": "shop:reserve", "input": {"order_id": "payload.order_id"}},
        {"name": "charge", "action": "shop:charge", "input": {"hold": "reserve.hold"}, "retry": {"max_attempts": 5}},
        {"name": "ship", "action": "shop:ship", "input": {"ctx": "ctx"}},
        {"name": "release", "action": "shop:release", "input": {"why": "error.message"}},
    ],
    "edges": [
        {"from": "reserve", "to": "charge"},
        {"from": "charge", "to": "ship"},
        {"from": "charge", "on": "error", "to": "release"},
    ],
}
CRON = {"name": "nightly", "kind": "cron", "expression": "0 3 * * *", "input": {"order_id": 1}}


def changed(**parts):
    """The sound spec, with other values at paths such as `nodes__1__retry`; the value `...` takes the key away."""
    spec = copy.deepcopy(SOUND)
    for path, value in parts.items():
        *way, last = [int(key) if key.isdigit() else key for key in path.split("__")]
        place = spec
        for key in way:
            place = place[key]
        if value is ...:
            del place[last]
        elif last == "more":
            place.append(value)
        else:
            place[last] = value
    return spec


def found(value):
    return {(issue.path, issue.code) for issue in validate_spec(value)}


def test_a_sound_spec_has_no_issues():
    assert validate_spec(SOUND) == ()


ALONE = [
    # whole
    ("spec", "invalid_spec", "no object"),
    ("colour", "unknown_field", changed(colour="red")),
    ("steps.charge.timeout", "unknown_field", changed(nodes__1__timeout=3)),
    ("?", "unknown_field", {**SOUND, 7: "a key that is no text"}),
    ("name", "invalid_name", changed(name="no name")),
    ("name", "invalid_name", changed(name="N" * 65)),
    (
        "steps[2]",
        "invalid_name",
        changed(nodes__2__name="a-b", edges__1=SOUND["edges"][0], edges=[*SOUND["edges"][::2]]),
    ),
    ("steps.ship.output", "reserved_name", changed(nodes__2__output="error")),
    ("steps.ship.output", "invalid_name", changed(nodes__2__output="a.b")),
    ("version", "invalid_version", changed(version="v" * 129)),
    ("version", "invalid_version", changed(version=2)),
    ("spec", "spec_too_large", changed(description="x" * 1_100_000)),
    ("steps", "too_many_steps", changed(nodes=[{"name": f"s{n}", "action": "a:b"} for n in range(1001)], edges=[])),
    ("edges", "too_many_edges", changed(edges=[{"from": "reserve", "to": "charge"}] * 5001)),
    # triggers
    ("triggers", "missing_trigger", changed(triggers=[])),
    ("triggers", "missing_trigger", changed(triggers=...)),
    ("triggers.placed.kind", "invalid_trigger", changed(triggers__0__kind="email")),
    ("triggers.placed", "invalid_trigger", changed(triggers__0__expression="0 3 * * *")),
    ("triggers[0]", "invalid_trigger", changed(triggers__0=3, triggers__more={"name": "placed"})),
    ("triggers.placed", "duplicate_trigger", changed(triggers__more={"name": "placed"})),
    ("triggers.nightly.expression", "invalid_cron_expression", changed(triggers__more={**CRON, "expression": "often"})),
    (
        "triggers.nightly.expression",
        "invalid_cron_expression",
        changed(triggers__more={**CRON, "expression": "@reboot"}),
    ),
    (
        "triggers.nightly.expression",
        "invalid_cron_expression",
        changed(triggers__more={**CRON, "expression": "0 0 30 2 *"}),
    ),
    ("triggers.nightly.expression", "invalid_cron_expression", changed(triggers__more={**CRON, "expression": None})),
    ("triggers.nightly.timezone", "invalid_timezone", changed(triggers__more={**CRON, "timezone": "Europe/Atlantis"})),
    ("triggers.nightly.timezone", "invalid_timezone", changed(triggers__more={**CRON, "timezone": "../etc/passwd"})),
    *(
        (f"triggers.nightly.{field}", "invalid_schedule_policy", changed(triggers__more={**CRON, **policy}))
        for field, policy in (
            ("catchup", {"catchup": "some"}),
            ("catchup_max", {"catchup_max": 5}),
            ("catchup_max", {"catchup": "all", "catchup_max": 0}),
            ("catchup_max", {"catchup": "all", "catchup_max": "many"}),
            ("overlap", {"overlap": "queue"}),
            ("jitter", {"jitter": "5s"}),
            ("jitter", {"jitter": -1}),
            ("starts", {"starts": "2026-01-01T00:00:00"}),
            ("ends", {"ends": "tomorrow"}),
            ("ends", {"starts": "2026-01-02T00:00:00Z", "ends": "2026-01-02T00:00:00Z"}),
        )
    ),
    ("triggers.placed", "invalid_trigger", changed(triggers__0={"name": "placed", "overlap": "skip"})),
    ("triggers.nightly.input.order_id", "incomplete_trigger_input", changed(triggers__more={**CRON, "input": {}})),
    (
        "triggers.nightly.input.order_id",
        "incomplete_trigger_input",
        changed(triggers__more={**CRON, "input": {"order_id": {"from": "window.start"}}}),
    ),
    (
        "triggers.nightly.input.colour",
        "incomplete_trigger_input",
        changed(triggers__more={**CRON, "input": {"order_id": 1, "colour": "red"}}),
    ),
    (
        "triggers.nightly.input.order_id",
        "incomplete_trigger_input",
        changed(triggers__more={**CRON, "input": {"order_id": {"from": "window.middle"}}}),
    ),
    # payload
    ("payload", "invalid_payload_contract", changed(payload={"order_id": "integer"}, nodes__0__input={})),
    ("payload.gift", "invalid_payload_field", changed(payload__more={"name": "gift", "type": "boolean"})),
    ("payload[1].name", "invalid_payload_field", changed(payload__1__name="g.i.f.t")),
    ("payload.gift.minimum", "invalid_payload_field", changed(payload__1__minimum=1)),
    ("payload.order_id.maximum", "invalid_payload_field", changed(payload__0__minimum=2, payload__0__maximum=1)),
    ("payload.order_id.items", "invalid_payload_field", changed(payload__0__items="string")),
    ("payload.order_id.format", "invalid_payload_field", changed(payload__0__format="date")),
    ("payload.order_id.enum", "invalid_payload_field", changed(payload__0__enum=[1, True])),
    ("payload.order_id.nullable", "invalid_payload_field", changed(payload__0__nullable="yes")),
    ("payload.order_id.type", "unknown_payload_type", changed(payload__0__type="strng")),
    ("payload.gift.default", "invalid_payload_default", changed(payload__1__default="now")),
    (
        "triggers.placed.payload.order_id",
        "conflicting_payload_field",
        changed(triggers__0__payload=[{"name": "order_id", "type": "string"}]),
    ),
    # steps
    ("steps", "missing_steps", changed(nodes=[], edges=[])),
    ("steps", "missing_steps", changed(nodes=..., edges=[])),
    ("steps.ship", "duplicate_step", changed(nodes__more={"name": "ship", "action": "shop:ship", "output": "other"})),
    ("steps.ship.kind", "unknown_step_kind", changed(nodes__2__kind="dance")),
    ("steps.ship.irreversible", "option_not_allowed", changed(nodes__2__irreversible="yes")),
    ("steps.ship.action", "missing_action", changed(nodes__2__action=...)),
    ("steps.ship.action", "missing_action", changed(nodes__2__action="")),
    ("steps.ship.priority", "invalid_priority", changed(nodes__2__priority=1000)),
    ("steps.ship.priority", "invalid_priority", changed(nodes__2__priority=True)),
    ("steps.ship.queue", "invalid_name", changed(nodes__2__queue="unacked_mutex")),
    ("steps.ship.queue", "invalid_name", changed(nodes__2__queue="a b")),
    ("steps.charge.retry", "invalid_retry", changed(nodes__1__retry=5)),
    ("steps.charge.retry.max_attempts", "invalid_retry", changed(nodes__1__retry={"max_attempts": 0})),
    ("steps.charge.retry.max_attempts", "invalid_retry", changed(nodes__1__retry={})),
    ("steps.charge.retry.max", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "max": "soon"})),
    ("steps.charge.retry.max", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "min": 3, "max": 2})),
    ("steps.charge.retry.min", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "min": -1})),
    ("steps.charge.retry.factor", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "factor": 0.5})),
    ("steps.charge.retry.jitter", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "jitter": 1.5})),
    ("steps.charge.retry.backoff", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "backoff": "slow"})),
    ("steps.charge.retry.within", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "within": 0})),
    ("steps.charge.retry.on", "invalid_retry", changed(nodes__1__retry={"max_attempts": 2, "on": ["ValueError"]})),
    # binding
    ("steps.ship.output", "output_clash", changed(nodes__2__output="order_id")),
    ("steps.charge.output", "output_clash", changed(nodes__1__output="reserve", nodes__1__input={})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": "nobody.total"})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": "payload.nothing"})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": "payload.order_id.deeper"})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": "payload..gift"})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": "ctx.run_id"})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": "error.message"})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": "schedule.trigger"})),
    ("steps.ship.input.x", "unknown_input_path", changed(nodes__2__input={"x": 5})),
    ("steps.charge.input.x", "reads_later_step", changed(nodes__1__input={"x": "ship.parcel"})),
    ("steps.release.input.x", "reads_later_step", changed(nodes__3__input={"x": "ship"})),
    ("steps.release.input.x", "maybe_missing_input", changed(nodes__3__input={"x": "charge"})),
    ("steps.ship.input.x", "maybe_missing_input", changed(nodes__2__input={"x": "parent.run_id"})),
    (
        "steps.ship.input.x",
        "maybe_missing_input",
        changed(triggers__more=CRON, nodes__2__input={"x": "schedule.trigger"}),
    ),
    # graph
    ("edges.lost:ok:ship.from", "unknown_edge_source", changed(edges__more={"from": "lost", "to": "ship"})),
    ("edges.end:ok:ship.from", "unknown_edge_source", changed(edges__more={"from": "end", "to": "ship"})),
    ("edges.ship:ok:lost.to", "unknown_edge_target", changed(edges__more={"from": "ship", "to": "lost"})),
    ("edges[3].on", "invalid_outcome", changed(edges__more={"from": "reserve", "on": "may be", "to": "ship"})),
    ("edges.reserve:ok:charge", "duplicate_edge", changed(edges__more={"from": "reserve", "to": "charge"})),
    ("edges.ship:ok:ship", "self_edge", changed(edges__more={"from": "ship", "to": "ship"})),
    ("edges", "cycle", changed(edges__more={"from": "ship", "to": "charge"})),
]


@pytest.mark.parametrize(("path", "code", "spec"), ALONE)
def test_each_fault_is_found_at_its_path_and_alone(path, code, spec):
    assert found(spec) == {(path, code)}


def test_a_step_may_not_have_a_name_that_means_something_in_paths():
    spec = changed(nodes__2__name="item", edges__1={"from": "charge", "to": "item"})

    assert found(spec) == {("steps.item", "reserved_name")}


def test_a_graph_without_a_first_step_has_a_cycle_too():
    edges = [{"from": one, "to": other} for one, other in (("reserve", "charge"), ("charge", "reserve"))]
    nodes = [{"name": "reserve", "action": "a:b"}, {"name": "charge", "action": "a:b"}]

    assert found(changed(nodes=nodes, edges=edges)) == {("edges", "cycle"), ("steps", "missing_entry")}


def test_a_cycle_names_its_steps_and_not_those_behind_it():
    (issue,) = validate_spec(
        changed(edges__more={"from": "charge", "to": "reserve"}, nodes__more={"name": "first", "action": "a:b"})
    )[:1]

    assert issue.code == "cycle"
    assert issue.details == {"steps": ["reserve", "charge"]}


def test_all_issues_come_together():
    spec = changed(
        name="no name", triggers__0__kind="email", payload__0__type="strng", nodes__1__retry={"max_attempts": 0},
        nodes__2__input={"x": "ship2"}, edges__more={"from": "lost", "to": "ship"},
    )  # fmt: skip

    codes = {issue.code for issue in validate_spec(spec)}
    assert codes == {
        "invalid_name", "invalid_trigger", "unknown_payload_type", "invalid_retry", "unknown_input_path",
        "unknown_edge_source",
    }  # fmt: skip


def test_messages_never_repeat_what_was_given():
    secret = "hunter2-hunter2"  # not a secret
    spec = changed(nodes__2__priority=secret, triggers__0__kind=secret, payload__1__default=secret, edges__0__on=secret)

    issues = validate_spec({**spec, secret: 1})
    assert len(issues) == 5
    assert secret not in repr(issues)


def test_an_optional_path_may_lead_to_a_step_that_was_skipped():
    assert found(changed(nodes__3__input={"x": "charge.total?", "y": "parent.run_id?"})) == set()


def test_what_all_arms_of_a_diamond_share_is_there_for_certain():
    edges = [
        {"from": "reserve", "to": "charge"},
        {"from": "reserve", "on": "error", "to": "release"},
        {"from": "charge", "to": "ship"},
        {"from": "release", "to": "ship"},
    ]

    assert found(changed(edges=edges, nodes__2__input={"x": "charge"}, nodes__1__input={})) == {
        ("steps.ship.input.x", "maybe_missing_input")
    }
    shared = changed(edges=edges, nodes__1__output="way", nodes__3__output="way", nodes__2__input={"x": "way"})
    assert found(shared) == set()


def test_a_join_of_a_plain_fan_out_may_read_every_arm():
    nodes = [{"name": name, "action": "a:b"} for name in ("a", "b", "c", "d")]
    nodes[3]["input"] = {"x": "b", "y": "c", "z": "a"}
    edges = [{"from": one, "to": other} for one, other in ("ab", "ac", "bd", "cd")]

    assert found(changed(nodes=nodes, edges=edges)) == set()


def test_a_spec_made_in_python_is_checked_like_any_other():
    spec = Spec(name="S", triggers=(Trigger(name="start"),), nodes=({"name": "only"},))  # type: ignore[arg-type]

    assert found(spec) == {("steps.only.action", "missing_action")}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", "[]", '{"name": 1e999}', "3"])
def test_text_that_is_no_spec_is_one_issue_or_more_and_never_an_exception(text):
    assert {issue.code for issue in validate_spec(text)} >= {"invalid_spec"}
