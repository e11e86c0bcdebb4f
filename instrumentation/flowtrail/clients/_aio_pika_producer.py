"""Publishing with aio-pika from any thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol

from flowtrail import _fork
from flowtrail._loop_thread import LoopThread
from flowtrail.clients._aio_pika_errors import TYPE_NAME, code_of, failure_of
from flowtrail.clients._port import ClientError, Delivered, Message, OnDelivery, UnroutableError
from flowtrail.clients._rabbitmq import BLOCKED_SECONDS, Outgoing, outgoing
from flowtrail.clients._rabbitmq_errors import NOT_FOUND, blocked, nobody_takes
from flowtrail.clients._under_way import UnderWay
from flowtrail.errors import FlowtrailError
from flowtrail.wire.amqp_frames import with_table

_MANY, _ONE = "many", "one"
_RECONNECTS = 2
_LEAVE_SECONDS = 1.0


class Ensures(Protocol):
    """Sees to it that there is somewhere to send to."""

    async def ensure_exchange(self, connection: Any, topic: str) -> None: ...
    async def ensure_delay(self, connection: Any, topic: str) -> None: ...
    def forget(self, name: str) -> None: ...


class AioPikaProducer:
    """Publishes with confirmations, many under way at a time, in the order in which they were handed over.

    What the server refuses closes the channel, and with it the confirmations of everything else under way:
    that is sent once more, one by one, on a channel of its own, so that only what is refused fails. The same
    happens after a lost connection, which is opened again; where that doesn't work it fails, and the next
    message tries to connect.

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
        self._channels: dict[str, tuple[Any, Any]] = {}
        self._opening = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._line: dict[int, asyncio.Event] = {}  # all that are under way, in order; set for the first one
        self._taken = 0
        self._to_go_alone = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._messages = UnderWay()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        for part in (self._connection, self._tasks):
            _fork.leave_behind(part)

    async def connected(self) -> Any:
        """The connection, opened if there is none; on the loop."""
        async with self._opening:
            if self._connection is None or self._connection.is_closed:
                self._connection = await self._connect()
            return self._connection

    async def _channel(self, name: str) -> Any:
        connection = await self.connected()
        async with self._opening:
            if not self._is_open(name):
                opened = await connection.channel(publisher_confirms=True, on_return_raises=True)
                self._channels[name] = connection, await opened.get_underlay_channel()
            return self._channels[name][1]

    def _is_open(self, name: str) -> bool:
        connection, channel = self._channels.get(name, (None, None))
        return channel is not None and connection is self._connection and not channel.is_closed

    def _lost(self) -> bool:
        """Whether the channel for many messages is closed: what it carried goes first, one by one."""
        return _MANY in self._channels and not self._is_open(_MANY)

    def send(self, message: Message, on_delivery: OnDelivery) -> None:
        sent = outgoing(message, text_only=True)
        self._messages.begin()
        self._thread.loop.call_soon_threadsafe(self._take, message, sent, on_delivery)

    def waits_for(self, topic: str) -> bool:
        return False

    def send_at_once(self, message: Message, on_delivery: OnDelivery) -> bool:
        self.send(message, on_delivery)
        return True

    def _take(self, message: Message, sent: Outgoing, on_delivery: OnDelivery) -> None:
        self._taken += 1
        self._line[self._taken] = asyncio.Event()
        self._call_first()
        task = self._thread.loop.create_task(self._send(self._taken, message, sent, on_delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call_first(self) -> None:
        for first in self._line.values():
            first.set()
            return

    async def _send(self, number: int, message: Message, sent: Outgoing, on_delivery: OnDelivery) -> None:
        error: Exception | None = None
        try:
            await self._publish(self._line[number], message, sent)
        except asyncio.CancelledError:
            error = ClientError("the producer was closed, or lost its connection")
        except self._aiormq.exceptions.PublishError:
            if message.own:
                self._ensures.forget(str(sent.message.routing_key))
            error = UnroutableError(nobody_takes(sent.exchange, sent.message.routing_key))
        except self._aiormq.exceptions.DeliveryError:
            error = ClientError("RabbitMQ could not accept it: its queue is full or failing")
        except Exception as raised:  # noqa: BLE001 - reported to whoever publishes
            error = self._failure(message, raised)
        del self._line[number]
        self._call_first()
        self._messages.report(on_delivery, Delivered(None, None) if error is None else None, error)

    def _failure(self, message: Message, error: Exception) -> Exception:
        if code_of(self._aiormq, error) != NOT_FOUND:
            return failure_of(self._aiormq, error)
        self._ensures.forget(message.topic)
        return ClientError(f"RabbitMQ: {error.args[-1]}; it is looked for again")

    async def _publish(self, first: asyncio.Event, message: Message, sent: Outgoing) -> None:
        confirmation = None
        if not self._to_go_alone:
            try:
                async with self._turn:  # first come, first sent, however long opening and declaring take
                    if first.is_set() or not (self._to_go_alone or self._lost()):
                        confirmation = self._confirmation(await self._prepared(message, sent, _MANY), sent)
                        await asyncio.sleep(0)  # it has its place in the channel's own line now
                if confirmation is not None:
                    await confirmation
                    return
            except (self._aiormq.exceptions.DeliveryError, ClientError):
                raise
            except asyncio.CancelledError:
                if self._messages.closed:
                    raise
            except (self._aiormq.exceptions.AMQPError, RuntimeError, OSError):
                if self._connection is None:
                    raise
        self._to_go_alone += 1
        try:
            await first.wait()
            await self._publish_alone(message, sent)
        finally:
            self._to_go_alone -= 1

    async def _publish_alone(self, message: Message, sent: Outgoing) -> None:
        errors = self._aiormq.exceptions
        for _ in range(_RECONNECTS):
            connection = self._connection
            try:
                await self._confirmation(await self._prepared(message, sent, _ONE), sent)
                return
            except (errors.DeliveryError, errors.AMQPChannelError, FlowtrailError):
                raise
            except (errors.AMQPError, RuntimeError, OSError, asyncio.CancelledError):
                if self._messages.closed:
                    raise
                await self._leave(connection)  # it may only be about to close
        await self._confirmation(await self._prepared(message, sent, _ONE), sent)

    async def _leave(self, connection: Any) -> None:
        if connection is None or self._connection is not connection:
            return
        self._connection = None
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await connection.close()

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
        named = {TYPE_NAME if name == "type" else name: value for name, value in message.properties.items()}
        named["timestamp"] = datetime.fromtimestamp(named["timestamp"], UTC)
        properties = _properties_with_table(self._aiormq.spec.Basic.Properties)(sent.headers, **named)
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
        return self._messages.flush(timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        if not self._messages.close(timeout_seconds):
            return
        with contextlib.suppress(Exception):
            self._thread.call(self._stop(), max(timeout_seconds, 1.0))
        self._thread.release()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._connection is not None:
            await self._connection.close()


@cache
def _properties_with_table(properties: type) -> type[Any]:
    """A class of aiormq's properties that are sent with a table as it is on the wire, length first."""
    base: Any = properties

    class Properties(base):  # type: ignore[misc]
        def __init__(self, table: bytes, **named: Any) -> None:
            super().__init__(**named)
            self._table = table

        def marshal(self) -> bytes:
            return with_table(super().marshal(), self._table)

    return Properties
