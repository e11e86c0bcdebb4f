"""Edges in the collector's database, brought up to date from the packs of events.

How far the events were looked through is stored in the same transaction as the counts: whatever ends the
process, every reaction counts once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat

from flowtrail_collector.store.packs.format import MAX_EVENTS
from flowtrail_collector.store.packs.hashes import first_row_of, id_hash, segment_of
from flowtrail_collector.store.packs.reading import Pack, packs_at, packs_between, packs_of_ids
from flowtrail_collector.store.sql import Connection, Database
from flowtrail_collector.topology.lately import Crossing, TypePair
from flowtrail_collector.topology.model import (
    Alike,
    Edge,
    EdgeKey,
    Event,
    Reaction,
    Reading,
    ReadingKey,
    alike,
    count_reactions,
    count_readings,
    with_present_bounds,
)
from flowtrail_collector.topology.recent import Recent
from flowtrail_collector.topology.sql_lately import add_crossings, load_crossings, load_types

_MAX_EDGES = 1_000
_MAX_READINGS = 5_000
_BATCH = 5_000
# Causes are read from other partitions: an effect may be there first. Older ones are given up.
_PATIENCE_MS = 600_000
_MAX_PENDING = 5_000

# So many segments of ids back, that of the event included, earlier copies and causes are looked for: about a million events.
# One that is looked for and isn't there costs a look into each.
_LOOK_BACK = 4
_SAVE = """
INSERT INTO edges (source, topic, target, events, latency_seconds, buckets, last_ms)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, topic, target) DO UPDATE SET events = excluded.events,
 latency_seconds = excluded.latency_seconds, buckets = excluded.buckets, last_ms = excluded.last_ms"""
_SAVE_READING = """
INSERT INTO readings (topic, type, service, events, last_ms) VALUES (?, ?, ?, ?, ?)
 ON CONFLICT (topic, type, service) DO UPDATE SET events = excluded.events, last_ms = excluded.last_ms"""
_COLUMNS = Event._fields[1:]


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
        self._waiting: dict[int, Event] = {}
        self._recent = Recent()

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
            packs = _next_packs(connection, start, newest)
            events = [event for pack in packs for event in _events_of(pack) if event.row > start]
            end = packs[-1].numbers[-1] if packs else max(start, newest)
            waiting = self._waiting_events(connection)
            effects = [event for event in events if event.causation_id is not None]
            first = _first_of(events)
            ids = list(first)
            is_known = _look_back(connection, self._recent, first, effects, start)
            resolved, reactions = self._reactions(waiting.values(), effects, first)
            self._note_waiting(connection, waiting, resolved)
            edges = _load(connection)
            kinds = alike(reactions)
            changed = count_reactions(edges, kinds, max_edges=_MAX_EDGES)
            connection.executemany(_SAVE, [_row(key, edges[key]) for key in sorted(changed)])
            _add_readings(connection, kinds)
            add_crossings(connection, kinds, edges)
            connection.execute("UPDATE edge_position SET event_row = ?", (end,))
        self._recent.add(start, end, segment_of(end), ids, first if is_known else {})
        self._waiting = resolved
        self._on_reactions(reactions)
        return end - start

    def edges(self) -> dict[EdgeKey, Edge]:
        """All edges."""
        with self._database.read() as connection:
            return _load(connection)

    def readings(self) -> dict[ReadingKey, Reading]:
        """Which service reacts to which type, how often, and when it did last."""
        with self._database.read() as connection:
            return _load_readings(connection)

    def types(self) -> dict[EdgeKey, dict[TypePair, Reading]]:
        """Which types went over which edge, how often, and when they did last."""
        with self._database.read() as connection:
            return load_types(connection)

    def crossings(self, keys: Iterable[EdgeKey]) -> list[Crossing]:
        """What went over some edges last, the newest first."""
        with self._database.read() as connection:
            return load_crossings(connection, keys)

    def _waiting_events(self, connection: Connection) -> dict[int, Event]:
        """Effects whose cause hasn't been read yet, by their numbers."""
        rows = [row for (row,) in connection.execute("SELECT event_row FROM edge_pending").fetchall()]
        unknown = sorted(set(rows).difference(self._waiting))
        found: dict[int, Event] = {}
        for row in unknown:  # another process noted them, or this one in a life before
            if row not in found:
                for pack in packs_between(connection, row, row + 1):
                    found.update((event.row, event) for event in _events_of(pack))
        known = {**self._waiting, **found}
        return {row: known[row] for row in rows if row in known}

    def _reactions(
        self, waiting: Iterable[Event], effects: Iterable[Event], first: Mapping[str, Event]
    ) -> tuple[dict[int, Event], list[Reaction]]:
        """Effects that wait from now on, and what was found of the others.

        Args:
            waiting: Those that have waited: their causes can only be among the events that are new.
            effects: Those that are new.
            first: Of each event the copy that was read first.
        """
        now_ms = self._time_seconds() * 1000
        still: dict[int, Event] = {}
        reactions: list[Reaction] = []
        for effect in (*waiting, *effects):
            own = first.get(effect.event_id)
            if own is not None and own.row < effect.row:
                continue  # a second copy
            cause = first.get(effect.causation_id or "")
            at_ms = effect.timestamp_ms or 0
            if cause is not None:
                reactions.append(_reaction(cause, effect, at_ms))
            elif now_ms - at_ms < _PATIENCE_MS and len(still) < _MAX_PENDING:
                still[effect.row] = effect
        return still, reactions

    def _note_waiting(
        self, connection: Connection, before: Mapping[int, Event], now: Mapping[int, Event]
    ) -> None:
        gone = [(row,) for row in before if row not in now]
        new = [(row,) for row in now if row not in before]
        connection.executemany("DELETE FROM edge_pending WHERE event_row = ?", gone)
        connection.executemany("INSERT INTO edge_pending VALUES (?)", new)


