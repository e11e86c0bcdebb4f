"""A broker and its client in memory: groups, rebalances, offsets, and failures on demand."""

from __future__ import annotations

import threading
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from flowtrail._clock import SYSTEM_CLOCK, Clock
from flowtrail.clients import (
    KAFKA,
    ClientError,
    CommitRefusedError,
    ConsumerClient,
    Delivered,
    Message,
    OnDelivery,
    Partition,
    ProducerClient,
    RebalanceListener,
    Subscription,
)
from flowtrail.wire import Header, Record

_TOO_LARGE = 10


class BrokerError(Exception):
    """What the memory broker answers when it was told to refuse.

    Attributes:
        retriable: Whether the next try may work.
        errno: Kafka's code; None if there is none.
    """

    def __init__(self, message: str, *, retriable: bool = False, errno: int | None = None) -> None:
        super().__init__(message)
        self.retriable = retriable
        self.errno = errno


class _Group:
    def __init__(self) -> None:
        self.members: list[MemoryConsumer] = []
        self.generation = 0
        self.offsets: dict[Partition, int] = {}


class MemoryBroker:
    """Topics, groups and offsets.

    Args:
        partitions: How many each topic has; topics come to be when they are first named.
        clock: Gives records their timestamps.
        max_record_bytes: Larger records (key, value and headers) are refused, as `max.message.bytes` does.
    """

    def __init__(
        self, partitions: int = 1, clock: Clock = SYSTEM_CLOCK, max_record_bytes: int = 1_048_588
    ) -> None:
        self.partitions = partitions
        self.clock = clock
        self.max_record_bytes = max_record_bytes
        self.available = True
        self.changed = threading.Condition(threading.RLock())
        self._topics: dict[str, list[list[Record]]] = {}
        self._groups: defaultdict[str, _Group] = defaultdict(_Group)
        self._refusals: dict[str, list[BrokerError]] = {}

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Collection[Header]
    ) -> Delivered:
        """Write a record.

        Raises:
            BrokerError: The broker was told to refuse.
        """
        with self.changed:
            if refusals := self._refusals.get(topic):
                raise refusals.pop(0)
            size = sum(len(part or b"") for part in (key, value))
            size += sum(len(name) + len(header or b"") for name, header in headers)
            if size > self.max_record_bytes:
                raise BrokerError(f"a record of {size} bytes is too large", errno=_TOO_LARGE)
            logs = self._logs(topic)
            number = zlib.crc32(key) % len(logs) if key is not None else 0
            log = logs[number]
            stamp = self.clock.time_ns() // 1_000_000
            log.append(Record(topic, number, len(log), stamp, key, value, tuple(headers)))
            self.changed.notify_all()
            return Delivered(number, len(log) - 1)

    def _logs(self, topic: str) -> list[list[Record]]:
        if topic not in self._topics:
            self._topics[topic] = [[] for _ in range(self.partitions)]
        return self._topics[topic]

    def refuse(self, topic: str, times: int = 1, *, retriable: bool = False, reason: str = "refused") -> None:
        """Refuse the next records of a topic."""
        refusals = self._refusals.setdefault(topic, [])
        refusals += [BrokerError(reason, retriable=retriable) for _ in range(times)]

    def records(self, topic: str | None = None) -> list[Record]:
        """All records, or those of a topic, by time."""
        with self.changed:
            found = [
                record
                for name, logs in self._topics.items()
                if topic in (None, name)
                for log in logs
                for record in log
            ]
        return sorted(found, key=lambda record: record.timestamp_ms or 0)

    def committed(self, group: str, topic: str, partition: int = 0) -> int | None:
        """The next offset that a group will read, None if it never committed one."""
        return self._groups[group].offsets.get(Partition(topic, partition))

    # -- for its consumers

    def group(self, name: str) -> _Group:
        """A group's state; guarded by `changed`."""
        return self._groups[name]

    def assignment(self, name: str, member: MemoryConsumer) -> list[Partition]:
        """A member's share: every partition goes to the members that subscribe to it, in turns."""
        members = self._groups[name].members
        topics = sorted({topic for other in members for topic in other.topics})
        share = []
        for topic in topics:
            takers = [other for other in members if topic in other.topics]
            share += [
                Partition(topic, number)
                for number in range(len(self._logs(topic)))
                if takers[number % len(takers)] is member
            ]
        return share

    def log(self, partition: Partition) -> list[Record]:
        """A partition's records; guarded by `changed`."""
        return self._logs(partition.topic)[partition.partition]


