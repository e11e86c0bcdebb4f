"""The wire format: CloudEvents 1.0 in Kafka record headers, with W3C trace context."""

from flowtrail._headers.envelope import Envelope
from flowtrail._headers.names import CORRELATION_ALIASES, WIRE_HEADERS, WireHeader
from flowtrail._headers.read import read_headers
from flowtrail._headers.write import write_headers

__all__ = [
    "CORRELATION_ALIASES",
    "WIRE_HEADERS",
    "Envelope",
    "WireHeader",
    "read_headers",
    "write_headers",
]
