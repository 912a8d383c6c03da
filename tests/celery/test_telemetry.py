"""Telemetry of real workers: one trace over their processes, metrics of all, lines with places (17.7 to 17.9)."""

from __future__ import annotations

import importlib.util
import json
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from squidie.telemetry import OpenTelemetry, of_attempt, of_run
from squidie.testing import Redis, Worker, eventually
from squidie_celery import CeleryDelivery, create_app
from tests.support.lab import kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie import Squidie

HERE = Path(__file__).parent


def flows():
    """The module that the workers load."""
    if "traced_flows" not in sys.modules:
        found = importlib.util.spec_from_file_location("traced_flows", HERE / "traced_flows.py")
        sys.modules["traced_flows"] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules["traced_flows"])
    return sys.modules["traced_flows"]


class Shop(NamedTuple):
    """A host, and what it and its two workers have told."""

    squidie: Squidie
    provider: TracerProvider
    exporter: InMemorySpanExporter
    workers: list[Worker]
    spans_file: Path
    metrics: Path

    def spans(self) -> list[dict]:
        """Those of the workers."""
        return [json.loads(line) for line in self.spans_file.read_text("utf-8").splitlines()]

    def registry(self) -> CollectorRegistry:
        """What all processes of both workers have counted."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self.metrics))
        return registry

    def total(self, name: str, **labels: str) -> float:
        samples = (sample for metric in self.registry().collect() for sample in metric.samples)
        return sum(each.value for each in samples if each.name == name and each.labels.items() >= labels.items())


@pytest.fixture
def shop(redis: Redis, database_url: str, tmp_path: Path) -> Iterator[Shop]:
    metrics, spans_file = tmp_path / "metrics", tmp_path / "spans"
    metrics.mkdir()
    spans_file.touch()
    told = {
        "SQUIDIE_DATABASE_URL": database_url,
        "SQUIDIE_APP": "traced_flows:squidie",
        "SQUIDIE_REDIS_URL": redis.url,
        "SPANS": str(spans_file),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(redis.url, set_as_current=False)
    squidie = flows().traced(CeleryDelivery(app), database_url, OpenTelemetry(provider))
    with ExitStack() as ending, closing(squidie):
        workers = [
            ending.enter_context(Worker("celery_app", env=told, cwd=HERE, concurrency=2, queues=[queue], name=queue))
            for queue in ("default", "shipping")
        ]
        for worker in workers:
            worker.wait_ready()
        yield Shop(squidie, provider, exporter, workers, spans_file, metrics)


def test_a_run_over_two_workers_is_one_trace_below_the_hosts_span(shop: Shop) -> None:
    """17.8, 17.7: retried, and continued elsewhere, while a broken handler changes no outcome."""
    canary = flows().CANARY
    with shop.provider.get_tracer("host").start_as_current_span("checkout") as host:
        run = shop.squidie.start("Order", {"note": canary}, metadata={"note": canary}, actor={"id": canary})
        parent = f"{host.get_span_context().span_id:016x}"
    shipped = run.result(30)
    traceparent = f"00-{host.get_span_context().trace_id:032x}-{parent}-01"
    eventually(lambda: [span for span in shop.spans() if span["name"] == "run Order"])

    spans = {
        (span["name"], span["attributes"].get("squidie.attempt")): span for span in shop.spans()
        if span["attributes"].get("squidie.run_id") == str(run.id)
    }  # fmt: skip
    whole = of_run(run.id, traceparent)
    wanted = {
        ("run Order", None): whole,
        ("step charge", 1): of_attempt(run.id, "charge", 1, whole),
        ("step charge", 2): of_attempt(run.id, "charge", 2, whole),
        ("step ship", 1): of_attempt(run.id, "ship", 1, whole),
    }
    assert kinds(shop.squidie, run) == [
        "run_started", "attempt_failed", "attempt_completed", "attempt_completed", "run_completed",
    ]  # fmt: skip
    assert {name: ids(span) for name, span in spans.items()} == {name: trace[:3] for name, trace in wanted.items()}
    assert shipped["traceparent"] == wanted["step ship", 1].traceparent
    assert {span.name for span in shop.exporter.get_finished_spans()} == {"checkout", "command start"}


def ids(span: dict) -> tuple[str, str, str]:
    context = span["context"]
    return tuple(each.removeprefix("0x") for each in (context["trace_id"], context["span_id"], span["parent_id"]))


def test_metrics_of_all_processes_add_up_and_nobody_tells_a_secret(shop: Shop) -> None:
    """17.7, 17.9: in children of real pools; in lines of steps by any logger, in spans, in metrics."""
    canary = flows().CANARY
    runs = [shop.squidie.start("Order", {"note": canary}, key=f"{n}") for n in range(10)]
    for run in runs:
        run.result(30)
    eventually(lambda: shop.total("squidie_events_total", event="run.completed") == 10)

    assert shop.total("squidie_events_total", event="attempt.failed", disposition="retried", step="charge") == 10
    assert shop.total("squidie_events_total", event="attempt.completed", workflow="Order") == 20
    assert shop.total("squidie_seconds_count", span="step", step="ship", outcome="completed") == 10
    assert shop.total("squidie_due_seconds_count", queue="shipping") == 10
    assert shop.total("squidie_seconds_count", span="turn") > 0
    eventually(lambda: shop.total("squidie_events_total", event="bell.rung", queue="shipping") > 0)

    lines = "".join(worker.log_text() for worker in shop.workers)
    assert lines.count("charging *** at attempt 1") == 10
    for told in (lines, shop.spans_file.read_text("utf-8"), generate_latest(shop.registry()).decode()):
        assert canary not in told
    assert "telemetry has failed" in lines
    assert "RuntimeError" in lines
