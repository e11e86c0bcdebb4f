"""Queues are asked themselves: those that nobody reads how much is in them, others who reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from flowtrail_collector.brokers.rabbitmq.connection import RefusedError, connect, disconnect, said_by
from flowtrail_collector.brokers.rabbitmq.lag.queues import Queue
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection
    from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["StandingQueues"]

T = TypeVar("T")

_MOST = 100
_SECONDS = 0.5
_NOT_FOUND = 404


class StandingQueues:
    """Asks over AMQP, where a queue tells what it holds now: the management API tells it up to two intervals late.

    Only of a queue without consumers is that all there is to know: messages that are delivered and not acknowledged
    aren't counted over AMQP.

    Args:
        config: Which virtual host.
    """

    def __init__(self, config: RabbitConfig) -> None:
        self._config = config
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        # Asked once, a queue is asked each time: in between, its older counts would look like messages that left it.
        self._asked: set[str] = set()
        self._refused: set[str] = set()
        self._watched: set[str] = set()

    def look(self, queues: Iterable[Queue]) -> Mapping[str, Queue | None]:
        """Ask those that nobody reads: a hundred at the most, and for half a second.

        Args:
            queues: As the management API tells them.

        Returns:
            By name what they hold; None for one of which nothing better is known than what it said the last time.
        """
        standing = [
            queue
            for queue in queues
            if not queue.consumers and not queue.unacknowledged and queue.name not in self._refused
        ]
        standing.sort(key=lambda queue: queue.name not in self._asked)
        found = self._ask_all(standing[:_MOST], self._asked, self._holding)
        self._asked = found.keys() - self._refused
        return {name: found[name] for name in self._asked}

    def readers(self, queues: Iterable[Queue]) -> Mapping[str, int]:
        """Ask those in which something waits for their readers, whether there still are any; as many as in `look`.

        Args:
            queues: As they are known.

        Returns:
            By name how many consume from it.
        """
        waiting = [
            queue
            for queue in queues
            if queue.consumers and queue.messages and queue.name not in self._refused
        ]
        waiting.sort(key=lambda queue: queue.name not in self._watched)
        found = self._ask_all(waiting[:_MOST], self._watched, self._reading)
        self._watched = found.keys() - self._refused
        return {name: consumers for name, consumers in found.items() if consumers is not None}

    def close(self) -> None:
        """Let go of the connection; it comes back with the next question."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            disconnect(self._config, connection)

    def _ask_all(
        self, queues: Sequence[Queue], before: Collection[str], ask: Callable[[Queue], T | None]
    ) -> Mapping[str, T | None]:
        """What queues say, None where they don't; those that said something before come first."""
        for _ in range(2):  # one that was idle for long may be gone
            try:
                return self._ask_each(queues, before, ask)
            except ServiceUnreachableError:  # the tail tells it
                self.close()
        return {}

    def _ask_each(
        self, queues: Sequence[Queue], before: Collection[str], ask: Callable[[Queue], T | None]
    ) -> Mapping[str, T | None]:
        found: dict[str, T | None] = {}
        until = time.monotonic() + _SECONDS
        for queue in queues:
            late = time.monotonic() >= until
            if late and queue.name not in before:
                break
            found[queue.name] = None if late else ask(queue)
        return found

    def _holding(self, queue: Queue) -> Queue | None:
        said = self._ask(queue.name)
        if said is None or said.consumer_count:
            return None
        # What somebody has fetched, and not acknowledged, isn't counted here and still is there.
        return queue._replace(ready=max(queue.ready, said.message_count))

    def _reading(self, queue: Queue) -> int | None:
        said = self._ask(queue.name)
        return None if said is None else int(said.consumer_count)

    def _ask(self, name: str) -> Any:
        """What a queue says of itself; None if it isn't there or is another connection's own."""
        try:
            with said_by(self._config):
                return self._open().queue_declare(name, passive=True).method
        except RefusedError as error:
            if error.code != _NOT_FOUND:
                self._refused.add(name)
            return None

    def _open(self) -> BlockingChannel:
        if self._connection is None or not self._connection.is_open:
            self._connection, self._channel = connect(self._config, "queues"), None
        # Each refusal closes a channel.
        if self._channel is None or not self._channel.is_open:
            self._channel = self._connection.channel()
        return self._channel
