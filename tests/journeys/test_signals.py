"""Commands as data: each is its verb, both ways through JSON, and nothing else is taken (SEMANTICS 17.3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squidie.errors import InvalidSignal
from squidie.history.codec import encode
from squidie.runtime import signal_from
from tests.support.flows import Diamond, Nightly
from tests.support.lab import all_facts, counts, raises, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Paused

DAY = {"window_start": datetime(2026, 3, 1, tzinfo=UTC), "window_end": datetime(2026, 3, 2, tzinfo=UTC)}
NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Diamond, Nightly, delivery=bells)


def to_be_ended(squidie):
    run = squidie.start(Diamond)
    work_off(squidie)
    return run


def question(squidie, workflow):
    run = squidie.start(workflow)
    work_off(squidie)
    return run


CASES = {
    "start_run": (None, {"workflow": "Paused", "payload": {"plan": {}}, "priority": 7}, "start"),
    "start_cron": (None, {"workflow": "Nightly"} | DAY, "start_cron"),
    "resume_run": (Paused, {"data": {"x": 1}, "comment": "go"}, "resume"),
    "approve_run": (Asked, {"actor": "ann", "data": {"amount": 1}}, "approve"),
    "reject_run": (Asked, {"actor": "ann", "comment": "no"}, "reject"),
    "cancel_run": (Paused, {"reason": "enough", "metadata": {"ticket": 5}}, "cancel"),
    "replay_run": (Diamond, {"reason": "again", "actor": "ann"}, "replay"),
    "fork_run": (Diamond, {"from_step": "d", "payload_changes": {"plan": {"d": ["ok"]}}}, "fork"),
    "deliver_event": (Awaiting, {"event": "paid", "correlation": "order-1", "payload": [1]}, "signal_run"),
}


UNLIKE = {"request_id", "due_at", "claim", "window", "schedule", "clock", "digest", "at", "decided_at"}
"""What no two requests share."""


def plain(facts, *runs):
    text = json.dumps([_without(json.loads(encode(fact)), UNLIKE) for fact in facts], sort_keys=True)
    for number, run in enumerate(runs):
        text = text.replace(str(run.id), f"run {number}")
    return text


def _without(value, names):
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    if isinstance(value, list | tuple):
        return [_without(each, names) for each in value]
    return value


NAMES = st.sampled_from(["run_id", "workflow", "reason", "event", "payload", "actor", "at", "subject", "key", "step"])


def _nested(values):
    return st.lists(values, max_size=4) | st.dictionaries(NAMES | st.text(max_size=8), values, max_size=6)


@pytest.mark.parametrize("kind", CASES)
def test_a_signal_leaves_the_same_facts_as_its_verb(squidie, make, kind):
    """17.3: applied as an object, as data, and as JSON text."""
    workflow, arguments, verb = CASES[kind]
    made = []
    for way in ("verb", "object", "text"):
        source = question(squidie, workflow) if workflow else None
        given = arguments | ({"run_id": str(source.id)} if source else {})
        if kind == "start_cron":
            given = given | {"signal_id": way}
        if way == "verb":
            subject = [given.pop("run_id")] if source else []
            run = getattr(squidie, verb)(*subject, **given)
        else:
            signal = signal_from({"type": kind, **given})
            run = squidie.apply_signal(signal if way == "object" else signal.to_json())
        made.append(plain(all_facts(squidie, run)[:4], run, *([source] if source else [])))

    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("kind", CASES)
def test_a_signal_is_json_both_ways(kind):
    """17.3."""
    workflow, arguments, _ = CASES[kind]
    signal = signal_from({"type": kind, **arguments, **({"run_id": NOBODY} if workflow else {})})

    assert signal_from(signal.to_json()) == signal
    assert json.loads(signal.to_json())["type"] == kind


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("no json", "signal"),
        (b"\xff", "signal"),
        ("[1]", "signal"),
        (5, "signal"),
        ("[" * 5000, "signal"),
        ({}, "type"),
        ({"type": "explode"}, "type"),
        ({"type": ["cancel_run"]}, "type"),
        ({"type": "start_spec"}, "type"),
        ({"type": "migrate_run"}, "type"),
        ({"type": "continue_run"}, "type"),
        ({"type": "cancel_run", "run_id": NOBODY}, "reason"),
        ({"type": "cancel_run", "run_id": NOBODY, "reason": 5}, "reason"),
        ({"type": "cancel_run", "run_id": "canary-7", "reason": "x"}, "run_id"),
        ({"type": "cancel_run", "run_id": NOBODY, "reason": "x", "colour": "canary-7"}, "colour"),
        ({"type": "cancel_run", "run_id": NOBODY, "reason": "x", "a b": 1}, "?"),
        ({"type": "cancel_run", "run_id": NOBODY, "reason": "x", "compensate": "canary-7"}, "compensate"),
        ({"type": "cancel_run", "run_id": NOBODY, "reason": "x", "subject": "another"}, "subject"),
        ({"type": "start_run", "workflow": "A", "subject": "B"}, "subject"),
        ({"type": "start_run", "workflow": "A", "at": "2026-01-01T00:00:00"}, "at"),
        ({"type": "deliver_event", "event": "paid"}, "run_id"),
        ({"type": "deliver_event", "event": "paid", "run_id": NOBODY, "workflow": "A"}, "run_id"),
        ({"type": "fork_run", "run_id": NOBODY, "from_step": "a", "allow_irreversible": True}, "allow_irreversible"),
    ],
)
def test_anything_else_is_refused_with_its_field(data, field):
    """17.3: bad input: and no value is repeated."""
    with pytest.raises(InvalidSignal) as refused:
        signal_from(data)

    assert refused.value.details["field"] == field
    assert "canary-7" not in f"{refused.value} {refused.value.to_dict()}"


def test_a_refused_signal_writes_nothing(squidie):
    """17.3."""
    before = counts(squidie)
    with raises("invalid_signal"):
        squidie.apply_signal({"type": "cancel_run"})
    with raises("run_not_found"):
        squidie.apply_signal({"type": "cancel_run", "run_id": NOBODY, "reason": "x"})

    assert counts(squidie) == before


def test_a_subject_that_agrees_is_welcome(squidie):
    """17.3."""
    run = question(squidie, Paused)
    squidie.apply_signal({"type": "resume_run", "run_id": str(run.id), "subject": str(run.id)})

    assert all_facts(squidie, run)[-1].kind == "pause_resolved"


def test_a_forged_receipt_is_passed_over(squidie):
    """17.2: what only the journal says of a command cannot be given."""
    run = question(squidie, Paused)
    forged = {"by": {"actor": "root"}, "request_id": "mine", "digest": "d"}
    squidie.apply_signal({"type": "resume_run", "run_id": str(run.id), "actor": "eve", **forged})

    by = all_facts(squidie, run)[-1].by
    assert (by.actor, by.verb) == ("eve", "resume")
    assert by.request_id != "mine"


def test_a_signal_in_a_host_transaction_goes_with_it(squidie):
    """17.1, 18.18."""
    run = question(squidie, Paused)
    with squidie.engine.connect() as connection:
        squidie.apply_signal({"type": "cancel_run", "run_id": str(run.id), "reason": "x"}, connection=connection)
        connection.rollback()

    assert all_facts(squidie, run)[-1].kind == "pause_opened"


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20), _nested, max_leaves=20)
)
def test_whatever_is_given_is_a_signal_or_refused_as_one(value):
    """17.3: it never raises otherwise."""
    for kind in (None, *CASES):
        data = {**value, "type": kind} if isinstance(value, dict) and kind else value
        try:
            signal_from(data)
        except InvalidSignal as refused:
            assert refused.details["field"]
