"""aio-pika: telemetry around what exchanges publish and around what queues hand over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from functools import cache, partial, wraps
from inspect import isawaitable
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import amqp
from flowtrail._wrap.amqp import SYSTEM as SYSTEM
from flowtrail._wrap.amqp import Deliveries
from flowtrail._wrap.calls import given, put
from flowtrail._wrap.proxy import Proxy, Way, fitted, keep
from flowtrail._wrap.tasks import TaskReceiver

_RETURNED = "returned"


class Sender:
    """`Exchange.publish` with telemetry: the span ends when the server has confirmed the message.

    Args:
        telemetry: Where to report.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self._start = amqp.Sender(telemetry).start
        self._copied = _copier()

    async def publish(
        self, exchange: str, call: Callable[..., Awaitable[Any]], /, *arguments: Any, **named: Any
    ) -> Any:
        """Call the real `publish` with what was given, and our headers."""
        count = len(arguments)
        message: Any = arguments[0] if count else named.get("message")
        routing_key = arguments[1] if count > 1 else named.get("routing_key")
        if not isinstance(routing_key, str):
            return await call(*arguments, **named)  # the client itself shall refuse what is wrong
        try:
            outgoing, table = self._start(exchange, routing_key, message.body, message.headers)
            ours = self._copied(message, table)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self.telemetry.internal_error("send", failure)
            return await call(*arguments, **named)
        if count:
            arguments = ours, *arguments[1:]
        else:
            named["message"] = ours
        try:
            result = await call(*arguments, **named)
        except BaseException as error:
            outgoing.fail(error)
            raise
        if getattr(result, "delivery", None) is not None:  # the message itself: no queue took it
            outgoing.fail(_RETURNED)
        else:
            outgoing.acked(None)
        return result


_COPIED = frozenset({
    "app_id", "body", "body_size", "content_encoding", "content_type", "correlation_id", "delivery_mode", "expiration",
    "headers", "message_id", "priority", "reply_to", "timestamp", "type", "user_id",
})  # fmt: skip


@cache
def _copier() -> Callable[[Any, dict[str, Any]], Any]:
    """How to make the same message with another table, in a tenth of the time of `copy`.

    The program may publish a message many times, and not all of it stands in ours. `Message.__copy__` converts each
    field again, by way of a `__setattr__` that asks each time whether the message is locked.
    """
    from aio_pika import Message

    slots = Message.__slots__
    if {name for name in slots if not name.startswith("_")} != _COPIED or "__lock" not in slots:
        return _slow_copy

    class Open(Message):
        """A message while its fields are set."""

        __slots__ = ()
        __setattr__: Any = object.__setattr__

    def copied(message: Any, table: dict[str, Any]) -> Any:
        if type(message) is not Message:  # a class of the program's, or one that came in
            return _slow_copy(message, table)
        ours: Any = Open.__new__(Open)
        ours.app_id = message.app_id
        ours.body = message.body
        ours.body_size = message.body_size
        ours.content_encoding = message.content_encoding
        ours.content_type = message.content_type
        ours.correlation_id = message.correlation_id
        ours.delivery_mode = message.delivery_mode
        ours.expiration = message.expiration
        ours.headers = table
        ours.message_id = message.message_id
        ours.priority = message.priority
        ours.reply_to = message.reply_to
        ours.timestamp = message.timestamp
        ours.type = message.type
        ours.user_id = message.user_id
        ours._Message__lock = False
        ours.__class__ = Message
        return ours

    return copied


def _slow_copy(message: Any, table: dict[str, Any]) -> Any:
    ours = copy(message)
    ours.headers = table
    return ours


def handled(
    deliveries: Deliveries, queue: str, callback: Callable[..., Any]
) -> Callable[[Any], Awaitable[Any]]:
    """A message callback that runs inside the message's handling."""

    @wraps(callback)
    async def handle(message: Any) -> Any:
        handling = deliveries.handling(queue, message, message, message.body)
        if handling is None:
            returned = callback(message)
            return await returned if isawaitable(returned) else returned
        handling.__enter__()
        try:
            returned = callback(message)
            if isawaitable(returned):
                returned = await returned
        except BaseException as error:
            handling.leave(error)
            raise
        handling.leave()
        return returned

    return handle


async def consume(
    deliveries: Deliveries, queue: str, call: Callable[..., Awaitable[Any]], /, *arguments: Any, **named: Any
) -> Any:
    """`Queue.consume` with telemetry; `call` is the real one."""
    callback = given(arguments, named, 0, "callback")
    if callable(callback):
        arguments = put(arguments, named, 0, "callback", handled(deliveries, queue, callback))
    return await call(*arguments, **named)


async def get(
    deliveries: Deliveries, queue: str, call: Callable[..., Awaitable[Any]], /, *arguments: Any, **named: Any
) -> Any:
    """`Queue.get` and `QueueIterator.__anext__` with telemetry; `call` is the real one."""
    deliveries.receiver.take_back()
    message = await call(*arguments, **named)
    if message is not None:
        deliveries.hand_over(queue, message, message, message.body)
    return message


