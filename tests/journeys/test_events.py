"""Events from outside: to a run, or to the one run of a workflow that awaits it (SEMANTICS 18.4)."""

from __future__ import annotations

import json

import pytest

from tests.support.lab import all_facts, counts, kinds, raises, scalar, steps_done, work_off
from tests.support.steering_flows import STEERED, Awaiting, Open, Paused

ABOUT = {"event": "paid", "correlation": "order-1"}


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, delivery=bells)


def waiting(squidie, workflow=Awaiting, **options):
    run = squidie.start(workflow, **options)
    work_off(squidie)
    return run


def test_an_event_lets_the_run_go_on_with_its_payload(squidie):
    """18.4."""
    run = waiting(squidie)
    squidie.signal_run(run.id, payload={"sum": 5}, actor="bank", **ABOUT)
    work_off(squidie)

    received = next(fact for fact in all_facts(squidie, run) if fact.kind == "event_received")
    assert (json.loads(bytes(received.payload)), received.by.actor) == ({"sum": 5}, "bank")
    assert steps_done(squidie, run) == ["a", "c"]


def test_an_early_event_is_kept_and_taken_when_the_wait_opens(squidie):
    """18.4."""
    run = squidie.start(Awaiting)
    squidie.signal_run(run.id, payload=1, **ABOUT)
    assert kinds(squidie, run)[-1] == "event_buffered"
    work_off(squidie)

    assert run.snapshot().status == "completed"


def test_a_webhook_that_is_repeated_is_one_fact(squidie):
    """18.4: with the provider's id, to the run and to its workflow, also once nobody awaits it any more."""
    run = waiting(squidie)
    for _ in range(3):
        assert squidie.signal_run(workflow=Awaiting, key="evt-1", **ABOUT).id == run.id
    work_off(squidie)
    assert squidie.signal_run(workflow="Awaiting", key="evt-1", **ABOUT).id == run.id
    assert squidie.signal_run(run.id, key="evt-1", **ABOUT).id == run.id
    with raises("key_reused"):
        squidie.signal_run(run.id, key="evt-1", payload="another", **ABOUT)

    assert kinds(squidie, run).count("event_received") == 1
    assert scalar(squidie, "select seen from {s}.receipts where key = 'evt-1'") == 4


def test_by_its_workflow_an_event_reaches_the_one_run_that_awaits_it(squidie):
    """18.4, 17.1: neither those that have not come so far, nor those that have ended."""
    squidie.start(Awaiting, after="1h")
    done = waiting(squidie)
    squidie.signal_run(done.id, **ABOUT)
    run = waiting(squidie)

    assert squidie.signal_run(workflow=Awaiting, **ABOUT).id == run.id


def test_an_event_for_nobody_and_one_for_several_are_refused(squidie):
    """18.4: bad input"""
    with raises("run_not_found") as nobody:
        squidie.signal_run(workflow=Awaiting, **ABOUT)
    assert "Awaiting that awaits paid" in str(nobody.value)
    waiting(squidie)
    with raises("run_not_found"):
        squidie.signal_run(workflow=Awaiting, event="paid", correlation="order-2")
    waiting(squidie)
    before = counts(squidie)
    with raises("invalid_argument"):
        squidie.signal_run(workflow=Awaiting, **ABOUT)

    assert counts(squidie) == before


def test_a_wait_without_correlation_takes_any(squidie):
    """18.4."""
    run = waiting(squidie, Open)

    assert squidie.signal_run(workflow=Open, event="paid", correlation="whatever").id == run.id


def test_a_refused_event_says_why(squidie):
    """18.4: bad input"""
    run = waiting(squidie)
    with raises("event_mismatch") as strange:
        squidie.signal_run(run.id, event="shipped")
    assert strange.value.details["expected"] == ["paid"]
    with raises("event_mismatch"):
        squidie.signal_run(waiting(squidie, Paused).id, event="paid")
    squidie.cancel(run.id, reason="x")
    with raises("invalid_transition"):
        squidie.signal_run(run.id, **ABOUT)
    with raises("invalid_argument"):
        squidie.signal_run(run.id, workflow=Awaiting, event="paid")
    with raises("invalid_argument"):
        squidie.signal_run(event="paid")
    with raises("invalid_argument"):
        squidie.signal_run(run.id, event=" ")
    with raises("unstorable_value"):
        squidie.signal_run(run.id, event="paid", payload=float("nan"))
    with raises("workflow_not_found"):
        squidie.signal_run(workflow=type("Stranger", (), {"spec": Awaiting.spec}), event="paid")


def test_the_buffer_for_early_events_has_a_limit(make):
    """18.4: bad input"""
    squidie = make(*STEERED, settings={"early_events": 2})
    run = squidie.start(Awaiting)
    for _ in range(2):
        squidie.signal_run(run.id, **ABOUT)
    with raises("limit_reached"):
        squidie.signal_run(run.id, **ABOUT)


def test_an_event_of_a_host_that_rolls_back_never_happened(squidie):
    """18.18: an event commits with the host's rows."""
    run = waiting(squidie)
    with squidie.engine.connect() as connection:
        squidie.signal_run(workflow=Awaiting, connection=connection, **ABOUT)
        connection.rollback()
    assert kinds(squidie, run)[-1] == "event_awaited"
    with squidie.engine.begin() as connection:
        squidie.signal_run(workflow=Awaiting, connection=connection, **ABOUT)

    assert kinds(squidie, run)[-1] == "event_received"
