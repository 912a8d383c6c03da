"""The words for waits, logs, people, events, deadlines and timeouts, and what they become (1.16 and sections 6, 18)."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from squidie.errors import InvalidSpec
from squidie.workflow import (
    Deadline,
    PayloadField,
    Retry,
    Spec,
    Workflow,
    approval,
    end,
    escalate,
    event,
    log,
    manual,
    pause,
    step,
    validate_spec,
    wait,
)
from squidie.workflow.drafts import known
from squidie.workflow.issues import errors
from squidie.workflow.spec import LOG_ACTION, Escalation, GiveUp, Lapse, Level, NodeKind, OnCancel, Overdue
from squidie.workflow.spec import Deadline as PlainDeadline


def f(): ...


def declare(node, *, flow=None, **parts):
    return type("W", (Workflow,), {"triggers": manual("s"), "node": node, "flow": flow or node, **parts})


def compiled(node, **parts):
    """The node that a word becomes, read back from JSON."""
    spec = declare(node, **parts).spec
    assert Spec.from_json(spec.to_json()) == spec
    assert errors(validate_spec(spec.to_json())) == ()
    return spec.by_name["node"]


def refused(node, **parts):
    with pytest.raises(InvalidSpec) as caught:
        declare(node, **parts)
    return {(issue.path.replace("steps.node", "."), issue.code) for issue in errors(caught.value.issues)}


@pytest.mark.parametrize("duration", ["1h30m", 5400, timedelta(minutes=90)])
def test_a_wait_is_for_a_duration(duration):
    """0: a duration is text, a timedelta or a number of seconds."""
    node = compiled(wait(duration))

    assert (node.kind, node.duration, node.action) == (NodeKind.WAIT, 5400.0, "")


@pytest.mark.parametrize(
    ("until", "absolute"), [("payload.at", "payload.at"), ("at", "payload.at"), (["at"], "payload.at")]
)
def test_a_wait_may_be_until_a_time_at_a_path(until, absolute):
    """1.12: the path becomes absolute."""
    assert compiled(wait(until=until), payload=[PayloadField(name="at", type="string")]).until == absolute


def test_a_log_is_a_step_that_every_worker_can_run():
    node = compiled(log("on its way", "warning"))

    assert (node.kind, node.action, node.message, node.level) == (NodeKind.LOG, LOG_ACTION, "on its way", Level.WARNING)


def test_a_pause_waits_for_a_person():
    """6.6: for a pause `then` is fail or resume."""
    node = compiled(pause(output="answer", due="4h", then="resume"))

    assert (node.kind, node.output_name, node.due, node.then) == (NodeKind.PAUSE, "answer", 14400.0, Lapse.RESUME)
    assert compiled(pause()).due is None


@dataclass
class Answer:
    amount: float
    why: str | None = None


def test_an_approval_says_who_decides_how_many_and_what_they_tell():
    """6.4 and 6.5: form, quorum, exclude."""
    node = compiled(approval(role="ops", quorum=2, form=Answer, exclude="starter", output="verdict"))

    assert (node.kind, node.role, node.quorum, node.exclude) == (NodeKind.APPROVAL, "ops", 2, ("starter",))
    assert node.output_name == "verdict"
    assert [field.name for field in node.form] == ["amount", "why"]


def test_an_approval_nobody_decides_may_go_to_somebody_else():
    """6.6: escalate, to a role with its own due."""
    node = compiled(approval(role="ops", due="4h", then=escalate("head", "1d", then="approve")))

    assert (node.due, node.then) == (14400.0, Lapse.ESCALATE)
    assert node.escalate == Escalation(role="head", due=86400.0, then=Lapse.APPROVE)


@pytest.mark.parametrize(
    ("correlation", "literal", "path"),
    [
        (None, None, None),
        ("order-7", "order-7", None),
        ("nobody.here", "nobody.here", None),
        ("a..b", "a..b", None),
        ("order_id", None, "payload.order_id"),
        ("payload.order_id", None, "payload.order_id"),
        ("first.token", None, "first.token"),
        (["first", "token"], None, "first.token"),
    ],
)
def test_a_correlation_is_a_path_if_it_begins_with_what_is_known(correlation, literal, path):
    """18.4: correlation is text or a path."""
    first, node = step(f), event("paid", correlation=correlation, timeout="1d")
    payload = [PayloadField(name="order_id", type="integer")]
    found = compiled(node, flow=first >> node, first=first, payload=payload)

    assert (found.event, found.timeout) == ("paid", 86400.0)
    assert (found.correlation, found.correlation_from) == (literal, path)


def test_what_a_wait_reads_from_the_payload_is_part_of_a_derived_contract():
    """1.10: and may be anything."""
    spec = declare(event("paid", correlation="payload.order_id", timeout=60)).spec

    assert spec.payload == (PayloadField(name="order_id", type="any", nullable=True),)


def test_a_step_says_how_long_it_may_take_and_what_becomes_of_it():
    """18.3 and 5.5: timeout, grace, deadline, on_give_up."""
    options = {"timeout": "2m", "grace": 0, "deadline": "1h", "on_give_up": "park", "on_cancel": "interrupt"}
    node = compiled(step(f, **options, transactional=True))

    assert (node.timeout, node.grace, node.deadline) == (120.0, 0.0, PlainDeadline(within=3600.0))
    assert (node.on_give_up, node.on_cancel, node.transactional) == (GiveUp.PARK, OnCancel.INTERRUPT, True)


def test_the_whole_run_may_have_a_deadline():
    """18.3: on the class it bounds the run."""
    spec = declare(step(f), deadline=Deadline("2d", due_soon="1d", then="escalate", escalate_after="1h")).spec

    expected = PlainDeadline(within=172800.0, due_soon=86400.0, then=Overdue.ESCALATE, escalate_after=3600.0)
    assert spec.deadline == expected
    assert Spec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("node", "path", "code"),
    [
        (wait(), ".", "invalid_duration"),
        (wait("1h", until="payload.at"), ".", "invalid_duration"),
        (wait("soon"), "..duration", "invalid_duration"),
        (wait(0), "..duration", "invalid_duration"),
        (wait(-1), "..duration", "invalid_duration"),
        (wait(until=""), "..until", "unknown_input_path"),
        (wait("1h", retry=Retry(3)), "..retry", "option_not_allowed"),
        (wait("1h", input={"x": "payload"}), "..input", "option_not_allowed"),
        (wait("1h", colour="red"), "..colour", "unknown_option"),
        (wait("1h", transactional=True), "..transactional", "invalid_transactional"),
        (log(""), "..message", "invalid_message"),
        (log(7), "..message", "invalid_message"),
        (log("x", level="loud"), "..level", "invalid_level"),
        (pause(then="approve", due="1h"), "..then", "invalid_approval"),
        (pause(then="resume"), "..then", "invalid_approval"),
        (pause(due=0), "..due", "invalid_duration"),
        (pause(due="soon"), "..due", "invalid_duration"),
        (pause(role="ops"), "..role", "option_not_allowed"),
        (approval(role=""), "..role", "invalid_approval"),
        (approval(role=7), "..role", "invalid_approval"),
        (approval(quorum=0), "..quorum", "invalid_approval"),
        (approval(quorum="two"), "..quorum", "invalid_approval"),
        (approval(due="1h", then="resume"), "..then", "invalid_approval"),
        (approval(due="1h", then="sometimes"), "..then", "invalid_approval"),
        (approval(due="1h", then="escalate"), "..escalate", "invalid_approval"),
        (approval(due="1h", then=escalate("", "1h")), "..escalate.role", "invalid_approval"),
        (approval(due="1h", then=escalate("head", "soon")), "..escalate.due", "invalid_duration"),
        (approval(due="1h", then=escalate("head", then="escalate")), "..escalate.then", "invalid_approval"),
        (approval(exclude=("everybody",)), "..exclude", "invalid_approval"),
        (approval(form=int), "..form", "invalid_payload_contract"),
        (approval(form=[PayloadField(name="x", type="strng")]), "..form.x.type", "unknown_payload_type"),
        (approval(form=[PayloadField(name="x", type="any")] * 2), "..form.x", "invalid_payload_field"),
        (event(""), "..event", "invalid_event"),
        (event("paid", correlation=7), "..correlation", "unknown_input_path"),
        (event("paid", correlation=""), "..correlation", "invalid_event"),
        (event("paid", correlation=["nobody"]), "..correlation_from", "unknown_input_path"),
        (event("paid", timeout=0), "..timeout", "invalid_timeout"),
        (step(f, timeout="soon"), "..timeout", "invalid_timeout"),
        (step(f, timeout=0), "..timeout", "invalid_timeout"),
        (step(f, grace=-1), "..grace", "invalid_timeout"),
        (step(f, on_give_up="cry"), "..on_give_up", "option_not_allowed"),
        (step(f, deadline="soon"), "..deadline.within", "invalid_deadline"),
        (step(f, deadline=Deadline(0)), "..deadline.within", "invalid_deadline"),
        (step(f, deadline=Deadline(5, due_soon=5)), "..deadline.due_soon", "invalid_deadline"),
        (step(f, deadline=Deadline(5, then="shout")), "..deadline.then", "invalid_deadline"),
        (step(f, deadline=Deadline(5, escalate_after=5)), "..deadline.escalate_after", "invalid_deadline"),
        (step(f, deadline=[5]), "..deadline", "invalid_deadline"),
        (step(f, due=5), "..due", "option_not_allowed"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(node, path, code):
    """1.2: with its path."""
    assert refused(node) == {(path, code)}


def test_a_coroutine_has_no_transaction():
    """18.17: invalid_transactional on other kinds and coroutines."""

    async def later(): ...

    assert refused(step(later, transactional=True)) == {("..transactional", "invalid_transactional")}


class Charge:
    """A task, as Celery's are."""

    name = "shop.charge"

    def run(self): ...

    def __call__(self): ...


