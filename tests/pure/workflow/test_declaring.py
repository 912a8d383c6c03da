"""Declaring a workflow in Python: the algebra of `>>`, options, triggers, inheritance, issues (1.1 to 1.6)."""

import functools
from datetime import UTC, datetime, timedelta

import pytest

from squidie.errors import InvalidArgument, InvalidSpec
from squidie.workflow import (
    Edge,
    Outcome,
    PayloadField,
    Retry,
    Spec,
    Workflow,
    cron,
    every,
    manual,
    step,
    to_spec,
    validate_spec,
)
from squidie.workflow.issues import Issue, Severity, errors
from squidie.workflow.spec import Backoff, Catchup, Overlap


def f(): ...
def g(): ...


START = [manual("start")]


def declare(**parts):
    return type("Declared", (Workflow,), {"triggers": START, **parts})


def refused(**parts):
    with pytest.raises(InvalidSpec) as caught:
        declare(**parts)
    return {(issue.path, issue.code) for issue in caught.value.issues}


def edges(flow, **steps):
    return {(edge.source, edge.target) for edge in declare(flow=flow, **steps).spec.edges}


@pytest.fixture
def steps():
    return {name: step(f) for name in "abcde"}


def only(steps, names):
    return {name: steps[name] for name in names}


def test_a_chain_leads_from_step_to_step(steps):
    a, b, c = (steps[n] for n in "abc")

    assert edges(a >> b >> c, a=a, b=b, c=c) == {("a", "b"), ("b", "c")}


def test_a_list_fans_out_and_the_next_step_joins(steps):
    """1.16: no conditions at all is a plain fan-out."""
    a, b, c, d = (steps[n] for n in "abcd")

    diamond = {("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")}
    assert edges(a >> [b, c] >> d, **only(steps, "abcd")) == diamond
    assert edges(a >> (b, c) >> d, **only(steps, "abcd")) == diamond


def test_a_list_may_come_first(steps):
    a, b, c = (steps[n] for n in "abc")

    assert edges([a, b] >> c, **only(steps, "abc")) == {("a", "c"), ("b", "c")}


def test_a_list_may_hold_chains(steps):
    a, b, c, d, e = (steps[n] for n in "abcde")

    expected = {("a", "b"), ("b", "c"), ("a", "d"), ("c", "e"), ("d", "e")}
    assert edges(a >> [b >> c, d] >> e, **steps) == expected


def test_several_flows_stand_side_by_side_and_may_share_steps(steps):
    a, b, c, d, e = (steps[n] for n in "abcde")

    assert edges([a >> b, a >> b >> c, d], **only(steps, "abcd")) == {("a", "b"), ("b", "c")}
    first = a >> b
    assert edges([first >> c, first >> d, e], **steps) == {("a", "b"), ("b", "c"), ("b", "d")}


def test_a_single_step_needs_no_flow():
    assert [node.name for node in declare(only=step(f)).spec.nodes] == ["only"]
    assert declare(only=(one := step(f)), flow=one).spec.edges == ()


def test_the_spec_says_what_the_class_says():
    """1.1 and 1.5: a class compiles to one frozen spec; the first trigger is the default."""

    class Fulfilment(Workflow):
        """Take an order from payment to parcel.

        Slowly.
        """

        version = "2"
        triggers = (manual("placed"), cron("nightly", "@daily", timezone="Europe/Oslo"))
        reserve = step(f, output="hold", queue="parcels", priority=3)
        charge = step(
            g, retry=Retry(5, min="1s", max="1m", on=ValueError, never=["KeyError"], within="2h"), irreversible=True
        )
        flow = reserve >> charge

    spec = to_spec(Fulfilment)

    assert spec is Fulfilment.spec
    assert (spec.name, Fulfilment.name, spec.version) == ("Fulfilment", "Fulfilment", "2")
    assert spec.description == "Take an order from payment to parcel.\n\nSlowly."
    assert [(trigger.name, trigger.kind, trigger.timezone) for trigger in spec.triggers] == [
        ("placed", "manual", "UTC"),
        ("nightly", "cron", "Europe/Oslo"),
    ]
    reserve, charge = spec.nodes
    assert (reserve.action, reserve.output_name, reserve.queue, reserve.priority) == (
        f"{__name__}:f",
        "hold",
        "parcels",
        3,
    )
    assert charge.irreversible
    assert charge.retry.on == ("builtins:ValueError",)
    assert charge.retry.never == ("builtins:KeyError",)
    assert (charge.retry.max_attempts, charge.retry.min, charge.retry.max, charge.retry.within) == (
        5,
        1.0,
        60.0,
        7200.0,
    )
    assert charge.retry.backoff is Backoff.EXPONENTIAL
    assert spec.edges == (Edge(source="reserve", target="charge", on=Outcome.OK),)
    assert set(Fulfilment.actions) == {f"{__name__}:f", f"{__name__}:g"}
    assert Spec.from_json(spec.to_json()) == spec
    assert validate_spec(spec) == ()


