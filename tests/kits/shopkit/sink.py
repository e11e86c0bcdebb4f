"""An OTLP/HTTP receiver that keeps what it gets."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from httpkit import Answer, Asked, serving


class Sink:
    """Spans, as (service, trace id, name)."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[tuple[str, str, str]] = []

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    (names["service.name"], span.trace_id.hex(), span.name) for span in scope.spans
                ]


@contextmanager
def sink() -> Iterator[Sink]:
    """A receiver while the block runs."""
    kept = Sink()

    def take(asked: Asked) -> Answer:
        packed = asked.headers.get("content-encoding") == "gzip"
        kept.take(gzip.decompress(asked.body) if packed else asked.body)
        return 200, ""

    with serving(take) as kept.url:
        yield kept
