"""What a consumer is handed, before the client makes objects of it: `frames` around pika."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from flowtrail_collector.brokers.rabbitmq.connection import pika_module
from flowtrail_collector.brokers.rabbitmq.frames import Delivered, Splitter

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["Deliveries", "splitting_connection", "text_of"]


@cache
def splitting_connection() -> type[Any]:
    """The class to put beneath a connection whose deliveries are taken.

    Opening, heartbeats, flow control and everything else that comes stay the client's. In a client whose connections
    don't call this method, nothing is taken, and deliveries come to `Deliveries.on_message`.

    Raises:
        ConfigurationError: The client isn't installed.
    """
    pika = pika_module()

    class SplittingConnection(pika.SelectConnection):  # type: ignore[misc, name-defined]
        """Hands the client what isn't a delivery of ours."""

        bytes_received: int

        def __init__(self, *arguments: Any, **named: Any) -> None:
            self.splitter = Splitter()
            self.on_taken: Callable[[], object] = int
            super().__init__(*arguments, **named)

        def _on_data_available(self, data_in: bytes) -> None:
            splitter = self.splitter
            known = len(splitter.deliveries)
            before = self.bytes_received
            for frame in splitter.feed(data_in):
                super()._on_data_available(frame)
            # Its heartbeats look whether anything came.
            self.bytes_received = max(before + len(data_in), self.bytes_received)
            if len(splitter.deliveries) > known:
                self.on_taken()

    return SplittingConnection


class Deliveries:
    """The deliveries of one channel.

    Args:
        connection: Opened with a `splitting_connection`.
        channel: A channel of it, with a consumer to come.
    """

    def __init__(self, connection: BlockingConnection, channel: BlockingChannel) -> None:
        beneath: Any = connection._impl
        number = channel.channel_number
        self._client: Any = pika_module()
        self._splitter: Splitter = beneath.splitter
        self._splitter.channel = number
        # So the client ends `process_data_events` when there is something to do.
        beneath.on_taken = lambda: connection._request_channel_dispatch(-number)

    @property
    def waiting(self) -> bool:
        """Whether there are any to take."""
        return bool(self._splitter.deliveries)

    def take(self) -> list[Delivered]:
        """What has come since the last time, in order."""
        taken = self._splitter.deliveries
        self._splitter.deliveries = []
        return taken

    def on_message(self, channel: object, method: Any, properties: Any, body: bytes) -> None:
        """A message that the client has decoded itself."""
        exchange, routing_key = (
            text.encode() if isinstance(text, str) else text for text in (method.exchange, method.routing_key)
        )
        self._splitter.deliveries.append((method.delivery_tag, exchange, routing_key, properties, body))

    def decoded(self, properties: Any) -> Any:
        """Properties as the client gives them, always with a table of headers.

        Raises:
            InvalidFrameError: The client's own; they can't be decoded.
        """
        found = properties
        if isinstance(properties, bytes):
            found = self._client.BasicProperties()
            try:
                found.decode(properties)
            except (IndexError, ValueError, struct.error) as error:
                raise self._client.exceptions.InvalidFrameError(f"properties of a message: {error}") from None
        found.headers = found.headers or {}
        return found


def text_of(data: bytes) -> Any:
    """A short string as the client gives it: what isn't UTF-8 stays bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
