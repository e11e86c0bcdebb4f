"""Consuming with pika from one thread that polls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from flowtrail import _fork
from flowtrail._wrap import leave_alone
from flowtrail.clients import _rabbitmq
from flowtrail.clients._deliveries import Deliveries, Lines
from flowtrail.clients._pika_errors import failure_of
from flowtrail.clients._port import ClientError, Partition, RebalanceListener
from flowtrail.clients._rabbitmq_errors import not_understood, refusal
from flowtrail.wire import Record
from flowtrail.wire.amqp_pika import is_undecodable
from flowtrail.wire.deliveries import properties_of


class Line:
    """A channel that reads one queue.

    Args:
        channel: With its prefetch count set.
        topic: The topic that the queue belongs to.
        queue: The queue.
    """

    def __init__(self, channel: Any, topic: str, queue: str) -> None:
        self.channel = channel
        self.deliveries = Deliveries(topic, queue)
        self.broken: ClientError | None = None
        leave_alone(channel)
        channel.add_on_cancel_callback(self._cancelled)
        # The only way to learn why a channel was closed while nothing is asked of it.
        channel._impl.add_on_close_callback(self._closed)
        channel.basic_consume(queue, self._came)

    def _came(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self.deliveries.add(
            method.delivery_tag, method.routing_key, properties.headers, properties_of(properties), body
        )

    def _cancelled(self, _frame: Any) -> None:
        self.broken = ClientError(f"RabbitMQ: the queue {self.deliveries.queue} was deleted")

    def _closed(self, _channel: Any, reason: Any) -> None:
        code = getattr(reason, "reply_code", 0)
        said = refusal(code, getattr(reason, "reply_text", str(reason)))
        self.broken = self.broken or (said if isinstance(said, ClientError) else ClientError(str(said)))


class PikaConsumer:
    """Its connection's I/O happens while it is polled.

    Args:
        pika: The module.
        connection: A blocking one.
        lines: What it reads.
        listener: Told what there is.
        bind: Binds the queues again; raises what the port wants to hear.
    """

    def __init__(
        self,
        pika: Any,
        connection: Any,
        lines: Sequence[Line],
        listener: RebalanceListener,
        bind: Callable[[], None],
    ) -> None:
        self._pika = pika
        self._connection = connection
        self._lines = lines
        self._channels = {id(line.deliveries): line.channel for line in lines}
        self._ready = Lines([line.deliveries for line in lines], listener)
        self._bind = bind
        self._bound_at = time.monotonic()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        _fork.leave_behind(self._connection)

    def poll(self, timeout_seconds: float, max_records: int) -> list[Record]:
        self._ready.tell()
        try:
            self._connection.process_data_events(0 if self._ready.ready() else timeout_seconds)
        except Exception as error:
            if not is_undecodable(error):
                raise self._failure(error) from error
            queues = [line.deliveries.queue for line in self._lines]
            raise not_understood("pika", error, queues) from error
        for line in self._lines:
            if line.broken is not None:
                raise line.broken
        if time.monotonic() - self._bound_at >= _rabbitmq.BIND_SECONDS:
            self._bind()
            self._bound_at = time.monotonic()
        return self._ready.take(max_records)

    def _failure(self, error: BaseException) -> ClientError:
        failure = failure_of(self._pika, error)
        return failure if isinstance(failure, ClientError) else ClientError(str(failure))

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        try:
            for deliveries, tag in self._ready.tags(offsets):
                self._channels[id(deliveries)].basic_ack(tag, multiple=True)
        except (self._pika.exceptions.AMQPError, OSError) as error:
            raise self._failure(error) from error

    def rebalancing(self) -> bool:
        return False

    def pause(self, partitions: Collection[Partition]) -> None:
        self._ready.pause(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._ready.resume(partitions)

    def close(self, timeout_seconds: float) -> None:
        with contextlib.suppress(Exception):
            if self._connection.is_open:
                self._connection.close()
