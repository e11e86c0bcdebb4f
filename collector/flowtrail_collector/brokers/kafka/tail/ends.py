"""What the ends of partitions say: which have been read to their end, and how many dead letters there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flowtrail_collector.brokers.kafka.tail.offsets import OffsetReader
from flowtrail_collector.brokers.kafka.tail.positions import EARLIEST, LATEST, Place, Positions
from flowtrail_collector.events.model import Position

__all__ = ["look_at_ends"]


def look_at_ends(
    offsets: OffsetReader,
    positions: Positions,
    reading: Collection[Place],
    passed: Mapping[Place, int],
    letters: Collection[Place],
    asked_ms: int,
) -> dict[Place, int]:
    """Move the watermark of partitions that have been read to their end, as of when the brokers were asked.

    Args:
        offsets: Asks the brokers.
        positions: Moved on.
        reading: The partitions being read.
        passed: See `AllPartitions.passed`.
        letters: The partitions of dead letter topics.
        asked_ms: The present, milliseconds since the epoch.

    Returns:
        The depth of dead letter topics: records retained, by partition.

    Raises:
        ServiceUnreachableError: No broker answers; nothing was moved.
    """
    ends = offsets.read(sorted({*reading, *letters}), LATEST)
    begins = offsets.read(sorted(letters), EARLIEST)
    read = {place: max(positions[place].next_offset, passed.get(place, 0)) for place in reading}
    caught_up = {
        place: Position(read[place], asked_ms) for place, end in ends.items() if read.get(place, -1) >= end
    }
    if caught_up:
        positions.move(caught_up)
    return {place: ends.get(place, begin) - begin for place, begin in begins.items()}