def deliveries_of(telemetry: Telemetry, group: str | None = None) -> Deliveries:
    """For one queue or iterator."""
    return Deliveries(TaskReceiver(telemetry, group, None), group)


class TracedExchange(Proxy):
    """An `Exchange` whose messages are traced."""

    publish: Callable[..., Awaitable[Any]]
    """See `Exchange.publish`."""

    def __init__(self, telemetry: Telemetry, exchange: Any) -> None:
        super().__init__(exchange)
        # Not a method around a method: each coroutine costs.
        keep(self, "publish", partial(Sender(telemetry).publish, exchange.name, exchange.publish))


class TracedIterator(Proxy):
    """A `QueueIterator` whose messages are being handled until the next one is asked for."""

    def __init__(self, telemetry: Telemetry, iterator: Any, group: str | None, queue: str) -> None:
        super().__init__(iterator)
        keep(self, "_flowtrail_deliveries", deliveries_of(telemetry, group))
        keep(self, "_flowtrail_queue", queue)

    async def __anext__(self) -> Any:
        call = self.__wrapped__.__anext__
        return await get(self._flowtrail_deliveries, self._flowtrail_queue, call)

    async def close(self, *arguments: Any, **named: Any) -> Any:
        """See `QueueIterator.close`."""
        self._flowtrail_deliveries.receiver.close()
        return await self.__wrapped__.close(*arguments, **named)

    async def __aexit__(self, *exception: Any) -> Any:
        self._flowtrail_deliveries.receiver.close(exception[1] if len(exception) > 1 else None)
        return await self.__wrapped__.__aexit__(*exception)


class TracedQueue(Proxy):
    """A `Queue` whose messages are being handled."""

    def __init__(self, telemetry: Telemetry, queue: Any, group: str | None = None) -> None:
        super().__init__(queue)
        keep(self, "_flowtrail_telemetry", telemetry)
        keep(self, "_flowtrail_group", group)
        keep(self, "_flowtrail_deliveries", deliveries_of(telemetry, group))

    async def consume(self, *arguments: Any, **named: Any) -> Any:
        """See `Queue.consume`."""
        queue = self.__wrapped__
        return await consume(self._flowtrail_deliveries, queue.name, queue.consume, *arguments, **named)

    async def get(self, *arguments: Any, **named: Any) -> Any:
        """See `Queue.get`."""
        queue = self.__wrapped__
        return await get(self._flowtrail_deliveries, queue.name, queue.get, *arguments, **named)

    def iterator(self, *arguments: Any, **named: Any) -> Any:
        """See `Queue.iterator`."""
        return self._iterating(self.__wrapped__.iterator(*arguments, **named))

    def __aiter__(self) -> Any:
        return self._iterating(self.__wrapped__.__aiter__())

    def _iterating(self, iterator: Any) -> Any:
        name = self.__wrapped__.name
        kind = fitted(TracedIterator, iterator)
        return kind(self._flowtrail_telemetry, iterator, self._flowtrail_group, name)


class TracedChannel(Proxy):
    """A channel whose exchanges and queues are traced."""

    def __init__(self, telemetry: Telemetry, channel: Any, group: str | None = None) -> None:
        super().__init__(channel)
        keep(self, "_flowtrail_telemetry", telemetry)
        keep(self, "_flowtrail_group", group)
        keep(self, "_flowtrail_default", None)

    @property
    def default_exchange(self) -> Any:
        """See `Channel.default_exchange`; a channel that is opened again has a new one."""
        exchange = self.__wrapped__.default_exchange
        known = self._flowtrail_default
        if known is None or known.__wrapped__ is not exchange:
            known = self._exchange(exchange)
            keep(self, "_flowtrail_default", known)
        return known

    async def declare_exchange(self, *arguments: Any, **named: Any) -> Any:
        """See `Channel.declare_exchange`."""
        return self._exchange(await self.__wrapped__.declare_exchange(*arguments, **named))

    async def get_exchange(self, *arguments: Any, **named: Any) -> Any:
        """See `Channel.get_exchange`."""
        return self._exchange(await self.__wrapped__.get_exchange(*arguments, **named))

    async def declare_queue(self, *arguments: Any, **named: Any) -> Any:
        """See `Channel.declare_queue`."""
        return self._queue(await self.__wrapped__.declare_queue(*arguments, **named))

    async def get_queue(self, *arguments: Any, **named: Any) -> Any:
        """See `Channel.get_queue`."""
        return self._queue(await self.__wrapped__.get_queue(*arguments, **named))

    def _exchange(self, exchange: Any) -> Any:
        return fitted(TracedExchange, exchange)(self._flowtrail_telemetry, exchange)

    def _queue(self, queue: Any) -> Any:
        return fitted(TracedQueue, queue)(self._flowtrail_telemetry, queue, self._flowtrail_group)


_CHANNEL = Way(("declare_exchange", "declare_queue"), True, TracedChannel)
PRODUCERS = (Way(("publish",), True, TracedExchange), _CHANNEL)
CONSUMERS = (Way(("consume", "get"), True, TracedQueue), _CHANNEL)
