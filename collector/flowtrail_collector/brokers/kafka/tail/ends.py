"""What the ends of partitions say: which have been read to their end, and how many dead letters there are."""

from __future__ import annotations

from collections.abc import Collection

from flowtrail_collector.brokers.kafka.tail.offsets import OffsetReader
from flowtrail_collector.brokers.kafka.tail.positions import EARLIEST, LATEST, Place, Positions
from flowtrail_collector.events.model import Position

__all__ = ["look_at_ends"]


def look_at_ends(
    offsets: OffsetReader,
    positions: Positions,
    reading: Collection[Place],
    letters: Collection[Place],
    asked_ms: int,
) -> dict[Place, int]:
    """Move the watermark of partitions that have been read to their end, as of when the brokers were asked.

    A transaction that is open holds it: what was written in it, and behind it, can't be read yet.

    Args:
        offsets: Asks the brokers.
        positions: Moved on.
        reading: The partitions being read.
        letters: The partitions of dead letter topics.
        asked_ms: The present, milliseconds since the epoch.

    Returns:
        The depth of dead letter topics: records retained, by partition.

    Raises:
        ServiceUnreachableError: No broker answers; nothing was moved.
    """
    ends = offsets.ends(sorted(reading))
    stable = offsets.read(sorted(letters), LATEST)
    begins = offsets.read(sorted(letters), EARLIEST)
    caught_up = {
        place: Position(positions[place].next_offset, asked_ms)
        for place, end in ends.items()
        if positions[place].next_offset >= end
    }
    if caught_up:
        positions.move(caught_up)
    return {place: stable.get(place, begin) - begin for place, begin in begins.items()}
