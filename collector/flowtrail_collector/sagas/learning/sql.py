"""Reads whole instances for learning; how much is read is bounded, however much there is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from flowtrail_collector.sagas.learning.histories import Seen
from flowtrail_collector.store.sql import Connection, Database

__all__ = ["SqlInstances"]

_WINDOW_ROWS = 200_000
_MAX_EVENTS = 200_000
_MAX_PER_INSTANCE = 500
_IDS_PER_STATEMENT = 500

_IDS = """
SELECT correlation_id FROM events
WHERE rowid > ? AND correlation_id IS NOT NULL AND NOT dead_letter AND coalesce(timestamp_ms, time_ms, 0) >= ?
GROUP BY correlation_id HAVING count(*) <= ? ORDER BY min(rowid)"""
_EVENTS = """
SELECT correlation_id, event_id, type, source, coalesce(timestamp_ms, time_ms, 0), causation_id, topic
FROM events WHERE NOT dead_letter AND correlation_id IN """


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
            for at in range(0, len(wanted), _IDS_PER_STATEMENT):
                part = _read(connection, wanted[at : at + _IDS_PER_STATEMENT], left)
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
    marks = ",".join("?" * len(ids))
    statement = f"{_EVENTS}({marks}) ORDER BY correlation_id LIMIT ?"
    rows = connection.execute(statement, (*ids, limit + 1)).fetchall()
    groups = [[Seen(*row[1:]) for row in group] for _, group in groupby(rows, key=lambda row: row[0])]
    # What the limit cut off would look like an instance that never completed.
    return list(groups if len(rows) <= limit else groups[:-1])
