"""Edges in the collector's database, brought up to date from the packs of events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from flowtrail_collector.store.packs.format import MAX_EVENTS
from flowtrail_collector.store.packs.hashes import first_row_of, id_hash, segment_of
from flowtrail_collector.store.packs.reading import Pack, packs_at, packs_of_ids
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
from flowtrail_collector.topology.waiting import Change, Waiting

_MAX_EDGES = 1_000
_MAX_READINGS = 5_000

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
_NEW = tuple.__new__


@dataclass(frozen=True, slots=True)
class _Learned:
    """What a portion of events said.

    Attributes:
        kinds: Reactions that were found.
        waiting: Effects that wait for their causes from now on.
        end: Number of the last event.
        on_stored: Called once that is stored.
    """

    kinds: Sequence[Alike]
    waiting: Change
    end: int
    on_stored: Callable[[], None]

    def write(self, connection: Connection) -> None:
        """See `Learned.write`."""
        self.waiting.write(connection)
        if self.kinds:
            edges = _load(connection)
            changed = count_reactions(edges, self.kinds, max_edges=_MAX_EDGES)
            connection.executemany(_SAVE, [_row(key, edges[key]) for key in sorted(changed)])
            _add_readings(connection, self.kinds)
            add_crossings(connection, self.kinds, edges)
        connection.execute("UPDATE edge_position SET event_row = ?", (self.end,))

    def stored(self) -> None:
        """See `Learned.stored`."""
        self.on_stored()


class SqlTopology:
    """A `Learner` of edges; reads them, too.

    Args:
        database: The collector's database.
        on_reactions: Told what was counted.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_reactions: Callable[[Sequence[Alike]], None] = lambda kinds: None,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._on_reactions = on_reactions
        self._waiting = Waiting(_events_of, time_seconds)
        self._recent = Recent()

    def position(self, connection: Connection) -> int:
        """See `Learner.position`."""
        return int(connection.execute("SELECT event_row FROM edge_position").fetchone()[0])

    def has_pending(self, connection: Connection) -> bool:
        """See `Learner.has_pending`."""
        return self._waiting.any(connection)

    def look(self, connection: Connection, packs: Sequence[Pack], rows: tuple[int, int]) -> _Learned:
        """See `Learner.look`."""
        start, end = rows
        events = list(chain.from_iterable(map(_events_of, packs)))
        if packs and packs[0].numbers[0] <= start:
            events = [event for event in events if event.row > start]
        effects = [event for event in events if event.causation_id is not None]
        first = _first_of(events)
        ids = list(first)
        waited = self._waiting.waited(connection, ids)
        is_known = _look_back(connection, self._recent, first, effects, start)
        oldest_ms = self._waiting.oldest_ms(connection, end)
        still, reactions = _reactions(chain(waited.events(), effects), first, oldest_ms)
        waiting = self._waiting.change(waited, still, oldest_ms, first_row_of(_places(start).start))
        kinds = alike(reactions)

        def stored() -> None:
            self._recent.add(start, end, segment_of(end), ids, first if is_known else {})
            self._waiting.stored(waiting)
            self._on_reactions(kinds)

        return _Learned(kinds, waiting, end, stored)

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


def _reactions(
    effects: Iterable[Event], first: Mapping[str, Event], oldest_ms: float
) -> tuple[dict[int, Event], list[Reaction]]:
    """Effects that wait from now on, and what was found of the others.

    Args:
        effects: Those that have waited, whose causes can only be among the events that are new, and the new ones.
        first: Of each event the copy that was read first.
        oldest_ms: No effect waits that was written before.
    """
    still: dict[int, Event] = {}
    reactions: list[Reaction] = []
    find = first.get
    # Taken apart, and put together without a call of `Reaction`, an effect costs a third.
    for effect in effects:
        row, source, cause_id, event_id, at_ms, trace_id, _, kind, subject = effect
        own = find(event_id)
        if own is not None and own[0] < row:
            continue  # a second copy
        at_ms = at_ms or 0
        cause = find(cause_id or "")
        if cause is None:
            if at_ms > oldest_ms:
                still[row] = effect
            continue
        _, cause_source, _, _, cause_ms, _, topic, cause_kind, _ = cause
        latency = (at_ms - (cause_ms or at_ms)) / 1000
        reaction = (
            cause_source, topic, source, latency, trace_id, cause_kind, at_ms, kind, event_id, subject,
        )  # fmt: skip
        reactions.append(_NEW(Reaction, reaction))
    return still, reactions


def _events_of(pack: Pack) -> list[Event]:
    """The events of a pack that are no dead letters."""
    columns = [pack.column(name) for name in _COLUMNS]
    # A call of `Event` for each, by its name, would take three times as long.
    events = list(map(_NEW, repeat(Event), zip(pack.numbers, *columns, strict=True)))
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
    places = _places(start)
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


def _places(row: int) -> range:
    """The segments that are looked into, as seen from an event."""
    last = segment_of(row)
    return range(max(0, last - _LOOK_BACK + 1), last + 1)


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
    known = _load_readings(connection)
    changed = count_readings(known, kinds, most=_MAX_READINGS)
    connection.executemany(_SAVE_READING, [(*key, *known[key]) for key in sorted(changed)])


def _load_readings(connection: Connection) -> dict[ReadingKey, Reading]:
    rows = connection.execute("SELECT topic, type, service, events, last_ms FROM readings")
    return {ReadingKey(*row[:3]): Reading(*row[3:]) for row in rows}
