"""Publishing with aio-pika from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from flowtrail import _fork
from flowtrail._loop_thread import LoopThread
from flowtrail.clients._aio_pika_errors import code_of, failure_of
from flowtrail.clients._port import ClientError, Delivered, Message, OnDelivery, UnroutableError, report
from flowtrail.clients._rabbitmq import BLOCKED_SECONDS, NOT_FOUND, Outgoing, blocked, nobody_takes, outgoing

_NAMES = {"type": "message_type"}  # as pamqp calls properties


class Ensures(Protocol):
    """Sees to it that there is somewhere to send to."""

    async def ensure_exchange(self, connection: Any, topic: str) -> None: ...
    async def ensure_delay(self, connection: Any, topic: str) -> None: ...
    def forget(self, name: str) -> None: ...


class AioPikaProducer:
    """Publishes with confirmations, many under way at a time, in the order in which they were handed over.

    What the server refuses closes the channel, and with it the confirmations of everything else under way:
    that is sent once more, one by one, on a channel of its own, so that only what is refused fails. A lost
    connection fails what is under way; the next message opens another one.

    Args:
        aiormq: The module.
        thread: Where it runs; released when this is closed.
        connect: Opens a connection.
        ensures: Declares exchanges.
    """

    def __init__(
        self, aiormq: Any, thread: LoopThread, connect: Callable[[], Awaitable[Any]], ensures: Ensures
    ) -> None:
        self._aiormq = aiormq
        self._thread = thread
        self._connect = connect
        self._ensures = ensures
        self._connection: Any = None
        self._channels: dict[str, Any] = {}
        self._opening = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._alone = asyncio.Lock()
        self._to_go_alone = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._idle = threading.Condition()
        self._closed = False
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        for part in (self._connection, self._tasks):
            _fork.leave_behind(part)

    async def connected(self) -> Any:
        """The connection, opened if there is none; on the loop."""
        async with self._opening:
            if self._connection is None or self._connection.is_closed:
                self._channels.clear()
                self._connection = await self._connect()
            return self._connection

    async def _channel(self, name: str) -> Any:
        connection = await self.connected()
        async with self._opening:
            channel = self._channels.get(name)
            if channel is None or channel.is_closed:
                opened = await connection.channel(publisher_confirms=True, on_return_raises=True)
                channel = self._channels[name] = await opened.get_underlay_channel()
            return channel

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        sent = outgoing(message)
        with self._idle:
            if self._closed:
                raise ClientError("the producer is closed")
            self._count += 1
        self._thread.loop.call_soon_threadsafe(self._take, message, sent, on_delivery)

    def waits_for(self, topic: str) -> bool:
        return False

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        self.send(message, on_delivery)
        return True

    def _take(self, message: Message, sent: Outgoing, on_delivery: OnDelivery) -> None:
        task = self._thread.loop.create_task(self._send(message, sent, on_delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, message: Message, sent: Outgoing, on_delivery: OnDelivery) -> None:
        error: Exception | None = None
        try:
            await self._publish(message, sent)
        except asyncio.CancelledError:
            error = ClientError("the producer was closed, or lost its connection")
        except self._aiormq.exceptions.PublishError:
            if message.own:
                self._ensures.forget(sent.message.routing_key)
            error = UnroutableError(nobody_takes(sent.exchange, sent.message.routing_key))
        except self._aiormq.exceptions.DeliveryError:
            error = ClientError("RabbitMQ could not take it: its queue is full or fails")
        except Exception as raised:  # noqa: BLE001 - reported to whoever publishes
            error = self._failure(message, raised)
        report(on_delivery, Delivered(None, None) if error is None else None, error)
        with self._idle:
            self._count -= 1
            self._idle.notify_all()

    def _failure(self, message: Message, error: Exception) -> Exception:
        if code_of(self._aiormq, error) != NOT_FOUND:
            return failure_of(self._aiormq, error)
        self._ensures.forget(message.topic)
        return ClientError(f"RabbitMQ: {error.args[-1]}; it is looked for again")

    async def _publish(self, message: Message, sent: Outgoing) -> None:
        if not self._to_go_alone:
            try:
                async with self._turn:  # first come, first sent, however long opening and declaring take
                    channel = await self._prepared(message, sent, "many")
                    confirmation = self._confirmation(channel, sent)
                    await asyncio.sleep(0)  # it has its place in the channel's own line now
                await confirmation
                return
            except (
                self._aiormq.exceptions.AMQPChannelError,
                self._aiormq.exceptions.ChannelInvalidStateError,
            ):
                if self._connection is None or self._connection.is_closed:
                    raise
        self._to_go_alone += 1
        try:
            async with self._alone:
                await self._confirmation(await self._prepared(message, sent, "one"), sent)
        finally:
            self._to_go_alone -= 1

    async def _prepared(self, message: Message, sent: Outgoing, name: str) -> Any:
        if not message.own:
            await self._ensures.ensure_exchange(await self.connected(), message.topic)
        elif sent.delayed:
            await self._ensures.ensure_delay(await self.connected(), message.topic)
        return await self._channel(name)

    def _confirmation(self, channel: Any, sent: Outgoing) -> Awaitable[None]:
        """Send; to be awaited, it ends with the confirmation."""
        return self._thread.loop.create_task(self._confirmed(channel, sent))

    async def _confirmed(self, channel: Any, sent: Outgoing) -> None:
        message = sent.message
        named = {_NAMES.get(name, name): value for name, value in message.properties.items()}
        named["timestamp"] = datetime.fromtimestamp(named["timestamp"], UTC)
        properties = self._aiormq.spec.Basic.Properties(headers=_writable(message.table), **named)
        async with asyncio.timeout(BLOCKED_SECONDS) as limit:
            try:
                await channel.basic_publish(
                    message.body,
                    exchange=sent.exchange,
                    routing_key=message.routing_key,
                    properties=properties,
                    mandatory=True,
                    wait=False,
                )
                return
            except asyncio.CancelledError:
                if not limit.expired():
                    raise
        raise self._unanswered()

    def _unanswered(self) -> ClientError:
        """Why there is no confirmation: aiormq knows that the server takes nothing, but tells nobody."""
        below = getattr(getattr(self._connection, "transport", None), "connection", None)
        unblocked = getattr(below, "_Connection__connection_unblocked", None)
        if unblocked is not None and not unblocked.is_set():
            return blocked("")
        return ClientError(f"RabbitMQ has not confirmed it within {BLOCKED_SECONDS:g} s")

    def flush(self, timeout_seconds: float) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: not self._count, timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        with self._idle:
            if self._closed:
                return
            self._closed = True
        self.flush(timeout_seconds)
        with contextlib.suppress(Exception):
            self._thread.call(self._stop(), max(timeout_seconds, 1.0))
        self._thread.release()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._connection is not None:
            await self._connection.close()


def _writable(value: Any) -> Any:
    """A value of a table as pamqp takes it: it knows byte arrays, but no bytes."""
    if isinstance(value, bytes):
        return bytearray(value)
    if isinstance(value, dict):
        return {name: _writable(inner) for name, inner in value.items()}
    return [_writable(inner) for inner in value] if isinstance(value, list) else value
