"""aiokafka: telemetry around `AIOKafkaProducer.send` and around what `AIOKafkaConsumer` hands over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from flowtrail._telemetry import MessageTracer, OutgoingMessage, Telemetry
from flowtrail._wrap.proxy import Proxy, keep
from flowtrail._wrap.scope import Receiver, TaskReceiver, text_or_none, topics_of

_FIRST_WITH_HEADERS = (0, 11)


def client_id_of(client: Any) -> str | None:
    """The client's id as configured."""
    inner = getattr(client, "client", None) or getattr(client, "_client", None)
    return text_or_none(getattr(inner, "_client_id", None))


def group_of(client: Any) -> str | None:
    """The consumer's group as configured."""
    return text_or_none(getattr(client, "_group_id", None))


def takes_headers(client: Any) -> bool:
    """Whether the broker's message format has room for headers (Apache Kafka 0.11, message format 2)."""
    inner = getattr(client, "client", None)
    version = getattr(inner, "api_version", None)
    return not isinstance(version, tuple) or version >= _FIRST_WITH_HEADERS


def _finisher(outgoing: OutgoingMessage) -> Callable[[asyncio.Future[Any]], None]:
    def finish(future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            # aiokafka still sends the message: nobody waits for the answer any more.
            outgoing.done()
            return
        error = future.exception()
        if error is None:
            outgoing.acked(future.result())
        else:
            outgoing.fail(error)

    return finish


async def send(
    tracer: MessageTracer,
    call: Callable[..., Awaitable[Any]],
    client: Any,
    topic: str,
    value: Any = None,
    key: Any = None,
    partition: Any = None,
    timestamp_ms: Any = None,
    headers: Any = None,
    **named: Any,
) -> Any:
    """`AIOKafkaProducer.send` with telemetry: the span ends when the broker has answered.

    Args:
        tracer: Traces the message.
        call: The real `send`.
        client: The producer.
        topic: See aiokafka; likewise the rest. `named` is whatever newer versions take.
    """
    try:
        outgoing = tracer.start(topic, value, key, headers)
    except Exception as failure:  # noqa: BLE001 - the client itself shall refuse what is wrong
        tracer.telemetry.internal_error("send", failure)
        return await call(topic, value, key, partition, timestamp_ms, headers, **named)
    ours = outgoing.headers if takes_headers(client) else headers
    try:
        future = await call(topic, value, key, partition, timestamp_ms, ours, **named)
    except BaseException as error:
        outgoing.fail(error)
        raise
    if isinstance(future, asyncio.Future):
        future.add_done_callback(_finisher(outgoing))
    else:
        outgoing.done()
    return future


class TracedProducer(Proxy):
    """An `AIOKafkaProducer` whose messages are traced."""

    def __init__(self, telemetry: Telemetry, producer: Any) -> None:
        super().__init__(producer)
        keep(self, "_tracer", MessageTracer(telemetry, client_id_of(producer)))

    async def send(self, topic: str, *arguments: Any, **named: Any) -> Any:
        """See `AIOKafkaProducer.send`."""
        client = self.__wrapped__
        return await send(self._tracer, client.send, client, topic, *arguments, **named)

    async def send_and_wait(self, topic: str, *arguments: Any, **named: Any) -> Any:
        """See `AIOKafkaProducer.send_and_wait`."""
        return await (await self.send(topic, *arguments, **named))


class TracedConsumer(Proxy):
    """An `AIOKafkaConsumer` whose records are being handled between two calls."""

    def __init__(self, telemetry: Telemetry, consumer: Any, group: str | None) -> None:
        super().__init__(consumer)
        keep(self, "_receiver", TaskReceiver(telemetry, group or group_of(consumer), client_id_of(consumer)))

    def __aiter__(self) -> Any:
        self.__wrapped__.__aiter__()
        return self

    async def __anext__(self) -> Any:
        receiver: Receiver = self._receiver
        receiver.take_back()
        record = await self.__wrapped__.__anext__()
        receiver.hand_over(record)
        return record

    async def getone(self, *partitions: Any) -> Any:
        """See `AIOKafkaConsumer.getone`."""
        return await getone(self._receiver, self.__wrapped__.getone, *partitions)

    async def getmany(self, *partitions: Any, **named: Any) -> Any:
        """See `AIOKafkaConsumer.getmany`; iterate its lists to have each record handled inside its span."""
        return await getmany(self._receiver, self.__wrapped__.getmany, *partitions, **named)

    async def commit(self, *arguments: Any, **named: Any) -> Any:
        """See `AIOKafkaConsumer.commit`."""
        return await commit(self._receiver, self.__wrapped__.commit, *arguments, **named)

    async def stop(self) -> None:
        """See `AIOKafkaConsumer.stop`."""
        self._receiver.take_back()
        await self.__wrapped__.stop()

    async def __aexit__(self, *exception: Any) -> Any:
        self._receiver.take_back(exception[1] if len(exception) > 1 else None)
        return await super().__aexit__(*exception)


async def getone(receiver: Receiver, call: Callable[..., Awaitable[Any]], *partitions: Any) -> Any:
    """`AIOKafkaConsumer.getone` with telemetry; `call` is the real one."""
    receiver.take_back()
    record = await call(*partitions)
    receiver.hand_over(record)
    return record


async def getmany(
    receiver: Receiver, call: Callable[..., Awaitable[Any]], *partitions: Any, **named: Any
) -> Any:
    """`AIOKafkaConsumer.getmany` with telemetry; `call` is the real one."""
    receiver.take_back()
    with receiver.telemetry.polling(group=receiver.group) as operation:
        batches = await call(*partitions, **named)
        for partition, records in batches.items():
            operation.received(partition.topic, len(records))
    for partition, records in batches.items():
        batches[partition] = receiver.batch(records)
    return batches


async def commit(
    receiver: Receiver, call: Callable[..., Awaitable[Any]], *arguments: Any, **named: Any
) -> Any:
    """`AIOKafkaConsumer.commit` with telemetry; `call` is the real one."""
    with receiver.telemetry.committing(topics_of(arguments, named), group=receiver.group):
        return await call(*arguments, **named)
