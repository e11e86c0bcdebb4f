"""Reading events from the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import groupby
from operator import itemgetter
from typing import Any

from flowtrail_collector.events.model import EventRow, StoredEvent
from flowtrail_collector.events.topics import PartitionRead, TopicRead
from flowtrail_collector.store.schema.core import EVENT_MS
from flowtrail_collector.store.sql import MAX_IDS, Reads, marks

__all__ = ["EVENT_COLUMNS", "EventReads"]


def _columns(names: Iterable[str]) -> str:
    # OFFSET is a word of SQL.
    return ", ".join("position" if name == "offset" else name for name in names)


EVENT_COLUMNS = _columns(EventRow._fields)
"""In the order of `EventRow`."""
_EVENT = f"SELECT {_columns(field.name for field in fields(StoredEvent))} FROM events WHERE "  # noqa: S608
_IN_TIME = f" ORDER BY {EVENT_MS}, topic, partition, position LIMIT ?"
_TOPICS = f"""SELECT topic, {", ".join(field.name for field in fields(PartitionRead))} FROM positions
 ORDER BY topic, partition"""  # noqa: S608 - our own columns
# Enough for every type that is published at all, found within hundredths of a second.
_RECENT_EVENTS = 20_000


class EventReads(Reads):
    """Events by id. Every answer has a limit; an unknown id gives an empty list."""

    def events_by_id(self, event_id: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_id`."""
        return self._events("event_id = ?", [event_id], limit)

    def events_by_subject(self, subject: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_subject`."""
        return self._events("subject = ?", [subject], limit)

    def events_by_correlation(self, correlation_ids: Sequence[str], limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_correlation`."""
        ids = correlation_ids[:MAX_IDS]
        return self._events(f"correlation_id IN ({marks(ids)})", ids, limit) if ids else []

    def events_by_trace(self, trace_id: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_trace`."""
        return self._events("trace_id = ?", [trace_id], limit)

    def topics_read(self) -> list[TopicRead]:
        """What was read of each topic, by name."""
        rows = self._rows(_TOPICS)
        return [
            TopicRead(topic, tuple(PartitionRead(*row[1:]) for row in own))
            for topic, own in groupby(rows, key=itemgetter(0))
        ]

    def publishers(self) -> list[tuple[str, str, int]]:
        """(event type, source, number of events) of the events stored lately."""
        recent = "SELECT type, source FROM events WHERE source IS NOT NULL ORDER BY rowid DESC LIMIT ?"
        statement = f"SELECT type, source, count(*) FROM ({recent}) recent GROUP BY type, source"  # noqa: S608
        return [(row[0], row[1], row[2]) for row in self._rows(statement, [_RECENT_EVENTS])]

    def _events(self, where: str, values: Sequence[Any], limit: int) -> list[StoredEvent]:
        rows = self._rows(_EVENT + where + _IN_TIME, [*values, limit])
        return [StoredEvent(*row) for row in rows]
