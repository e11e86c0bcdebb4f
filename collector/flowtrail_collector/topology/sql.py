"""Edges in SQLite, brought up to date from the events table.

How far the events were looked through is stored in the same transaction as the counts: whatever ends the
process, every reaction counts once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowtrail_collector.store.sql import Connection, Database, marks
from flowtrail_collector.topology.model import Edge, EdgeKey, Reaction, count_reactions

_MAX_EDGES = 1_000
_BATCH = 5_000
# Causes are read from other partitions: an effect may be there first. Older ones are given up.
_PATIENCE_MS = 600_000
_MAX_PENDING = 5_000

_EVENTS = """
SELECT rowid, source, causation_id, event_id, timestamp_ms, trace_id, topic FROM events
WHERE rowid > ? AND rowid <= ? AND NOT dead_letter ORDER BY rowid"""
_FIRST = """
SELECT event_id, rowid, source, topic, timestamp_ms FROM events WHERE NOT dead_letter AND event_id IN """
# SQLite answers this from the index alone.
_EARLIER = "SELECT event_id FROM events WHERE rowid <= ? AND event_id IN "
_IDS_PER_STATEMENT = 500
_PENDING = """
SELECT e.rowid, e.source, e.causation_id, e.event_id, e.timestamp_ms, e.trace_id, e.topic FROM edge_pending p
JOIN events e ON e.rowid = p.event_row LIMIT ?"""
_SAVE = """
INSERT INTO edges (source, topic, target, events, latency_seconds, buckets)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (source, topic, target) DO UPDATE SET events = excluded.events,
 latency_seconds = excluded.latency_seconds, buckets = excluded.buckets"""

Event = tuple[int, str | None, str | None, str, int | None, str | None, str]
FirstRow = tuple[int, str | None, str, int | None]


class SqlTopology:
    """Learns and reads edges.

    Args:
        database: The collector's database.
        on_reactions: Told what was counted.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_reactions: Callable[[Sequence[Reaction]], None] = lambda reactions: None,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._on_reactions = on_reactions
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
            events = connection.execute(_EVENTS, (start, end)).fetchall()
            effects = [*_take_pending(connection), *(event for event in events if event[2] is not None)]
            first = _first_rows(connection, events, effects, start)
            reactions = list(self._reactions(connection, effects, first))
            edges = _load(connection)
            changed = count_reactions(edges, reactions, max_edges=_MAX_EDGES)
            connection.executemany(_SAVE, [_row(key, edges[key]) for key in sorted(changed)])
            connection.execute("UPDATE edge_position SET event_row = ?", (max(start, end),))
        self._on_reactions(reactions)
        return max(0, end - start)

    def edges(self) -> dict[EdgeKey, Edge]:
        """All edges."""
        with self._database.read() as connection:
            return _load(connection)

    def _reactions(
        self, connection: Connection, effects: Sequence[Event], first: Mapping[str, FirstRow]
    ) -> Iterator[Reaction]:
        now_ms = self._time_seconds() * 1000
        waiting: list[tuple[int]] = []
        for row, source, causation_id, event_id, timestamp_ms, trace_id, _ in effects:
            own = first.get(event_id)
            if own is not None and own[0] < row:
                continue  # a second copy
            cause = first.get(causation_id or "")
            if cause is not None:
                _, cause_source, cause_topic, caused_ms = cause
                latency_ms = (timestamp_ms or 0) - (caused_ms or timestamp_ms or 0)
                yield Reaction(cause_source, cause_topic, source, latency_ms / 1000, trace_id)
            elif now_ms - (timestamp_ms or 0) < _PATIENCE_MS and len(waiting) < _MAX_PENDING:
                waiting.append((row,))
        if waiting:
            connection.executemany("INSERT OR IGNORE INTO edge_pending VALUES (?)", waiting)


def _first_rows(
    connection: Connection, events: Iterable[Event], effects: Iterable[Event], start: int
) -> dict[str, FirstRow]:
    """The row of each effect, and of its cause, that was read first, dead letters aside.

    Args:
        connection: Where events are.
        events: Those behind the row `start`, in order; most causes are among them.
        effects: Whose rows are wanted.
        start: Up to this row there may be earlier ones.
    """
    found: dict[str, FirstRow] = {}
    for row, source, _, event_id, timestamp_ms, _, topic in events:
        if event_id not in found:
            found[event_id] = (row, source, topic, timestamp_ms)
    wanted = {id_ for effect in effects for id_ in (effect[2], effect[3]) if id_ is not None}
    there = wanted.intersection(found)
    earlier = {row[0] for row in _rows_by_id(connection, _EARLIER, there, [start])} if start else set()
    for event_id, *rest in _rows_by_id(connection, _FIRST, wanted - there | earlier):
        known = found.get(event_id)
        if known is None or rest[0] < known[0]:
            found[event_id] = (rest[0], rest[1], rest[2], rest[3])
    return found


def _rows_by_id(
    connection: Connection, statement: str, ids: Iterable[str], values: Sequence[object] = ()
) -> Iterator[Any]:
    """Rows of a statement that ends with `IN`, for any number of ids."""
    wanted = list(ids)
    for start in range(0, len(wanted), _IDS_PER_STATEMENT):
        part = wanted[start : start + _IDS_PER_STATEMENT]
        yield from connection.execute(f"{statement}({marks(part)})", (*values, *part))


def _position(connection: Connection) -> int:
    return int(connection.execute("SELECT event_row FROM edge_position").fetchone()[0])


def _has_pending(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM edge_pending LIMIT 1").fetchone() is not None


def _take_pending(connection: Connection) -> list[Event]:
    rows: list[Event] = connection.execute(_PENDING, (_MAX_PENDING,)).fetchall()
    connection.execute("DELETE FROM edge_pending")
    return rows


def _load(connection: Connection) -> dict[EdgeKey, Edge]:
    rows = connection.execute("SELECT source, topic, target, events, latency_seconds, buckets FROM edges")
    return {EdgeKey(*row[:3]): Edge(row[3], row[4], json.loads(row[5])) for row in rows}


def _row(key: EdgeKey, edge: Edge) -> tuple[object, ...]:
    return (key.source, key.topic, key.target, edge.events, edge.latency_seconds, json.dumps(edge.buckets))
