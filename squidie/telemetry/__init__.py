"""What happens, told to whoever listens, once it has been committed: events, spans and where they belong in a trace.

    Squidie(..., telemetry=[OpenTelemetry(), Prometheus(), lambda event: print(event.name)])

Telemetry is no record: the journal is. An event is told at most once, in the process that did the work; one that ends
between its commit and the telling tells nothing.
"""

from squidie.telemetry.events import ATTRIBUTES, COMMANDS, OTHERS, SPANS, Event, name_of
from squidie.telemetry.listening import Handler, Handlers, find
from squidie.telemetry.otel import OpenTelemetry
from squidie.telemetry.prometheus import Prometheus
from squidie.telemetry.traces import Trace, of_attempt, of_claim, of_run, parsed

__all__ = [
    "ATTRIBUTES",
    "COMMANDS",
    "OTHERS",
    "SPANS",
    "Event",
    "Handler",
    "Handlers",
    "OpenTelemetry",
    "Prometheus",
    "Trace",
    "find",
    "name_of",
    "of_attempt",
    "of_claim",
    "of_run",
    "parsed",
]
