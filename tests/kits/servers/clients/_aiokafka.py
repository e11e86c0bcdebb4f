"""aiokafka."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import aiokafka

from servers.clients._base import POLL_SECONDS, WAIT_SECONDS, Closing, Member, Message, Place, Received
from waiting import scaled

T = TypeVar("T")


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
                placed = await asyncio.wait_for(asyncio.gather(*futures), scaled(WAIT_SECONDS))
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


class _AioKafkaMember(Closing):
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
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(scaled(WAIT_SECONDS))

    def poll(self) -> list[Received]:
        async def run() -> list[Received]:
            await asyncio.wait([self._starting], timeout=POLL_SECONDS)
            if not self._starting.done():
                return []
            self._starting.result()
            polled = await self._consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000))
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
