"""Which ids and event headers a publication gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from flowtrail._context import Flow
from flowtrail._ids import Ids
from flowtrail.wire import Envelope, Header, names
from flowtrail.wire.write import clean_text, exact_text, sequence_text, time_text

TRACE_NAMES = frozenset({names.TRACEPARENT, names.TRACESTATE, names.BAGGAGE})
OUR_NAMES = frozenset(names.MAX_BYTES)
SPECVERSION_HEADER: Header = (names.SPECVERSION, b"1.0")


class Identified(Protocol):
    """A message that gets its ids here."""

    event_id: str
    correlation_id: str
    causation_id: str | None
    type: str | None
    subject: str | None


@dataclass(slots=True)
class EventHeaders:
    """What the caller says about an event; None where it says nothing."""

    type: str
    source: str
    subject: str | None = None
    sequence: int | None = None
    time: datetime | str | None = None
    dataschema: str | None = None

    def write(self, event_id: bytes, now_ns: int) -> list[Header]:
        """The CloudEvents headers of an event with this id.

        Raises:
            EncodeError: One of them can't be written as it is.
        """
        ours: list[Header] = [
            SPECVERSION_HEADER,
            (names.ID, event_id),
            (names.TYPE, exact_text(names.TYPE, self.type)),
            (names.SOURCE, _text(names.SOURCE, self.source)),
            (names.TIME, time_text(self.time, now_ns)),
        ]
        if self.subject is not None:
            ours.append((names.SUBJECT, exact_text(names.SUBJECT, self.subject)))
        if self.sequence is not None:
            ours.append((names.SEQUENCE, sequence_text(self.sequence)))
        if self.dataschema is not None:
            ours.append((names.DATASCHEMA, exact_text(names.DATASCHEMA, self.dataschema)))
        return ours


def source_header(source: str) -> Header:
    """Who says so, as a header."""
    return (names.SOURCE, _text(names.SOURCE, source))


def required(source: Header, now_ns: int, given: Envelope | None = None) -> list[Header]:
    """What a message that is no event of ours has to say besides its ids, as far as its caller doesn't.

    Without it nobody downstream knows who published the message, or when.
    """
    found = [SPECVERSION_HEADER]
    if given is None or given.source is None:
        found.append(source)
    if given is None or given.time_text is None:
        found.append((names.TIME, time_text(None, now_ns)))
    return found


def identify(message: Identified, flow: Flow | None, id: str | None, ids: Ids) -> list[Header]:
    """Ids of a publication that brings no headers of ours: the flow's, or those of a new flow.

    Returns:
        The headers that say so.
    """
    if id is None:
        event_id = message.event_id = ids.new_id()
        id_header = event_id.encode()
    else:
        event_id = message.event_id = id
        id_header = exact_text(names.ID, id)
    if flow is not None:
        correlation_id = message.correlation_id = flow.correlation_id or event_id
        causation_id = message.causation_id = flow.causation_id if flow.causation_id != id else None
        headers: list[Header] = [
            (names.ID, id_header),
            (names.CORRELATION_ID, _flow_text(correlation_id)),
        ]
        if causation_id is not None:
            headers.append((names.CAUSATION_ID, _flow_text(causation_id)))
        return headers
    if id is None:
        message.correlation_id = event_id
        return [(names.ID, id_header), (names.CORRELATION_ID, id_header)]
    # A given id need not be unique beyond its source, so it can't name a flow.
    message.correlation_id = ids.new_id()
    return [(names.ID, id_header), (names.CORRELATION_ID, message.correlation_id.encode())]


def identify_own(
    message: Identified, flow: Flow | None, id: str | None, ids: Ids, given: Envelope
) -> list[Header]:
    """Ids of a publication whose caller brings headers of ours: the event is the caller's, the flow is not.

    Inside a handler the flow's correlation and causation win; outside, the caller's stand. The event that is being
    handled keeps its own cause where it is passed on under its own id.

    Returns:
        The headers that say so.
    """
    event_id = message.event_id = (id if id is not None else given.id) or ids.new_id()
    message.type = message.type or given.type
    message.subject = message.subject or given.subject
    if flow is not None and flow.correlation_id:
        message.correlation_id, message.causation_id = flow.correlation_id, flow.causation_id
        if event_id == flow.causation_id:  # what is being handled, passed on: no event is its own cause
            message.causation_id = given.causation_id
    else:
        fresh = event_id if id is None and given.id is None else None
        message.correlation_id = given.correlation_id or fresh or ids.new_id()
        message.causation_id = given.causation_id
    headers: list[Header] = [
        (names.ID, exact_text(names.ID, event_id if id is None else id)),
        (names.CORRELATION_ID, _text(names.CORRELATION_ID, message.correlation_id)),
    ]
    if message.causation_id is not None:
        headers.append((names.CAUSATION_ID, _text(names.CAUSATION_ID, message.causation_id)))
    return headers


def identify_forwarded(message: Identified, flow: Flow | None, ids: Ids, given: Envelope) -> list[Header]:
    """Ids of a message that is passed on as it is (retry, dead letter, redrive).

    Returns:
        The ids that its headers lack: without them it would get another identity on another topic.
    """
    missing: list[Header] = []
    message.type, message.subject, message.causation_id = given.type, given.subject, given.causation_id
    event_id = given.id or (flow.causation_id if flow is not None else None) or ids.new_id()
    if given.id is None:
        missing.append((names.ID, _text(names.ID, event_id)))
    correlation_id = given.correlation_id or (flow.correlation_id if flow is not None else None) or event_id
    if given.correlation_id is None:
        missing.append((names.CORRELATION_ID, _text(names.CORRELATION_ID, correlation_id)))
    message.event_id, message.correlation_id = event_id, correlation_id
    return missing


@lru_cache(maxsize=128)
def _flow_text(value: str) -> bytes:
    """An id of a flow as a header; the same one is often written several times in a row."""
    return clean_text(value, names.MAX_BYTES[names.CORRELATION_ID])


def _text(name: str, value: str) -> bytes:
    return clean_text(value, names.MAX_BYTES[name])
