"""Workflows of workers that tell what they do: spans into a file, metrics into a directory, lines into their log.

Loaded as `SQUIDIE_APP=traced_flows:squidie`.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, TypedDict

from celery import Celery

from squidie import Retry, Squidie, StepContext, Workflow, manual, step
from squidie_celery import CeleryDelivery

if TYPE_CHECKING:
    from squidie.telemetry import Handler

CANARY = "canary-4711"
log = logging.getLogger("shop.orders")
bank = Celery("bank", broker="redis://127.0.0.1:1/0", set_as_current=False)


class Note(TypedDict):
    note: str


def charge(ctx: StepContext, note: str) -> dict[str, Any]:
    log.warning("charging %s at attempt %s", note, ctx.attempt)
    if ctx.attempt == 1:
        raise ValueError(f"the bank said {note}")
    return {"pid": os.getpid(), "trace": ctx.trace, "note": note}


@bank.task(bind=True, name="bank.ship")
def ship(self: Any) -> dict[str, Any]:
    return {"pid": os.getpid(), "traceparent": self.request.traceparent}


def broken(event: object) -> None:
    raise RuntimeError(CANARY)


class Order(Workflow):
    """A step that fails once, and a task on a queue of its own."""

    payload = Note
    triggers = (manual("placed"),)
    charge = step(charge, retry=Retry(2, min=0))
    ship = step(ship, queue="shipping")
    flow = charge >> ship


def traced(delivery: CeleryDelivery, database_url: str, *telemetry: Handler) -> Squidie:
    settings = {"sweep": 0.5, "secret_values": (CANARY,)}
    return Squidie(database_url, delivery=delivery, workflows=[Order], telemetry=telemetry, settings=settings)


def in_a_worker() -> tuple[Handler, ...]:
    """One span a line, and metrics of all processes in prometheus_client's directory."""
    if "SPANS" not in os.environ:
        return ()
    from pathlib import Path

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    from squidie.telemetry import OpenTelemetry, Prometheus

    out = Path(os.environ["SPANS"]).open("a", encoding="utf-8")  # noqa: SIM115 - as long as the process
    provider = TracerProvider()
    exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return broken, OpenTelemetry(provider), Prometheus()


squidie = traced(
    CeleryDelivery(), os.environ.get("SQUIDIE_DATABASE_URL", "postgresql+psycopg://nowhere"), *in_a_worker()
)
