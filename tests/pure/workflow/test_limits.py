"""Limits and rates as they are declared (SEMANTICS 18.14)."""

from __future__ import annotations

import pytest

from squidie import Limit, Rate, Workflow, manual, step, to_spec, validate_spec
from squidie.errors import InvalidConfig, InvalidSpec
from squidie.workflow import Spec, fingerprint
from squidie.workflow.limits import key
from squidie.workflow.registry import Registry


def load(tenant):
    return tenant


def send(load):
    return load


def declare(**options):
    """A workflow whose second step has these options."""

    class Flow(Workflow):
        triggers = (manual("go"),)
        first = step(load, output="load")
        second = step(send, **options)
        flow = first >> second

    return Flow


def issues(**options):
    with pytest.raises(InvalidSpec) as caught:
        declare(**options)
    return {(issue.path, issue.code) for issue in caught.value.issues}


def test_limits_are_part_of_the_spec_and_of_the_fingerprint():
    """18.14, 1.1, 1.3: JSON is an identity, and another number is another graph."""
    spec = to_spec(declare(limit=Limit("l", 2, by="tenant"), rate=Rate("r", 5, per="1m", by=["load", "id"])))
    node = spec.by_name["second"]

    assert Spec.from_json(spec.to_json()) == spec
    assert validate_spec(spec.to_json()) == ()
    assert (node.limit.by, node.rate.by, node.rate.per) == ("payload.tenant", "load.id", 60.0)
    prints = {
        fingerprint(to_spec(declare(**options)))
        for options in ({}, {"limit": Limit("l", 2)}, {"limit": Limit("l", 3)}, {"rate": Rate("l", 3, per=1)})
    }
    assert len(prints) == 4
    assert fingerprint(to_spec(declare(rate=Rate("r", 3, per=1, burst=3)))) == fingerprint(
        to_spec(declare(rate=Rate("r", 3, per=1)))
    )


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"limit": Limit("", 1)}, "limit.name"),
        ({"limit": Limit("a:b", 1)}, "limit.name"),
        ({"limit": Limit("l", 0)}, "limit.n"),
        ({"limit": Limit("l", True)}, "limit.n"),
        ({"limit": Limit("l", 1.5)}, "limit.n"),
        ({"limit": Limit("l", 1, by=[])}, "limit.by"),
        ({"limit": Limit("l", 1, by="error.kind")}, "limit.by"),
        ({"limit": 5}, "limit"),
        ({"rate": Rate("r", 1, per=0)}, "rate.per"),
        ({"rate": Rate("r", 1, per="soon")}, "rate.per"),
        ({"rate": Rate("r", 1, per=1, burst=0)}, "rate.burst"),
        ({"limit": Limit("x", 1), "rate": Rate("x", 1, per=1)}, "rate"),
    ],
)
def test_a_limit_that_makes_no_sense_is_an_issue(options, path):
    """18.14"""
    assert (f"steps.second.{path}", "invalid_limit") in issues(**options)


def test_the_path_of_a_limit_must_lead_somewhere():
    """18.14: as any input path."""
    assert issues(limit=Limit("l", 1, by="second.id")) == {("steps.second.limit.by", "reads_later_step")}
    assert issues(limit=Limit("l", 1, by="load.id?")) == {("steps.second.limit.by", "unknown_input_path")}


def test_one_name_means_one_thing():
    """18.14: in a workflow, and over workflows; the path may differ."""

    class One(Workflow):
        triggers = (manual("go"),)
        only = step(load, limit=Limit("shared", 2))

    class Same(Workflow):
        triggers = (manual("go"),)
        only = step(load, limit=Limit("shared", 2, by="tenant"))

    class Other(Workflow):
        triggers = (manual("go"),)
        only = step(load, limit=Limit("shared", 3))

    Registry([One, Same])
    with pytest.raises(InvalidConfig, match="shared"):
        Registry([One, Other])


@pytest.mark.parametrize(
    ("value", "told"), [("a:b", "l:a:b"), (7, "l:7"), (1.5, "l:1.5"), (True, "l:true"), ("", "l:")]
)
def test_a_key_is_the_name_and_the_value(value, told):
    assert key(Limit("l", 1, by="payload.x"), value) == told


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, "x" * 300])
def test_what_is_no_short_scalar_is_no_key(value):
    with pytest.raises(ValueError, match="payload"):
        key(Limit("l", 1, by="payload.x"), value)
