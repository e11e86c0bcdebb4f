"""Marks in the stream: they tell, when they come back, what has been read."""

from __future__ import annotations

import time
from collections.abc import Callable

from flowtrail_collector.brokers.rabbitmq.connection import RefusedError, connect, pika_module, said_by
from flowtrail_collector.brokers.rabbitmq.messages import MARK
from flowtrail_collector.settings import RabbitConfig

__all__ = ["Marks"]

_EVERY_SECONDS = 1.0
_REFUSED_SECONDS = 30.0


class Marks:
    """Puts one into the stream every second, over a connection of its own: a server that is short of memory stops
    listening to those that publish.

    Args:
        config: The stream.
        time_seconds: Wall clock, seconds since the epoch.

    Raises:
        ServiceUnreachableError: No server answers.
    """

    def __init__(self, config: RabbitConfig, time_seconds: Callable[[], float]) -> None:
        self._config = config
        self._time_seconds = time_seconds
        self._next = 0.0
        self._blocked: str | None = None
        self._refused: str | None = None
        self._is_set = False
        self._connection = connect(config, "marks")
        self._connection.add_on_connection_blocked_callback(self._on_blocked)
        self._connection.add_on_connection_unblocked_callback(self._on_unblocked)
        with said_by(config):
            self._channel = self._connection.channel()
        self._properties = pika_module().BasicProperties

    @property
    def problem(self) -> str | None:
        """Why none can be set, None if they can."""
        if self._blocked is None:
            return self._refused
        return (
            f"RabbitMQ at {self._config.shown} takes no messages ({self._blocked}): free memory or disk on the server, or"
            " raise vm_memory_high_watermark or disk_free_limit; rabbitmq-diagnostics alarms says which"
        )

    def set(self) -> None:
        """Set one if it is time.

        Raises:
            ServiceUnreachableError: The server went away.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        try:
            with said_by(self._config):
                self._put()
        except RefusedError as error:  # without marks events are read all the same
            self._refused = str(error)
            self._next = now + _REFUSED_SECONDS

    def _put(self) -> None:
        self._connection.process_data_events(0)
        if self._blocked is not None:
            return
        if not self._channel.is_open:  # the mark before was refused
            reason = getattr(self._channel, "_closing_reason", None)
            self._channel, self._is_set = self._connection.channel(), False
            if isinstance(reason, Exception):
                raise reason
        if self._is_set:
            self._refused = None
        headers = {MARK: int(self._time_seconds() * 1000)}
        self._channel.basic_publish("", self._config.queue, b"", self._properties(headers=headers))
        self._is_set = True

    def close(self) -> None:
        """Let go of the connection."""
        # One that is blocked wouldn't hear that it is to be closed.
        if self._blocked is None and self._connection.is_open:
            with said_by(self._config):
                self._connection.close()

    def _on_blocked(self, connection: object, frame: object) -> None:
        reason = getattr(getattr(frame, "method", None), "reason", "")
        self._blocked = str(reason) or "an alarm is on"

    def _on_unblocked(self, connection: object, frame: object) -> None:
        self._blocked = None