class MemoryClient:
    """The client port on a `MemoryBroker`.

    Args:
        broker: Where to connect; default: a new one.
        blocking: Whether `poll` waits for records; False returns at once, for tests that own the clock.
    """

    name = "memory"
    kind = KAFKA
    address = "memory"

    def __init__(self, broker: MemoryBroker | None = None, *, blocking: bool = True) -> None:
        self.broker = broker if broker is not None else MemoryBroker()
        self._blocking = blocking

    def open_producer(self) -> ProducerClient:
        """See `Client.open_producer`."""
        self._connect()
        return _MemoryProducer(self.broker)

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """See `Client.open_consumer`."""
        self._connect()
        topics = [subscription.topic for subscription in subscriptions]
        return MemoryConsumer(self.broker, topics, group, listener, start, self._blocking)

    def _connect(self) -> None:
        if not self.broker.available:
            raise ClientError("connection refused")

    def is_retriable(self, error: BaseException) -> bool:
        """See `Client.is_retriable`."""
        return bool(getattr(error, "retriable", False))


class _MemoryProducer:
    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        try:
            delivered = self._broker.append(message.topic, message.key, message.value, message.headers)
        except BrokerError as error:
            on_delivery(None, error)
        else:
            on_delivery(delivered, None)

    def waits_for(self, topic: str) -> bool:
        return False

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        self.send(message, on_delivery)
        return True

    def flush(self, timeout_seconds: float) -> bool:
        return True

    def close(self, timeout_seconds: float) -> None:
        pass


class MemoryConsumer:
    """A member of a group; as with Kafka, a rebalance waits until every member has polled."""

    def __init__(
        self,
        broker: MemoryBroker,
        topics: Collection[str],
        group: str,
        listener: RebalanceListener,
        start: str,
        blocking: bool,
    ) -> None:
        self.topics = frozenset(topics)
        self._broker = broker
        self._name = group
        self._listener = listener
        self._start = start
        self._blocking = blocking
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._generation = -1
        self._assigned_generation = -1
        with broker.changed:
            broker.group(group).members.append(self)
            broker.group(group).generation += 1

    @property
    def _group(self) -> Any:
        return self._broker.group(self._name)

    def poll(self, timeout_seconds: float, max_records: int) -> list[Record]:
        with self._broker.changed:
            self._rebalance()
            records = self._take(max_records)
            if not records and self._blocking:
                self._broker.changed.wait(timeout_seconds)
                self._rebalance()
                records = self._take(max_records)
            return records

    def _rebalance(self) -> None:
        group = self._group
        if self not in group.members:  # expelled: what it had may be somebody else's by now
            self._listener.lost(list(self._positions))
            self._positions.clear()
            group.members.append(self)
            group.generation += 1
        if self._generation != group.generation:
            if self._positions:
                group.offsets.update(self._listener.revoked(list(self._positions)))
            self._positions.clear()
            self._generation = group.generation
            self._broker.changed.notify_all()
        settled = all(member._generation == group.generation for member in group.members)
        if settled and self._assigned_generation != group.generation:
            self._assigned_generation = group.generation
            for partition in self._broker.assignment(self._name, self):
                end = len(self._broker.log(partition))
                first = end if self._start == "latest" else 0
                self._positions[partition] = group.offsets.get(partition, first)
            # Like the least forgetful clients, this one keeps what was paused before.
            self._listener.assigned(list(self._positions))

    def _take(self, max_records: int) -> list[Record]:
        taken: list[Record] = []
        for partition, position in self._positions.items():
            if partition not in self._paused:
                found = self._broker.log(partition)[position : position + max_records - len(taken)]
                self._positions[partition] = position + len(found)
                taken += found
        return taken

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        with self._broker.changed:
            group = self._group
            if self not in group.members or self._assigned_generation != group.generation:
                raise CommitRefusedError("the group has rebalanced")
            group.offsets.update(offsets)

    def rebalancing(self) -> bool:
        return bool(self._generation != self._group.generation) and self._generation >= 0

    def pause(self, partitions: Collection[Partition]) -> None:
        self._paused.update(partition for partition in partitions if partition in self._positions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._paused.difference_update(partitions)

    def expel(self) -> None:
        """Throw this member out, as a broker does with one whose heartbeats stopped."""
        with self._broker.changed:
            self._group.members.remove(self)
            self._group.generation += 1
            self._broker.changed.notify_all()

    def close(self, timeout_seconds: float) -> None:
        with self._broker.changed:
            if self in self._group.members:
                if self._positions:
                    offsets = self._listener.revoked(list(self._positions))
                    if self._assigned_generation == self._group.generation:
                        self._group.offsets.update(offsets)
                self._group.members.remove(self)
                self._group.generation += 1
                self._broker.changed.notify_all()
