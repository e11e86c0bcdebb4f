"""CloudEvents' structured mode: attributes and data together in the payload, as JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from flowtrail.wire import names
from flowtrail.wire.envelope import Envelope
from flowtrail.wire.read import read_headers

_HEADER_OF = {
    **{name.removeprefix("ce_"): name for name in names.MAX_BYTES if name.startswith("ce_")},
    "datacontenttype": names.CONTENT_TYPE,
    "traceparent": names.TRACEPARENT,
    "tracestate": names.TRACESTATE,
}


def is_structured(envelope: Envelope) -> bool:
    """Whether the content type announces one CloudEvent as JSON."""
    media_type = (envelope.content_type or "")[:64].lower()
    return media_type.startswith((names.STRUCTURED_MEDIA_TYPE + "+json", names.STRUCTURED_MEDIA_TYPE + ";"))


def read_structured(envelope: Envelope, value: Any) -> Envelope:
    """Read the event in a record's value; attributes there win over headers.

    Args:
        envelope: What the record's headers said.
        value: The record's value: bytes, or a mapping if the client has already decoded it.

    Returns:
        A new envelope with `structured` set; the given one, with a drop noted, if the value is no CloudEvent.
    """
    try:
        event = value if isinstance(value, Mapping) else json.loads(value)
        if not isinstance(event, Mapping) or "specversion" not in event:
            raise ValueError("no CloudEvent")
        attributes = [
            (_HEADER_OF[name], str(content).encode())
            for name, content in event.items()
            if name in _HEADER_OF and isinstance(content, str | int) and not isinstance(content, bool)
        ]
        data = _data_of(event)
    except (TypeError, ValueError, RecursionError, AttributeError):
        envelope.drop("structured")
        return envelope
    inner = read_headers(attributes)
    merged = Envelope()
    merged.__dict__.update({**envelope.__dict__, **inner.__dict__})
    merged.dropped = envelope.dropped + inner.dropped
    merged.structured = True
    merged.content_type = inner.content_type or "application/json"
    merged.data = data
    merged.has_data = "data" in event or data is not None
    return merged


def _data_of(event: Mapping[str, Any]) -> Any:
    encoded = event.get("data_base64")
    if encoded is None:
        return event.get("data")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("data_base64 is not base64") from error