def test_a_name_of_its_own_is_not_inherited():
    """1.4: a workflow's name is its class name unless it says otherwise."""

    class Parent(Workflow):
        name = "Ours"
        triggers = START
        only = step(f)

    class Child(Parent):
        pass

    assert (Parent.name, Child.name) == ("Ours", "Child")


def test_a_base_without_steps_is_not_compiled_and_lends_what_it_has():
    class Base(Workflow):
        triggers = START
        payload = None

    class Real(Base):
        only = step(f)

    assert "spec" not in vars(Base)
    assert [trigger.name for trigger in Real.spec.triggers] == ["start"]
    with pytest.raises(InvalidArgument):
        to_spec(Base)


def test_a_subclass_may_replace_a_step_of_an_inherited_flow():
    class Parent(Workflow):
        triggers = START
        a = step(f)
        b = step(f)
        flow = a >> b

    class Child(Parent):
        b = step(g)

    assert [node.action.partition(":")[2] for node in Child.spec.nodes] == ["f", "g"]
    assert Child.spec.edges == Parent.spec.edges


def test_every_issue_of_a_class_comes_at_once():
    """1.2: one `InvalidSpec` lists every issue with its path."""
    with pytest.raises(InvalidSpec) as caught:

        class Broken(Workflow):
            triggers = cron("nightly", "never")
            charge = step(f, retry=Retry(5, max="for ever"), timeout="a while", prio=1, priority="high")
            tell = step("not a function")

    found = {(issue.path, issue.code) for issue in caught.value.issues}
    assert found == {
        ("triggers.nightly.expression", "invalid_cron_expression"),
        ("steps.charge.retry.max", "invalid_retry"),
        ("steps.charge.timeout", "invalid_timeout"),
        ("steps.charge.prio", "unknown_option"),
        ("steps.charge.priority", "invalid_priority"),
        ("steps.charge", "unreachable_step"),
        ("steps.tell", "unreachable_step"),
        ("steps.tell", "not_callable"),
    }
    assert "steps.charge.retry.max" in str(caught.value)
    assert "for ever" not in str(caught.value)


def test_a_workflow_that_nothing_starts_is_refused():
    """1.5: at least one trigger."""
    assert refused(only=step(f), triggers=[]) == {("triggers", "missing_trigger")}


def test_what_is_no_trigger_is_refused():
    """1.5: manual or cron."""
    assert refused(only=step(f), triggers=["start", *START]) == {("triggers[0]", "invalid_trigger")}


def test_a_step_beside_the_flow_is_unreachable(steps):
    a, b = steps["a"], steps["b"]

    assert refused(a=a, b=b, flow=a) == {("steps.b", "unreachable_step")}


def test_a_flow_without_named_steps_has_no_steps():
    assert refused(flow=step(f) >> step(g)) == {("flow", "invalid_name"), ("steps", "missing_steps")}


@pytest.mark.parametrize("stray", [f, "charge", None, 5, [], [[]]])
def test_what_is_no_step_is_refused_in_a_flow(stray, steps):
    a = steps["a"]

    assert refused(a=a, flow=a >> stray) == {("flow", "invalid_spec")}


def test_a_circle_is_refused(steps):
    """1.16: the graph is acyclic."""
    a, b = steps["a"], steps["b"]

    assert ("edges", "cycle") in refused(a=a, b=b, flow=a >> b >> a)
    assert refused(a=a, b=b, flow=[a >> a, a >> b]) == {("edges.a:ok:a", "self_edge")}


def test_one_step_object_has_one_name(steps):
    a = steps["a"]

    assert refused(a=a, again=a, flow=a) == {("steps.again", "duplicate_step")}


@pytest.mark.parametrize("name", ["version", "triggers", "name", "deadline", "payload", "error", "end"])
def test_a_step_may_not_take_the_place_of_a_setting_or_a_root(name):
    only = step(f)

    assert (f"steps.{name}", "reserved_name") in refused(**{name: only, "flow": only})


def test_two_callables_of_one_name_cannot_be_told_apart():
    one, other = step(lambda: 1), step(lambda: 2)

    assert refused(one=one, other=other, flow=one >> other) == {("steps.other", "not_callable")}


