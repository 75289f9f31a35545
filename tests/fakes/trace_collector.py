"""An OpenTelemetry collector: takes spans as OTLP over HTTP, and knows which belongs to which."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class TakenSpan:
    """One span as it was exported."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]


@dataclass
class TraceCollector:
    """What was exported so far."""

    endpoint: str
    spans: list[TakenSpan] = field(default_factory=list)

    def trace(self, trace_id: str) -> list[TakenSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def path(self, span: TakenSpan) -> list[str]:
        """Return the names from the root of its trace down to a span."""
        by_id = {each.span_id: each for each in self.spans}
        names = [span.name]
        while span.parent_id in by_id:
            span = by_id[span.parent_id]
            names.insert(0, span.name)
        return names


@contextmanager
def trace_collector() -> Iterator[TraceCollector]:
    """Serve a collector on a free port of this machine."""
    collector = TraceCollector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                collector.spans += taken(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


def taken(request: ExportTraceServiceRequest) -> list[TakenSpan]:
    found = []
    for resource in request.resource_spans:
        facts = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {each.key: each.value.string_value for each in span.attributes}
                found.append(
                    TakenSpan(
                        service=facts.get("service.name", ""),
                        name=span.name,
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        attributes=attributes,
                    )
                )
    return found
