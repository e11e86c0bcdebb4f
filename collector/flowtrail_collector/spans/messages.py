"""Messages of OTLP to spans. Whatever a sender writes is capped here; nothing further in has to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import (
    AttributeValue,
    Resource,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanStatus,
)
from flowtrail_collector.spans.values import (
    MAX_NAME_LENGTH,
    Lost,
    attributes_of,
    capped,
    short,
    tell,
    without_unknown,
)

__all__ = ["Collecting", "Decoded", "Scope", "to_spans"]

MAX_EVENTS = 64
MAX_LINKS = 128
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


@dataclass(frozen=True, slots=True)
class Scope:
    """What all spans of an instrumentation share."""

    name: str
    version: str
    attributes: dict[str, AttributeValue]


class Collecting:
    """The spans of a request, as they are found.

    Args:
        lost: What couldn't be read of it at all.

    Attributes:
        spans: What can be kept so far.
    """

    def __init__(self, lost: Lost) -> None:
        self.spans: list[Span] = []
        self._lost = lost
        self._rejected = 0
        self._reason = ""

    def resource(self, message: trace_pb2.ResourceSpans) -> Resource:
        """What emitted the spans that follow."""
        without_unknown(message, self._lost)
        return _resource(message.resource, message.schema_url, self._lost)

    def scope(self, message: trace_pb2.ScopeSpans) -> Scope:
        """Which instrumentation wrote the spans that follow."""
        return _scope(message, self._lost)

    def add(self, message: trace_pb2.Span, resource: Resource, scope: Scope) -> None:
        """Take a span, or reject it."""
        problem = _problem(message)
        if problem:
            self._rejected += 1
            self._reason = self._reason or problem
        else:
            self.spans.append(_span(message, resource, scope, self._lost))

    def decoded(self) -> Decoded:
        """What was found, with what wasn't kept in words."""
        reason = self._reason
        if self._lost:
            kept = f"kept without {', '.join(sorted(self._lost))}"
            subject = "spans were" if self.spans else "the request was"
            reason = f"{reason}; others {kept}" if reason else f"{subject} {kept}"
        return Decoded(self.spans, self._rejected, reason)


def to_spans(request: ExportTraceServiceRequest, lost: Lost) -> Decoded:
    """The spans of a request.

    Args:
        request: As received.
        lost: What couldn't be read of it at all.
    """
    found = Collecting(lost)
    without_unknown(request, lost)
    for resource_spans in request.resource_spans:
        resource = found.resource(resource_spans)
        for scope_spans in resource_spans.scope_spans:
            scope = found.scope(scope_spans)
            for message in scope_spans.spans:
                found.add(message, resource, scope)
    return found.decoded()


def _resource(message: resource_pb2.Resource, schema_url: str, lost: Lost) -> Resource:
    without_unknown(message, lost)
    attributes = attributes_of(message.attributes, lost)
    service = attributes.get("service.name")
    name = short(service, lost) if isinstance(service, str) and not service.isspace() else ""
    _tell_beside(attributes, message, schema_url, lost)
    if message.entity_refs:
        lost.add("the entity_refs of resources")
    return Resource(name or "unknown_service", attributes)


def _scope(scope_spans: trace_pb2.ScopeSpans, lost: Lost) -> Scope:
    message = scope_spans.scope
    without_unknown(scope_spans, lost)
    without_unknown(message, lost)
    attributes = attributes_of(message.attributes, lost)
    _tell_beside(attributes, message, scope_spans.schema_url, lost)
    return Scope(short(message.name, lost), short(message.version, lost), attributes)


def _tell_beside(
    attributes: dict[str, AttributeValue],
    message: resource_pb2.Resource | InstrumentationScope,
    schema_url: str,
    lost: Lost,
) -> None:
    """What is said of a resource or scope beside its attributes."""
    if schema_url:
        tell(attributes, names.SCHEMA_URL, schema_url, lost)
    _tell_dropped(attributes, message.dropped_attributes_count, lost)


def _tell_dropped(attributes: dict[str, AttributeValue], count: int, lost: Lost) -> None:
    if count:
        tell(attributes, names.DROPPED_ATTRIBUTES, count, lost)


