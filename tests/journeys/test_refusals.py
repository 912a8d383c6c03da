"""What `start` refuses (SEMANTICS 2, bad input; 0, refusals): with its code, and nothing was written.

The journal stays empty throughout, so that one serves all tests here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from squidie import Squidie, migrate
from squidie.errors import SquidieError
from squidie.testing.invariants import violations
from tests.support.flows import ALL, ATTRIBUTES, Single, Sums
from tests.support.lab import Recorder, counts, raises

NOTHING = (0, 0, 0, 0)


@pytest.fixture(scope="module")
def squidie(scratch):
    migrate.upgrade(scratch)
    squidie = Squidie(
        scratch.url.render_as_string(hide_password=False), workflows=ALL, attributes=ATTRIBUTES, delivery=Recorder()
    )
    yield squidie
    assert violations(squidie.engine) == []
    squidie.close()


@pytest.fixture(autouse=True)
def nothing_is_written(squidie):
    """No row, no bell."""
    yield
    assert counts(squidie) == NOTHING
    assert squidie.delivery.rung == []


@pytest.mark.parametrize(
    ("code", "workflow", "payload", "options"),
    [
        ("invalid_payload", Sums, {}, {}),
        ("invalid_payload", Sums, {"number": True}, {}),
        ("invalid_payload", Sums, {"number": 1.5}, {}),
        ("invalid_payload", Sums, {"number": None}, {}),
        ("invalid_payload", Sums, {"number": 1, "unknown": 1}, {}),
        ("invalid_payload", Sums, [1], {}),
        ("unstorable_value", Single, {"plan": {"a": float("inf")}}, {}),
        ("unstorable_value", Single, {"plan": {"a\0": 1}}, {}),
        ("unstorable_value", Single, {"plan": {"a": "\ud800"}}, {}),
        ("unstorable_value", Single, {"plan": {"a": 2**63}}, {}),
        ("payload_too_large", Single, {"plan": {"a": "x" * 1024 * 1024}}, {}),
        ("invalid_trigger", Single, {}, {"trigger": "nobody"}),
        ("workflow_not_found", "Nobody", {}, {}),
        ("invalid_argument", None, {}, {}),
        ("invalid_argument", Single, {}, {"key": ""}),
        ("invalid_argument", Single, {}, {"key": "x" * 256}),
        ("invalid_argument", Single, {}, {"key": 5}),
        ("invalid_argument", Single, {}, {"key": "a\0b"}),
        ("invalid_argument", Single, {}, {"key": "k", "run_id": uuid4()}),
        ("invalid_argument", Single, {}, {"run_id": "not-a-uuid"}),
        ("invalid_argument", Single, {}, {"queue": "unacked_mine"}),
        ("invalid_argument", Single, {}, {"queue": "drop table; --"}),
        ("invalid_argument", Single, {}, {"queue": ""}),
        ("invalid_argument", Single, {}, {"queue": "x" * 65}),
        ("invalid_argument", Single, {}, {"priority": 1000}),
        ("invalid_argument", Single, {}, {"priority": -1}),
        ("invalid_argument", Single, {}, {"priority": True}),
        ("invalid_argument", Single, {}, {"priority": "high"}),
        ("invalid_argument", Single, {}, {"at": datetime(2026, 1, 1)}),  # noqa: DTZ001 - that is what is wrong with it
        ("invalid_argument", Single, {}, {"at": "tomorrow"}),
        ("invalid_argument", Single, {}, {"at": datetime(2030, 1, 1, tzinfo=UTC), "after": 1}),
        ("invalid_argument", Single, {}, {"after": -1}),
        ("invalid_argument", Single, {}, {"after": float("nan")}),
        ("invalid_argument", Single, {}, {"after": "soon"}),
        ("invalid_argument", Single, {}, {"after": 1e300}),
        ("invalid_attributes", Single, {}, {"attributes": {"a": [1]}}),
        ("invalid_attributes", Single, {}, {"attributes": "a=1"}),
        ("invalid_attributes", Single, {}, {"attributes": {"amount": float("nan")}}),
        ("unstorable_value", Single, {}, {"metadata": {1, 2}}),
        ("invalid_argument", Single, {}, {"actor": ""}),
    ],
)
def test_a_refused_start_says_why(squidie, code, workflow, payload, options):
    """2, bad input; 0, refusals"""
    with raises(code) as refused:
        squidie.start(workflow, payload, **options)

    assert refused.value.code == code


def test_a_workflow_of_the_same_name_that_is_not_declared_here_is_refused(squidie):
    """2: the class that is given must be the one that is known."""
    stranger = type("Stranger", (), {"spec": Single.spec})

    with raises("workflow_not_found"):
        squidie.start(stranger)


def test_an_error_never_repeats_what_was_refused(squidie):
    """0, refusals"""
    with pytest.raises(SquidieError) as refused:
        squidie.start(Sums, {"number": "canary-5", "canary_ok": 1}, key="k")

    assert "canary-5" not in f"{refused.value} {refused.value.to_dict()}"
