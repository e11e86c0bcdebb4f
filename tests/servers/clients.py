"""Three Kafka clients behind one blocking interface, for suites that hold a broker to all of them."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import aiokafka
import confluent_kafka
import kafka
import kafka.structs

T = TypeVar("T")
Headers = Sequence[tuple[str, bytes | None]]
Place = tuple[int, int]
"""(partition, offset)"""

WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Message:
    """A message to produce."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = 0
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it was consumed."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Member(Protocol):
    """A consumer in a group; use it as a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_exc: object) -> None: ...
    def poll(self) -> list[Received]:
        """Whatever arrives within a short moment; must be called often while joining."""

    def assignment(self) -> set[int]:
        """The partitions it has."""

    def commit(self) -> None:
        """Commit the positions."""

    def committed(self, partition: int) -> int | None:
        """The group's committed offset."""

    def close(self) -> None:
        """Leave the group (a static member doesn't)."""


class Driver(Protocol):
    """One client library."""

    name: str

    def produce(
        self,
        servers: str,
        topic: str,
        messages: Sequence[Message],
        *,
        idempotent: bool = False,
        compression: str | None = None,
        max_bytes: int = 1_000_000,
    ) -> list[Place]:
        """Produce in order, wait for all, hand back where they are; raises what went wrong."""

    def member(
        self,
        servers: str,
        topic: str,
        group: str | None = None,
        *,
        instance_id: str | None = None,
        session_ms: int = 10_000,
    ) -> Member:
        """A consumer of the topic from the earliest offset on, without auto-commit.

        Without a group it has all partitions at once.
        """

    def offsets_at(self, servers: str, topic: str, timestamps_ms: Sequence[int]) -> list[int | None]:
        """For each: the offset in partition 0 of the first message with that timestamp or a later one."""


def consume(member: Member, count: int) -> list[Received]:
    """Poll until so many messages came."""
    received: list[Received] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while len(received) < count:
        assert time.monotonic() < deadline, f"{len(received)} of {count} messages came"
        received += member.poll()
    return received


# -- kafka-python ---------------------------------------------------------------------------------


class KafkaPython:
    name = "kafka-python"

    def produce(
        self,
        servers: str,
        topic: str,
        messages: Sequence[Message],
        *,
        idempotent: bool = False,
        compression: str | None = None,
        max_bytes: int = 1_000_000,
    ) -> list[Place]:
        producer = kafka.KafkaProducer(
            bootstrap_servers=servers,
            acks="all",
            enable_idempotence=idempotent,
            compression_type=compression,
            max_request_size=max_bytes,
            max_block_ms=WAIT_SECONDS * 1000,
        )
        try:
            futures = [
                producer.send(
                    topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    partition=message.partition,
                    timestamp_ms=message.timestamp_ms,
                )
                for message in messages
            ]
            placed = [future.get(timeout=WAIT_SECONDS) for future in futures]
        finally:
            producer.close()
        return [(metadata.partition, metadata.offset) for metadata in placed]

    def member(
        self,
        servers: str,
        topic: str,
        group: str | None = None,
        *,
        instance_id: str | None = None,
        session_ms: int = 10_000,
    ) -> "Member":
        return _KafkaPythonMember(servers, topic, group, instance_id, session_ms)

    def offsets_at(self, servers: str, topic: str, timestamps_ms: Sequence[int]) -> list[int | None]:
        consumer = kafka.KafkaConsumer(bootstrap_servers=servers)
        partition = kafka.TopicPartition(topic, 0)
        try:
            found = [consumer.offsets_for_times({partition: stamp})[partition] for stamp in timestamps_ms]
        finally:
            consumer.close()
        return [None if place is None else int(place.offset) for place in found]


class _Closing:
    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()


