"""Reading: portions of records that grow to a batch, which is written with the positions behind it.

The more comes, the more goes into one transaction: events of one instance then meet in memory, and the instance
is written once instead of with each of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message

from flowtrail_collector.brokers.kafka.errors import reason_of
from flowtrail_collector.brokers.kafka.tail.discovery import Discovery
from flowtrail_collector.brokers.kafka.tail.offsets import OffsetReader
from flowtrail_collector.brokers.kafka.tail.pacing import Pacing
from flowtrail_collector.brokers.kafka.tail.partitions import AllPartitions
from flowtrail_collector.brokers.kafka.tail.positions import EARLIEST, Place, Positions
from flowtrail_collector.brokers.kafka.tail.records import RecordsOf
from flowtrail_collector.brokers.kafka.tail.topics import TopicFilter
from flowtrail_collector.events.model import Position
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Batch
from flowtrail_collector.lag.ports import RecordTimestamps

__all__ = ["Reading"]

logger = logging.getLogger("flowtrail_collector")

_PORTION = 2_000
# A batch is written when it has so many records, when so much time has passed, or when little comes.
_BATCH = 10_000
_GROWING_SECONDS = 0.6
_BUSY_PER_SECOND = 1_000
# By how many records a partition may be ahead of one that has a backlog; more than an answer holds of one, mostly.
_MOST_AHEAD = 50_000
_LOOKS = 10  # while it becomes that
_POSITION_GONE = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


@dataclass(slots=True)
class _Growing:
    """A batch, the last record of each partition in it, and how far partitions that ended were fetched."""

    batch: Batch = field(default_factory=Batch)
    last: dict[Place, Incoming] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)


class Reading:
    """Reads the partitions that are being read.

    Args:
        filter_: Tells what a topic holds.
        offsets: Tells where to read on when a position is gone.
        positions: Moved on with every batch.
        partitions: What is being read.
        discovery: Asked whether a topic was recreated.
        timestamps: Told about records that were read.
        report: Told what is wrong, or None when records come.
        time_seconds: Wall clock, seconds since the epoch.
        records_of: Makes records of messages.
    """

    def __init__(
        self,
        filter_: TopicFilter,
        offsets: OffsetReader,
        positions: Positions,
        partitions: AllPartitions,
        discovery: Discovery,
        *,
        timestamps: RecordTimestamps | None,
        report: Callable[[str | None], None],
        time_seconds: Callable[[], float],
        records_of: RecordsOf,
    ) -> None:
        self._kind = filter_.kind
        self._offsets = offsets
        self._positions = positions
        self._partitions = partitions
        self._discovery = discovery
        self._timestamps = timestamps
        self._report = report
        self._time_seconds = time_seconds
        self._records_of = records_of
        self._pacing = Pacing(_MOST_AHEAD)
        self._since_look = 0

    def read(self, timeout_seconds: float) -> None:
        """Read a batch and write it.

        Args:
            timeout_seconds: So long it waits for more at most while little comes.

        Raises:
            FencedError: Another worker has moved a position.
            StoreError: The store refused.
            ServiceUnreachableError: A position is gone, and no broker tells where to read on.
        """
        if not self._partitions.reading:
            return
        began = now = time.monotonic()
        growing, taken = _Growing(), 0
        while True:
            messages = self._partitions.consumer.consume(_PORTION, timeout_seconds)
            # Within that call the group may have taken or given partitions: what was read is read again.
            if not self._positions.up_to_date:
                return
            self._take(messages, growing)
            taken += len(messages)
            before, now = now, time.monotonic()
            busy = messages and len(messages) >= min(_PORTION, _BUSY_PER_SECOND * (now - before))
            if not busy or taken >= _BATCH or now - began >= _GROWING_SECONDS:
                break
        self._write(growing)
        self._pace(taken)

    def _pace(self, taken: int) -> None:
        """Let partitions wait that are far ahead of others.

        Args:
            taken: Records read since the last call.
        """
        self._since_look += taken
        partitions, positions = self._partitions, self._positions
        if partitions.held or self._since_look >= _MOST_AHEAD // _LOOKS:
            self._since_look = 0
            at = positions.next_offsets(partitions.reading)
            partitions.hold(self._pacing.look(at, partitions.ends(), partitions.held, time.monotonic()))

    def _take(self, messages: Sequence[Message], growing: _Growing) -> None:
        records: list[Incoming] = []
        place = 0
        while True:
            place = self._records_of(
                messages, place, self._partitions.reading, self._positions, self._kind, records, growing.last
            )
            if place == len(messages):
                break
            error = messages[place].error()
            if error is not None:
                if error.code() in _POSITION_GONE:  # what was read before it comes before it
                    self._positions.read(records, growing.batch)
                    self._write(growing)
                    records.clear()
                if error.code() == KafkaError._PARTITION_EOF:
                    self._at_end(messages[place], growing)
                else:
                    self._on_error(messages[place], error)
            place += 1
        if records:
            self._positions.read(records, growing.batch)

    def _at_end(self, message: Message, growing: _Growing) -> None:
        """Note that a partition has no more for us before this offset.

        The client is given neither markers nor aborted records, and what is compacted away isn't there: without
        this, the position would stay behind the last record, before an end that never comes nearer.
        """
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            return
        place = topic, partition
        if place in self._partitions.reading and offset > self._positions[place].next_offset:
            growing.ends[place] = offset

    def _write(self, growing: _Growing) -> None:
        """Write what was read; the batch is empty afterwards."""
        batch, last, ends = growing.batch, growing.last, growing.ends
        if not last and not ends:
            return
        now_ms = int(self._time_seconds() * 1000)
        moves = {
            place: Position(record.offset + 1, self._read_until(place, record, now_ms))
            for place, record in last.items()
        }
        for place, end in ends.items():
            offset, watermark_ms = moves.get(place, self._positions[place])
            moves[place] = Position(max(offset, end), watermark_ms)
        self._positions.move(moves, batch)
        self._report(None)
        if self._timestamps is not None:
            for (topic, partition), record in last.items():
                if record.timestamp_ms is not None:
                    self._timestamps.add(topic, partition, record.offset, record.timestamp_ms)
        growing.batch = Batch()
        last.clear()
        ends.clear()

    def _read_until(self, place: Place, record: Incoming, now_ms: int) -> int:
        # A timestamp from the future says nothing about how far we have read.
        return max(self._positions[place].watermark_ms, min(record.timestamp_ms or 0, now_ms))

    def _on_error(self, message: Message, error: KafkaError) -> None:
        topic, partition = message.topic(), message.partition()
        if error.code() not in _POSITION_GONE:
            self._report(f"reading {topic}-{partition}: {reason_of(error)}")
            return
        if topic is None or partition is None or (topic, partition) not in self._partitions.reading:
            return
        # The position is gone: retention was quicker, or the topic was recreated.
        place = (topic, partition)
        self._discovery.check_ids([topic])
        if place not in self._partitions.reading:
            return  # discovery assigns it again
        (offset,) = self._offsets.read([place], EARLIEST).values()
        old = self._positions[place]
        logger.warning(
            "%s-%d: offset %d is gone, continuing at %d", topic, partition, old.next_offset, offset
        )
        self._positions.move({place: Position(offset, old.watermark_ms)})
        # Not seek: the client refuses that while the partition is in error.
        self._partitions.stop([place])
        self._partitions.start([place])
