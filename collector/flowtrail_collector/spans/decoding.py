"""Bodies of OTLP trace requests, protobuf or JSON, compressed or not, to spans.

https://opentelemetry.io/docs/specs/otlp/ : JSON is protobuf's JSON mapping, except that trace and span ids
are hex, not base64. Whatever a sender writes is capped here; nothing further in has to.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from flowtrail_collector.spans.model import (
    AttributeValue,
    Resource,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanStatus,
)

MAX_TEXT_LENGTH = 4_096
MAX_NAME_LENGTH = 256
MAX_ATTRIBUTES = 128
MAX_EVENTS = 64
MAX_LINKS = 128
_MAX_DEPTH = 4
# What SQLite's 64-bit integers hold; the year 2262.
_MAX_TIME_NS = 2**63 - 1
_KINDS = {kind.value: kind for kind in SpanKind}
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_STATUSES = {status.value: status for status in SpanStatus}
# wbits of zlib.decompressobj: 16 + 15 expects a gzip wrapper, 15 a zlib one (HTTP calls that "deflate").
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class BodyError(Exception):
    """The body can't be used.

    Args:
        status: HTTP status that says so: 400 broken, 413 too large, 415 unknown encoding.
        message: One line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Decoded:
    """One request.

    Attributes:
        spans: What can be kept.
        rejected: How many spans can't.
        reason: Why the first of those can't, empty if all can.
    """

    spans: list[Span]
    rejected: int = 0
    reason: str = ""


def decompressed(body: bytes, encoding: str | None, max_bytes: int) -> bytes:
    """The body as it was before `Content-Encoding`.

    Args:
        body: As received.
        encoding: Value of the `Content-Encoding` header.
        max_bytes: Most that may come out; a small body can hide a huge one.

    Raises:
        BodyError: Unknown encoding, broken or too large.
    """
    name = (encoding or "identity").strip().lower()
    if name in ("identity", ""):
        return body
    bits = _WINDOW_BITS.get(name)
    if bits is None:
        raise BodyError(415, "content-encoding may be gzip or deflate")
    unpacker = zlib.decompressobj(bits)
    try:
        result = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise BodyError(400, f"the body is not {name}: {error}") from error
    if len(result) > max_bytes:
        raise BodyError(413, f"the body is larger than {max_bytes} bytes once decompressed")
    if not unpacker.eof:
        raise BodyError(400, f"the {name} body is cut off")
    return result


def from_protobuf(body: bytes) -> Decoded:
    """Decode a binary request.

    Raises:
        BodyError: Not an `ExportTraceServiceRequest`.
    """
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except (ProtobufError, ValueError) as error:
        raise BodyError(400, "the body is not an ExportTraceServiceRequest in protobuf") from error
    return _decoded(request)


def from_json(body: bytes) -> Decoded:
    """Decode a JSON request.

    Raises:
        BodyError: Not an `ExportTraceServiceRequest`.
    """
    try:
        data = json.loads(body)
        if not isinstance(data, dict):
            raise BodyError(400, "the body is not a JSON object")
        for span in _json_spans(data):
            _ids_to_base64(span)
        request = json_format.ParseDict(data, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except BodyError:
        raise
    # protobuf's JSON reader lets several kinds of errors through for values of unexpected types.
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.Error) as error:
        line = str(error).partition("\n")[0][:200]
        raise BodyError(400, f"the body is not an ExportTraceServiceRequest in JSON: {line}") from error
    return _decoded(request)


def _either(data: Any, camel: str, snake: str) -> list[Any]:
    value = (data.get(camel) or data.get(snake)) if isinstance(data, dict) else None
    return value if isinstance(value, list) else []


def _json_spans(data: dict[str, Any]) -> Iterator[Any]:
    for resource_spans in _either(data, "resourceSpans", "resource_spans"):
        for scope_spans in _either(resource_spans, "scopeSpans", "scope_spans"):
            for span in _either(scope_spans, "spans", "spans"):
                yield span
                yield from _either(span, "links", "links")


def _ids_to_base64(item: Any) -> None:
    if not isinstance(item, dict):
        return
    for name in ("traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"):
        value = item.get(name)
        if isinstance(value, str):
            try:
                item[name] = base64.b64encode(bytes.fromhex(value)).decode()
            except ValueError:
                item[name] = ""  # rejected further on, as one span, not as a whole request