def test_a_task_of_its_own_delivery_has_no_transaction():
    """18.17: plain functions only."""
    assert refused(step(Charge(), transactional=True)) == {("..transactional", "invalid_transactional")}


def test_what_is_wrong_with_a_duration_is_said_in_the_words_of_durations():
    with pytest.raises(InvalidSpec, match='"4h30m"'):
        declare(wait("a while"))


def test_outputs_of_all_kinds_can_be_read_by_name():
    """1.13: a pause's data, a decision, an event's payload; null of a wait or a log."""
    nodes = {
        "halt": pause(),
        "ok": approval(role="ops"),
        "paid": event("paid", timeout=9),
        "nap": wait(1),
        "say": log("x"),
    }

    def last(halt, ok, paid, nap, say): ...

    node = step(last)
    flow = None
    for each in (*nodes.values(), node):
        flow = each if flow is None else flow >> each
    assert compiled(node, flow=flow, **nodes).input == {name: name for name in nodes}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("ok.decision", None),
        ("ok.votes.0.actor", None),
        ("ok.comment?", None),
        ("ok.comment", "maybe_missing_input"),
        ("ok.data.amount", "maybe_missing_input"),
        ("ok.desicion", "unknown_input_path"),
        ("nap.anything", "unknown_input_path"),
    ],
)
def test_a_path_into_a_decision_is_checked(path, code):
    """1.14 and 6.4: comment and data may be missing."""
    nap, ok = wait(1), approval(role="ops")
    node = step(may_take if path.endswith("?") else takes, input={"x": path})
    parts = {"nap": nap, "ok": ok, "flow": [nap >> ok >> node, ok.on_reject >> end]}

    if code is None:
        assert compiled(node, **parts).input == {"x": path}
    else:
        assert refused(node, **parts) == {("..input.x", code)}


def takes(x): ...
def may_take(x=None): ...


def test_a_word_that_is_none_is_kept_for_the_checks():
    assert known(Lapse, "fail") is Lapse.FAIL
    assert known(Lapse, "shrug") == "shrug"
    assert known(Lapse, None) is None
