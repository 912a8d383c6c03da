"""Metrics for Prometheus: `pip install "squidie[prometheus]"`.

How they are scraped is the host's: its own endpoint serves them with its other metrics, and in processes that fork (a
prefork worker, say) prometheus_client's multi-process mode adds up what the children count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.errors import MissingConfig
from squidie.telemetry.events import ATTRIBUTES, SPANS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from squidie.telemetry.events import Event

LABELS = ("event", *ATTRIBUTES)
SPAN_LABELS = ("span", "workflow", "step", "verb", "outcome")
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)
"""Seconds: from a settle to a run of a day."""

TAKEN = "claim.taken"


class Prometheus:
    """A handler that counts events, and measures what takes time.

    `squidie_events_total` by event and attributes, `squidie_seconds` of spans, `squidie_due_seconds`: how long attempts
    had been due when a worker took them. `registry` is prometheus_client's own if it is left out. Raises
    `MissingConfig` without prometheus_client.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Histogram  # noqa: PLC0415 - an extra, imported if wanted
        except ImportError as error:
            hint = 'pip install "squidie[prometheus]"'
            raise MissingConfig("prometheus_client is not installed", hint=hint) from error
        into = REGISTRY if registry is None else registry
        self._events = Counter("squidie_events", "What has happened.", LABELS, registry=into)
        self._spans = Histogram("squidie_seconds", "How long it took.", SPAN_LABELS, registry=into, buckets=BUCKETS)
        due = "How long attempts had been due when a worker took them."
        self._due = Histogram("squidie_due_seconds", due, ("queue",), registry=into, buckets=BUCKETS)

    def __call__(self, event: Event) -> None:
        """Count it, or measure it."""
        said = event.attributes
        if event.name in SPANS:
            rest = (said.get(name, "") for name in SPAN_LABELS[1:])
            self._spans.labels(event.name, *rest).observe(event.measures.get("seconds", 0.0))
            return
        self._events.labels(event.name, *(said.get(name, "") for name in ATTRIBUTES)).inc()
        if event.name == TAKEN:
            self._due.labels(said.get("queue", "")).observe(event.measures.get("seconds", 0.0))
