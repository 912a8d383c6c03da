"""A run is one trace, whoever works on it, in the trace of whoever started it; by the real SDK (17.8)."""

from __future__ import annotations

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.orm import Session

from squidie.engine.reported import Report
from squidie.history.fold import fold
from squidie.journal import facts
from squidie.settings import Settings
from squidie.telemetry import OpenTelemetry, Prometheus, of_attempt, of_run
from squidie.testing import eventually
from tests.support.flows import HOOKS, Chain, Patient, Single
from tests.support.lab import (
    AFTER_LEASE,
    NOON,
    all_facts,
    claim,
    end_lease,
    raises,
    work_off,
)
from tests.support.secret_flows import EVERYTHING, SECRET, Lost, Told, tell_all
from tests.support.steering_flows import STEERED, Parking, Undoable

HOST = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Spans:
    """A provider of its own, as each process has one, and what it exports."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("host")

    @property
    def all(self):
        return self._exporter.get_finished_spans()

    def of(self, run, kind=""):
        """Those of a run, as its history names them."""
        return [
            span for span in self.all
            if (span.attributes or {}).get("squidie.run_id") == str(run.id) and span.name.startswith(kind)
        ]  # fmt: skip


@pytest.fixture
def spans():
    return Spans()


@pytest.fixture
def squidie(make, bells, spans):
    return make(*STEERED, Single, Chain, Patient, delivery=bells, telemetry=OpenTelemetry(spans.provider))


def ids(span):
    """As W3C has them: the trace, the span and its parent."""
    parent = None if span.parent is None else f"{span.parent.span_id:016x}"
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def test_a_run_is_one_trace_with_the_ids_that_follow_from_its_history(squidie, spans):
    """17.8."""
    run = squidie.start(Chain)
    work_off(squidie)

    (whole,), steps = spans.of(run, "run"), spans.of(run, "step")
    assert ids(whole) == of_run(run.id)[:3]
    assert [(span.name, ids(span)) for span in steps] == [
        (f"step {name}", of_attempt(run.id, name, 1, of_run(run.id))[:3]) for name in "abc"
    ]
    assert whole.attributes == {
        "squidie.workflow": "Chain", "squidie.outcome": "completed", "squidie.run_id": str(run.id),
    }  # fmt: skip
    assert all(span.start_time <= span.end_time for span in spans.all)
    assert whole.end_time - whole.start_time >= sum(span.end_time - span.start_time for span in steps)


def test_the_current_span_of_the_host_is_the_parent_and_is_kept_with_the_start(squidie, spans):
    """17.8: and so is that of the command, which is linked to the run."""
    with spans.tracer.start_as_current_span("checkout") as host:
        run = squidie.start(Single)
    work_off(squidie)

    context = host.get_span_context()
    (whole,) = spans.of(run, "run")
    (command,) = [span for span in spans.all if span.name == "command start"]
    assert all_facts(squidie, run)[0].trace.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-0")
    assert whole.parent.span_id == command.parent.span_id == context.span_id
    assert {span.context.trace_id for span in (command, *spans.of(run))} == {context.trace_id}
    assert [link.context.span_id for link in command.links] == [whole.context.span_id]


@pytest.mark.parametrize("verb", ["start_many", "send", "replay", "fork", "requeue", "start_cron"])
def test_whatever_starts_a_run_keeps_where_it_was_asked(make, bells, spans, verb):
    """17.8."""
    from tests.support.cron_flows import Minutely
    from tests.support.steering_flows import notify

    squidie = make(*STEERED, Single, Minutely, keep=[notify], delivery=bells, telemetry=OpenTelemetry(spans.provider))
    done = squidie.start(Single, {"plan": {"only": ["fail"]}})
    work_off(squidie)
    verbs = {
        "start_many": lambda: squidie.start_many(Single, [{}])[0],
        "send": lambda: squidie.send(notify, ["ann"]),
        "replay": lambda: squidie.replay(done.id),
        "fork": lambda: squidie.fork(done.id, "only"),
        "requeue": lambda: squidie.requeue(done.id, "only", reason="again", actor="ann"),
        "start_cron": lambda: squidie.start_cron(Minutely, signal_id="s"),
    }
    with spans.tracer.start_as_current_span("checkout") as host:
        run = verbs[verb]()

    assert all_facts(squidie, run)[0].trace.split("-")[2] == f"{host.get_span_context().span_id:016x}"


def test_a_traceparent_can_be_given_by_hosts_without_a_handler(make, bells):
    """17.8: what is none is refused, and not repeated."""
    squidie = make(Single, delivery=bells)
    run = squidie.start(Single, traceparent=HOST)
    seen = []
    HOOKS["only"] = lambda ctx: seen.append(ctx.trace)
    work_off(squidie)

    assert all_facts(squidie, run)[0].trace == HOST
    assert seen == [{"traceparent": of_attempt(run.id, "only", 1, of_run(run.id, HOST)).traceparent}]
    for wrong in ("canary-9", 7, HOST + "\n", "01" + HOST[2:] + "-x" * 200):
        with raises("invalid_argument") as refused:
            squidie.start(Single, traceparent=wrong)
        assert "canary" not in str(refused.value)


def test_asked_again_under_its_key_a_run_stays_in_the_trace_of_its_first_start(squidie, spans):
    """17.8: where it was asked from does not make it another request."""
    first = squidie.start(Single, key="k", traceparent=HOST)
    with spans.tracer.start_as_current_span("checkout"):
        again = squidie.start(Single, key="k")

    assert (again.id, again.created) == (first.id, False)
    assert all_facts(squidie, first)[0].trace == HOST


def test_retries_and_other_workers_go_on_in_the_trace(make, squidie, spans, bells, clock):
    """17.8: in another process, by its own provider; each attempt is linked to the one before."""
    elsewhere = Spans()
    other = make(*STEERED, Patient, delivery=bells, telemetry=OpenTelemetry(elsewhere.provider))
    clock(NOON)
    run = squidie.start(Patient, {"plan": {"a": ["raise", "raise"]}}, traceparent=HOST)
    for number, worker in enumerate((squidie, other) * 3):
        clock(NOON + number * AFTER_LEASE)
        worker.execute_next()

    tries = sorted([*spans.of(run, "step a"), *elsewhere.of(run, "step a")], key=lambda span: span.start_time)
    assert len(tries) == 3
    assert all(each.of(run, "step a") for each in (spans, elsewhere))
    assert {ids(span)[0] for span in tries} == {HOST[3:35]}
    assert [span.status.status_code.name for span in tries] == ["ERROR", "ERROR", "UNSET"]
    assert [[link.context.span_id for link in span.links] for span in tries] == [
        [], [tries[0].context.span_id], [tries[1].context.span_id],
    ]  # fmt: skip
    (whole,) = [*spans.of(run, "run"), *elsewhere.of(run, "run")]
    assert {span.parent.span_id for span in tries} == {whole.context.span_id}


def test_what_a_step_does_stands_below_its_span(squidie, spans):
    """17.8: though that is made only when the outcome is committed."""

    def pay(ctx):
        with spans.tracer.start_as_current_span("POST /pay"):
            assert (
                ctx.trace["traceparent"].split("-")[1] == f"{api.get_current_span().get_span_context().trace_id:032x}"
            )

    HOOKS["only"] = pay
    run = squidie.start(Single)
    work_off(squidie)

    (inner,) = [span for span in spans.all if span.name == "POST /pay"]
    (step,) = spans.of(run, "step")
    assert (inner.context.trace_id, inner.parent.span_id) == (step.context.trace_id, step.context.span_id)
    assert step.start_time <= inner.start_time <= inner.end_time <= step.end_time


def test_a_run_that_a_step_starts_goes_on_in_its_trace(squidie, spans):
    """17.8."""
    started = []
    HOOKS["only"] = lambda _: started.append(squidie.start(Chain))
    run = squidie.start(Single)
    squidie.execute_next()

    assert all_facts(squidie, started[0])[0].trace == of_attempt(run.id, "only", 1, of_run(run.id)).traceparent


def test_claims_that_end_no_attempt_have_spans_of_their_own(squidie, spans, clock):
    """17.8: no id stands twice; each is linked to the attempt, whose span comes when it ends."""
    clock(NOON)
    run = squidie.start(Single)
    for number in range(2):
        (row,) = claim(squidie)
        clock(NOON + (number + 1) * 2 * AFTER_LEASE)
        end_lease(squidie, row)
    clock(NOON + 10 * AFTER_LEASE)
    work_off(squidie)

    steps = spans.of(run, "step")
    assert [span.attributes["squidie.outcome"] for span in steps] == ["expired", "expired", "completed"]
    assert len({span.context.span_id for span in steps}) == 3
    assert [[link.context.span_id for link in span.links] for span in steps] == [
        [steps[2].context.span_id], [steps[2].context.span_id], [],
    ]  # fmt: skip


def test_a_requeued_step_begins_another_chain(squidie, spans):
    """17.8."""
    run = squidie.start(Parking, {"plan": {"b": ["fail"]}})
    work_off(squidie)
    squidie.requeue(run.id, "b", reason="again", actor="ann")
    work_off(squidie)

    assert [(span.attributes["squidie.attempt"], span.links) for span in spans.of(run, "step b")] == [(1, ()), (2, ())]


def test_the_same_history_has_the_same_ids_for_whoever_reads_it_later(squidie, spans):
    """17.8: a trace is a function of the facts."""
    run = squidie.start(Undoable, {"plan": {"b": ["fail"]}}, traceparent=HOST)
    work_off(squidie)

    journal, told, state = squidie._parts.journal, [], None
    with journal.reading() as connection:
        for row in facts.read(journal, connection, run.id):
            state = fold([(row.at, row.fact)], state)
            told += [event for event in Report(run.id, state, row.at, {}).events(row.fact) if event.is_span]
    assert [event.trace[:3] for event in told] == [ids(span) for span in spans.of(run)]
    assert [event.name for event in told] == [span.name.partition(" ")[0] for span in spans.of(run)]
    assert {"step b", "step compensate:a", "run Undoable"} <= {span.name for span in spans.of(run)}


def test_where_the_host_samples_nothing_nothing_is_exported(squidie, spans):
    """17.8: its decision is the trace's."""
    run = squidie.start(Single, traceparent=HOST[:-1] + "0")
    work_off(squidie)

    assert spans.of(run) == []


