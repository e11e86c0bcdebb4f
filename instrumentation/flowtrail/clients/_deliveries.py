"""A queue's deliveries as one line of records: what both clients of RabbitMQ do alike; no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

from flowtrail.clients._port import Partition, RebalanceListener
from flowtrail.wire import Record
from flowtrail.wire.amqp import from_amqp
from flowtrail.wire.deliveries import first_offset


class Deliveries:
    """Deliveries of one channel that reads one queue.

    A delivery's offset is the channel's first one plus its delivery tag, so that acknowledging everything up
    to a tag is a commit.

    Attributes:
        partition: What the runtime calls this line.
        queue: The queue's name.
    """

    def __init__(self, topic: str, queue: str) -> None:
        self.partition = Partition(topic, 0)
        self.queue = queue
        self._first = first_offset()
        self._waiting: deque[Record] = deque()

    def add(
        self,
        tag: int,
        routing_key: str,
        table: Mapping[str, Any] | None,
        properties: Mapping[str, Any],
        body: bytes,
    ) -> None:
        """A message came."""
        # One that waited in a delay queue is routed by this queue's name, which is no routing key of its exchange.
        parts = from_amqp("" if routing_key == self.queue else routing_key, table, properties, body)
        self._waiting.append(
            Record(
                self.partition.topic, 0, self._first + tag, parts.timestamp_ms, parts.key, parts.value, parts.headers
            )
        )  # fmt: skip

    def __bool__(self) -> bool:
        """Whether messages wait to be taken."""
        return bool(self._waiting)

    def take(self, most: int) -> list[Record]:
        """The next records."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def tag_before(self, offset: int) -> int:
        """The delivery tag of the last record before an offset."""
        return offset - 1 - self._first


class Lines:
    """All queues that a member reads.

    Args:
        lines: One for each queue.
        listener: Told once that they are there.
    """

    def __init__(self, lines: Collection[Deliveries], listener: RebalanceListener) -> None:
        self._by_partition = {line.partition: line for line in lines}
        self._listener = listener
        self._told = False
        self._paused: set[Partition] = set()

    def tell(self) -> None:
        """Tell the listener what there is; only the first time."""
        if not self._told:
            self._told = True
            self._listener.assigned(list(self._by_partition))

    def ready(self) -> bool:
        """Whether there is something to take."""
        return any(line for partition, line in self._by_partition.items() if partition not in self._paused)

    def take(self, most: int) -> list[Record]:
        """Records of lines that aren't paused, in order per line; whoever came first comes last next time."""
        taken: list[Record] = []
        for partition, line in list(self._by_partition.items()):
            if line and partition not in self._paused and len(taken) < most:
                taken += line.take(most - len(taken))
                self._by_partition[partition] = self._by_partition.pop(partition)
        return taken

    def pause(self, partitions: Collection[Partition]) -> None:
        """Take nothing from these; what came of them waits here, and the server sends no more than that."""
        self._paused.update(partition for partition in partitions if partition in self._by_partition)

    def resume(self, partitions: Collection[Partition]) -> None:
        """Take from these again."""
        self._paused.difference_update(partitions)

    def tags(self, offsets: Mapping[Partition, int]) -> list[tuple[Deliveries, int]]:
        """What to acknowledge for a commit: each line, and the last delivery tag."""
        return [
            (self._by_partition[partition], self._by_partition[partition].tag_before(offset))
            for partition, offset in offsets.items()
            if partition in self._by_partition
        ]
