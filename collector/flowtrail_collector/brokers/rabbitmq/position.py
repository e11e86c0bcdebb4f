"""How far the stream was read, the same here as in the store."""

from __future__ import annotations

from flowtrail_collector.events.model import Advance, Position
from flowtrail_collector.ingest.ports import Store
from flowtrail_collector.ingest.service import Batch, Ingest

__all__ = ["StreamPosition"]

_PARTITION = 0


class StreamPosition:
    """The position in one stream.

    Args:
        name: What the stream is called among topics.
        ingest: Moves the position together with what was read.
        store: Where it is kept.

    Attributes:
        next_offset: Where to read on; None: it has never been read.
        watermark_ms: Everything routed until then has been read.
    """

    def __init__(self, name: str, ingest: Ingest, store: Store) -> None:
        self.name = name
        self._ingest = ingest
        self._store = store
        self.next_offset: int | None = None
        self.watermark_ms = 0

    def load(self, identity: str) -> None:
        """Take over what the store says of the stream with this identity.

        Raises:
            StoreError: It can't be read or written.
        """
        # The position of another stream that had this name is dropped with it.
        self._store.remember_topic_ids({self.name: identity})
        stored = self._store.positions().get((self.name, _PARTITION))
        self.next_offset = None if stored is None else stored.next_offset
        self.watermark_ms = 0 if stored is None else stored.watermark_ms

    def move(self, next_offset: int, watermark_ms: int, batch: Batch) -> None:
        """Move on, together with taking in what was read.

        Args:
            next_offset: Where to read on.
            watermark_ms: Everything routed until then has been read; what is known to be read stays so.
            batch: What was read.

        Raises:
            FencedError: Somebody else has moved it.
            StoreError: The store refused.
        """
        self._fold(batch)
        position = Position(next_offset, max(self.watermark_ms, watermark_ms))
        self._ingest.write(batch, [Advance(self.name, _PARTITION, self.next_offset, *position)])
        self.next_offset, self.watermark_ms = position

    def step_over(self) -> int | None:
        """Move on past one message that nothing can be said of.

        Returns:
            Where it stands; None if nothing was ever read, and so nobody knows.

        Raises:
            FencedError: Somebody else has moved the position.
            StoreError: The store refused.
        """
        offset = self.next_offset
        if offset is not None:
            self.move(offset + 1, self.watermark_ms, Batch())
        return offset

    def _fold(self, batch: Batch) -> None:
        """Count what was read of each exchange as read of the stream, which is what has a position."""
        place = self.name, _PARTITION
        for counts in (batch.records, batch.without_type, batch.without_id, batch.problems):
            total = counts.total()
            counts.clear()
            if total:
                counts[place] = total
        known = [moment for moment in batch.last_ms.values() if moment is not None]
        batch.last_ms = {place: max(known, default=None)}
