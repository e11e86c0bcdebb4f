"""Bodies of OTLP trace requests, protobuf or JSON, compressed or not, to spans.

https://opentelemetry.io/docs/specs/otlp/ : JSON is protobuf's JSON mapping, except that trace and span ids
are hex, not base64. Whatever a sender writes is capped here; nothing further in has to.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from flowtrail_collector.spans.compression import BodyError
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


@dataclass(frozen=True, slots=True)
class Decoded:
    """One request.

    Attributes:
        spans: What can be kept.
        rejected: How many spans can't.
        reason: Why the first of those can't, and of what is kept, what isn't; empty if everything is.
    """

    spans: list[Span]
    rejected: int = 0
    reason: str = ""


# What couldn't be kept of spans that are, one phrase each.
Lost = set[str]


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
    lost: Lost = set()
    for resource_spans in request.resource_spans:
        resource = _resource(_attributes(resource_spans.resource.attributes, lost))
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            names = scope.name[:MAX_NAME_LENGTH], scope.version[:MAX_NAME_LENGTH]
            told = _attributes(scope.attributes, lost)
            for message in scope_spans.spans:
                problem = _problem(message)
                if problem:
                    rejected += 1
                    reason = reason or problem
                else:
                    spans.append(_span(message, resource, *names, told, lost))
    if lost:
        kept = f"kept without {', '.join(sorted(lost))}"
        reason = f"{reason}; others {kept}" if reason else f"spans were {kept}"
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


def _span(
    message: trace_pb2.Span,
    resource: Resource,
    scope: str,
    scope_version: str,
    scope_attributes: dict[str, AttributeValue],
    lost: Lost,
) -> Span:
    parent = message.parent_span_id
    start_ns = message.start_time_unix_nano
    kind = _KINDS.get(message.kind)
    if kind is None:
        lost.add("a kind that OTLP doesn't have")
    if parent and (len(parent) != 8):
        lost.add("a parent_span_id that is not 8 bytes")
    span = Span(
        message.trace_id.hex(),
        message.span_id.hex(),
        parent.hex() if len(parent) == 8 and parent != _NO_SPAN else None,
        resource,
        message.name[:MAX_NAME_LENGTH],
        kind or SpanKind.UNSPECIFIED,
        start_ns,
        max(start_ns, message.end_time_unix_nano),
        attributes=_attributes(message.attributes, lost),
        scope=scope,
        scope_version=scope_version,
        trace_state=message.trace_state[:MAX_TEXT_LENGTH],
        scope_attributes=scope_attributes,
    )
    if message.HasField("status"):
        status = _STATUSES.get(message.status.code)
        if status is None:
            lost.add("a status code that OTLP doesn't have")
        span.status = status or SpanStatus.UNSET
        span.status_message = message.status.message[:MAX_TEXT_LENGTH]
    if message.events:
        span.events = tuple(_event(event, lost) for event in message.events[:MAX_EVENTS])
        if len(message.events) > MAX_EVENTS:
            lost.add(f"events beyond {MAX_EVENTS}")
    if message.links:
        span.links = _links(message.links[:MAX_LINKS], lost)
        if len(message.links) > MAX_LINKS:
            lost.add(f"links beyond {MAX_LINKS}")
    return span


def _event(message: trace_pb2.Span.Event, lost: Lost) -> SpanEvent:
    time_ns = min(message.time_unix_nano, _MAX_TIME_NS)
    return SpanEvent(message.name[:MAX_NAME_LENGTH], time_ns, _attributes(message.attributes, lost))


def _links(messages: Sequence[trace_pb2.Span.Link], lost: Lost) -> tuple[SpanLink, ...]:
    if any(message.trace_state for message in messages):
        lost.add("the trace_state of links")
    links = tuple(
        SpanLink(message.trace_id.hex(), message.span_id.hex(), _attributes(message.attributes, lost))
        for message in messages
        if len(message.trace_id) == 16 and len(message.span_id) == 8
    )
    if len(links) < len(messages):
        lost.add("links without ids")
    return links


def _attributes(pairs: Iterable[KeyValue], lost: Lost, depth: int = 0) -> dict[str, AttributeValue]:
    result: dict[str, AttributeValue] = {}
    for pair in pairs:
        if len(result) >= MAX_ATTRIBUTES:
            lost.add(f"attributes beyond {MAX_ATTRIBUTES}")
            break
        # Texts are nearly all there is, and this is the hottest part of the receiver: each access costs.
        key, value = pair.key, pair.value
        text = value.string_value
        if len(key) > MAX_NAME_LENGTH:
            key = key[:MAX_NAME_LENGTH]
            lost.add(f"the ends of names beyond {MAX_NAME_LENGTH} characters")
        if not text:
            result[key] = _value(value, depth, lost)
        elif len(text) <= MAX_TEXT_LENGTH:
            result[key] = text
        else:
            result[key] = _cut(text, lost)
    return result


def _cut(text: str, lost: Lost) -> str:
    if len(text) > MAX_TEXT_LENGTH:
        lost.add(f"the ends of values beyond {MAX_TEXT_LENGTH} characters or bytes")
    return text[:MAX_TEXT_LENGTH]


def _value(value: AnyValue, depth: int, lost: Lost) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _cut(value.string_value, lost)
    if kind == "bool_value":
        return value.bool_value
    if kind == "int_value":
        return value.int_value
    if kind == "double_value":
        return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
    if kind == "bytes_value":
        data = value.bytes_value
        if len(data) > MAX_TEXT_LENGTH:
            lost.add(f"the ends of values beyond {MAX_TEXT_LENGTH} characters or bytes")
        return base64.b64encode(data[:MAX_TEXT_LENGTH]).decode()
    if kind is not None and depth >= _MAX_DEPTH:
        lost.add(f"values more than {_MAX_DEPTH} deep")
        return None
    if kind == "array_value":
        values = value.array_value.values
        if len(values) > MAX_ATTRIBUTES:
            lost.add(f"items of lists beyond {MAX_ATTRIBUTES}")
        return [_value(item, depth + 1, lost) for item in values[:MAX_ATTRIBUTES]]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values, lost, depth + 1)
    return None
