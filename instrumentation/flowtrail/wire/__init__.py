"""The wire format: CloudEvents 1.0 in Kafka record headers, W3C trace context, retry topics, dead letters."""

from flowtrail.wire import dead_letters, names, retry_topics
from flowtrail.wire.envelope import Envelope
from flowtrail.wire.names import CORRELATION_ALIASES, WIRE_HEADERS, WireHeader
from flowtrail.wire.read import read_headers
from flowtrail.wire.record import Header, Record, RecordLike, as_record, record_of, records_of
from flowtrail.wire.structured import is_structured, read_structured
from flowtrail.wire.write import write_headers

__all__ = [
    "CORRELATION_ALIASES",
    "WIRE_HEADERS",
    "Envelope",
    "Header",
    "Record",
    "RecordLike",
    "WireHeader",
    "as_record",
    "dead_letters",
    "is_structured",
    "names",
    "read_headers",
    "read_structured",
    "record_of",
    "records_of",
    "retry_topics",
    "write_headers",
]