@pytest.mark.parametrize("call", [None, 3, functools.partial(f), dict, object(), lambda x, /: x, "shop:charge"])
def test_what_cannot_be_called_by_name_is_not_callable(call):
    assert refused(only=step(call)) == {("steps.only", "not_callable")}


def test_the_fields_of_two_triggers_have_one_type():
    """1.6: a field declared by several triggers has one type."""
    one = manual("one", payload=[field("x", "string")])
    other = manual("other", payload=[field("x", "integer")])

    assert refused(only=step(f), triggers=[one, other]) == {
        ("triggers.other.payload.x", "conflicting_payload_field"),
    }


def field(name, kind):
    return PayloadField(name=name, type=kind)


def test_a_payload_that_is_no_contract_is_refused():
    """1.7: a class with declared fields, or a list of them."""
    assert refused(only=step(f), payload=int) == {("payload", "invalid_payload_contract")}


def test_a_cron_trigger_without_its_input_is_refused():
    """1.6: the input must satisfy the contract at declaration."""
    found = refused(only=step(f), payload=[field("x", "string")], triggers=[cron("n", "@hourly")])

    assert found == {("triggers.n.input.x", "incomplete_trigger_input")}


def test_warnings_do_not_refuse():
    """1.2: warnings never refuse."""
    assert errors([Issue("edges", "no_fallback", "may end here", Severity.WARNING)]) == ()


def test_a_cron_trigger_says_what_becomes_of_its_windows():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    options = {"catchup": "all", "catchup_max": 7, "overlap": "queue_one", "jitter": "5m", "starts": start}

    (trigger,) = declare(triggers=[cron("nightly", "@daily", **options)], a=step(f)).spec.triggers

    assert (trigger.catchup, trigger.catchup_max, trigger.overlap) == (Catchup.ALL, 7, Overlap.QUEUE_ONE)
    assert (trigger.jitter, trigger.starts, trigger.ends) == (300.0, start, None)
    assert Spec.from_json(declare(triggers=[trigger], a=step(f)).spec.to_json()).triggers == (trigger,)


@pytest.mark.parametrize(
    ("duration", "expression"),
    [("15m", "@every 900s"), (1, "@every 1s"), (1.5, "@every 1.5s"), (timedelta(days=1), "@every 86400s")],
)
def test_every_is_an_interval(duration, expression):
    (trigger,) = declare(triggers=[every("often", duration, overlap="skip")], a=step(f)).spec.triggers

    assert (trigger.expression, trigger.overlap) == (expression, Overlap.SKIP)


@pytest.mark.parametrize("duration", ["", "often", "0.5s", 0, None, timedelta(0), float("nan")])
def test_every_needs_a_duration_of_a_second_at_least(duration):
    assert refused(triggers=[every("often", duration)], a=step(f)) == {
        ("triggers.often.expression", "invalid_cron_expression")
    }


class Adopted:
    """As much of a task as is looked at."""

    name, queue, max_retries = "shop.charge", "cards", 7
    soft_time_limit, time_limit = 60, 90

    def run(self, order_id): ...
    def __call__(self, *args): ...


def test_what_a_task_declares_holds_where_its_step_says_nothing():
    """1.24: a task keeps what it declares."""
    task = Adopted()
    bare = declare(a=step(task)).spec.nodes[0]
    told = declare(a=step(task, retry=Retry(2), queue="slow", timeout="5m")).spec.nodes[0]

    assert (bare.action, bare.queue, bare.retry.max_attempts) == ("shop.charge", "cards", 8)
    assert (bare.timeout, bare.grace) == (60.0, 30.0)
    assert (told.queue, told.retry, told.timeout, told.grace) == ("slow", Retry(2), 300.0, 30.0)


def test_a_task_that_undoes_keeps_what_it_declares_too():
    """18.2: own retry policy."""
    undo = declare(a=step(f, compensate=Adopted()), payload=[field("order_id", "string")]).spec.nodes[0].compensate

    assert (undo.action, undo.queue, undo.retry.max_attempts) == ("shop.charge", "cards", 8)
    assert undo.input == {"order_id": "payload.order_id"}


def test_the_words_of_a_workflow_come_by_the_public_door():
    import squidie
    from squidie import workflow

    words = {"step", "wait", "log", "pause", "approval", "escalate", "event", "end", "Deadline", "Compensate", "Retry"}
    assert words <= set(squidie.__all__) & set(workflow.__all__)
    assert all(getattr(squidie, word) is getattr(workflow, word) for word in words)
