"""A big OTLP request."""

from __future__ import annotations

import os
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def spans_request(count: int = 2_000) -> bytes:
    """Spans of one service, in protobuf."""
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    part.resource.attributes.add(key="service.name").value.string_value = "flood"
    scope = part.scope_spans.add()
    now = time.time_ns()
    for _ in range(count):
        scope.spans.add(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name="send orders",
            start_time_unix_nano=now,
            end_time_unix_nano=now + 1,
        )
    return request.SerializeToString()
