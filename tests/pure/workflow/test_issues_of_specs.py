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


def with_node(**node):
    """The sound spec with a node `n` behind `ship`; a rejection and a lapse of it end the run well."""
    node = {"name": "n", **node}
    edges = [{"from": "ship", "to": "n"}]
    edges += [{"from": "n", "on": "error", "to": "end"}] if node["kind"] in ("approval", "event", "pause") else []
    return changed(nodes=[*SOUND["nodes"], node], edges=[*SOUND["edges"], *edges])


def decided(when, on="ok", to="charge", **edge):
    """The sound spec with a condition on its first edge, or on one of another outcome, and a fallback."""
    conditioned = {"from": "reserve", "on": on, "to": to, "when": when, **edge}
    others = SOUND["edges"][1:] if on == "ok" else SOUND["edges"]
    fallback = [{"from": "reserve", "to": "end"}] if on == "ok" else []
    return changed(edges=[conditioned, *others, *fallback], nodes__1__input={}, nodes__3__input={})


def found(value):
    return {(issue.path, issue.code) for issue in validate_spec(value)}


def test_a_sound_spec_has_no_issues():
    assert validate_spec(SOUND) == ()


ALONE = [
    # whole
    ("spec", "invalid_spec", "no object"),
    ("colour", "unknown_field", changed(colour="red")),
    ("steps.charge.colour", "unknown_field", changed(nodes__1__colour="red")),
    ("steps.charge.retry.colour", "unknown_field", changed(nodes__1__retry={"max_attempts": 2, "colour": "red"})),
    ("steps.charge.compensate.colour", "unknown_field", changed(nodes__1__compensate={"action": "a:b", "colour": 1})),
    ("deadline.colour", "unknown_field", changed(deadline={"within": 5, "colour": "red"})),
    ("edges.reserve:ok:charge.when.like", "unknown_field", decided({"path": "reserve", "exists": True, "like": 1})),
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
    (
        "steps.ship.retry",
        "option_not_allowed",
        changed(nodes__2__kind="pause", nodes__2__action="", nodes__2__input={}, nodes__2__retry={"max_attempts": 2}),
    ),
    ("steps.ship.action", "option_not_allowed", changed(nodes__2__kind="pause", nodes__2__input={})),
    ("steps.ship.on_give_up", "option_not_allowed", changed(nodes__2__on_give_up="cry")),
    ("steps.ship.message", "option_not_allowed", changed(nodes__2__message="hello")),
    ("steps.n.output", "option_not_allowed", with_node(kind="wait", duration=5, output="x")),
    ("steps.n", "invalid_duration", with_node(kind="wait")),
    ("steps.n", "invalid_duration", with_node(kind="wait", duration=5, until="ship.at")),
    ("steps.n.duration", "invalid_duration", with_node(kind="wait", duration=0)),
    ("steps.n.duration", "invalid_duration", with_node(kind="wait", duration="4h")),
    ("steps.n.duration", "invalid_duration", with_node(kind="wait", duration=1e12)),
    ("steps.n.until", "invalid_duration", with_node(kind="wait", until="payload.order_id")),
    ("steps.n.until", "unknown_input_path", with_node(kind="wait", until="nobody")),
    ("steps.n.until", "unknown_input_path", with_node(kind="wait", until="ship.at?")),
    ("steps.n.until", "unknown_input_path", with_node(kind="wait", until="ctx")),
    ("steps.n.until", "unknown_input_path", with_node(kind="wait", until=7)),
    ("steps.n.until", "maybe_missing_input", with_node(kind="wait", until="parent.at")),
    ("steps.n.message", "invalid_message", with_node(kind="log")),
    ("steps.n.message", "invalid_message", with_node(kind="log", message="\0")),
    ("steps.n.message", "invalid_message", with_node(kind="log", message=["x"])),
    ("steps.n.level", "invalid_level", with_node(kind="log", message="x", level="loud")),
    ("steps.n.action", "missing_action", with_node(kind="log", message="x", action="shop:log")),
    ("steps.n.due", "invalid_duration", with_node(kind="pause", due=-1)),
    ("steps.n.due", "invalid_duration", with_node(kind="approval", due="4h")),
    ("steps.n.then", "invalid_approval", with_node(kind="pause", due=5, then="reject")),
    ("steps.n.then", "invalid_approval", with_node(kind="pause", then="resume")),
    ("steps.n.then", "invalid_approval", with_node(kind="approval", due=5, then="perhaps")),
    ("steps.n.role", "invalid_approval", with_node(kind="approval", role=" ")),
    ("steps.n.quorum", "invalid_approval", with_node(kind="approval", quorum=0)),
    ("steps.n.exclude", "invalid_approval", with_node(kind="approval", exclude=["starter", "starter"])),
    ("steps.n.escalate", "invalid_approval", with_node(kind="approval", due=5, then="escalate")),
    ("steps.n.escalate", "invalid_approval", with_node(kind="approval", due=5, escalate={"role": "head"})),
    (
        "steps.n.escalate.role",
        "invalid_approval",
        with_node(kind="approval", due=5, then="escalate", escalate={"role": ""}),
    ),
    (
        "steps.n.escalate.then",
        "invalid_approval",
        with_node(kind="approval", due=5, then="escalate", escalate={"role": "head", "then": "fail"}),
    ),
    (
        "steps.n.escalate.due",
        "invalid_duration",
        with_node(kind="approval", due=5, then="escalate", escalate={"role": "head", "due": 0}),
    ),
    ("steps.n.form", "invalid_approval", with_node(kind="approval", form={"x": "string"})),
    ("steps.n.form.x.type", "unknown_payload_type", with_node(kind="approval", form=[{"name": "x", "type": "y"}])),
    ("steps.n.form[0].name", "invalid_payload_field", with_node(kind="approval", form=[{"type": "string"}])),
    (
        "steps.n.form.x.default",
        "invalid_payload_default",
        with_node(kind="approval", form=[{"name": "x", "type": "string", "default": 1}]),
    ),
    ("steps.n.event", "invalid_event", with_node(kind="event", event="", timeout=5)),
    ("steps.n.correlation", "invalid_event", with_node(kind="event", correlation="x" * 256, timeout=5)),
    (
        "steps.n",
        "invalid_event",
        with_node(kind="event", correlation="x", correlation_from="payload.order_id", timeout=5),
    ),
    ("steps.n.correlation_from", "invalid_event", with_node(kind="event", correlation_from="payload.gift", timeout=5)),
    ("steps.n.correlation_from", "unknown_input_path", with_node(kind="event", correlation_from="nobody", timeout=5)),
    ("steps.n.correlation_from", "unknown_input_path", with_node(kind="event", correlation_from="ship?", timeout=5)),
    ("steps.n.timeout", "invalid_timeout", with_node(kind="event", timeout=0)),
    ("steps.ship.timeout", "invalid_timeout", changed(nodes__2__timeout=0)),
    ("steps.ship.timeout", "invalid_timeout", changed(nodes__2__timeout="2m")),
    ("steps.ship.grace", "invalid_timeout", changed(nodes__2__grace=-1)),
    ("steps.ship.deadline", "invalid_deadline", changed(nodes__2__deadline=5)),
    ("steps.ship.deadline.within", "invalid_deadline", changed(nodes__2__deadline={})),
    ("steps.ship.deadline.within", "invalid_deadline", changed(nodes__2__deadline={"within": 0})),
    ("steps.ship.deadline.due_soon", "invalid_deadline", changed(nodes__2__deadline={"within": 5, "due_soon": 5})),
    ("steps.ship.deadline.then", "invalid_deadline", changed(nodes__2__deadline={"within": 5, "then": "cry"})),
    ("deadline.escalate_after", "invalid_deadline", changed(deadline={"within": 5, "escalate_after": 5})),
    ("deadline.within", "invalid_deadline", changed(deadline={"within": "1d"})),
    ("deadline", "invalid_deadline", changed(deadline="1d")),
    (
        "steps.charge.compensate",
        "contradictory_recovery",
        changed(nodes__1__irreversible=True, nodes__1__compensate={"action": "shop:refund"}),
    ),
    ("steps.charge.compensate", "invalid_compensation", changed(nodes__1__compensate="shop:refund")),
    (
        "steps.charge.compensate.on_stuck",
        "invalid_compensation",
        changed(nodes__1__compensate={"action": "shop:refund", "on_stuck": "cry"}),
    ),
    ("steps.charge.compensate.action", "missing_action", changed(nodes__1__compensate={})),
    ("steps.charge.compensate.action", "missing_action", changed(nodes__1__compensate={"action": ""})),
    (
        "steps.charge.compensate.queue",
        "invalid_name",
        changed(nodes__1__compensate={"action": "shop:refund", "queue": "a b"}),
    ),
    (
        "steps.charge.compensate.retry.min",
        "invalid_retry",
        changed(nodes__1__compensate={"action": "shop:refund", "retry": {"max_attempts": 2, "min": "1s"}}),
    ),
    ("steps.ship.transactional", "invalid_transactional", changed(nodes__2__transactional="yes")),
    ("steps.n.transactional", "invalid_transactional", with_node(kind="wait", duration=5, transactional=True)),
    # binding
    *(
        (
            "steps.charge.compensate.input.x",
            code,
            changed(nodes__1__compensate={"action": "a:b", **undo, "input": {"x": x}}),
        )
        for code, x, undo in (
            ("unknown_input_path", "nobody", {}),
            ("unknown_input_path", "input.nothing", {}),
            ("unknown_input_path", 7, {}),
            ("reads_later_step", "ship", {}),
            ("maybe_missing_input", "output.id", {"when_unsure": True}),
            ("maybe_missing_input", "parent.run_id", {}),
        )
    ),
    (
        "steps.n.input.x",
        "maybe_missing_input",
        changed(
            nodes__0={"name": "reserve", "kind": "approval"},
            nodes__1__input={},
            nodes__2__name="n",
            nodes__2__input={"x": "reserve.comment"},
            edges=[
                {"from": "reserve", "to": "charge"},
                {"from": "reserve", "to": "end", "on": "error"},
                {"from": "charge", "to": "n"},
                {"from": "charge", "on": "error", "to": "release"},
            ],
        ),
    ),
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
    ("edges.reserve:ok:charge.when", "invalid_condition", decided({"path": "reserve"})),
    ("edges.reserve:ok:charge.when", "invalid_condition", decided({"path": "reserve", "equals": 1, "exists": True})),
    ("edges.reserve:ok:charge.when", "invalid_condition", decided("reserve.ok")),
    ("edges.reserve:ok:charge.when.path", "invalid_condition", decided({"exists": True})),
    ("edges.reserve:ok:charge.when.path", "invalid_condition", decided({"path": "a..b", "exists": True})),
    ("edges.reserve:ok:charge.when.path", "invalid_condition", decided({"path": "\ud800", "exists": True})),
    ("edges.reserve:ok:charge.when.path", "invalid_condition", decided({"path": "charge", "exists": True})),
    ("edges.reserve:ok:charge.when.path", "invalid_condition", decided({"path": "payload.none", "exists": True})),
    ("edges.reserve:ok:charge.when.path", "invalid_condition", decided({"path": "error.code", "exists": True})),
    (
        "edges.reserve:error:release.when.path",
        "invalid_condition",
        decided({"path": "reserve", "exists": True}, on="error", to="release"),
    ),
    (
        "edges.reserve:ok:charge.when.greater_than",
        "invalid_condition",
        decided({"path": "reserve", "greater_than": [1]}),
    ),
    ("edges.reserve:ok:charge.when.in", "invalid_condition", decided({"path": "reserve", "in": "abc"})),
    ("edges.reserve:ok:charge.when.exists", "invalid_condition", decided({"path": "reserve", "exists": "yes"})),
    ("edges.reserve:ok:charge.when.equals", "invalid_condition", decided({"path": "reserve", "equals": {1, 2}})),
    ("edges.reserve:ok:charge.recovery", "invalid_recovery", changed(edges__0__recovery="undo")),
    ("edges.charge:error:release.recovery", "invalid_recovery", changed(edges__2__recovery="cure")),
    (
        "edges.n:error:end.on",
        "invalid_outcome",
        changed(
            nodes__more={"name": "n", "kind": "wait", "duration": 5},
            edges__more={"from": "n", "on": "error", "to": "end"},
        ),
    ),
    # warnings
    (
        "steps.reserve",
        "no_fallback",
        changed(edges__0__when={"path": "reserve.ok", "equals": True}, nodes__1__input={}),
    ),
    (
        "steps.n",
        "unhandled_rejection",
        changed(nodes__more={"name": "n", "kind": "approval"}, edges__more={"from": "ship", "to": "n"}),
    ),
    (
        "edges.reserve:ok:ship.when",
        "shadowed_condition",
        changed(
            edges__0__when={"path": "reserve.n", "at_least": 5},
            nodes__1__input={},
            nodes__more={"name": "n", "action": "a:b"},
            edges=[
                {"from": "reserve", "to": "charge", "when": {"path": "reserve.n", "at_least": 5}},
                *SOUND["edges"][1:],
                {"from": "reserve", "to": "ship", "when": {"path": "reserve.n", "at_least": 6}},
                {"from": "reserve", "to": "n"},
            ],
        ),
    ),
    ("steps.n", "unbounded_event", with_node(kind="event")),
    (
        "steps.ship.transactional",
        "effect_before_transaction",
        changed(nodes__1__irreversible=True, nodes__2__transactional=True),
    ),
]


