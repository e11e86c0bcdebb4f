"""Forgetting the events of whole flows, and what has to be known of them before.

All that keeping by outcome says to the packs of events is said here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from functools import cached_property

from flowtrail_collector.store.packs.hashes import hash_bits, id_hash
from flowtrail_collector.store.packs.reading import Pack, keys_of_ids, newest_row, packs_at, segments
from flowtrail_collector.store.packs.thinning import thin_out
from flowtrail_collector.store.sql import Connection

__all__ = ["FlowEvents"]

_POSITION = "SELECT min(event_row) FROM edge_position"
_PENDING = """SELECT event_row FROM edge_pending WHERE event_row BETWEEN ? AND ?
 UNION ALL SELECT event_row FROM edge_aside WHERE event_row BETWEEN ? AND ?"""
# Some 20 MB. The questions about one portion of flows are answered by the same packs.
_MOST_PACKS = 128


class FlowEvents:
    """The events of flows, within one transaction.

    What was found once is remembered: an event that another worker adds meanwhile belongs to what comes after.

    Args:
        connection: Of the transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._places: dict[int, set[int]] = {}
        self._packs: dict[int, Pack] = {}

    def subjects_of(self, ids: Collection[str]) -> set[str]:
        """Subjects of the events with these correlation ids."""
        pairs = self._pairs("correlation_id", ids, "subject")
        return {subject for _, subject in pairs if subject is not None}

    def flows_of_subjects(self, subjects: Collection[str]) -> dict[str, set[str]]:
        """Correlation ids of the events with these subjects, by subject."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for subject, flow in self._pairs("subject", subjects, "correlation_id"):
            if flow is not None:
                found[subject].add(flow)
        return found

    def traces_of(self, ids: Collection[str]) -> set[str]:
        """Traces of the events with these correlation ids."""
        pairs = self._pairs("correlation_id", ids, "trace_id")
        return {trace for _, trace in pairs if trace is not None}

    def flows_of_traces(self, traces: Collection[str]) -> dict[str, set[str | None]]:
        """Correlation ids of the events in these traces, by trace."""
        found: defaultdict[str, set[str | None]] = defaultdict(set)
        for trace, flow in self._pairs("trace_id", traces, "correlation_id"):
            found[trace].add(flow)
        return found

    def in_use(self, ids: Collection[str]) -> set[str]:
        """Those of these correlation ids with events that are still to be looked through."""
        wanted = frozenset(ids)
        # Numbers of events go on from the newest, and edges are learned from them in the order of their numbers.
        newest, looked_through = (
            newest_row(self._connection),
            self._connection.execute(_POSITION).fetchone()[0],
        )
        found: set[str] = set()
        for pack in self._packs_with(wanted):
            ends = (pack.numbers[0], pack.numbers[-1])
            pending = {row for (row,) in self._connection.execute(_PENDING, (*ends, *ends)).fetchall()}
            found.update(
                flow
                for number, flow in zip(pack.numbers, pack.column("correlation_id"), strict=True)
                if flow in wanted and (number > looked_through or number == newest or number in pending)
            )
        return found

    def forget(self, ids: Collection[str]) -> int:
        """Forget all events with these correlation ids, within a writing transaction; how many they were."""
        wanted = frozenset(ids)
        return thin_out(self._connection, self._places_of(wanted), wanted.__contains__)

    def _pairs(self, name: str, values: Collection[str], other: str) -> Iterator[tuple[str, str | None]]:
        """Of the events with one of these values in a column: that, and what another column says."""
        wanted = frozenset(values)
        for pack in self._packs_with(wanted):
            pairs = zip(pack.column(name), pack.column(other), strict=True)
            yield from ((value, said) for value, said in pairs if value in wanted)

    def _packs_with(self, ids: frozenset[str]) -> Iterator[Pack]:
        places = self._places_of(ids)
        known = {place: self._packs[place] for place in places if place in self._packs}
        yield from known.values()
        for pack in packs_at(self._connection, [place for place in places if place not in known]):
            if len(self._packs) < _MOST_PACKS:
                self._packs[pack.first_row] = pack
            yield pack

    def _places_of(self, ids: frozenset[str]) -> list[int]:
        """First rows of the packs in which events with these ids may be, in their order."""
        wanted = {hash_bits(id_hash(text)) for text in ids}
        new = wanted.difference(self._places)
        self._places.update((hash_, set()) for hash_ in new)
        for key, place in keys_of_ids(self._connection, new, self._segments):
            self._places[hash_bits(key)].add(place)
        return sorted(set[int]().union(*(self._places[hash_] for hash_ in wanted)))

    @cached_property
    def _segments(self) -> range:
        return segments(self._connection)
