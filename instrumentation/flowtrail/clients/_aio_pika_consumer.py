"""Consuming with aio-pika from one thread that polls."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from flowtrail import _fork
from flowtrail._loop_thread import LoopThread
from flowtrail.clients import _rabbitmq
from flowtrail.clients._aio_pika_errors import TYPE_NAME, failure_of
from flowtrail.clients._deliveries import Deliveries, Lines
from flowtrail.clients._port import ClientError, Partition, RebalanceListener
from flowtrail.wire import Record
from flowtrail.wire.amqp_frames import unpacked
from flowtrail.wire.deliveries import properties_of


class Line:
    """A channel that reads one queue.

    Args:
        channel: aiormq's, with its prefetch count set.
        topic: The topic that the queue belongs to.
        queue: The queue.
    """

    def __init__(self, channel: Any, topic: str, queue: str) -> None:
        self.channel = channel
        self.deliveries = Deliveries(topic, queue)


class AioPikaConsumer:
    """Its connection's I/O happens on the loop; deliveries wait until they are polled.

    Args:
        aiormq: The module.
        thread: Where it runs; released when this is closed.
        connection: aio-pika's.
        lines: What it reads.
        listener: Told what there is.
        bind: Binds the queues again.
    """

    def __init__(
        self,
        aiormq: Any,
        thread: LoopThread,
        connection: Any,
        lines: Sequence[Line],
        listener: RebalanceListener,
        bind: Callable[[], Awaitable[None]],
    ) -> None:
        self._aiormq = aiormq
        self._thread = thread
        self._connection = connection
        self._lines = lines
        self._channels = {id(line.deliveries): line.channel for line in lines}
        self._ready = Lines([line.deliveries for line in lines], listener)
        self._changed = threading.Condition()
        self._broken: ClientError | None = None
        self._closed = False
        self._bind = bind
        self._binding: asyncio.Task[None] | None = None
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        for part in (self._connection, self._binding):
            _fork.leave_behind(part)

    async def begin(self) -> None:
        """Have the server deliver; on the loop.

        Raises:
            ClientError: It doesn't, or the client can't read what comes.
        """
        try:
            await self._begin()
        except Exception as error:
            raise failure_of(self._aiormq, error, [line.deliveries.queue for line in self._lines]) from error

        self._binding = asyncio.create_task(self._keep_bound())

    async def _keep_bound(self) -> None:
        try:
            while True:
                await asyncio.sleep(_rabbitmq.BIND_SECONDS)
                await self._bind()
        except Exception as error:  # noqa: BLE001 - told to whoever polls
            failure = failure_of(self._aiormq, error)
            self._break(failure if isinstance(failure, ClientError) else ClientError(str(failure)))

    async def _begin(self) -> None:
        for line in self._lines:
            line.channel.closing.add_done_callback(self._channel_closed)
            line.channel.on_consumer_cancel_callbacks.add(self._cancelled_of(line.deliveries.queue))
            await line.channel.basic_consume(line.deliveries.queue, self._came_of(line.deliveries))

    def _came_of(self, deliveries: Deliveries) -> Any:
        async def came(message: Any) -> None:
            with self._changed:
                deliveries.add(
                    message.delivery.delivery_tag,
                    message.delivery.routing_key,
                    unpacked(message.header.properties.headers),
                    properties_of(message.header.properties, type_name=TYPE_NAME),
                    message.body,
                )
                self._changed.notify()

        return came

    def _cancelled_of(self, queue: str) -> Any:
        def cancelled(_frame: Any) -> None:
            self._break(ClientError(f"RabbitMQ: the queue {queue} was deleted"))

        return cancelled

    def _channel_closed(self, closing: Any) -> None:
        error = None if closing.cancelled() else closing.exception()
        queues = [line.deliveries.queue for line in self._lines]
        failure = failure_of(self._aiormq, error or ConnectionError("the channel was closed"), queues)
        self._break(failure if isinstance(failure, ClientError) else ClientError(str(failure)))

    def _break(self, error: ClientError) -> None:
        with self._changed:
            self._broken = self._broken or error
            self._changed.notify()

    def poll(self, timeout_seconds: float, max_records: int) -> list[Record]:
        self._ready.tell()
        with self._changed:
            self._changed.wait_for(lambda: self._broken is not None or self._ready.ready(), timeout_seconds)
            if self._broken is not None:
                raise self._broken
            return self._ready.take(max_records)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        try:
            self._thread.call(self._acknowledge(offsets))
        except Exception as error:
            raise failure_of(self._aiormq, error) from error

    async def _acknowledge(self, offsets: Mapping[Partition, int]) -> None:
        for deliveries, tag in self._ready.tags(offsets):
            await self._channels[id(deliveries)].basic_ack(tag, multiple=True)

    def rebalancing(self) -> bool:
        return False

    def pause(self, partitions: Collection[Partition]) -> None:
        self._ready.pause(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        self._ready.resume(partitions)

    def close(self, timeout_seconds: float) -> None:
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(Exception):
            self._thread.call(self._end(), timeout_seconds)
        self._thread.release()

    async def _end(self) -> None:
        if self._binding is not None:
            self._binding.cancel()
        await self._connection.close()