@pytest.mark.parametrize(("path", "code", "spec"), ALONE)
def test_each_fault_is_found_at_its_path_and_alone(path, code, spec):
    """1.2: every code has a spec that yields it alone, with its path."""
    assert found(spec) == {(path, code)}


def test_a_step_named_run_has_no_deadline_of_its_own():
    """18.3: its timer would be the run's."""
    edges = [{"from": "charge", "to": "run"}, *SOUND["edges"][::2]]
    spec = changed(nodes__2__name="run", nodes__2__deadline={"within": 5}, edges=edges)

    assert found(spec) == {("steps.run.deadline", "invalid_deadline")}
    assert found(changed(nodes__2__name="run", edges=edges)) == set()


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
    """1.1: `validate_spec` returns all issues at once."""
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
    """0: errors never echo the refused value."""
    secret = "hunter2-hunter2"  # not a secret
    spec = changed(nodes__2__priority=secret, triggers__0__kind=secret, payload__1__default=secret, edges__0__on=secret)

    issues = validate_spec({**spec, secret: 1})
    assert len(issues) == 5
    assert secret not in repr(issues)


def test_an_optional_path_may_lead_to_a_step_that_was_skipped():
    """1.12 and 1.14: a trailing ? makes a path optional."""
    assert found(changed(nodes__3__input={"x": "charge.total?", "y": "parent.run_id?"})) == set()


def test_what_all_arms_of_a_diamond_share_is_there_for_certain():
    """1.14: fed by a step that can be skipped on some path."""
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
    """1.13: the steps before it on its paths are visible."""
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