class _KafkaPythonMember(_Closing):
    def __init__(
        self, servers: str, topic: str, group: str | None, instance_id: str | None, session_ms: int
    ) -> None:
        self._topic = topic
        self._consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=servers,
            group_id=group,
            group_instance_id=instance_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=min(1000, session_ms // 4),
            metadata_max_age_ms=2000,
        )

    def poll(self) -> list[Received]:
        polled = self._consumer.poll(timeout_ms=int(_POLL_SECONDS * 1000))
        return [
            Received(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for records in polled.values()
            for r in records
        ]

    def assignment(self) -> set[int]:
        return {partition.partition for partition in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit()

    def committed(self, partition: int) -> int | None:
        offset: int | None = self._consumer.committed(kafka.TopicPartition(self._topic, partition))
        return offset

    def close(self) -> None:
        self._consumer.close(autocommit=False)


# -- confluent-kafka ------------------------------------------------------------------------------


class Confluent:
    name = "confluent-kafka"

    def produce(
        self,
        servers: str,
        topic: str,
        messages: Sequence[Message],
        *,
        idempotent: bool = False,
        compression: str | None = None,
        max_bytes: int = 1_000_000,
    ) -> list[Place]:
        placed: dict[int, Place] = {}
        errors: list[Any] = []

        def delivered(number: int, error: Any, message: Any) -> None:
            if error is not None:
                errors.append(error)
            else:
                placed[number] = (message.partition(), message.offset())

        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": idempotent,
                "compression.type": compression or "none",
                "message.max.bytes": max_bytes,
                "message.timeout.ms": int(WAIT_SECONDS * 1000),
                "linger.ms": 5,
                "log_level": 2,
            }
        )
        for number, message in enumerate(messages):
            optional: dict[str, Any] = {}
            if message.partition is not None:
                optional["partition"] = message.partition
            if message.timestamp_ms is not None:
                optional["timestamp"] = message.timestamp_ms
            producer.produce(
                topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                on_delivery=partial(delivered, number),
                **optional,
            )
        assert producer.flush(WAIT_SECONDS) == 0
        if errors:
            raise confluent_kafka.KafkaException(errors[0])
        return [placed[number] for number in range(len(messages))]

    def member(
        self,
        servers: str,
        topic: str,
        group: str | None = None,
        *,
        instance_id: str | None = None,
        session_ms: int = 10_000,
    ) -> "Member":
        return _ConfluentMember(servers, topic, group, instance_id, session_ms)

    def offsets_at(self, servers: str, topic: str, timestamps_ms: Sequence[int]) -> list[int | None]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": servers, "group.id": "unused", "log_level": 2}
        )
        try:
            found = [
                consumer.offsets_for_times(
                    [confluent_kafka.TopicPartition(topic, 0, stamp)], timeout=WAIT_SECONDS
                )[0]
                for stamp in timestamps_ms
            ]
        finally:
            consumer.close()
        return [None if place.offset < 0 else int(place.offset) for place in found]


