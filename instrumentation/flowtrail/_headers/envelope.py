"""What the headers of one record say."""

from __future__ import annotations

from datetime import datetime
from typing import Any


class Envelope:
    """The parsed headers of one record; every field is None where the record says nothing usable.

    Attributes:
        id, type, source, subject, correlation_id, causation_id, dataschema, content_type: As in `Event`.
        time_text: `ce_time` as written.
        sequence: Position in the aggregate's stream.
        traceparent, tracestate, baggage: The W3C headers as text, not yet interpreted.
        structured: True if the record is a CloudEvent in structured mode.
        data: In structured mode, its data.
        dropped: Reasons why headers were dropped, one per header: `encoding`, `length`, `value`, `duplicate`...
    """

    __slots__ = (
        "baggage", "causation_id", "content_type", "correlation_id", "data", "dataschema", "dropped", "id",
        "sequence", "source", "structured", "subject", "time_text", "traceparent", "tracestate", "type",
    )  # fmt: skip

    def __init__(self) -> None:
        self.id: str | None = None
        self.type: str | None = None
        self.source: str | None = None
        self.time_text: str | None = None
        self.subject: str | None = None
        self.sequence: int | None = None
        self.correlation_id: str | None = None
        self.causation_id: str | None = None
        self.dataschema: str | None = None
        self.content_type: str | None = None
        self.traceparent: str | None = None
        self.tracestate: str | None = None
        self.baggage: str | None = None
        self.structured = False
        self.data: Any = None
        self.dropped: tuple[str, ...] = ()

    @property
    def time(self) -> datetime | None:
        """`ce_time` with its time zone; None if it isn't an RFC 3339 time."""
        if self.time_text is None:
            return None
        try:
            moment = datetime.fromisoformat(self.time_text)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else None