def _decoded(request: ExportTraceServiceRequest) -> Decoded:
    spans: list[Span] = []
    rejected = 0
    reason = ""
    for resource_spans in request.resource_spans:
        resource = _resource(_attributes(resource_spans.resource.attributes))
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            names = scope.name[:MAX_NAME_LENGTH], scope.version[:MAX_NAME_LENGTH]
            for message in scope_spans.spans:
                problem = _problem(message)
                if problem:
                    rejected += 1
                    reason = reason or problem
                else:
                    spans.append(_span(message, resource, *names))
    return Decoded(spans, rejected, reason)


def _resource(attributes: dict[str, AttributeValue]) -> Resource:
    service = attributes.get("service.name")
    name = service.strip()[:MAX_NAME_LENGTH] if isinstance(service, str) else ""
    return Resource(name or "unknown_service", attributes)


def _problem(message: trace_pb2.Span) -> str:
    trace_id, span_id = message.trace_id, message.span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return "trace_id is not 16 bytes, at least one of them not 0"
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return "span_id is not 8 bytes, at least one of them not 0"
    if not 0 < message.start_time_unix_nano <= _MAX_TIME_NS or message.end_time_unix_nano > _MAX_TIME_NS:
        return "start_time_unix_nano or end_time_unix_nano is not a time"
    return ""


def _span(message: trace_pb2.Span, resource: Resource, scope: str, scope_version: str) -> Span:
    parent = message.parent_span_id
    start_ns = message.start_time_unix_nano
    span = Span(
        message.trace_id.hex(),
        message.span_id.hex(),
        parent.hex() if len(parent) == 8 and parent != _NO_SPAN else None,
        resource,
        message.name[:MAX_NAME_LENGTH],
        _KINDS.get(message.kind, SpanKind.UNSPECIFIED),
        start_ns,
        max(start_ns, message.end_time_unix_nano),
        attributes=_attributes(message.attributes),
        scope=scope,
        scope_version=scope_version,
        trace_state=message.trace_state[:MAX_TEXT_LENGTH],
    )
    if message.HasField("status"):
        span.status = _STATUSES.get(message.status.code, SpanStatus.UNSET)
        span.status_message = message.status.message[:MAX_TEXT_LENGTH]
    if message.events:
        span.events = tuple(_event(event) for event in message.events[:MAX_EVENTS])
    if message.links:
        span.links = _links(message.links[:MAX_LINKS])
    return span


def _event(message: trace_pb2.Span.Event) -> SpanEvent:
    time_ns = min(message.time_unix_nano, _MAX_TIME_NS)
    return SpanEvent(message.name[:MAX_NAME_LENGTH], time_ns, _attributes(message.attributes))


def _links(messages: Iterable[trace_pb2.Span.Link]) -> tuple[SpanLink, ...]:
    return tuple(
        SpanLink(message.trace_id.hex(), message.span_id.hex(), _attributes(message.attributes))
        for message in messages
        if len(message.trace_id) == 16 and len(message.span_id) == 8
    )


def _attributes(pairs: Iterable[KeyValue], depth: int = 0) -> dict[str, AttributeValue]:
    result: dict[str, AttributeValue] = {}
    for pair in pairs:
        if len(result) >= MAX_ATTRIBUTES:
            break
        # Texts are nearly all there is, and this is the hottest part of the receiver: each access costs.
        key, value = pair.key, pair.value
        text = value.string_value
        if len(key) > MAX_NAME_LENGTH:
            key = key[:MAX_NAME_LENGTH]
        if not text:
            result[key] = _value(value, depth)
        else:
            result[key] = text if len(text) <= MAX_TEXT_LENGTH else text[:MAX_TEXT_LENGTH]
    return result


def _value(value: AnyValue, depth: int) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value[:MAX_TEXT_LENGTH]
    if kind == "bool_value":
        return value.bool_value
    if kind == "int_value":
        return value.int_value
    if kind == "double_value":
        return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value[:MAX_TEXT_LENGTH]).decode()
    if depth >= _MAX_DEPTH:
        return None
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values[:MAX_ATTRIBUTES]]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values, depth + 1)
    return None
