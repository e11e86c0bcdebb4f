"""What went over edges, in the collector's database: types, and the last few events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from flowtrail_collector.store.sql import Connection
from flowtrail_collector.topology.lately import Crossing, TypePair, by_edge, count_types, newest
from flowtrail_collector.topology.model import Alike, Edge, EdgeKey, Reading

__all__ = ["add_crossings", "load_crossings", "load_types"]

_MAX_TYPES = 5_000
_WHERE = "source = ? AND topic = ? AND target = ?"
_SAVE_TYPES = """
INSERT INTO edge_types (source, topic, target, cause_type, effect_type, events, last_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT (source, topic, target, cause_type, effect_type)
 DO UPDATE SET events = excluded.events, last_ms = excluded.last_ms"""
_SAVE = """
INSERT INTO edge_crossings (source, topic, target, body) VALUES (?, ?, ?, ?)
 ON CONFLICT (source, topic, target) DO UPDATE SET body = excluded.body"""


def add_crossings(connection: Connection, kinds: Sequence[Alike], edges: Mapping[EdgeKey, Edge]) -> None:
    """Add what was found to be a reaction, in the transaction that counts it.

    Args:
        connection: Of that transaction.
        kinds: What is new.
        edges: All edges there are.
    """
    room = _MAX_TYPES - int(connection.execute("SELECT count(*) FROM edge_types").fetchone()[0])
    for key, found in sorted(by_edge(kinds, edges).items()):
        known = _types_of(connection, key)
        counted = count_types(known, found)
        # Made-up types can't fill the store: those that come when it is full are left out.
        new = [pair for pair in counted if pair not in known]
        for pair in new[max(0, room) :]:
            del counted[pair]
        room -= min(len(new), max(0, room))
        changed = {pair: reading for pair, reading in counted.items() if known.get(pair) != reading}
        connection.executemany(
            _SAVE_TYPES, [(*_named(key), *pair, *reading) for pair, reading in changed.items()]
        )
        last = newest(_crossings_of(connection, key), chain.from_iterable(kind.reactions for kind in found))
        connection.execute(_SAVE, (*_named(key), json.dumps(last)))


def load_types(connection: Connection) -> dict[EdgeKey, dict[TypePair, Reading]]:
    """Which types went over which edge."""
    rows = connection.execute(
        "SELECT source, topic, target, cause_type, effect_type, events, last_ms FROM edge_types"
        " ORDER BY source, topic, target, cause_type, effect_type"
    )
    found: dict[EdgeKey, dict[TypePair, Reading]] = {}
    for row in rows:
        found.setdefault(EdgeKey(*row[:3]), {})[TypePair(*row[3:5])] = Reading(*row[5:])
    return found


def load_crossings(connection: Connection, keys: Iterable[EdgeKey]) -> list[Crossing]:
    """What went over some edges last, the newest first."""
    found = [each for key in keys for each in _crossings_of(connection, key)]
    return sorted(found, key=lambda each: (-each.at_ms, each.event_id))


def _types_of(connection: Connection, key: EdgeKey) -> dict[TypePair, Reading]:
    rows = connection.execute(
        f"SELECT cause_type, effect_type, events, last_ms FROM edge_types WHERE {_WHERE}",  # noqa: S608 - our own words
        _named(key),
    )
    return {TypePair(*row[:2]): Reading(*row[2:]) for row in rows}


def _crossings_of(connection: Connection, key: EdgeKey) -> list[Crossing]:
    row = connection.execute(
        f"SELECT body FROM edge_crossings WHERE {_WHERE}",  # noqa: S608 - our own words
        _named(key),
    ).fetchone()
    return [Crossing(*each) for each in json.loads(row[0])] if row is not None else []


def _named(key: EdgeKey) -> tuple[str, str, str]:
    return key.source, key.topic, key.target
