"""Notices topics that were deleted and created again between two looks, however many records they have now."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrail_collector.lag.model import PartitionTable
from flowtrail_collector.lag.ports import LagSource

__all__ = ["Identities"]


class Identities:
    """Remembers which topic stood behind a name.

    Args:
        source: tells ids.
        table: forgets what it knew of another topic of the same name.
    """

    def __init__(self, source: LagSource, table: PartitionTable) -> None:
        self._source = source
        self._table = table
        # The id, and when it was last told, seconds since the epoch.
        self._known: dict[str, tuple[str, float]] = {}

    def unknown(self, topics: Sequence[str], limit: int) -> list[str]:
        """Some of the topics whose id was never told; those that are gone are forgotten."""
        if len(self._known) > len(topics):
            self._known = {name: self._known[name] for name in topics if name in self._known}
        return [name for name in topics if name not in self._known][:limit]

    def look(self, topics: Sequence[str], now: float, deadline: float) -> None:
        """Ask for the ids of some topics.

        Args:
            topics: their names.
            now: seconds since the epoch.
            deadline: until when to wait for the answers (`time.monotonic`).
        """
        for name, identity in self._source.topic_ids(topics, deadline).items():
            was, at = self._known.get(name, (identity, now))
            if was != identity:
                self._table.begin_anew(name, at)
            self._known[name] = identity, now