def test_a_span_in_a_hosts_transaction_is_made_when_it_has_committed(squidie, spans):
    """17.7, 17.8: below the host's span, though made in another thread."""
    with spans.tracer.start_as_current_span("checkout") as host, Session(squidie.engine) as session:
        squidie.start(Single, session=session)
        assert [span.name for span in spans.all] == []
        session.commit()

    eventually(lambda: len(spans.all) == 2)
    (command,) = [span for span in spans.all if span.name == "command start"]
    assert command.parent.span_id == host.get_span_context().span_id


def test_other_tracers_of_the_provider_draw_their_own_ids(squidie, spans):
    """17.8: what is the host's is left as it is."""
    squidie.start(Single)
    with spans.tracer.start_as_current_span("one") as one, spans.tracer.start_as_current_span("two") as two:
        pass

    assert type(spans.tracer.id_generator) is type(spans.provider.id_generator) is type(TracerProvider().id_generator)
    assert one.get_span_context().span_id != two.get_span_context().span_id


def test_without_a_provider_nothing_happens(make, bells):
    """17.8: until the host sets one."""
    squidie = make(Single, delivery=bells, telemetry="otel")
    run = squidie.start(Single)
    work_off(squidie)

    assert all_facts(squidie, run)[0].trace is None
    assert squidie.stats().telemetry_faults == 0


