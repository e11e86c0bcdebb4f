"""The adapter for pika."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from flowtrail import _fork
from flowtrail._extras import load
from flowtrail.clients import _rabbitmq, _rabbitmq_errors
from flowtrail.clients._kinds import RABBITMQ
from flowtrail.clients._names import bytes_objection
from flowtrail.clients._pika_consumer import Line, PikaConsumer
from flowtrail.clients._pika_errors import failure_of
from flowtrail.clients._pika_producer import PikaProducer
from flowtrail.clients._pika_reading import reading
from flowtrail.clients._port import (
    ClientError,
    ConsumerClient,
    Message,
    OnDelivery,
    ProducerClient,
    RebalanceListener,
    RefusedError,
    Subscription,
    split_settings,
    unreachable,
)
from flowtrail.errors import ConfigurationError, FlowtrailError


class PikaClient:
    """Opens pika's connections: a blocking one for each consumer, one that doesn't block for the producer.

    Args:
        address: `amqp://user:password@host:5672/vhost`, several separated by commas.
        settings: Of the `Topology`, and pika's own connection parameters; those under `producer` and
            `consumer` go to one side only.

    Raises:
        ConfigurationError: There is no such setting, or the address is none.
        MissingExtraError: pika isn't installed.
    """

    name = "pika"

    def __init__(self, address: str, settings: Mapping[str, Any] | None = None) -> None:
        self._pika = load("pika", "pika", "pika")
        self.address = _rabbitmq.shown(address)
        self._topology, rest = _rabbitmq.Topology.taken_from(settings or {})
        self.kind = RABBITMQ.with_queue(self._topology.queue)
        producer, consumer = split_settings(rest)
        self._producer = [self._parameters(url, producer) for url in _rabbitmq.urls(address)]
        self._consumer = [self._parameters(url, consumer) for url in _rabbitmq.urls(address)]
        self._known: set[str] = set()
        self._lock = threading.Lock()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        _fork.free(self._lock)

    def _parameters(self, url: str, settings: Mapping[str, Any]) -> Any:
        parameters = self._pika.URLParameters(url)
        base = {
            "blocked_connection_timeout": _rabbitmq.BLOCKED_SECONDS,
            "socket_timeout": _rabbitmq.CONNECT_SECONDS,
            "stack_timeout": _rabbitmq.CONNECT_SECONDS,
            "client_properties": {"product": "flowtrail"},
        }
        for name, value in {**base, **settings}.items():
            if name.startswith("_") or not hasattr(parameters, name):
                raise ConfigurationError(f"pika has no setting {name}")
            try:
                setattr(parameters, name, value)
            except (TypeError, ValueError) as error:
                raise ConfigurationError(f"pika: {error}") from error
        return parameters

    def open_producer(self) -> ProducerClient:
        """Connect a producer; see `Client.open_producer`."""
        return _Producer(PikaProducer(self._pika, self._producer, self._known.discard, self.address), self)

    def open_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener, *, start: str
    ) -> ConsumerClient:
        """Connect a consumer; see `Client.open_consumer`."""
        return _rabbitmq_errors.opened(lambda: self._start_consumer(subscriptions, group, listener))

    def _start_consumer(
        self, subscriptions: Collection[Subscription], group: str, listener: RebalanceListener
    ) -> ConsumerClient:
        connection = self._connect(self._consumer, reading(self._pika))
        try:
            with self._failing():
                lines = [self._line(connection, subscription, group) for subscription in subscriptions]
        except BaseException as error:
            with contextlib.suppress(Exception):
                connection.close()
            if isinstance(error, FlowtrailError) or not isinstance(error, Exception):
                raise
            queues = [self._topology.queue_of(subscription, group) for subscription in subscriptions]
            raise _rabbitmq_errors.not_understood(self.name, error, queues) from error
        bind = partial(self._bind_again, connection, subscriptions, group)
        return PikaConsumer(self._pika, connection, lines, listener, bind)

    def _line(self, connection: Any, subscription: Subscription, group: str) -> Line:
        queue = self._topology.queue_of(subscription, group)
        if subscription.own:
            self._declare_own(connection, subscription.topic)
        else:
            self._declare_exchange(connection, subscription.topic)
            arguments = self._topology.arguments(connection._impl.server_properties)
            self._declare_queue(connection, queue, arguments)
            self._bind(connection, [subscription], group)
        channel = connection.channel()
        channel.basic_qos(prefetch_count=self._topology.prefetch)
        return Line(channel, subscription.topic, queue)

    def _bind(self, connection: Any, subscriptions: Collection[Subscription], group: str) -> None:
        """Bind the group's queues to the topics' exchanges."""
        bound = [each for each in subscriptions if not each.own and self._topology.declare]
        if not bound:
            return
        with _channel(connection) as channel:
            for subscription in bound:
                queue = self._topology.queue_of(subscription, group)
                for key in _rabbitmq.binding_keys(subscription):
                    channel.queue_bind(queue, subscription.topic, key)

    def _bind_again(self, connection: Any, subscriptions: Collection[Subscription], group: str) -> None:
        """Bind what may have lost its bindings along with an exchange.

        Raises:
            ClientError: It can't be done.
        """
        with self._failing():
            try:
                self._bind(connection, subscriptions, group)
            except self._pika.exceptions.ChannelClosedByBroker as error:
                if error.reply_code != _rabbitmq_errors.NOT_FOUND:
                    raise
                for subscription in subscriptions:
                    if not subscription.own:
                        self._declare_exchange(connection, subscription.topic)
                self._bind(connection, subscriptions, group)

    def ensure_exchange(self, topic: str) -> None:
        """See to it that there is an exchange.

        Raises:
            ClientError: There is none, and none can be declared; or no server could be reached.
            ConfigurationError: Its name is too long for AMQP.
        """
        self._ensure(topic, lambda connection: self._declare_exchange(connection, topic))

    def ensure_delay(self, topic: str) -> None:
        """See to it that there is a queue in which messages for a retry topic wait.

        Raises:
            ClientError: As with `ensure_exchange`.
        """
        queue = _rabbitmq.delay_queue(topic)

        def declare(connection: Any) -> None:
            server = connection._impl.server_properties
            self._declare_queue(connection, queue, self._topology.delay_arguments(topic, server))

        self._ensure(queue, declare)

    def knows(self, name: str) -> bool:
        """Whether an exchange or queue is known to be there."""
        return name in self._known

    def _ensure(self, name: str, declare: Callable[[Any], None]) -> None:
        with self._lock:
            if name in self._known:
                return
            _rabbitmq_errors.opened(lambda: self._declare_once(declare))
            self._known.add(name)

    def _declare_once(self, declare: Callable[[Any], None]) -> None:
        with contextlib.closing(self._connect(self._producer)) as connection, self._failing():
            declare(connection)

    def ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        """See `ChecksTopics.ensure_topics`."""
        return _rabbitmq_errors.opened(lambda: self._ensure_topics(topics))

    def _ensure_topics(self, topics: Collection[str]) -> Mapping[str, str]:
        missing: dict[str, str] = {}
        with contextlib.closing(self._connect(self._producer)) as connection:
            for topic in topics:
                try:
                    with self._failing():
                        self._declare_own(connection, topic)
                    self._known.add(topic)
                except (RefusedError, ConfigurationError) as error:
                    missing[topic] = str(error)
        return missing

    def _declare_own(self, connection: Any, topic: str) -> None:
        arguments = self._topology.arguments(connection._impl.server_properties, own=True)
        self._declare_queue(connection, topic, arguments)

    def _declare_exchange(self, connection: Any, name: str) -> None:
        _rabbitmq.check_name("exchange", name, bytes_objection(name))
        kind = self._topology.exchange_type
        self._declare(connection, lambda channel, passive: channel.exchange_declare(
            name, kind, passive=passive, durable=True
        ))  # fmt: skip

    def _declare_queue(self, connection: Any, name: str, arguments: Mapping[str, Any]) -> None:
        _rabbitmq.check_name("queue", name, bytes_objection(name))
        self._declare(connection, lambda channel, passive: channel.queue_declare(
            name, passive=passive, durable=True, arguments=None if passive else dict(arguments)
        ))  # fmt: skip

    def _declare(self, connection: Any, declare: Callable[[Any, bool], Any]) -> None:
        """Declare, or take what is there although its settings are others, or the user may not declare."""
        closed = self._pika.exceptions.ChannelClosedByBroker
        refused: BaseException | None = None
        if self._topology.declare:
            try:
                with _channel(connection) as channel:
                    declare(channel, False)
                return
            except closed as error:
                if error.reply_code not in (
                    _rabbitmq_errors.PRECONDITION_FAILED,
                    _rabbitmq_errors.ACCESS_REFUSED,
                ):
                    raise
                refused = error
        try:
            with _channel(connection) as channel:
                declare(channel, True)
        except closed as error:
            raise refused or error from None

    def _connect(self, parameters: Sequence[Any], beneath: Mapping[str, Any] | None = None) -> Any:
        try:
            with self._failing():
                return self._pika.BlockingConnection(parameters, **(beneath or {}))
        except ClientError as error:
            if type(error) is not ClientError:
                raise
            raise unreachable(self.kind, self.address, error) from error

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Raise what the port wants to hear."""
        try:
            yield
        except (self._pika.exceptions.AMQPError, OSError) as error:
            raise failure_of(self._pika, error) from error

    def is_retriable(self, error: BaseException) -> bool:
        """See `Client.is_retriable`."""
        return isinstance(error, ClientError) and not isinstance(error, RefusedError)


@contextlib.contextmanager
def _channel(connection: Any) -> Iterator[Any]:
    """A channel, closed in the end unless the server did that."""
    channel = connection.channel()
    try:
        yield channel
    finally:
        if channel.is_open:
            channel.close()


class _Producer:
    """A producer that first sees to it that there is an exchange."""

    def __init__(self, producer: PikaProducer, client: PikaClient) -> None:
        self._producer = producer
        self._client = client
        self.flush = producer.flush
        self.close = producer.close

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        sent = _rabbitmq.outgoing(message)
        if not message.own:
            self._client.ensure_exchange(message.topic)
        elif sent.delayed:
            self._client.ensure_delay(message.topic)
        self._producer.send(sent, on_delivery)

    def waits_for(self, topic: str) -> bool:
        return not self._client.knows(topic)

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        if message.own or not self._client.knows(message.topic):
            return False
        self._producer.send(_rabbitmq.outgoing(message), on_delivery)
        return True
