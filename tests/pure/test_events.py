"""What is told of facts: an event for each kind, by a rule, of a few words that nobody has written (17.7)."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squidie.engine.reported import SAID, Report
from squidie.errors import InvalidConfig, MissingConfig
from squidie.history.facts import KINDS
from squidie.history.run import Run
from squidie.telemetry import ATTRIBUTES, OTHERS, SPANS, Event, Handlers, OpenTelemetry, Prometheus, find, name_of
from squidie.telemetry.events import MEASURES, cut
from tests.pure import drawn
from tests.pure.scene import NOON

RUN_ID = UUID("018f4c3e-0000-7000-8000-000000000001")


def told(fact):
    return list(Report(RUN_ID, Run(workflow="Order"), NOON, {}).events(fact))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fact_has_an_event_of_its_own(kind):
    """17.7: named by a rule, so that none can be forgotten."""

    @settings(max_examples=25)
    @given(drawn.facts_of(kind))
    def holds(fact):
        event, *spans = told(fact)
        assert event.name == name_of(kind) == kind.replace("_", ".", 1)
        assert set(event.attributes) <= set(SAID[kind])
        assert all(span.name in SPANS for span in spans)
        for each in (event, *spans):
            assert each.attributes.keys() <= ATTRIBUTES.keys()
            assert each.measures.keys() <= MEASURES.keys()
            assert all(len(value.encode()) <= 255 for value in each.attributes.values())
            assert (each.run_id, each.at) == (RUN_ID, NOON)

    holds()


def test_no_two_kinds_have_one_name_and_none_that_of_another_event():
    """17.7."""
    names = [*map(name_of, KINDS), *OTHERS, *SPANS]

    assert len(set(names)) == len(names)
    assert {"run.started", "attempt.completed", "attempt.dead_lettered", "wait.elapsed"} <= set(names)


def test_the_events_that_are_no_facts_and_the_spans_are_these():
    """17.7."""
    assert sorted(OTHERS) == [
        "bell.failed", "bell.rung", "claim.erased", "claim.refused", "claim.renewed", "claim.revived", "claim.taken",
        "command.refused",
    ]  # fmt: skip
    assert sorted(SPANS) == ["command", "run", "settle", "step", "sweep", "tick", "turn"]
    words = {word for _, words in (*OTHERS.values(), *SPANS.values()) for word in words}
    assert words <= ATTRIBUTES.keys() | MEASURES.keys()


@given(st.sampled_from(sorted(KINDS)).flatmap(drawn.facts_of))
def test_what_an_event_says_is_a_name_of_the_graph_or_a_member_of_an_enumeration(fact):
    """17.7: reasons, comments, messages, codes, actors, keys and payloads are none."""
    names = {"workflow", "step", "trigger", "queue"}
    for event in told(fact):
        for name in event.attributes.keys() - names - {"outcome", "kind"}:
            value = fact.error.kind if name == "error" else getattr(fact, name)
            assert isinstance(value, StrEnum), name


def test_a_value_is_cut_to_255_bytes_of_whole_characters():
    """17.7."""
    assert cut("x" * 300) == "x" * 255
    assert cut("é" * 200) == "é" * 127
    assert cut("short") == "short"
    assert len(cut("\ud800" * 300).encode()) <= 255


def test_a_handler_that_raises_is_counted_and_said_once_and_the_others_hear(caplog):
    """17.7: isolated; by its type, for its message may hold anything."""
    heard = []

    def broken(event):
        raise ValueError("canary-4711")

    handlers = Handlers([broken, heard.append])
    handlers.tell([Event(name="bell.rung")] * 3)

    assert (handlers.faults, len(heard)) == (3, 3)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "squidie.telemetry"]
    assert line == "telemetry has failed (1 in all): ValueError"


class Around:
    """A handler that goes wrong wherever it can."""

    def __init__(self, *, enters=True):
        self.enters = enters

    def __call__(self, event):
        raise KeyError(event.name)

    def traceparent(self):
        raise OSError

    def during(self, trace):
        return self

    def __enter__(self):
        if not self.enters:
            raise ValueError

    def __exit__(self, *_):
        raise ValueError


def test_what_goes_wrong_around_a_step_is_not_the_steps_affair():
    """17.7."""
    handlers = Handlers([Around(), Around(enters=False)])

    with handlers.during(None):
        pass
    with pytest.raises(ZeroDivisionError), handlers.during(None):
        raise ZeroDivisionError

    assert handlers.traceparent() is None
    assert handlers.faults == 6


@pytest.mark.parametrize("given", ["statsd", 7, [None], Prometheus, [OpenTelemetry]])
def test_what_is_no_handler_is_refused(given):
    """17.4, 17.7."""
    with pytest.raises(InvalidConfig) as refused:
        find(given)

    assert "otel, prometheus" in refused.value.hint


@pytest.mark.parametrize(("make", "extra", "missing"), [
    (OpenTelemetry, "otel", "opentelemetry.sdk.trace"), (Prometheus, "prometheus", "prometheus_client"),
])  # fmt: skip
def test_a_library_that_is_missing_is_named_with_its_extra(make, extra, missing, monkeypatch):
    """17.7: libraries are extras, and imported where they are wanted."""
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(MissingConfig) as refused:
        make()

    assert refused.value.hint == f'pip install "squidie[{extra}]"'


def test_no_library_is_loaded_for_whoever_does_not_want_it():
    """17.7."""
    said = "import sys, squidie.runtime, squidie.telemetry as t; t.find(print); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout.split()

    assert "squidie.telemetry.otel" in loaded
    assert not [name for name in loaded if name.partition(".")[0] in ("opentelemetry", "prometheus_client")]
