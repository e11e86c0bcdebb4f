"""Reading record headers: never raises, whatever the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowtrail._headers import names
from flowtrail._headers.envelope import Envelope

_FIELDS = {
    names.ID: "id",
    names.TYPE: "type",
    names.SOURCE: "source",
    names.TIME: "time_text",
    names.SUBJECT: "subject",
    names.SEQUENCE: "sequence",
    names.CORRELATION_ID: "correlation_id",
    names.CAUSATION_ID: "causation_id",
    names.DATASCHEMA: "dataschema",
    names.CONTENT_TYPE: "content_type",
    names.TRACEPARENT: "traceparent",
    names.TRACESTATE: "tracestate",
    names.BAGGAGE: "baggage",
}


def read_headers(headers: Any, aliases: Sequence[str] = names.CORRELATION_ALIASES) -> Envelope:
    """Parse the headers of a record.

    Args:
        headers: The record's headers as the client hands them over: an iterable of (name, value), or None.
        aliases: Other names for a correlation id, by preference.
    """
    envelope = Envelope()
    raw: dict[str, bytes] = {}
    for name, value in headers or ():
        raw[name] = value
    for name, field in _FIELDS.items():
        value = raw.get(name)
        if value is not None:
            text = value.decode()
            setattr(envelope, field, int(text) if field == "sequence" else text)
    return envelope
