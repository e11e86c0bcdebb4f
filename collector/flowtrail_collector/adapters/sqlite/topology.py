"""Edges in SQLite, brought up to date from the events table.

How far the events were looked through is stored in the same transaction as the counts: whatever ends the
process, every reaction counts once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

from flowtrail_collector.adapters.sql import Connection, Database
from flowtrail_collector.domain.topology import Edge, EdgeKey, Reaction, count_reactions

_MAX_EDGES = 1_000
_BATCH = 2_000
# Causes are read from other partitions: an effect may be there first. Older ones are given up.
_PATIENCE_MS = 600_000
_MAX_PENDING = 5_000

_EFFECTS = """
SELECT rowid, source, causation_id, event_id, timestamp_ms FROM events
WHERE rowid > ? AND rowid <= ? AND causation_id IS NOT NULL AND NOT dead_letter ORDER BY rowid"""
_CAUSE = """
SELECT source, topic, timestamp_ms FROM events
WHERE event_id = ? AND NOT dead_letter ORDER BY rowid LIMIT 1"""
_REPEATED = "SELECT 1 FROM events WHERE event_id = ? AND rowid < ? AND NOT dead_letter LIMIT 1"
_PENDING = """
SELECT e.rowid, e.source, e.causation_id, e.event_id, e.timestamp_ms FROM edge_pending p
JOIN events e ON e.rowid = p.event_row LIMIT ?"""
_SAVE = """
INSERT INTO edges (source, topic, target, events, latency_seconds, buckets)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (source, topic, target) DO UPDATE SET events = excluded.events,
 latency_seconds = excluded.latency_seconds, buckets = excluded.buckets"""

Effect = tuple[int, str | None, str, str, int | None]


class SqliteTopology:
    """Learns and reads edges.

    Args:
        database: The collector's database.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(self, database: Database, *, time_seconds: Callable[[], float] = time.time) -> None:
        self._database = database
        self._time_seconds = time_seconds

    def learn(self) -> int:
        """Look through the next events.

        Returns:
            How many rows were passed; 0 when all are looked through.
        """
        newest = self._database.newest_event_row()
        with self._database.read() as connection:
            if newest <= _position(connection) and not _has_pending(connection):
                return 0
        with self._database.transaction() as connection:
            start = _position(connection)
            # Rows have numbers without large gaps, so a range of them is a bounded piece of work.
            end = min(newest, start + _BATCH)
            effects = connection.execute(_EFFECTS, (start, end)).fetchall()
            reactions = list(self._reactions(connection, [*_take_pending(connection), *effects]))
            edges = _load(connection)
            changed = count_reactions(edges, reactions, max_edges=_MAX_EDGES)
            connection.executemany(_SAVE, [_row(key, edges[key]) for key in sorted(changed)])
            connection.execute("UPDATE edge_position SET event_row = ?", (max(start, end),))
        return max(0, end - start)

    def edges(self) -> dict[EdgeKey, Edge]:
        """All edges."""
        with self._database.read() as connection:
            return _load(connection)

    def _reactions(self, connection: Connection, effects: list[Effect]) -> Iterator[Reaction]:
        now_ms = self._time_seconds() * 1000
        waiting = 0
        for row, source, causation_id, event_id, timestamp_ms in effects:
            if connection.execute(_REPEATED, (event_id, row)).fetchone():
                continue
            cause = connection.execute(_CAUSE, (causation_id,)).fetchone()
            if cause is not None:
                latency_ms = (timestamp_ms or 0) - (cause[2] or timestamp_ms or 0)
                yield Reaction(cause[0], cause[1], source, latency_ms / 1000)
            elif now_ms - (timestamp_ms or 0) < _PATIENCE_MS and waiting < _MAX_PENDING:
                waiting += 1
                connection.execute("INSERT OR IGNORE INTO edge_pending VALUES (?)", (row,))


def _position(connection: Connection) -> int:
    return int(connection.execute("SELECT event_row FROM edge_position").fetchone()[0])


def _has_pending(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM edge_pending LIMIT 1").fetchone() is not None


def _take_pending(connection: Connection) -> list[Effect]:
    rows = connection.execute(_PENDING, (_MAX_PENDING,)).fetchall()
    connection.execute("DELETE FROM edge_pending")
    return rows


def _load(connection: Connection) -> dict[EdgeKey, Edge]:
    rows = connection.execute("SELECT source, topic, target, events, latency_seconds, buckets FROM edges")
    return {EdgeKey(*row[:3]): Edge(row[3], row[4], json.loads(row[5])) for row in rows}


def _row(key: EdgeKey, edge: Edge) -> tuple[object, ...]:
    return (key.source, key.topic, key.target, edge.events, edge.latency_seconds, json.dumps(edge.buckets))
