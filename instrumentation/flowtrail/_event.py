"""The event as a handler sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from flowtrail.wire import Envelope, Header, RecordLike

D = TypeVar("D")

_MAX_RECORD_ID = 256  # topics are ASCII; see the wire format's limit of `ce_id`


@dataclass(frozen=True, slots=True)
class Event(Generic[D]):
    """One consumed event: what its headers say, its data, and where it was read.

    Attributes:
        id: `ce_id`; for a record without one, `topic/partition/offset`, the same on every redelivery.
        type: `ce_type`, None for a record that isn't a CloudEvent.
        source: `ce_source`.
        time: When it happened, with time zone; None if the record doesn't say.
        subject: Aggregate id, e.g. the order id.
        sequence: Position in the aggregate's stream.
        correlation_id: Id of the flow; for a record that names none, the event's own id.
        causation_id: Id of the event that caused this one.
        dataschema: Schema and version, e.g. `OrderPlaced/2`.
        content_type: Of the payload.
        data: The decoded payload; None for a tombstone, for an event without data, and for JSON's null.
        key: Record key as the client handed it over.
        topic: Topic it was read from.
        partition: Partition number.
        offset: Offset within the partition.
        timestamp: The record's own timestamp, UTC.
        headers: All headers of the record, untouched.
        attempt: 1 for the first try, counting on with each retry.
    """

    id: str
    type: str | None
    source: str | None
    time: datetime | None
    subject: str | None
    sequence: int | None
    correlation_id: str
    causation_id: str | None
    dataschema: str | None
    content_type: str | None
    data: D
    key: Any
    topic: str
    partition: int
    offset: int
    timestamp: datetime | None
    headers: list[Header]
    attempt: int = 1

    @property
    def version(self) -> str | None:
        """The version in a `dataschema` of the form `Type/Version`, else None."""
        if self.dataschema is None or self.dataschema.count("/") != 1:
            return None
        return self.dataschema.partition("/")[2] or None


def build_event(
    record: RecordLike,
    envelope: Envelope,
    *,
    attempt: int = 1,
    decode: Callable[[Envelope, Any], Any] | None = None,
) -> Event[Any]:
    """Put an event together from a record and its parsed headers.

    Args:
        record: The record of any client, or a `Record`.
        envelope: What `read_headers` made of its headers.
        attempt: Which try this is, from 1.
        decode: Called with the envelope and the value to make the data; without it the data is the value.
            In structured mode the value is the data that came with the envelope. Not called for tombstones
            and for events without data.

    Raises:
        Exception: Whatever `decode` raises.
    """
    value = envelope.data if envelope.structured else getattr(record, "value", None)
    has_data = envelope.has_data if envelope.structured else value is not None
    data = decode(envelope, value) if decode is not None and has_data else value
    event_id = envelope.id or record_id(record)
    return Event(
        id=event_id,
        type=envelope.type,
        source=envelope.source,
        time=envelope.time,
        subject=envelope.subject,
        sequence=envelope.sequence,
        correlation_id=envelope.correlation_id or event_id,
        causation_id=envelope.causation_id,
        dataschema=envelope.dataschema,
        content_type=envelope.content_type,
        data=data,
        key=getattr(record, "key", None),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=_timestamp(record),
        headers=list(getattr(record, "headers", None) or ()),
        attempt=attempt,
    )


def record_id(record: RecordLike) -> str:
    """A stable id for a record that carries none, never longer than an id may be."""
    found = f"{record.topic}/{record.partition}/{record.offset}"
    if len(found) <= _MAX_RECORD_ID:
        return found
    # Cut, it would be another record's too.
    digest = hashlib.sha256(record.topic.encode()).hexdigest()[:32]
    return f"{record.topic[:160]}~{digest}/{record.partition}/{record.offset}"


def _timestamp(record: RecordLike) -> datetime | None:
    stamp = getattr(record, "timestamp", None)
    if type(stamp) is not int or stamp < 0:
        return None
    try:
        return datetime.fromtimestamp(stamp / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