def numbers(registry):
    """Samples by name and labels, those that are empty left out."""
    found = {}
    for metric in registry.collect():
        for sample in metric.samples:
            labels = {name: value for name, value in sample.labels.items() if value and name != "le"}
            found[sample.name, *sorted(labels.items())] = sample.value
    return found


def test_prometheus_counts_events_and_measures_what_takes_time(make, bells):
    """17.7: by a real registry."""
    registry = CollectorRegistry()
    squidie = make(Single, Patient, delivery=bells, telemetry=[Prometheus(registry)])
    for word in ("ok", "fail", "ok"):
        squidie.start(Single, {"plan": {"only": [word]}})
    work_off(squidie)
    with raises("run_not_found"):
        squidie.cancel("00000000-0000-7000-8000-000000000000", reason="x")

    found, run = numbers(registry), ("workflow", "Single")
    assert found["squidie_events_total", ("event", "run.completed"), run] == 2
    assert found["squidie_events_total", *sorted([
        ("event", "attempt.failed"), run, ("step", "only"), ("error", "step_failed"), ("disposition", "fatal"),
    ])] == 1  # fmt: skip
    refused = [("event", "command.refused"), ("verb", "cancel"), ("code", "run_not_found")]
    assert found["squidie_events_total", *sorted(refused)] == 1
    step = [("span", "step"), run, ("step", "only"), ("outcome", "completed")]
    assert found["squidie_seconds_count", *sorted(step)] == 2
    assert found["squidie_due_seconds_count", ("queue", "default")] == 3
    assert found["squidie_seconds_count", ("outcome", "accepted"), ("span", "command"), ("verb", "start")] == 3


def test_no_word_that_somebody_has_written_is_in_a_span_or_a_metric(make, bells, spans):
    """17.7, 17.8: payloads, outputs, errors, comments, metadata, actors and reasons."""
    registry = CollectorRegistry()
    telemetry = [OpenTelemetry(spans.provider), Prometheus(registry)]
    squidie = make(Told, Lost, delivery=bells, telemetry=telemetry, settings=Settings(secret_values=(SECRET,)))
    tell_all(squidie, lambda: work_off(squidie))

    exported = "".join(span.to_json() for span in spans.all) + generate_latest(registry).decode()
    assert len(spans.all) > 10
    assert {word for word in EVERYTHING if word in exported} == set()


def test_a_span_without_a_message_is_all_that_an_error_leaves(squidie, spans):
    """17.7: its kind, and no traceback."""
    run = squidie.start(Single, {"plan": {"only": ["raise:canary-4711"]}})
    work_off(squidie)

    (step,) = spans.of(run, "step")
    assert (step.status.status_code.name, step.status.description) == ("ERROR", "step_raised")
    assert step.events == ()
    assert "canary" not in step.to_json()
