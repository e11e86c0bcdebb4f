"""Names of the headers on the wire; the reference in the docs is generated from `WIRE_HEADERS`."""

from __future__ import annotations

from typing import NamedTuple

SPECVERSION = "ce_specversion"
ID = "ce_id"
TYPE = "ce_type"
SOURCE = "ce_source"
TIME = "ce_time"
SUBJECT = "ce_subject"
SEQUENCE = "ce_sequence"
CORRELATION_ID = "ce_correlationid"
CAUSATION_ID = "ce_causationid"
DATASCHEMA = "ce_dataschema"
CONTENT_TYPE = "content-type"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"

STRUCTURED_MEDIA_TYPE = "application/cloudevents"
"""A `content-type` that starts like this marks CloudEvents' structured mode (or batch, which isn't read)."""


class WireHeader(NamedTuple):
    """One header of the wire format.

    Attributes:
        name: As written.
        max_bytes: A longer value is dropped and counted when read, and refused when written.
        meaning: For the reference.
    """

    name: str
    max_bytes: int
    meaning: str


WIRE_HEADERS = (
    WireHeader(SPECVERSION, 256, "CloudEvents version, always `1.0`"),
    WireHeader(ID, 256, "id of the event; UUIDv7 unless given"),
    WireHeader(TYPE, 256, "type of the event, e.g. `OrderPlaced`"),
    WireHeader(SOURCE, 1024, "service that published it, e.g. `/billing`"),
    WireHeader(TIME, 256, "when it happened, RFC 3339, UTC"),
    WireHeader(SUBJECT, 1024, "id of the aggregate, e.g. the order id"),
    WireHeader(
        SEQUENCE, 256, "position in the aggregate's stream; (subject, sequence) is the natural dedupe key"
    ),
    WireHeader(CORRELATION_ID, 256, "id of the flow"),
    WireHeader(CAUSATION_ID, 256, "id of the event that caused this one"),
    WireHeader(DATASCHEMA, 1024, "schema and version, e.g. `OrderPlaced/2`, or a registry URI"),
    WireHeader(CONTENT_TYPE, 256, "of the payload"),
    WireHeader(TRACEPARENT, 256, "W3C trace context"),
    WireHeader(TRACESTATE, 2048, "W3C trace context, vendor part"),
    WireHeader(BAGGAGE, 8192, "W3C baggage; only keys on the allow-list travel"),
)

MAX_SEQUENCE = 2**63 - 1
"""The last position in a stream: what databases and other languages can keep."""

MAX_BYTES = {header.name: header.max_bytes for header in WIRE_HEADERS}

CORRELATION_ALIASES = (
    "correlation_id",
    "correlationId",
    "correlation-id",
    "correlationid",
    "X-Correlation-ID",
    "X-Correlation-Id",
    "x-correlation-id",
    "kafka_correlationId",
    "NServiceBus.ConversationId",
    "NServiceBus.CorrelationId",
    "MT-Conversation-Id",
    "MT-Correlation-Id",
    "ConversationId",
    "CorrelationId",
    "ce-correlationid",
    "amqp.correlation_id",
)
"""Headers in which other libraries carry a correlation id; the first one present, in this order, is taken."""
