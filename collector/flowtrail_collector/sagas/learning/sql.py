"""Reads whole instances for learning; how much is read is bounded, however much there is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from flowtrail_collector.sagas.learning.histories import Seen
from flowtrail_collector.store.schema.core import EVENT_MS
from flowtrail_collector.store.sql import MAX_IDS, Connection, Database, marks

__all__ = ["SqlInstances"]

_WINDOW_ROWS = 200_000
_MAX_EVENTS = 200_000
_MAX_PER_INSTANCE = 500

_IDS = f"""
SELECT correlation_id FROM events
WHERE rowid > ? AND correlation_id IS NOT NULL AND NOT dead_letter AND {EVENT_MS} >= ?
GROUP BY correlation_id HAVING count(*) <= ? ORDER BY min(rowid)"""  # noqa: S608 - our own column
_EVENTS = f"""
SELECT correlation_id, event_id, type, source, {EVENT_MS}, causation_id, topic
FROM events WHERE NOT dead_letter AND correlation_id IN """  # noqa: S608


class SqlInstances:
    """`InstanceReader` on the collector's database.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def instances(self, limit: int, since_ms: int | None = None) -> list[Sequence[Seen]]:
        """See `InstanceReader.instances`.

        Instances are chosen from the newest 200,000 events, and read with all their events, older ones too.
        One with more than 500 events among them is left out; 200,000 events are read at most.
        """
        first = self._database.newest_event_row() - _WINDOW_ROWS
        found: list[Sequence[Seen]] = []
        left = _MAX_EVENTS
        with self._database.read() as connection:
            rows = connection.execute(_IDS, (first, since_ms or 0, _MAX_PER_INSTANCE)).fetchall()
            wanted = _spread([row[0] for row in rows], limit)
            for at in range(0, len(wanted), MAX_IDS):
                part = _read(connection, wanted[at : at + MAX_IDS], left)
                found += part
                left -= sum(len(events) for events in part)
                if left <= 0:
                    break
        return found


def _spread(ids: Sequence[str], limit: int) -> list[str]:
    """Up to `limit` of them, from the whole range: the newest instances are the least complete."""
    if len(ids) <= limit:
        return list(ids)
    return [ids[number * len(ids) // limit] for number in range(limit)]


def _read(connection: Connection, ids: Sequence[str], limit: int) -> list[Sequence[Seen]]:
    statement = f"{_EVENTS}({marks(ids)}) ORDER BY correlation_id LIMIT ?"
    rows = connection.execute(statement, (*ids, limit + 1)).fetchall()
    groups = [[Seen(*row[1:]) for row in group] for _, group in groupby(rows, key=lambda row: row[0])]
    # What the limit cut off would look like an instance that never completed.
    return list(groups if len(rows) <= limit else groups[:-1])
