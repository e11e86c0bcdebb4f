"""Clients without a broker, with the signatures of the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka.structs import ConsumerRecord as AioRecord
from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.future import Future
from kafka.producer.future import RecordMetadata
from kafka.structs import TopicPartition


def kafka_record(headers: Any = (), offset: int = 0, topic: str = "orders", value: Any = b"{}") -> Any:
    """What kafka-python hands over."""
    return ConsumerRecord(topic, 0, 0, offset, 1_700_000_000_000, 0, b"k", value, headers, None, 1, 1, 1)


def aio_record(headers: Any = (), offset: int = 0, topic: str = "orders") -> Any:
    """What aiokafka hands over."""
    return AioRecord(topic, 0, offset, 1_700_000_000_000, 0, b"k", b"{}", None, 1, 1, headers)


class FakeProducer(KafkaProducer):  # type: ignore[misc]
    """A kafka-python producer that keeps what it is told to send; `answer` resolves the futures."""

    def __init__(self, **config: Any) -> None:
        self.config = {"client_id": "fake", "api_version": (2, 0), **config}
        self.sent: list[tuple[str, Any, Any, Any]] = []
        self.futures: list[Future] = []
        self._closed = True

    def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Any = None,
        partition: Any = None,
        timestamp_ms: Any = None,
    ) -> Future:
        """Like the real one."""
        if headers is not None and not isinstance(headers, list):
            raise TypeError("headers must be list-type")
        self.sent.append((topic, value, key, headers))
        self.futures.append(Future())
        return self.futures[-1]

    def answer(self) -> None:
        """The broker acknowledges everything."""
        for offset, (future, sent) in enumerate(zip(self.futures, self.sent, strict=True)):
            if not future.is_done:
                place = TopicPartition(sent[0], 0)
                future.success(RecordMetadata(sent[0], 0, place, offset, 1, None, 1, 1, 1))

    def close(self, *_: Any, **__: Any) -> None:
        """Nothing to close."""


class FakeConsumer(KafkaConsumer):  # type: ignore[misc]
    """A kafka-python consumer of given records."""

    def __init__(self, records: list[Any], **config: Any) -> None:
        self.config = {"client_id": "fake", "group_id": "g", **config}
        self.records = list(records)
        self.closed = False
        self.calls: list[str] = []

    def __iter__(self) -> FakeConsumer:
        return self

    def __next__(self) -> Any:
        if self.closed or not self.records:
            raise StopIteration
        return self.records.pop(0)

    def poll(self, timeout_ms: int = 0, max_records: int | None = None, update_offsets: bool = True) -> Any:
        """All records at once."""
        records, self.records = self.records, []
        return {TopicPartition("orders", 0): records} if records else {}

    def commit(self, offsets: Any = None, timeout_ms: int | None = None) -> None:
        """Note the call."""
        self.calls.append("commit")

    def assignment(self) -> set[TopicPartition]:
        """One partition."""
        return {TopicPartition("orders", 0)}

    def seek(self, partition: Any, offset: int) -> None:
        """Note the call."""
        self.calls.append(f"seek {offset}")

    def pause(self, *partitions: Any) -> None:
        """Note the call."""
        self.calls.append("pause")

    def close(self, *_: Any, **__: Any) -> None:
        """Note the call."""
        self.closed = True

    def __enter__(self) -> FakeConsumer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FakeAioProducer:
    """An aiokafka producer; `answer` resolves the futures."""

    __module__ = "aiokafka.fake"

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, Any, Any]] = []
        self.futures: list[asyncio.Future[Any]] = []
        self.started = False

    async def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: Any = None,
        timestamp_ms: Any = None,
        headers: Any = None,
    ) -> asyncio.Future[Any]:
        """Like the real one."""
        self.sent.append((topic, value, key, headers))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        return future

    async def send_and_wait(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: Any = None,
        timestamp_ms: Any = None,
        headers: Any = None,
    ) -> Any:
        """Like the real one."""
        return await (await self.send(topic, value, key, partition, timestamp_ms, headers))

    def answer(self) -> None:
        """The broker acknowledges everything."""
        for offset, future in enumerate(self.futures):
            if not future.done():
                future.set_result(RecordMetadata("orders", 0, None, offset, 1, None, 1, 1, 1))

    async def __aenter__(self) -> FakeAioProducer:
        self.started = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.started = False


class FakeAioConsumer:
    """An aiokafka consumer of given records."""

    __module__ = "aiokafka.fake"
    _group_id = "g"

    def __init__(self, records: list[Any]) -> None:
        self.records = list(records)
        self.started = False

    def __aiter__(self) -> FakeAioConsumer:
        return self

    async def __anext__(self) -> Any:
        if not self.records:
            raise StopAsyncIteration
        return await self.getone()

    async def getone(self, *_: Any) -> Any:
        """The next record."""
        await asyncio.sleep(0)
        return self.records.pop(0)

    async def getmany(self, *_: Any, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        """All records at once."""
        records, self.records = self.records, []
        return {TopicPartition("orders", 0): records} if records else {}

    async def stop(self) -> None:
        """Nothing to stop."""
        self.started = False

    async def __aenter__(self) -> FakeAioConsumer:
        self.started = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class FakeMessage:
    """A confluent-kafka message."""

    def __init__(self, headers: Any = None, offset: int = 0, error: Any = None, value: Any = b"{}") -> None:
        self._headers, self._offset, self._error, self._value = headers, offset, error, value

    def topic(self) -> str:
        """Topic."""
        return "orders"

    def partition(self) -> int:
        """Partition."""
        return 0

    def offset(self) -> int:
        """Offset."""
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        """Kind and milliseconds."""
        return 1, 1_700_000_000_000

    def key(self) -> bytes:
        """Key."""
        return b"k"

    def value(self) -> Any:
        """Value."""
        return self._value

    def headers(self) -> Any:
        """Headers."""
        return self._headers

    def error(self) -> Any:
        """Error."""
        return self._error


class FakeConfluentProducer:
    """A confluent-kafka producer; `answer` calls the delivery callbacks."""

    __module__ = "confluent_kafka.fake"

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, Any, Any]] = []
        self.callbacks: list[Callable[[Any, Any], None]] = []

    def produce(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int = -1,
        on_delivery: Any = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """Like the real one."""
        self.sent.append((topic, value, key, headers))
        self.callbacks.append(on_delivery)

    def answer(self, error: Any = None) -> None:
        """The broker acknowledges everything, or refuses it."""
        for offset, callback in enumerate(self.callbacks):
            callback(error, FakeMessage(offset=offset))
        self.callbacks.clear()

    def __len__(self) -> int:
        return len(self.callbacks)


class FakeConfluentConsumer:
    """A confluent-kafka consumer of given messages."""

    __module__ = "confluent_kafka.fake"

    def __init__(self, messages: list[Any]) -> None:
        self.messages = list(messages)
        self.closed = False

    def poll(self, timeout: float = -1) -> Any:
        """The next message."""
        return self.messages.pop(0) if self.messages else None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Any]:
        """So many messages."""
        taken, self.messages = self.messages[:num_messages], self.messages[num_messages:]
        return taken

    def close(self) -> None:
        """Note the call."""
        self.closed = True
