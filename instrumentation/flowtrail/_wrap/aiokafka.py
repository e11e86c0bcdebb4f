"""aiokafka: telemetry around `AIOKafkaProducer.send` and around what `AIOKafkaConsumer` hands over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import ref

from flowtrail._telemetry import MessageTracer, OutgoingMessage, Telemetry
from flowtrail._telemetry.attributes import KAFKA
from flowtrail._wrap.calls import Shape, given, put, shape_of
from flowtrail._wrap.proxy import Proxy, Way, keep
from flowtrail._wrap.scope import AsyncRecords, Receiver, text_or_none, topics_of
from flowtrail._wrap.tasks import TaskReceiver

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


class Sender:
    """`AIOKafkaProducer.send` with telemetry: the span ends when the broker has answered.

    Args:
        telemetry: Where to report.
        producer: Whose messages these are.
        shape: What the real `send` takes.
    """

    def __init__(self, telemetry: Telemetry, producer: Any, shape: Shape) -> None:
        self.tracer = MessageTracer(telemetry, client_id_of(producer))
        self._producer = ref(producer)
        self._shape = shape

    async def send(self, call: Callable[..., Awaitable[Any]], /, *arguments: Any, **named: Any) -> Any:
        """Call the real `send` with what was given, and our headers."""
        outgoing, arguments = self._start(arguments, named)
        if outgoing is None:
            return await call(*arguments, **named)
        try:
            future = await call(*arguments, **named)
        except BaseException as error:
            outgoing.fail(error)
            raise
        if isinstance(future, asyncio.Future):
            future.add_done_callback(_finisher(outgoing))
        else:
            outgoing.done()
        return future

    async def send_and_wait(
        self, call: Callable[..., Awaitable[Any]], /, *arguments: Any, **named: Any
    ) -> Any:
        """Call the real `send_and_wait` with what was given, and our headers."""
        outgoing, arguments = self._start(arguments, named)
        if outgoing is None:
            return await call(*arguments, **named)
        try:
            metadata = await call(*arguments, **named)
        except asyncio.CancelledError:
            outgoing.done()  # see _finisher
            raise
        except BaseException as error:
            outgoing.fail(error)
            raise
        outgoing.acked(metadata)
        return metadata

    def _start(
        self, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[OutgoingMessage | None, tuple[Any, ...]]:
        """The message with its headers put into the call; None if it isn't to be traced."""
        shape, tracer = self._shape, self.tracer
        topic = given(arguments, named, shape.topic, "topic")
        if not isinstance(topic, str):
            return None, arguments  # the client itself shall refuse what is wrong
        try:
            outgoing = tracer.start(
                topic,
                given(arguments, named, shape.value, "value"),
                given(arguments, named, shape.key, "key"),
                given(arguments, named, shape.headers, "headers"),
            )
            if takes_headers(self._producer()):
                arguments = put(arguments, named, shape.headers, "headers", outgoing.headers)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            tracer.telemetry.internal_error("send", failure)
            return None, arguments
        return outgoing, arguments


class TracedProducer(Proxy):
    """An `AIOKafkaProducer` whose messages are traced."""

    def __init__(self, telemetry: Telemetry, producer: Any) -> None:
        kind = type(producer)
        sender = Sender(telemetry, producer, shape_of(kind, "send"))
        # An override may take other arguments than `send` does.
        waiting = Sender(telemetry, producer, shape_of(kind, "send_and_wait"))
        super().__init__(producer)
        keep(self, "_flowtrail_sender", sender)
        keep(self, "_flowtrail_waiting", waiting)

    async def send(self, *arguments: Any, **named: Any) -> Any:
        """See `AIOKafkaProducer.send`."""
        return await self._flowtrail_sender.send(self.__wrapped__.send, *arguments, **named)

    async def send_and_wait(self, *arguments: Any, **named: Any) -> Any:
        """See `AIOKafkaProducer.send_and_wait`."""
        return await self._flowtrail_waiting.send_and_wait(
            self.__wrapped__.send_and_wait, *arguments, **named
        )


class TracedConsumer(Proxy):
    """An `AIOKafkaConsumer` whose records are being handled between two calls."""

    def __init__(self, telemetry: Telemetry, consumer: Any, group: str | None) -> None:
        super().__init__(consumer)
        keep(
            self,
            "_flowtrail_receiver",
            TaskReceiver(telemetry, group, client_id_of(consumer)),
        )

    def __aiter__(self) -> Any:
        records = self.__wrapped__.__aiter__()
        return self if records is self.__wrapped__ else AsyncRecords(records, self._flowtrail_receiver)

    async def __anext__(self) -> Any:
        receiver: Receiver = self._flowtrail_receiver
        receiver.take_back()
        record = await self.__wrapped__.__anext__()
        receiver.hand_over(record)
        return record

    async def getone(self, *partitions: Any, **named: Any) -> Any:
        """See `AIOKafkaConsumer.getone`."""
        return await getone(self._flowtrail_receiver, self.__wrapped__.getone, *partitions, **named)

    async def getmany(self, *partitions: Any, **named: Any) -> Any:
        """See `AIOKafkaConsumer.getmany`; iterate its lists to have each record handled inside its span."""
        return await getmany(self._flowtrail_receiver, self.__wrapped__.getmany, *partitions, **named)

    async def commit(self, *arguments: Any, **named: Any) -> Any:
        """See `AIOKafkaConsumer.commit`."""
        return await commit(self._flowtrail_receiver, self.__wrapped__.commit, *arguments, **named)

    async def stop(self, *arguments: Any, **named: Any) -> Any:
        """See `AIOKafkaConsumer.stop`."""
        self._flowtrail_receiver.close()
        return await self.__wrapped__.stop(*arguments, **named)

    async def __aexit__(self, *exception: Any) -> Any:
        self._flowtrail_receiver.close(exception[1] if len(exception) > 1 else None)
        return await self.__wrapped__.__aexit__(*exception)


async def getone(
    receiver: Receiver, call: Callable[..., Awaitable[Any]], /, *partitions: Any, **named: Any
) -> Any:
    """`AIOKafkaConsumer.getone` with telemetry; `call` is the real one."""
    receiver.take_back()
    record = await call(*partitions, **named)
    receiver.hand_over(record)
    return record


async def getmany(
    receiver: Receiver, call: Callable[..., Awaitable[Any]], /, *partitions: Any, **named: Any
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
    receiver: Receiver, call: Callable[..., Awaitable[Any]], /, *arguments: Any, **named: Any
) -> Any:
    """`AIOKafkaConsumer.commit` with telemetry; `call` is the real one."""
    with receiver.telemetry.committing(topics_of(arguments, named), group=receiver.group):
        return await call(*arguments, **named)


SYSTEM = KAFKA
PRODUCERS = (Way(("send",), True, TracedProducer),)
CONSUMERS = (Way(("getone", "getmany"), True, TracedConsumer),)
