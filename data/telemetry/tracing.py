"""Traces: what belongs to one request, through all processes that work on it.

Every request has a trace, and its ``traceparent`` (W3C Trace Context) goes with the run that it makes, in a label that
Prefect itself knows. So log lines are joined by the trace's id also where nobody collects spans. Where an endpoint is
set, spans are exported to it (OTLP over HTTP): Prefect's own of runs and tasks, and ours of requests and media tools.
The SDK is imported, and its thread started, with the first span of a process: a fork server can be set up before it
forks, and where there is no endpoint the SDK costs nothing.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACE_LABEL = "__OTEL_TRACEPARENT"
"""Label of a flow run (Prefect's): its span, and those of what it starts, become children of this ``traceparent``."""

_HEADER = "traceparent"
_SCOPE = "dailies"
_W3C = TraceContextTextMapPropagator()
_MOST_CHARACTERS = 200

Attributes = Mapping[str, str | int | float | bool]
Label = bool | int | float | str


def export_traces(endpoint: str, service: str) -> None:
    """Have this process, and its forks, export their spans.

    Args:
        endpoint: Base address of an OTLP/HTTP collector (``http://127.0.0.1:4318``).
        service: What the process is (``dailies-api``).
    """
    if not isinstance(trace.get_tracer_provider(), _LazyProvider):
        trace.set_tracer_provider(_LazyProvider(f"{endpoint.rstrip('/')}/v1/traces", service))


def flush_traces() -> None:
    """Export what is finished; for processes that end without Python's ``atexit``."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, _LazyProvider):
        provider.flush()


@contextmanager
def request_span(name: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """Work on a request: in the trace that its ``traceparent`` names, else in a new one."""
    context = _context(headers.get(_HEADER, ""))
    tracer = trace.get_tracer(_SCOPE)
    span = tracer.start_span(name, context, SpanKind.SERVER)
    if not span.get_span_context().is_valid:  # nothing is exported, and the caller has named no trace
        span = NonRecordingSpan(_new_place())
    place = attach(trace.set_span_in_context(span))
    try:
        yield span
    finally:
        detach(place)
        span.end()


@contextmanager
def span(
    name: str, attributes: Attributes | None = None, *, parent: str | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """Record a piece of work, as a part of what is under way here.

    Args:
        name: What is done; of few different values.
        attributes: Facts about it.
        parent: ``traceparent`` of what it is a part of, where that is not under way in this thread.
        kind: Client for calls of others' services.
    """
    context = None if trace.get_current_span().get_span_context().is_valid else _context(parent or "")
    tracer = trace.get_tracer(_SCOPE)
    with tracer.start_as_current_span(name, context, kind, attributes=dict(attributes or {})) as started:
        yield started


def current_traceparent() -> str | None:
    """Return the ``traceparent`` of what is under way here."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get(_HEADER)


def trace_labels() -> dict[str, Label]:
    """Return the labels of a run that is made here: it belongs to what is under way."""
    return labels_of(current_traceparent())


def labels_of(traceparent: str | None) -> dict[str, Label]:
    """Return the labels of a run that belongs to what a ``traceparent`` names, if it names anything."""
    return {TRACE_LABEL: traceparent} if traceparent else {}


def current_trace_id() -> str | None:
    """Return the id of the trace that is under way here."""
    return _trace_id(trace.get_current_span().get_span_context())


def trace_id_of(traceparent: str) -> str | None:
    """Return the id of the trace that a ``traceparent`` names."""
    return _trace_id(trace.get_current_span(_context(traceparent)).get_span_context())


def _trace_id(place: SpanContext) -> str | None:
    return trace.format_trace_id(place.trace_id) if place.is_valid else None


def _context(traceparent: str) -> Context:
    if not traceparent or len(traceparent) > _MOST_CHARACTERS:
        return Context()
    return _W3C.extract({_HEADER: traceparent}, Context())


def _new_place() -> SpanContext:
    numbers = os.urandom(24)
    trace_id, span_id = int.from_bytes(numbers[:16]), int.from_bytes(numbers[16:])
    return SpanContext(trace_id, span_id, False, TraceFlags(TraceFlags.SAMPLED))


class _LazyProvider(TracerProvider):
    """Makes the SDK's provider when this process's first tracer is asked for; a forked child makes its own."""

    def __init__(self, address: str, service: str) -> None:
        self._address = address
        self._service = service
        self._real: Any = None
        self._process_id = 0
        self._making = threading.Lock()

    def get_tracer(self, *arguments: Any, **options: Any) -> Tracer:
        """Return a tracer of the SDK."""
        if self._process_id != os.getpid():
            self._making = threading.Lock()  # the parent's may have been held at the moment of the fork
            self._real, self._process_id = None, os.getpid()
        with self._making:
            self._real = self._real or self._started()
        tracer: Tracer = self._real.get_tracer(*arguments, **options)
        return tracer

    def flush(self) -> None:
        """Export what is finished, if anything was ever begun in this process."""
        if self._real is not None and self._process_id == os.getpid():
            self._real.force_flush(5000)

    def _started(self) -> Any:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = SdkProvider(resource=Resource.create({"service.name": self._service}))
        exporter = OTLPSpanExporter(self._address, timeout=5)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        return provider
