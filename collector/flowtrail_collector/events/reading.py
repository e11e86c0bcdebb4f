"""From a record to what is kept of its event."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from types import ModuleType
from typing import Any, NamedTuple

from flowtrail.wire import Envelope, is_structured, read_headers, read_structured
from flowtrail_collector.events.identity import flow_of, place_id
from flowtrail_collector.events.model import EventRow

__all__ = ["Incoming", "PlainReader", "plain_reader", "read_envelope", "read_event", "read_plain_event"]

_MAX_KEY = 256
_MAX_INT = 2**63 - 1
_MAX_STRUCTURED_BYTES = 1_048_576
_DAY_MS = 86_400_000
# The smallest of the limits on the texts that `read_plain_event` joins.
_PLAIN_LENGTH = 256
_MAX_DIGITS = 18
_MAX_MOMENT = 64
_JSON = b"application/json"
# For a header that isn't there, so that it can be joined like the others; known by being this very object.
_ABSENT = b"absent"
_USUAL_TRACEPARENT = re.compile("[^-]*-(?!0{32}-)([0-9a-f]{32})-(?!0{16}-)([0-9a-f]{16})-").match
_HEX = re.compile("[0-9a-fA-F]+").fullmatch
_OTHER_MEDIA_TYPES = frozenset({"Content-Type", "contentType"})


class Incoming(NamedTuple):
    """A record as the tail hands it over.

    Attributes:
        timestamp_ms: The record's, in milliseconds since the epoch; None if it has none.
        headers: Whatever the client gave.
        dead_letter: It stands in a dead letter topic.
        retry: It stands in a retry topic: another copy of an event that stands elsewhere.
        value: Gives its value, which is looked at only if the event is in there (structured mode).
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None
    dead_letter: bool = False
    retry: bool = False
    value: Callable[[], bytes | None] | None = None


PlainReader = Callable[[Incoming], EventRow | None]
"""Reads the row of an event as `read_plain_event` does."""


def read_envelope(record: Incoming) -> Envelope:
    """What a record's headers, and in structured mode its value, say."""
    envelope = read_headers(record.headers)
    if envelope.content_type is not None and record.value is not None and is_structured(envelope):
        value = record.value()
        if value is not None and len(value) <= _MAX_STRUCTURED_BYTES:
            envelope = read_structured(envelope, value)
    return envelope


def read_plain_event(record: Incoming) -> EventRow | None:
    """The row of an event as flowtrail itself writes them, in a third of the time of `read_event`.

    Returns:
        None if anything about its headers is unusual; `read_event` then decides. Otherwise the same row.
    """
    try:
        pairs: Any = record.headers  # whatever is not as it should be raises
        headers = dict(pairs)
        own, kind, source = headers["ce_id"], headers["ce_type"], headers["ce_source"]
        subject, flow = headers["ce_subject"], headers["ce_correlationid"]
        cause, schema = headers.get("ce_causationid", _ABSENT), headers.get("ce_dataschema", _ABSENT)
        joined = b"".join((own, kind, source, subject, flow, cause, schema))
        number = headers.get("ce_sequence")
        moment, parent = headers.get("ce_time", b"-").decode(), headers.get("traceparent", b"-").decode()
        if (
            len(joined) > _PLAIN_LENGTH
            or not joined.isascii()
            or len(headers) != len(pairs)  # two headers of one name leave fewer entries than pairs
            or not (own and kind and source and subject and flow and cause and schema)
            or not joined.decode().isprintable()
            or (number is not None and not (number.isdigit() and len(number) <= _MAX_DIGITS))
            or headers.get("content-type", _JSON) != _JSON
            or not _OTHER_MEDIA_TYPES.isdisjoint(headers)
            or not (moment and moment.isprintable() and parent.isprintable())
            or len(moment) > _MAX_MOMENT
            or len(parent) > _PLAIN_LENGTH
        ):
            return None
        trace_id, span_id = _trace_context(parent)
        key = record.key
        return EventRow(
            record.topic, record.partition, record.offset, own.decode(), kind.decode(), source.decode(),
            subject.decode(), None if number is None else int(number), flow.decode(),
            None if cause is _ABSENT or cause == own else cause.decode(),
            _event_time(moment, record.timestamp_ms), record.timestamp_ms, trace_id, span_id,
            None if schema is _ABSENT else schema.decode(),
            key[:_MAX_KEY].decode("utf-8", "replace") if key else None, record.dead_letter,
        )  # fmt: skip
    except (TypeError, ValueError, KeyError, AttributeError):
        return None


def plain_reader(speedups: ModuleType | None) -> PlainReader:
    """`read_plain_event`, or its compiled counterpart, which leaves more to `read_event`."""
    if speedups is None:
        return read_plain_event
    read: PlainReader = speedups.EventReader(EventRow, Incoming, _event_time, _trace_context).read
    return read


def read_event(record: Incoming, envelope: Envelope) -> EventRow:
    """The row of an event; its envelope has a type."""
    trace_id, span_id = _trace_context(envelope.traceparent)
    own = envelope.id or place_id(record.topic, record.partition, record.offset)
    return EventRow(
        record.topic,
        record.partition,
        record.offset,
        own,
        envelope.type or "",
        envelope.source,
        envelope.subject,
        envelope.sequence if envelope.sequence is None or abs(envelope.sequence) <= _MAX_INT else None,
        flow_of(envelope.correlation_id, own),
        # Headers that a program passed on from one event to the next say so: an event is never its own cause.
        envelope.causation_id if envelope.causation_id != own else None,
        _event_time(envelope.time_text, record.timestamp_ms),
        record.timestamp_ms,
        trace_id,
        span_id,
        envelope.dataschema,
        record.key[:_MAX_KEY].decode("utf-8", "replace") if record.key else None,
        record.dead_letter,
    )


def _event_time(text: str | None, timestamp_ms: int | None) -> int | None:
    """When it happened; not believed if it lies a day after the record was written."""
    if text is None:
        return timestamp_ms
    try:
        moment = datetime.fromisoformat(text)
        time_ms = int(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        return timestamp_ms
    if moment.tzinfo is None or time_ms < 0:
        return timestamp_ms
    if timestamp_ms is not None and time_ms > timestamp_ms + _DAY_MS:
        return timestamp_ms
    return time_ms


def _trace_context(traceparent: str | None) -> tuple[str | None, str | None]:
    if traceparent and (usual := _USUAL_TRACEPARENT(traceparent)):
        return usual[1], usual[2]
    parts = traceparent.split("-") if traceparent else []
    if len(parts) < 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
        return None, None
    # Upper case is read as lower case: some tracers write it.
    if not (_HEX(parts[1]) and _HEX(parts[2])) or int(parts[1], 16) == 0 or int(parts[2], 16) == 0:
        return None, None
    return parts[1].lower(), parts[2].lower()