def _problem(message: trace_pb2.Span) -> str:
    trace_id, span_id = message.trace_id, message.span_id
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return "trace_id is not 16 bytes, at least one of them not 0"
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return "span_id is not 8 bytes, at least one of them not 0"
    if not 0 < message.start_time_unix_nano <= _MAX_TIME_NS or message.end_time_unix_nano > _MAX_TIME_NS:
        return "start_time_unix_nano or end_time_unix_nano is not a time"
    return ""


def _span(message: trace_pb2.Span, resource: Resource, scope: Scope, lost: Lost) -> Span:
    parent = message.parent_span_id
    start_ns, end_ns = message.start_time_unix_nano, message.end_time_unix_nano
    name, trace_state = message.name, message.trace_state
    kind = _KINDS.get(message.kind)
    if kind is None:
        lost.add("a kind that OTLP doesn't have")
    if parent and (len(parent) != 8):
        lost.add("a parent_span_id that is not 8 bytes")
    if 0 < end_ns < start_ns:
        lost.add("an end before the start")
    span = Span(
        message.trace_id.hex(),
        message.span_id.hex(),
        parent.hex() if len(parent) == 8 and parent != _NO_SPAN else None,
        resource,
        name if len(name) <= MAX_NAME_LENGTH else short(name, lost),
        kind or SpanKind.UNSPECIFIED,
        start_ns,
        max(start_ns, end_ns),
        attributes=_span_attributes(message, lost),
        scope=scope.name,
        scope_version=scope.version,
        trace_state=capped(trace_state, lost) if trace_state else "",
        scope_attributes=scope.attributes,
        flags=message.flags,
    )
    if message.HasField("status"):
        _set_status(span, message.status, lost)
    if message.events:
        span.events = tuple(_event(event, lost) for event in message.events[:MAX_EVENTS])
        if len(message.events) > MAX_EVENTS:
            lost.add(f"events beyond {MAX_EVENTS}")
    if message.links:
        span.links = _links(message.links[:MAX_LINKS], lost)
        if len(message.links) > MAX_LINKS:
            lost.add(f"links beyond {MAX_LINKS}")
    return span


def _span_attributes(message: trace_pb2.Span, lost: Lost) -> dict[str, AttributeValue]:
    without_unknown(message, lost)
    attributes = attributes_of(message.attributes, lost)
    _tell_dropped(attributes, message.dropped_attributes_count, lost)
    if message.dropped_events_count:
        tell(attributes, names.DROPPED_EVENTS, message.dropped_events_count, lost)
    if message.dropped_links_count:
        tell(attributes, names.DROPPED_LINKS, message.dropped_links_count, lost)
    return attributes


def _set_status(span: Span, message: trace_pb2.Status, lost: Lost) -> None:
    without_unknown(message, lost)
    status = _STATUSES.get(message.code)
    if status is None:
        lost.add("a status code that OTLP doesn't have")
    span.status = status or SpanStatus.UNSET
    span.status_message = capped(message.message, lost)


def _event(message: trace_pb2.Span.Event, lost: Lost) -> SpanEvent:
    without_unknown(message, lost)
    time_ns = message.time_unix_nano
    if time_ns > _MAX_TIME_NS:
        lost.add("the times of events that are not a time")
        time_ns = _MAX_TIME_NS
    attributes = attributes_of(message.attributes, lost)
    _tell_dropped(attributes, message.dropped_attributes_count, lost)
    return SpanEvent(short(message.name, lost), time_ns, attributes)


def _links(messages: Sequence[trace_pb2.Span.Link], lost: Lost) -> tuple[SpanLink, ...]:
    links = tuple(
        _link(message, lost)
        for message in messages
        if len(message.trace_id) == 16 and len(message.span_id) == 8
    )
    if len(links) < len(messages):
        lost.add("links without ids")
    return links


def _link(message: trace_pb2.Span.Link, lost: Lost) -> SpanLink:
    without_unknown(message, lost)
    attributes = attributes_of(message.attributes, lost)
    _tell_dropped(attributes, message.dropped_attributes_count, lost)
    if message.trace_state:
        tell(attributes, names.TRACE_STATE, message.trace_state, lost)
    if message.flags:
        tell(attributes, names.FLAGS, message.flags, lost)
    return SpanLink(message.trace_id.hex(), message.span_id.hex(), attributes)
