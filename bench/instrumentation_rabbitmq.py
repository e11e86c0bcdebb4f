"""pika and aio-pika, instrumented by OpenTelemetry's packages and by ours; see `bench.instrumentation`.

The clients are faked as far as they do I/O: messages and properties are the clients' own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aio_pika
import pika
from aio_pika.message import IncomingMessage
from aiormq import spec
from aiormq.abc import DeliveredMessage
from opentelemetry.instrumentation.aio_pika.callback_decorator import CallbackDecorator
from opentelemetry.instrumentation.aio_pika.publish_decorator import PublishDecorator
from opentelemetry.instrumentation.pika.utils import _decorate_basic_publish, _decorate_callback
from pamqp.header import ContentHeader
from yarl import URL

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import wrap_consumer, wrap_producer
from flowtrail.instrumentor import AioPikaInstrumentor, PikaInstrumentor
from flowtrail.instrumentor._base import Patches

Chunk = Callable[[int], None]
Flush = Callable[[], Any]


class _Connection:
    params = pika.ConnectionParameters()
    url = URL("amqp://localhost:5672/")


def _channel_class() -> type[Any]:
    class FakeChannel:
        """Keeps its last message, and the function that handles messages."""

        __module__ = "pika.fake"
        connection = _Connection()

        def __init__(self) -> None:
            self.properties: Any = None
            self.handle: Any = None

        def basic_publish(
            self,
            exchange: str,
            routing_key: str,
            body: bytes,
            properties: Any = None,
            mandatory: bool = False,
        ) -> None:
            """Like pika's."""
            self.properties = properties

        def basic_consume(self, queue: str, on_message_callback: Any) -> None:
            """Like pika's."""
            self.handle = on_message_callback

        def basic_get(self, queue: str, callback: Any) -> None:
            """Like pika's."""

    return FakeChannel


def _nothing(*_: Any) -> None:
    """A handler."""


def _pika_chunks(publish: Any, handle: Any, properties: Any, flush: Flush) -> tuple[Chunk, Chunk]:
    method = pika.spec.Basic.Deliver("tag", 1, False, "orders", "OrderPlaced")

    def produce(messages: int) -> None:
        for _ in range(messages):
            publish("orders", "OrderPlaced", b"value")
        flush()

    def consume(messages: int) -> None:
        for _ in range(messages):
            handle(None, method, properties, b"value")
        flush()

    return produce, consume


def pika_bare() -> tuple[Chunk, Chunk]:
    """The fake channel alone."""
    return _pika_chunks(_channel_class()().basic_publish, _nothing, None, lambda: None)


def pika_theirs(provider: Any, flush: Flush) -> tuple[Chunk, Chunk]:
    """opentelemetry-instrumentation-pika."""
    tracer, channel = provider.get_tracer("bench"), _channel_class()()
    publish = _decorate_basic_publish(channel.basic_publish, channel, tracer)
    publish("orders", "OrderPlaced", b"value")
    return _pika_chunks(publish, _decorate_callback(_nothing, tracer, "tag"), channel.properties, flush)


def pika_ours(telemetry: Telemetry, flush: Flush) -> tuple[Chunk, Chunk]:
    """A wrapped channel."""
    channel = _channel_class()()
    traced = wrap_consumer(telemetry, channel)
    traced.basic_consume("orders.billing", _nothing)
    traced.basic_publish("orders", "OrderPlaced", b"value")
    return _pika_chunks(traced.basic_publish, channel.handle, channel.properties, flush)


def pika_zero_code(telemetry: Telemetry, flush: Flush) -> tuple[Chunk, Chunk]:
    """Our patches, as the instrumentor puts them on pika's classes."""
    kind = _channel_class()
    instrumentor = object.__new__(PikaInstrumentor)
    instrumentor.telemetry = telemetry.speaking("rabbitmq")
    Patches().replace(kind, "basic_publish", instrumentor._publish(kind))
    channel = kind()
    channel.basic_publish("orders", "OrderPlaced", b"value")
    return _pika_chunks(channel.basic_publish, _handle_of(telemetry), channel.properties, flush)


def _handle_of(telemetry: Telemetry) -> Any:
    channel = _channel_class()()
    wrap_consumer(telemetry, channel).basic_consume("orders.billing", _nothing)
    return channel.handle


