"""The adapter for aio-pika, whose connections run on an event loop in a thread of their own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from flowtrail._extras import load
from flowtrail._loop_thread import LoopThread
from flowtrail.clients import _rabbitmq, _rabbitmq_errors
from flowtrail.clients._aio_pika_consumer import AioPikaConsumer, Line
from flowtrail.clients._aio_pika_errors import code_of, failure_of
from flowtrail.clients._aio_pika_producer import AioPikaProducer
from flowtrail.clients._aio_pika_reading import reading
from flowtrail.clients._kinds import RABBITMQ_AIO_PIKA
from flowtrail.clients._names import codec_objection
from flowtrail.clients._port import (
    ClientError,
    ConsumerClient,
    ProducerClient,
    RebalanceListener,
    RefusedError,
    Subscription,
    split_settings,
    unreachable,
)
from flowtrail.errors import ConfigurationError

T = TypeVar("T")

_Declare = Callable[[Any, bool], Awaitable[Any]]


class AioPikaClient:
    """Opens aio-pika's connections; what is sent and read goes through the channels of aiormq below them.

    Args:
        address: `amqp://user:password@host:5672/vhost`, several separated by commas.
        settings: Of the `Topology`, and arguments of `aio_pika.connect`; those under `producer` and `consumer`
            go to one side only.

    Raises:
        ConfigurationError: A setting makes no sense, or the address is none.
        MissingExtraError: aio-pika isn't installed.
    """

    name = "aio-pika"

    def __init__(self, address: str, settings: Mapping[str, Any] | None = None) -> None:
        self._aio_pika = load("aio_pika", "aio-pika", "aio-pika")
        self._aiormq = load("aiormq", "aio-pika", "aio-pika")
        self.address = _rabbitmq.shown(address)
        self._urls = _rabbitmq.urls(address)
        self._topology, rest = _rabbitmq.Topology.taken_from(settings or {})
        self.kind = RABBITMQ_AIO_PIKA.with_queue(self._topology.queue)
        self._producer, self._consumer = split_settings(rest)
        self._known: set[str] = set()
        self._thread = LoopThread("flowtrail-aio-pika")

    def open_producer(self) -> ProducerClient:
        """Connect a producer; see `Client.open_producer`."""
        producer = AioPikaProducer(self._aiormq, self._thread, lambda: self._connect(self._producer), self)
        self._open(producer.connected())
        return producer

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """Connect a consumer; see `Client.open_consumer`."""
        return _rabbitmq_errors.opened(
            lambda: self._open(self._start_consumer(subscriptions, group, listener))
        )

    async def _start_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener
    ) -> AioPikaConsumer:
        connection = await self._connect(self._consumer)
        try:
            lines = [await self._line(connection, subscription, group) for subscription in subscriptions]
            bind = partial(self._bind_again, connection, subscriptions, group)
            consumer = AioPikaConsumer(self._aiormq, self._thread, connection, lines, listener, bind)
            await consumer.begin()
        except BaseException:
            with contextlib.suppress(Exception):
                await connection.close()
            raise
        return consumer

    async def _line(self, connection: Any, subscription: Subscription, group: str) -> Line:
        queue = self._topology.queue_of(subscription, group)
        if subscription.own:
            await self._declare_own(connection, subscription.topic)
        else:
            await self._declare_exchange(connection, subscription.topic)
            await self._declare_queue(connection, queue, self._topology.arguments(_server(connection)))
            await self._bind(connection, [subscription], group)
        channel = await (await connection.channel()).get_underlay_channel()
        await channel.basic_qos(prefetch_count=self._topology.prefetch)
        return Line(channel, subscription.topic, queue)

    async def _bind(self, connection: Any, subscriptions: Collection[Subscription], group: str) -> None:
        """Bind the group's queues to the topics' exchanges."""
        bound = [each for each in subscriptions if not each.own and self._topology.declare]
        if not bound:
            return
        async with _channel(connection) as channel:
            for subscription in bound:
                queue = self._topology.queue_of(subscription, group)
                for key in _rabbitmq.binding_keys(subscription):
                    await channel.queue_bind(queue, subscription.topic, key)

    async def _bind_again(self, connection: Any, subscriptions: Collection[Subscription], group: str) -> None:
        """Bind what may have lost its bindings along with an exchange."""
        try:
            await self._bind(connection, subscriptions, group)
        except self._aiormq.exceptions.AMQPChannelError as error:
            if code_of(self._aiormq, error) != _rabbitmq_errors.NOT_FOUND:
                raise
            for subscription in subscriptions:
                if not subscription.own:
                    await self._declare_exchange(connection, subscription.topic)
            await self._bind(connection, subscriptions, group)

    async def _connect(self, settings: Mapping[str, Any]) -> Any:
        last: BaseException = ClientError("no server")
        base = {"timeout": _rabbitmq.CONNECT_SECONDS, **reading(self._aio_pika)}
        for url in self._urls:
            try:
                return await self._aio_pika.connect(url, **{**base, **settings})
            except Exception as error:  # noqa: BLE001 - the next one may be there
                last = error
        failure = failure_of(self._aiormq, last)
        raise (
            failure if type(failure) is not ClientError else unreachable(self.kind, self.address, failure)
        ) from last

    def _open(self, starting: Coroutine[Any, Any, T]) -> T:
        self._thread.acquire()
        try:
            return self._thread.call(starting, (len(self._urls) + 1) * _rabbitmq.CONNECT_SECONDS)
        except Exception as error:
            self._thread.release()
            raise failure_of(self._aiormq, error) from error

    async def ensure_exchange(self, connection: Any, topic: str) -> None:
        """See to it that there is an exchange.

        Raises:
            ConfigurationError: The client can't write its name.
            Exception: There is none, and none can be declared.
        """
        if topic not in self._known:
            await self._declare_exchange(connection, topic)
            self._known.add(topic)

    async def ensure_delay(self, connection: Any, topic: str) -> None:
        """See to it that there is a queue in which messages for a retry topic wait.

        Raises:
            Exception: As with `ensure_exchange`.
        """
        queue = _rabbitmq.delay_queue(topic)
        if queue not in self._known:
            arguments = self._topology.delay_arguments(topic, _server(connection))
            await self._declare_queue(connection, queue, arguments)
            self._known.add(queue)

    def forget(self, name: str) -> None:
        """An exchange or queue isn't there any more."""
        self._known.discard(name)

    def ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        """See `ChecksTopics.ensure_topics`."""
        missing = _rabbitmq_errors.opened(lambda: self._open(self._ensure_topics(topics)))
        self._thread.release()
        return missing

    async def _ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        missing: dict[str, str] = {}
        connection = await self._connect(self._producer)
        async with connection:
            for topic in topics:
                try:
                    await self._declare_own(connection, topic)
                except (self._aiormq.exceptions.AMQPChannelError, ConfigurationError) as error:
                    missing[topic] = str(failure_of(self._aiormq, error))
        return missing

    async def _declare_own(self, connection: Any, topic: str) -> None:
        await self._declare_queue(connection, topic, self._topology.arguments(_server(connection), own=True))

    async def _declare_exchange(self, connection: Any, name: str) -> None:
        _rabbitmq.check_name("exchange", name, codec_objection("exchange", name))
        kind = self._topology.exchange_type
        await self._declare(connection, lambda channel, passive: channel.exchange_declare(
            name, exchange_type=kind, passive=passive, durable=True
        ))  # fmt: skip

    async def _declare_queue(self, connection: Any, name: str, arguments: Mapping[str, Any]) -> None:
        _rabbitmq.check_name("queue", name, codec_objection("queue", name))
        await self._declare(connection, lambda channel, passive: channel.queue_declare(
            name, passive=passive, durable=True, arguments=None if passive else dict(arguments)
        ))  # fmt: skip

    async def _declare(self, connection: Any, declare: _Declare) -> None:
        """Declare, or take what is there although its settings are others, or the user may not declare."""
        closed = self._aiormq.exceptions.AMQPChannelError
        refused: BaseException | None = None
        if self._topology.declare:
            try:
                async with _channel(connection) as channel:
                    await declare(channel, False)
                return
            except closed as error:
                code = code_of(self._aiormq, error)
                if code not in (_rabbitmq_errors.PRECONDITION_FAILED, _rabbitmq_errors.ACCESS_REFUSED):
                    raise
                refused = error
        try:
            async with _channel(connection) as channel:
                await declare(channel, True)
        except closed as error:
            raise refused or error from None

    def is_retriable(self, error: BaseException) -> bool:
        """See `Client.is_retriable`."""
        return isinstance(error, ClientError) and not isinstance(error, RefusedError)


@contextlib.asynccontextmanager
async def _channel(connection: Any) -> AsyncIterator[Any]:
    """A channel of aiormq, closed in the end."""
    channel = await connection.channel()
    try:
        yield await channel.get_underlay_channel()
    finally:
        with contextlib.suppress(Exception):
            await channel.close()


def _server(connection: Any) -> Mapping[str, Any]:
    """How the server introduced itself."""
    found: Mapping[str, Any] = connection.transport.connection.server_properties
    return found