def _reaction(cause: Event, effect: Event, at_ms: int) -> Reaction:
    return Reaction(
        cause.source,
        cause.topic,
        effect.source,
        (at_ms - (cause.timestamp_ms or at_ms)) / 1000,
        effect.trace_id,
        cause.type,
        at_ms,
        effect.type,
        effect.event_id,
        effect.subject,
    )


def _next_packs(connection: Connection, start: int, newest: int) -> list[Pack]:
    """Some packs with events behind a number."""
    packs: list[Pack] = []
    for pack in packs_between(connection, start + 1, newest + 1):
        packs.append(pack)
        if sum(pack.size for pack in packs) >= _BATCH:
            break
    return packs


def _events_of(pack: Pack) -> list[Event]:
    """The events of a pack that are no dead letters."""
    columns = [pack.column(name) for name in _COLUMNS]
    # A call of `Event` for each, by its name, would take three times as long.
    events = list(map(tuple.__new__, repeat(Event), zip(pack.numbers, *columns, strict=True)))
    letters = pack.column("dead_letter")
    return (
        [event for event, letter in zip(events, letters, strict=True) if not letter]
        if any(letters)
        else events
    )


def _first_of(events: Sequence[Event]) -> dict[str, Event]:
    return {event.event_id: event for event in reversed(events)}


def _look_back(
    connection: Connection, recent: Recent, first: dict[str, Event], effects: Sequence[Event], start: int
) -> bool:
    """Find copies of effects and of their causes that were read before.

    Args:
        connection: Where packs are.
        recent: What is remembered of events that were looked through before.
        first: Copies that were read first, of the events of these packs; changed.
        effects: Whose copies are wanted.
        start: Number of the last event that was looked through before.

    Returns:
        Whether it is known now of each event, with or without a cause, which copy was read first.
    """
    if not start:
        return True
    causes = {effect.causation_id for effect in effects if effect.causation_id is not None}
    last = segment_of(start)
    places = range(max(0, last - _LOOK_BACK + 1), last + 1)
    first_row = first_row_of(places.start)
    if not recent.reaches(start, first_row):
        wanted = causes.union(effect.event_id for effect in effects)
        _look_into_store(connection, wanted, places, first, start)
        return False
    # An event stands where its pack does, which may begin before the segment of the event's own number.
    known, others = recent.find(causes.union(first), places, first_row + MAX_EVENTS if first_row else 0)
    first.update((event.event_id, event) for event in known)
    _look_into_store(connection, set(others), places, first, start)
    return True


def _look_into_store(
    connection: Connection, wanted: set[str], places: range, first: dict[str, Event], start: int
) -> None:
    earlier = [row for row in packs_of_ids(connection, map(id_hash, wanted), places) if row <= start]
    for pack in packs_at(connection, earlier):
        for event in _events_of(pack):
            if event.event_id in wanted:
                known = first.get(event.event_id)
                if known is None or event.row < known.row:
                    first[event.event_id] = event


def _position(connection: Connection) -> int:
    return int(connection.execute("SELECT event_row FROM edge_position").fetchone()[0])


def _has_pending(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM edge_pending LIMIT 1").fetchone() is not None


def _load(connection: Connection) -> dict[EdgeKey, Edge]:
    rows = connection.execute(
        "SELECT source, topic, target, events, latency_seconds, buckets, last_ms FROM edges"
    )
    return {
        EdgeKey(*row[:3]): Edge(row[3], row[4], with_present_bounds(json.loads(row[5])), row[6])
        for row in rows
    }


def _row(key: EdgeKey, edge: Edge) -> tuple[object, ...]:
    counts = json.dumps(edge.buckets)
    return (key.source, key.topic, key.target, edge.events, edge.latency_seconds, counts, edge.last_ms)


def _add_readings(connection: Connection, kinds: Sequence[Alike]) -> None:
    if not kinds:
        return
    known = _load_readings(connection)
    changed = count_readings(known, kinds, most=_MAX_READINGS)
    connection.executemany(_SAVE_READING, [(*key, *known[key]) for key in sorted(changed)])


def _load_readings(connection: Connection) -> dict[ReadingKey, Reading]:
    rows = connection.execute("SELECT topic, type, service, events, last_ms FROM readings")
    return {ReadingKey(*row[:3]): Reading(*row[3:]) for row in rows}
