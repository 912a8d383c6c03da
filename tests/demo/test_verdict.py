"""The demo can fail: each promise is judged from what was read, and a broken one is named."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from squidie_celery.demo.scenes import Deeds
from squidie_celery.demo.tally import Charging
from squidie_celery.demo.verdict import RULES, Evidence, closing

KILLED = Deeds(killed=[Charging("A-1", 4711, is_booked=True)], flushed=1)


def row(order_id, status, code=None):
    return SimpleNamespace(order_id=order_id, status=status, code=code, message=code)


@pytest.fixture
def evidence():
    """Two orders, one of them refused; a worker died charging the other, and all is well."""
    return Evidence(
        orders={"A-1": {"amount": 500}, "A-2": {"amount": 700}},
        ended={"A-1": row("A-1", "completed"), "A-2": row("A-2", "failed", "unknown_sku")},
        booked={"A-1": (1, 500)},
        calls={"A-1": 2},
        lost_claims=[SimpleNamespace(order_id="A-1", step="charge", owner="host:4711:boot")],
        violations=[],
        deeds=KILLED,
    )


def faults(evidence):
    return [fault for rule in RULES for fault in rule.faults(evidence)]


def test_where_all_is_well_no_rule_finds_a_fault(evidence):
    assert faults(evidence) == []
    assert closing(evidence, 9.6) == (
        "2 orders: 1 completed, 1 refused; 1 worker killed, 1 Redis flushed; 0 lost, 0 charged twice; 10 s"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ended": {"A-1": row("A-1", "completed")}}, "A-2 has not ended"),
        ({"ended": {"A-1": row("A-1", "completed"), "A-2": row("A-2", "failed")}}, "failed without a stated reason"),
        ({"booked": {"A-1": (2, 1_000)}}, "A-1 was completed and charged 2 times"),
        ({"booked": {}}, "A-1 was completed and charged 0 times"),
        ({"booked": {"A-1": (1, 501)}}, "A-1 was charged 501, it costs 500"),
        ({"booked": {"A-1": (1, 500), "A-2": (1, 700)}}, "A-2 was charged and not fulfilled"),
        ({"lost_claims": []}, "does not know that the charge of A-1 lost its claim"),
        ({"calls": {"A-1": 1}}, "the charge of A-1 was not tried again"),
        ({"violations": ["V1: a gap"]}, "V1: a gap"),
    ],
)
def test_a_broken_promise_is_named(evidence, changes, said):
    found = faults(replace(evidence, **changes))

    assert any(said in fault for fault in found), found


def test_a_promise_that_was_not_tested_is_not_called_kept(evidence):
    judged = [rule.said for rule in RULES if rule.applies(replace(evidence, deeds=Deeds()))]

    assert len(judged) == len(RULES) - 1
    assert not any("dead worker" in said for said in judged)


def test_the_closing_line_counts_what_was_lost_and_what_was_charged_twice(evidence):
    broken = replace(evidence, ended={"A-1": row("A-1", "completed")}, booked={"A-1": (2, 1_000)})

    assert "; 1 lost, 1 charged twice; " in closing(broken, 1)
