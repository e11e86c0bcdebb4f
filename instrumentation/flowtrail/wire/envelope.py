"""What the headers of one record say."""

from __future__ import annotations

from datetime import datetime
from typing import Any


class Envelope:
    """The parsed headers of one record; every field is None where the record says nothing usable.

    The defaults live on the class, so that a record with three headers costs three assignments.

    Attributes:
        id: `ce_id`; type, source, subject, correlation_id, causation_id, dataschema, content_type likewise.
        time_text: `ce_time` as written; `time` is what it means.
        sequence: Position in the aggregate's stream.
        traceparent: The W3C header as text, not yet interpreted; tracestate and baggage likewise.
        structured: True if the record is a CloudEvent in structured mode.
        data: In structured mode, its data.
        has_data: In structured mode, whether there is any: null is data, a member that isn't there is none.
        dropped: Why headers were dropped, one reason per header: `encoding`, `length`, `value`, `duplicate`,
            `malformed`.
        read_as: Version of the contract that its data was brought to; None until it is read, `""` if nothing
            knows a contract of it: then the version is the one in `dataschema`.
        contracts: Where whoever read it has contracts from: `folder` or `registry`.
    """

    id: str | None = None
    type: str | None = None
    source: str | None = None
    time_text: str | None = None
    subject: str | None = None
    sequence: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    dataschema: str | None = None
    content_type: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None
    structured: bool = False
    data: Any = None
    has_data: bool = False
    dropped: tuple[str, ...] = ()
    read_as: str | None = None
    contracts: str | None = None

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

    def drop(self, reason: str) -> None:
        """Note that a header was unusable."""
        self.dropped = (*self.dropped, reason)