class _ConfluentMember(_Closing):
    def __init__(
        self, servers: str, topic: str, group: str | None, instance_id: str | None, session_ms: int
    ) -> None:
        settings = {
            "bootstrap.servers": servers,
            "group.id": group or "unused",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": min(1000, session_ms // 4),
            "topic.metadata.refresh.interval.ms": 2000,
            "log_level": 2,
        }
        if instance_id is not None:
            settings["group.instance.id"] = instance_id
        self._topic = topic
        self._consumer = confluent_kafka.Consumer(settings)
        if group is not None:
            self._consumer.subscribe([topic])
            return
        partitions = self._consumer.list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions
        self._consumer.assign(
            [
                confluent_kafka.TopicPartition(topic, index, confluent_kafka.OFFSET_BEGINNING)
                for index in partitions
            ]
        )

    def poll(self) -> list[Received]:
        received = []
        for message in self._consumer.consume(500, timeout=_POLL_SECONDS):
            if message.error() is not None:
                continue  # e.g. the topic isn't there yet
            received.append(
                Received(
                    message.partition(),
                    message.offset(),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    message.headers() or [],
                )
            )
        return received

    def assignment(self) -> set[int]:
        return {partition.partition for partition in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def committed(self, partition: int) -> int | None:
        (found,) = self._consumer.committed(
            [confluent_kafka.TopicPartition(self._topic, partition)], timeout=WAIT_SECONDS
        )
        return None if found.offset < 0 else int(found.offset)

    def close(self) -> None:
        self._consumer.close()


# -- aiokafka -------------------------------------------------------------------------------------


class AioKafka:
    name = "aiokafka"

    def produce(
        self,
        servers: str,
        topic: str,
        messages: Sequence[Message],
        *,
        idempotent: bool = False,
        compression: str | None = None,
        max_bytes: int = 1_000_000,
    ) -> list[Place]:
        async def run() -> list[Place]:
            producer = aiokafka.AIOKafkaProducer(
                bootstrap_servers=servers,
                acks="all",
                enable_idempotence=idempotent,
                compression_type=compression,
                max_request_size=max_bytes,
            )
            await producer.start()
            try:
                futures = [
                    await producer.send(
                        topic,
                        value=message.value,
                        key=message.key,
                        headers=list(message.headers),
                        partition=message.partition,
                        timestamp_ms=message.timestamp_ms,
                    )
                    for message in messages
                ]
                placed = await asyncio.wait_for(asyncio.gather(*futures), WAIT_SECONDS)
            finally:
                await producer.stop()
            return [(metadata.partition, metadata.offset) for metadata in placed]

        return asyncio.run(run())

    def member(
        self,
        servers: str,
        topic: str,
        group: str | None = None,
        *,
        instance_id: str | None = None,
        session_ms: int = 10_000,
    ) -> "Member":
        return _AioKafkaMember(servers, topic, group, instance_id, session_ms)

    def offsets_at(self, servers: str, topic: str, timestamps_ms: Sequence[int]) -> list[int | None]:
        async def run() -> list[int | None]:
            consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=servers)
            await consumer.start()
            partition = aiokafka.TopicPartition(topic, 0)
            try:
                found = [
                    (await consumer.offsets_for_times({partition: stamp}))[partition]
                    for stamp in timestamps_ms
                ]
            finally:
                await consumer.stop()
            return [None if place is None else int(place.offset) for place in found]

        return asyncio.run(run())


class _AioKafkaMember(_Closing):
    """Its event loop runs in a thread, so that it sends heartbeats between the calls."""

    def __init__(
        self, servers: str, topic: str, group: str | None, instance_id: str | None, session_ms: int
    ) -> None:
        self._topic = topic
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def start() -> aiokafka.AIOKafkaConsumer:
            consumer = aiokafka.AIOKafkaConsumer(
                topic,
                bootstrap_servers=servers,
                group_id=group,
                group_instance_id=instance_id,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                session_timeout_ms=session_ms,
                heartbeat_interval_ms=min(1000, session_ms // 4),
                metadata_max_age_ms=2000,
            )
            # start() waits for the assignment; another member may have to poll for that.
            self._starting = asyncio.ensure_future(consumer.start())
            return consumer

        self._consumer = self._run(start())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_SECONDS)

    def poll(self) -> list[Received]:
        async def run() -> list[Received]:
            await asyncio.wait([self._starting], timeout=_POLL_SECONDS)
            if not self._starting.done():
                return []
            self._starting.result()
            polled = await self._consumer.getmany(timeout_ms=int(_POLL_SECONDS * 1000))
            return [
                Received(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
                for records in polled.values()
                for r in records
            ]

        return self._run(run())

    def assignment(self) -> set[int]:
        return {partition.partition for partition in self._consumer.assignment()}

    def commit(self) -> None:
        self._run(self._consumer.commit())

    def committed(self, partition: int) -> int | None:
        offset: int | None = self._run(
            self._consumer.committed(aiokafka.TopicPartition(self._topic, partition))
        )
        return offset

    def close(self) -> None:
        async def stop() -> None:
            await self._starting
            await self._consumer.stop()

        self._run(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


DRIVERS: tuple[Driver, ...] = (KafkaPython(), Confluent(), AioKafka())
