"""Publishing with aiokafka from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from flowtrail import _fork
from flowtrail._loop_thread import LoopThread
from flowtrail.clients._port import ClientError, Delivered, Message, OnDelivery, report


class AiokafkaProducer:
    """Sends one after the other: concurrent `send` coroutines could overtake each other."""

    def __init__(self, thread: LoopThread, producer: Any) -> None:
        self._thread = thread
        self._producer = producer
        self._waiting: asyncio.Queue[tuple[Message, OnDelivery]] = asyncio.Queue()
        self._under_way = 0
        self._idle = threading.Condition()
        self._sender = thread.loop.create_task(self._send_waiting())
        self._closed = False
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        for part in (self._producer, self._sender, self._waiting):
            _fork.leave_behind(part)

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        with self._idle:
            if self._closed:
                raise ClientError("the producer is closed")
            self._under_way += 1
        self._thread.loop.call_soon_threadsafe(self._waiting.put_nowait, (message, on_delivery))

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        self.send(message, on_delivery)
        return True

    async def _send_waiting(self) -> None:
        while True:
            message, on_delivery = await self._waiting.get()
            # Header values can't be null in aiokafka; an empty one is the closest.
            headers = [(name, value if value is not None else b"") for name, value in message.headers]
            try:
                sent = await self._producer.send(
                    message.topic, value=message.value, key=message.key, headers=headers
                )
            except Exception as error:  # noqa: BLE001 - reported to whoever publishes
                self._report(on_delivery, None, error)
            else:
                sent.add_done_callback(lambda future, report=on_delivery: self._delivered(future, report))

    def _delivered(self, future: asyncio.Future[Any], on_delivery: OnDelivery) -> None:
        if future.cancelled():
            self._report(on_delivery, None, ClientError("the producer was closed"))
        elif (error := future.exception()) is not None:
            self._report(
                on_delivery, None, error if isinstance(error, Exception) else ClientError(str(error))
            )
        else:
            sent = future.result()
            self._report(on_delivery, Delivered(sent.partition, sent.offset), None)

    def _report(self, on_delivery: OnDelivery, delivered: Delivered | None, error: Exception | None) -> None:
        report(on_delivery, delivered, error)
        with self._idle:
            self._under_way -= 1
            self._idle.notify_all()

    def flush(self, timeout_seconds: float) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: not self._under_way, timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        with self._idle:
            if self._closed:
                return
            self._closed = True
        self.flush(timeout_seconds)
        with contextlib.suppress(Exception):
            self._thread.call(self._stop(), timeout_seconds)
        self._thread.release()

    async def _stop(self) -> None:
        self._sender.cancel()
        await self._producer.stop()
