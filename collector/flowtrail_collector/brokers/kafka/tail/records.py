"""From messages to records."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from types import ModuleType

from confluent_kafka import Message

from flowtrail_collector.brokers.kafka.messages import fields_of, unreadable_headers
from flowtrail_collector.brokers.kafka.tail.positions import Place
from flowtrail_collector.events.model import Position
from flowtrail_collector.events.reading import Incoming

__all__ = ["RecordsOf", "records_of", "records_reader"]


RecordsOf = Callable[
    [
        Sequence[Message], int, Container[Place], Mapping[Place, Position], Callable[[str], tuple[bool, bool]],
        list[Incoming], dict[Place, Incoming],
    ],
    int,
]  # fmt: skip
"""`records_of`, or its compiled counterpart."""


def records_of(
    messages: Sequence[Message],
    start: int,
    reading: Container[Place],
    positions: Mapping[Place, Position],
    kind: Callable[[str], tuple[bool, bool]],
    records: list[Incoming],
    last: dict[Place, Incoming],
    /,
) -> int:
    """Make records of messages, up to the first that is an error.

    Args:
        messages: As the client gave them.
        start: Place of the first to look at.
        reading: The partitions being read.
        positions: Of each partition; what lies before it was in flight when the position was moved, and is left out.
        kind: Tells of a topic whether it holds dead letters, and whether copies to be tried again.
        records: Appended to.
        last: Takes the last record of each partition.

    Returns:
        The place of the first error, else the number of messages.
    """
    for number in range(start, len(messages)):
        message = messages[number]
        if message.error() is not None:
            return number
        fields = fields_of(message)
        place = fields[:2]
        if place in reading and fields[2] >= positions[place].next_offset:
            last[place] = record = Incoming(*fields, *kind(place[0]), message.value)
            records.append(record)
    return len(messages)


def records_reader(speedups: ModuleType | None) -> RecordsOf:
    """`records_of`, or its compiled counterpart."""
    if speedups is None:
        return records_of
    made: RecordsOf = speedups.RecordReader(Incoming, unreadable_headers).read
    return made