def _exchange_class() -> type[Any]:
    class FakeExchange:
        """Keeps its last message."""

        __module__ = "aio_pika.fake"
        name = "orders"

        def __init__(self) -> None:
            self.channel = self
            self._connection = _Connection()
            self.message: Any = None

        async def publish(self, message: Any, routing_key: str) -> None:
            """Like aio-pika's."""
            self.message = message

    return FakeExchange


def _queue_class() -> type[Any]:
    class FakeQueue:
        """Keeps the function that handles messages."""

        __module__ = "aio_pika.fake"
        name = "orders.billing"

        def __init__(self) -> None:
            self.channel = self
            self._connection = _Connection()
            self.handle: Any = None

        async def consume(self, callback: Any) -> None:
            """Like aio-pika's."""
            self.handle = callback

        async def get(self) -> None:
            """Like aio-pika's."""

    return FakeQueue


async def _awaited(_message: Any) -> None:
    """A handler."""


def _incoming(sent: aio_pika.Message) -> IncomingMessage:
    delivery = spec.Basic.Deliver("tag", 1, False, "orders", "OrderPlaced")
    header = ContentHeader(properties=sent.properties)
    nowhere: Any = None
    return IncomingMessage(DeliveredMessage(delivery, header, b"value", nowhere))


def _aio_pika_chunks(
    loop: asyncio.AbstractEventLoop, publish: Any, handle: Any, sent: Any, flush: Flush
) -> tuple[Chunk, Chunk]:
    incoming = _incoming(sent)

    async def produced(messages: int) -> None:
        for _ in range(messages):
            await publish(aio_pika.Message(b"value"), "OrderPlaced")

    async def consumed(messages: int) -> None:
        for _ in range(messages):
            await handle(incoming)

    def produce(messages: int) -> None:
        loop.run_until_complete(produced(messages))
        flush()

    def consume(messages: int) -> None:
        loop.run_until_complete(consumed(messages))
        flush()

    return produce, consume


def aio_pika_bare(loop: asyncio.AbstractEventLoop) -> tuple[Chunk, Chunk]:
    """The fake exchange alone."""
    return _aio_pika_chunks(
        loop, _exchange_class()().publish, _awaited, aio_pika.Message(b"value"), lambda: None
    )


def aio_pika_theirs(loop: asyncio.AbstractEventLoop, provider: Any, flush: Flush) -> tuple[Chunk, Chunk]:
    """opentelemetry-instrumentation-aio-pika: it decorates for each call, as its instrumentor does."""
    tracer, exchange = provider.get_tracer("bench"), _exchange_class()()

    def publish(message: Any, routing_key: str) -> Any:
        return PublishDecorator(tracer, exchange).decorate(exchange.publish)(message, routing_key)

    loop.run_until_complete(publish(aio_pika.Message(b"value"), "OrderPlaced"))
    handle = CallbackDecorator(tracer, _queue_class()()).decorate(_awaited)
    return _aio_pika_chunks(loop, publish, handle, exchange.message, flush)


def aio_pika_ours(loop: asyncio.AbstractEventLoop, telemetry: Telemetry, flush: Flush) -> tuple[Chunk, Chunk]:
    """A wrapped exchange and a wrapped queue."""
    exchange = _exchange_class()()
    traced = wrap_producer(telemetry, exchange)
    loop.run_until_complete(traced.publish(aio_pika.Message(b"value"), "OrderPlaced"))
    return _aio_pika_chunks(
        loop, traced.publish, _awaited_handle_of(loop, telemetry), exchange.message, flush
    )


def aio_pika_zero_code(
    loop: asyncio.AbstractEventLoop, telemetry: Telemetry, flush: Flush
) -> tuple[Chunk, Chunk]:
    """Our patches, as the instrumentor puts them on aio-pika's classes."""
    kind = _exchange_class()
    instrumentor = object.__new__(AioPikaInstrumentor)
    instrumentor.telemetry = telemetry.speaking("rabbitmq")
    Patches().replace(kind, "publish", instrumentor._publish)
    exchange = kind()
    loop.run_until_complete(exchange.publish(aio_pika.Message(b"value"), "OrderPlaced"))
    return _aio_pika_chunks(
        loop, exchange.publish, _awaited_handle_of(loop, telemetry), exchange.message, flush
    )


def _awaited_handle_of(loop: asyncio.AbstractEventLoop, telemetry: Telemetry) -> Any:
    queue = _queue_class()()
    loop.run_until_complete(wrap_consumer(telemetry, queue).consume(_awaited))
    return queue.handle
