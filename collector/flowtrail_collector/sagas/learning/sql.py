"""Reads whole instances for learning; how much is read is bounded, however much there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flowtrail_collector.sagas.learning.histories import Seen
from flowtrail_collector.store.packs.hashes import id_hash
from flowtrail_collector.store.packs.reading import newest_packs, packs_with
from flowtrail_collector.store.sql import MAX_IDS, Connection, Database

__all__ = ["SqlInstances"]

_WINDOW_ROWS = 200_000
_MAX_EVENTS = 200_000
_MAX_PER_INSTANCE = 500
_SEEN = ("correlation_id", "dead_letter", "event_id", "type", "source", "causation_id", "topic")


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
        found: list[Sequence[Seen]] = []
        left = _MAX_EVENTS
        with self._database.read() as connection:
            wanted = _spread(_newest_ids(connection, since_ms or 0), limit)
            for at in range(0, len(wanted), MAX_IDS):
                part = _read(connection, wanted[at : at + MAX_IDS], left)
                found += part
                left -= sum(len(events) for events in part)
                if left <= 0:
                    break
        return found


def _newest_ids(connection: Connection, since_ms: int) -> list[str]:
    """Instances with one of the newest events, in the order in which the first of those were read."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    left = _WINDOW_ROWS
    for pack in newest_packs(connection):
        letters, moments, flows = pack.column("dead_letter"), pack.moments(), pack.column("correlation_id")
        begin = max(0, pack.size - left)
        for place, flow in enumerate(flows[begin:], begin):
            if flow is not None and not letters[place] and moments[place] >= since_ms:
                counts[flow] += 1
                first[flow] = min(first.get(flow, pack.numbers[place]), pack.numbers[place])
        left -= pack.size
        if left <= 0:
            break
    return sorted((flow for flow in counts if counts[flow] <= _MAX_PER_INSTANCE), key=first.__getitem__)


def _spread(ids: Sequence[str], limit: int) -> list[str]:
    """Up to `limit` of them, from the whole range: the newest instances are the least complete."""
    if len(ids) <= limit:
        return list(ids)
    return [ids[number * len(ids) // limit] for number in range(limit)]


def _read(connection: Connection, ids: Sequence[str], limit: int) -> list[Sequence[Seen]]:
    """Whole instances, until so many events are read."""
    wanted = frozenset(ids)
    events: dict[str, list[Seen]] = {}
    for pack in packs_with(connection, map(id_hash, wanted)):
        columns = [pack.column(name) for name in _SEEN]
        for flow, letter, event_id, kind, source, cause, topic, moment in zip(
            *columns, pack.moments(), strict=True
        ):
            if flow in wanted and not letter:
                events.setdefault(flow, []).append(Seen(event_id, kind, source, moment, cause, topic))
    found: list[Sequence[Seen]] = []
    for flow in sorted(events):
        limit -= len(events[flow])
        if limit < 0:  # what was cut off would look like an instance that never completed
            break
        found.append(events[flow])
    return found
