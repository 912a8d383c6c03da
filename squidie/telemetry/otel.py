"""Spans for OpenTelemetry: `pip install "squidie[otel]"`.

A span is made when it is over, with the ids that follow from the run's history: the workers of one run, its retries and
whoever looks at its history later agree on them. While a step runs its span is the current one, so that what the step
does through instrumented libraries stands below it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from squidie.errors import MissingConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, TracerProvider

    from squidie.telemetry.events import Event
    from squidie.telemetry.traces import Trace

NAME = "squidie"
BAD = frozenset({"failed", "dead_lettered", "expired"})
"""Outcomes of a span that did not end well."""


class OpenTelemetry:
    """A handler that makes spans of what takes time; other events are not for it.

    `provider` is the SDK's tracer provider, the global one if it is left out, looked up at the first span. Raises
    `MissingConfig` without OpenTelemetry.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            import opentelemetry.sdk.trace  # noqa: F401, PLC0415 - an extra, imported where it is wanted
            from opentelemetry import trace  # noqa: PLC0415
        except ImportError as error:
            raise MissingConfig("OpenTelemetry is not installed", hint='pip install "squidie[otel]"') from error
        self._api = trace
        self._provider = provider
        self._made: Any = None

    def __call__(self, event: Event) -> None:
        """One span, where the event is one."""
        if not event.is_span or event.trace is None:
            return
        api, trace = self._api, event.trace
        with _ids.given(trace):
            span = self._tracer().start_span(
                _title(event),
                context=self._below(trace),
                attributes=_attributes(event),
                links=[api.Link(self._context(*each, is_sampled=True)) for each in trace.links],
                start_time=event.began,
            )
        if event.attributes.get("outcome") in BAD:
            span.set_status(api.Status(api.StatusCode.ERROR, event.attributes.get("error")))
        span.end(end_time=event.ended)

    def traceparent(self) -> str | None:
        """The current span of the calling code."""
        current = self._api.get_current_span().get_span_context()
        if not current.is_valid:
            return None
        return f"00-{current.trace_id:032x}-{current.span_id:016x}-{int(current.trace_flags):02x}"

    @contextmanager
    def during(self, trace: Trace) -> Iterator[None]:
        """The span of the step, which is made when it has ended, is the current one."""
        span = self._api.NonRecordingSpan(self._context(trace.trace_id, trace.span_id, is_sampled=trace.is_sampled))
        with self._api.use_span(span):
            yield

    def _tracer(self) -> Any:
        """A tracer of ours alone, which draws ids as it is told; others of the provider are left as they are."""
        if self._made is None:
            from opentelemetry.sdk.trace import Tracer  # noqa: PLC0415 - see above

            provider = self._provider or self._api.get_tracer_provider()
            tracer = provider.get_tracer(NAME)
            if not isinstance(tracer, Tracer):
                return tracer  # that of nobody, while the host has set no provider
            tracer.id_generator = _generator(tracer.id_generator)
            self._made = tracer
        return self._made

    def _below(self, trace: Trace) -> Context:
        """The context in which the span begins: below its parent, or at the beginning of its trace."""
        from opentelemetry.context import Context  # noqa: PLC0415 - see above

        if trace.parent_id is None:
            return Context()
        parent = self._context(trace.trace_id, trace.parent_id, is_sampled=trace.is_sampled)
        return self._api.set_span_in_context(self._api.NonRecordingSpan(parent), Context())

    def _context(self, trace_id: str, span_id: str, *, is_sampled: bool) -> SpanContext:
        flags = self._api.TraceFlags(int(is_sampled))
        return self._api.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=flags)


def _title(event: Event) -> str:
    """The name of a span says which one it is: `step charge`, `run Order`, `command cancel`, `turn`."""
    about = {"run": "workflow", "step": "step", "command": "verb"}.get(event.name)
    return event.name if about is None else f"{event.name} {event.attributes.get(about, '')}".rstrip()


def _attributes(event: Event) -> dict[str, Any]:
    said: dict[str, Any] = {f"squidie.{name}": value for name, value in event.attributes.items()}
    said |= {f"squidie.{name}": value for name, value in event.measures.items() if name != "seconds"}
    if event.run_id is not None:
        said["squidie.run_id"] = str(event.run_id)
    if event.attempt is not None:
        said["squidie.attempt"] = event.attempt
    return said


class _Ids:
    """The ids of the span that is about to be made in this thread."""

    def __init__(self) -> None:
        self._wanted: ContextVar[Trace | None] = ContextVar("squidie_span", default=None)

    @contextmanager
    def given(self, trace: Trace) -> Iterator[None]:
        token = self._wanted.set(trace)
        try:
            yield
        finally:
            self._wanted.reset(token)

    @property
    def wanted(self) -> Trace | None:
        return self._wanted.get()


_ids = _Ids()


def _generator(else_by: Any) -> Any:
    """Draws the ids that are wanted, and where none are asks the one that was there."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator  # noqa: PLC0415 - see above

    class Derived(IdGenerator):
        def generate_span_id(self) -> int:
            wanted = _ids.wanted
            return int(wanted.span_id, 16) if wanted is not None else int(else_by.generate_span_id())

        def generate_trace_id(self) -> int:
            wanted = _ids.wanted
            return int(wanted.trace_id, 16) if wanted is not None else int(else_by.generate_trace_id())

    return Derived()
