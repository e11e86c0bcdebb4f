"""What a consumer is handed, before the client makes objects of it: `frames` around pika."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flowtrail.wire.amqp_pika import decoded_properties, reading_all
from flowtrail_collector.brokers.rabbitmq.connection import connect, pika_module
from flowtrail_collector.brokers.rabbitmq.frames import HEARTBEAT, Delivered, Splitter
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["Deliveries", "connect_to_read", "lacking", "text_of"]

logger = logging.getLogger("flowtrail_collector")

# What it takes of a client that isn't public: class, method, and the parameter that is needed or how many there are.
_PRIVATE: tuple[tuple[str, str, str | int], ...] = (
    ("BlockingConnection", "__init__", "_impl_class"),
    ("BlockingConnection", "_request_channel_dispatch", 2),
    ("SelectConnection", "_on_data_available", 2),
    ("SelectConnection", "_read_frame", 1),
)


class Deliveries:
    """The deliveries of one channel, on a connection of its own.

    They are cut out of the connection's bytes; opening, heartbeats, flow control and everything else that comes stay
    the client's. Of a client that lacks the private parts which that takes, or doesn't call them, deliveries come
    through its public callback: slower, and the same ones.

    Args:
        config: Where to connect.
        purpose: What the server's list of connections calls it.

    Attributes:
        connection: The connection; whoever made this closes it.

    Raises:
        RefusedError: The server refuses; says what to do.
        ServiceUnreachableError: No server answers.
        ConfigurationError: The client isn't installed.
    """

    def __init__(self, config: RabbitConfig, purpose: str) -> None:
        self._client = pika_module()
        self._splitter = Splitter()
        beneath = None
        missing = lacking(self._client)
        if missing:
            version = getattr(self._client, "__version__", "of unknown version")
            logger.debug("pika %s lacks %s: it decodes each delivery itself", version, ", ".join(missing))
        else:
            beneath = _splitting(self._client, self._splitter, self._on_taken)
        self.connection: BlockingConnection = connect(config, purpose, beneath)

    @property
    def waiting(self) -> bool:
        """Whether there are any to take."""
        return bool(self._splitter.deliveries)

    def consume(self, channel: BlockingChannel, queue: str, arguments: dict[str, Any]) -> None:
        """Begin to consume.

        Args:
            channel: A channel of the connection; the only one that consumes.
            queue: From which queue.
            arguments: Of the consumer.

        Raises:
            AMQPError: The client's own; the server refuses.
        """
        self._splitter.channel = channel.channel_number
        channel.basic_consume(queue, self._on_message, arguments=arguments)

    def take(self) -> list[Delivered]:
        """What has come since the last time, in order."""
        taken = self._splitter.deliveries
        self._splitter.deliveries = []
        return taken

    def decoded(self, properties: Any) -> Any:
        """Properties as the client gives them, always with a table of headers."""
        found = decoded_properties(self._client, properties) if isinstance(properties, bytes) else properties
        found.headers = found.headers or {}
        return found

    def _on_taken(self) -> None:
        """Have the client end `process_data_events`: there is something to do."""
        self.connection._request_channel_dispatch(-self._splitter.channel)

    def _on_message(self, channel: object, method: Any, properties: Any, body: bytes) -> None:
        """A message that the client has decoded itself."""
        exchange, routing_key = (
            text.encode() if isinstance(text, str) else text for text in (method.exchange, method.routing_key)
        )
        self._splitter.deliveries.append((method.delivery_tag, exchange, routing_key, properties, body))


def connect_to_read(config: RabbitConfig, purpose: str) -> BlockingConnection:
    """A connection that lives on whatever the headers of a message are, with a client that has what that takes.

    Raises what `connect` does; with another client reading such a message raises UndecodableError.
    """
    client = pika_module()
    beneath = None if lacking(client) else _splitting(client, Splitter(), lambda: None)
    return connect(config, purpose, beneath)


def lacking(client: ModuleType) -> list[str]:
    """The private parts that a version of the client lacks; without any of them its public callback has to do."""
    return [f"{kind}.{name}" for kind, name, wanted in _PRIVATE if not _has(client, kind, name, wanted)]


def _has(client: ModuleType, kind: str, name: str, wanted: str | int) -> bool:
    try:
        parameters = inspect.signature(getattr(getattr(client, kind), name)).parameters
    except (AttributeError, TypeError, ValueError):
        return False
    return wanted in parameters or wanted == len(parameters)


def _splitting(client: ModuleType, splitter: Splitter, on_taken: Callable[[], object]) -> type[Any]:
    """The class to put beneath a connection whose deliveries are taken."""

    class SplittingConnection(reading_all(client.SelectConnection)):  # type: ignore[misc]
        """Hands the client what isn't a delivery of ours."""

        def _on_data_available(self, data_in: bytes) -> None:
            known = len(splitter.deliveries)
            frames = splitter.feed(bytes(data_in))
            if not frames and splitter.channel:
                # Its heartbeats look whether anything came.
                frames = [HEARTBEAT]
            for frame in frames:
                super()._on_data_available(frame)
            if len(splitter.deliveries) > known:
                on_taken()

    return SplittingConnection


def text_of(data: bytes) -> Any:
    """A short string as the client gives it: what isn't UTF-8 stays bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
