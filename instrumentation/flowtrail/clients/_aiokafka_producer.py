"""Publishing with aiokafka from any thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

from flowtrail import _fork
from flowtrail._loop_thread import LoopThread
from flowtrail.clients._port import ClientError, Delivered, Message, OnDelivery
from flowtrail.clients._under_way import UnderWay


class AiokafkaProducer:
    """Sends each topic's messages one after the other: concurrent `send` coroutines could overtake each other.

    A topic that isn't there makes `send` wait for it; the others' messages don't.
    """

    def __init__(self, thread: LoopThread, producer: Any) -> None:
        self._thread = thread
        self._producer = producer
        self._lines: dict[str, deque[tuple[Message, OnDelivery]]] = {}
        self._senders: set[asyncio.Task[None]] = set()
        self._messages = UnderWay()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        for part in (self._producer, self._senders):
            _fork.leave_behind(part)

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        self._messages.begin()
        self._thread.loop.call_soon_threadsafe(self._take, message, on_delivery)

    def waits_for(self, topic: str) -> bool:
        return False

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        self.send(message, on_delivery)
        return True

    def _take(self, message: Message, on_delivery: OnDelivery) -> None:
        line = self._lines.get(message.topic)
        if line is not None:
            line.append((message, on_delivery))
            return
        line = self._lines[message.topic] = deque([(message, on_delivery)])
        sender = self._thread.loop.create_task(self._send_line(message.topic, line))
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)

    async def _send_line(self, topic: str, line: deque[tuple[Message, OnDelivery]]) -> None:
        try:
            while line:
                await self._send(*line[0])
                line.popleft()
        finally:
            del self._lines[topic]
            for _, on_delivery in line:  # only where the producer is closed
                self._messages.report(on_delivery, None, ClientError("the producer was closed"))

    async def _send(self, message: Message, on_delivery: OnDelivery) -> None:
        # Header values can't be null in aiokafka; an empty one is the closest.
        headers = [(name, value if value is not None else b"") for name, value in message.headers]
        try:
            sent = await self._producer.send(
                message.topic, value=message.value, key=message.key, headers=headers
            )
        except Exception as error:  # noqa: BLE001 - reported to whoever publishes
            self._messages.report(on_delivery, None, error)
        else:
            sent.add_done_callback(lambda future: self._delivered(future, on_delivery))

    def _delivered(self, future: asyncio.Future[Any], on_delivery: OnDelivery) -> None:
        if future.cancelled():
            self._messages.report(on_delivery, None, ClientError("the producer was closed"))
        elif (error := future.exception()) is not None:
            self._messages.report(
                on_delivery, None, error if isinstance(error, Exception) else ClientError(str(error))
            )
        else:
            sent = future.result()
            self._messages.report(on_delivery, Delivered(sent.partition, sent.offset), None)

    def flush(self, timeout_seconds: float) -> bool:
        return self._messages.flush(timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        if not self._messages.close(timeout_seconds):
            return
        with contextlib.suppress(Exception):
            self._thread.call(self._stop(), timeout_seconds)
        self._thread.release()

    async def _stop(self) -> None:
        for sender in self._senders:
            sender.cancel()
        await self._producer.stop()
