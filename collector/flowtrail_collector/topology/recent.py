"""The events that were looked through last, kept in memory: most causes are among them, and few events are copies.

Beside them stands in which segment an id was seen last, for a million ids and more: a byte each, at a place made of its
hash. An id is never missed; one that is taken for another one costs a look into the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowtrail_collector.topology.model import Event

__all__ = ["Recent"]

_PLACES = 1 << 23  # a byte each: with a million ids, one in eight is taken for another one
_MOST_EVENTS = 10_000  # twice; a cause is seldom further back
_GENERATIONS = 255  # 0 is left for "never"


class Recent:
    """What is remembered of rows that follow each other without a gap."""

    def __init__(self) -> None:
        self._begin(0)

    def _begin(self, row: int) -> None:
        self._until = self._since = row
        self._seen = bytearray(_PLACES)
        self._older: dict[str, Event] = {}
        self._newer: dict[str, Event] = {}

    def reaches(self, until: int, first_row: int) -> bool:
        """Whether every event from one row on was seen, up to another one, and none behind that.

        Args:
            until: The last row that was looked through, by whichever process.
            first_row: The first that matters.
        """
        return self._until == until and (not self._since or self._since < first_row)

    def find(self, ids: Iterable[str], segments: range, first_row: int) -> tuple[list[Event], list[str]]:
        """Look for events, each of which may have copies.

        Args:
            ids: Of the events.
            segments: None from before these is wanted.
            first_row: From here on, every row is in these segments.

        Returns:
            Of those that are remembered the copies that were read first, and ids of others that may have been seen.
        """
        live = bytearray(_GENERATIONS + 1)
        for segment in segments:
            live[_generation(segment)] = 1
        seen, last = self._seen, len(self._seen) - 1
        wanted = list(ids)
        found: list[Event] = []
        others: list[str] = []
        for text in [
            text for text, value in zip(wanted, map(hash, wanted), strict=True) if live[seen[value & last]]
        ]:
            event = self._newer.get(text) or self._older.get(text)
            if event is not None and event.row >= first_row:
                found.append(event)
            else:
                others.append(text)
        return found, others

    def add(
        self, after: int, until: int, segment: int, ids: Iterable[str], first: Mapping[str, Event]
    ) -> None:
        """Remember events that were looked through, once that is stored.

        Args:
            after: The last row that was looked through before.
            until: The last one now.
            segment: The last in which one of the events may stand.
            ids: All ids that are there between.
            first: The copies that were read first, of those of which it is known.
        """
        if after != self._until:  # another process went on from there, or this one has just begun
            self._begin(after)
        seen, last, generation = self._seen, len(self._seen) - 1, _generation(segment)
        for value in map(hash, ids):
            seen[value & last] = generation
        self._until = until
        self._newer.update(first)
        if len(self._newer) >= _MOST_EVENTS:
            self._older, self._newer = self._newer, {}


def _generation(segment: int) -> int:
    return 1 + segment % _GENERATIONS
