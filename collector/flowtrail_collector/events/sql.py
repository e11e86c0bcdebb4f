"""Reading events from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from heapq import nsmallest
from itertools import groupby
from operator import itemgetter
from typing import Any

from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.events.topics import PartitionRead, TopicRead
from flowtrail_collector.store.packs.format import COLUMNS
from flowtrail_collector.store.packs.hashes import id_hash
from flowtrail_collector.store.packs.reading import Pack, newest_packs, packs_with
from flowtrail_collector.store.sql import MAX_IDS, Reads

__all__ = ["EventReads"]

_STORED = itemgetter(*(COLUMNS.index(field.name) for field in fields(StoredEvent)))
_TOPICS = f"""SELECT topic, {", ".join(field.name for field in fields(PartitionRead))} FROM positions
 ORDER BY topic, partition"""  # noqa: S608 - our own columns
# Enough for every type that is published at all, found within hundredths of a second.
_RECENT_EVENTS = 20_000


class EventReads(Reads):
    """Events by id. Every answer has a limit; an unknown id gives an empty list."""

    def events_by_id(self, event_id: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_id`."""
        return self._events("event_id", [event_id], limit)

    def events_by_subject(self, subject: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_subject`."""
        return self._events("subject", [subject], limit)

    def events_by_correlation(self, correlation_ids: Sequence[str], limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_correlation`."""
        return self._events("correlation_id", correlation_ids, limit)

    def events_by_trace(self, trace_id: str, limit: int) -> list[StoredEvent]:
        """See `TrailReader.events_by_trace`."""
        return self._events("trace_id", [trace_id], limit)

    def topics_read(self) -> list[TopicRead]:
        """What was read of each topic, by name."""
        rows = self._rows(_TOPICS)
        return [
            TopicRead(topic, tuple(PartitionRead(*row[1:]) for row in own))
            for topic, own in groupby(rows, key=itemgetter(0))
        ]

    def publishers(self) -> list[tuple[str, str, int]]:
        """(event type, source, number of events) of the events stored lately."""
        counted: Counter[tuple[str, str]] = Counter()
        with self._database.read() as connection:
            for pack in newest_packs(connection):
                pairs = zip(pack.column("type"), pack.column("source"), strict=True)
                counted.update((kind, source) for kind, source in pairs if source is not None)
                if counted.total() >= _RECENT_EVENTS:
                    break
        return [(*pair, number) for pair, number in counted.items()]

    def _events(self, name: str, ids: Iterable[str], limit: int) -> list[StoredEvent]:
        """Events with one of these ids in a column, the first ones by time."""
        wanted = frozenset(list(ids)[:MAX_IDS])
        if not wanted:
            return []
        with self._database.read() as connection:
            packs = packs_with(connection, map(id_hash, wanted))
            found = nsmallest(limit, (row for pack in packs for row in _having(pack, name, wanted)))
        return [StoredEvent(*_STORED(event)) for *_, event in found]


def _having(pack: Pack, name: str, wanted: frozenset[str]) -> Iterator[tuple[Any, ...]]:
    """The events of a pack that have one of these ids, behind what they are ordered by.

    Two ids may share a hash, and a pack holds others beside those that it was found by.
    """
    places = [place for place, value in enumerate(pack.column(name)) if value in wanted]
    if places:
        moments, events = pack.moments(), list(pack.rows())
        for place in places:
            event = events[place]
            yield moments[place], *event[:3], pack.numbers[place], event
