"""Spans as the collector knows them, whatever format they arrived in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from flowtrail_collector.spans.attributes import LOOKED_UP

AttributeValue = (
    str | bool | int | float | bytes | list["AttributeValue"] | dict[str, "AttributeValue"] | None
)
Attributes = Mapping[str, AttributeValue]


class SpanKind(IntEnum):
    """OTLP's numbers."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class SpanStatus(IntEnum):
    """OTLP's numbers."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Resource:
    """What emitted a span.

    Attributes:
        service: `service.name`, or `unknown_service`.
        attributes: All resource attributes.
    """

    service: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at one moment of a span, such as an exception."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A reference to a span that isn't the parent."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


# Nobody changes one, but a frozen class takes three times as long to make, and making them is what receiving does.
@dataclass(slots=True)
class Span:
    """One operation of one service.

    Attributes:
        trace_id: 32 lower-case hex digits.
        span_id: 16 lower-case hex digits.
        parent_span_id: 16 hex digits, None for a root.
        resource: What emitted it.
        name: For people, e.g. `send orders`.
        kind: Server, client, producer, ...
        start_ns: Nanoseconds since the epoch (UTC), by the emitter's clock.
        end_ns: The same; never before `start_ns`.
        status: Unset, ok or error.
        status_message: What the emitter said about an error.
        attributes: Values capped in length and number when received.
        events: In the order received.
        links: Other spans it refers to.
        scope: Name of the instrumentation.
        scope_version: Its version.
        trace_state: W3C `tracestate`.
        scope_attributes: What the instrumentation says of itself; the same object for all of its spans.
        flags: OTLP's: W3C trace flags in the lowest 8 bits, then whether the parent is remote.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    resource: Resource
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    status: SpanStatus = SpanStatus.UNSET
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    scope: str = ""
    scope_version: str = ""
    trace_state: str = ""
    scope_attributes: Attributes = field(default_factory=dict)
    flags: int = 0

    @property
    def service(self) -> str:
        """Name of the service that emitted it."""
        return self.resource.service

    def text(self, *names: str) -> str | None:
        """The first of these attributes that is a non-empty text or a number, as text."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, str) and value:
                return value
            if isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
        return None

    def number(self, *names: str) -> int | None:
        """The first of these attributes that is a whole number (also written as text)."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
                return int(value)
        return None

    def lookup_values(self) -> set[str]:
        """Correlation id, message id and subject: what this span can be found by."""
        found = set()
        for name in LOOKED_UP:
            value = self.attributes.get(name)
            # Nearly all are texts, and every span that is received passes here.
            if type(value) is str:
                if value:
                    found.add(value)
            elif value is not None and (text := self.text(name)):
                found.add(text)
        return found
