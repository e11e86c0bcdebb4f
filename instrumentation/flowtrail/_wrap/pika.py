"""pika: telemetry around what a channel publishes and what it hands over, with a connection of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any

from flowtrail._telemetry import Telemetry
from flowtrail._wrap import amqp
from flowtrail._wrap.amqp import SYSTEM as SYSTEM
from flowtrail._wrap.amqp import Deliveries
from flowtrail._wrap.calls import Taken, given, put, taken_by
from flowtrail._wrap.proxy import Proxy, Way, keep, leave_alone, left_alone
from flowtrail._wrap.scope import Receiver, ReceivingProxy
from flowtrail.errors import ConfigurationError


def publishing_of(kind: type[Any]) -> Taken:
    """What `basic_publish` of a channel's class takes.

    Raises:
        ConfigurationError: A subclass's method leaves no way to hand properties on.
    """
    taken = taken_by(kind, "basic_publish", ())
    if "properties" not in taken.names and "properties" not in taken.places:
        raise ConfigurationError(
            f"{kind.__module__}.{kind.__qualname__}.basic_publish doesn't take properties: let it take **named "
            "and hand that on to the client, or a message can't carry its ids"
        )
    return taken


class Sender:
    """`basic_publish` with telemetry.

    A `BlockingChannel` with confirmations raises what went wrong; otherwise a message counts as sent when it
    was handed over.

    Args:
        telemetry: Where to report.
        taken: What the real `basic_publish` takes.
    """

    def __init__(self, telemetry: Telemetry, taken: Taken) -> None:
        from pika import BasicProperties

        self.telemetry = telemetry
        self._start = amqp.Sender(telemetry).start
        self._kind = BasicProperties
        self._unset = dict(vars(BasicProperties()))
        names = ("exchange", "routing_key", "body", "properties")
        self._in_order = taken.places[:4] == names
        self._exchange, self._routing_key, self._body, self._properties = [taken.place(one) for one in names]

    def publish(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """Call the real `basic_publish` with what was given, and our headers."""
        count, properties = len(arguments), None
        direct = count == 3 and not named and self._in_order
        if direct:
            exchange, routing_key, body = arguments
        else:
            place = self._exchange
            exchange = arguments[place] if place < count else named.get("exchange")
            place = self._routing_key
            routing_key = arguments[place] if place < count else named.get("routing_key")
            place = self._properties
            properties = arguments[place] if place < count else named.get("properties")
            place = self._body
            body = arguments[place] if place < count else named.get("body")
        if not isinstance(exchange, str) or not isinstance(routing_key, str):
            return call(*arguments, **named)  # the client itself shall refuse what is wrong
        try:
            given_table = None if properties is None else properties.headers
            outgoing, table = self._start(exchange, routing_key, body, given_table)
            ours = self._with(properties, table)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self.telemetry.internal_error("send", failure)
            return call(*arguments, **named)
        try:
            if direct:
                result = call(exchange, routing_key, body, ours)
            else:
                arguments = put(arguments, named, self._properties, "properties", ours)
                result = call(*arguments, **named)
        except BaseException as error:
            outgoing.fail(error)
            raise
        outgoing.acked(None)
        return result

    def _with(self, properties: Any, table: dict[str, Any]) -> Any:
        """The same properties with another table; those of the program may be used for many messages."""
        copy: Any = object.__new__(self._kind if properties is None else type(properties))
        copy.__dict__.update(self._unset if properties is None else properties.__dict__)
        copy.headers = table
        return copy


class TracedChannel(ReceivingProxy):
    """A channel whose messages are traced, both ways."""

    basic_publish: Callable[..., Any]
    """See `basic_publish` of the client's channel."""

    def __init__(self, telemetry: Telemetry, channel: Any, group: str | None = None) -> None:
        sender = Sender(telemetry, publishing_of(type(channel)))
        super().__init__(channel, Receiver(telemetry, group, None))
        leave_beneath_alone(channel)
        keep(self, "_flowtrail_deliveries", Deliveries(self._flowtrail_receiver, group))
        keep(self, "basic_publish", partial(sender.publish, channel.basic_publish))

    def basic_consume(self, *arguments: Any, **named: Any) -> Any:
        """See `basic_consume` of the client's channel; the function it calls is handed this channel."""
        call = self.__wrapped__.basic_consume
        return basic_consume(self._flowtrail_deliveries, self, call, *arguments, **named)

    def basic_get(self, *arguments: Any, **named: Any) -> Any:
        """See `basic_get` of the client's channel."""
        deliveries, channel = self._flowtrail_deliveries, self.__wrapped__
        if is_blocking(channel):
            return basic_get(deliveries, channel.basic_get, *arguments, **named)
        return basic_get_later(deliveries, self, channel.basic_get, *arguments, **named)

    def consume(self, *arguments: Any, **named: Any) -> Any:
        """See `BlockingChannel.consume`."""
        return consume(self._flowtrail_deliveries, self.__wrapped__.consume, *arguments, **named)

    def cancel(self, *arguments: Any, **named: Any) -> Any:
        """See `BlockingChannel.cancel`."""
        self._flowtrail_receiver.close()
        return self.__wrapped__.cancel(*arguments, **named)


def is_blocking(channel: Any) -> bool:
    """Whether it is a `BlockingChannel`, or derived from one."""
    return hasattr(channel, "_impl")


def leave_beneath_alone(channel: Any) -> None:
    """Keep zero-code instrumentation off the channel that a `BlockingChannel` is made of."""
    beneath = getattr(channel, "_impl", None)
    if beneath is not None and not left_alone(beneath):
        leave_alone(beneath)


def basic_consume(
    deliveries: Deliveries, channel: Proxy | None, call: Callable[..., Any], /, *arguments: Any, **named: Any
) -> Any:
    """`basic_consume` with telemetry; `call` is the real one, `channel` what the callback is handed instead."""
    return _called_back(deliveries, channel, call, "on_message_callback", arguments, named)


def basic_get_later(
    deliveries: Deliveries, channel: Proxy | None, call: Callable[..., Any], /, *arguments: Any, **named: Any
) -> Any:
    """`basic_get` of a channel that doesn't block, with telemetry; see `basic_consume`."""
    return _called_back(deliveries, channel, call, "callback", arguments, named)


def _called_back(
    deliveries: Deliveries,
    channel: Proxy | None,
    call: Callable[..., Any],
    name: str,
    arguments: tuple[Any, ...],
    named: dict[str, Any],
) -> Any:
    queue = given(arguments, named, 0, "queue")
    callback = given(arguments, named, 1, name)
    if isinstance(queue, str) and callable(callback):
        arguments = put(arguments, named, 1, name, _handled(deliveries, channel, queue, callback))
    return call(*arguments, **named)


def _handled(
    deliveries: Deliveries, channel: Proxy | None, queue: str, callback: Callable[..., Any]
) -> Callable[..., Any]:
    """A message callback that runs inside the message's handling."""

    @wraps(callback)
    def handle(real: Any, method: Any, properties: Any, body: bytes) -> Any:
        handling = deliveries.handling(queue, method, properties, body)
        handed = real if channel is None else channel
        if handling is None:
            return callback(handed, method, properties, body)
        handling.__enter__()
        try:
            returned = callback(handed, method, properties, body)
        except BaseException as error:
            handling.leave(error)
            raise
        handling.leave()
        return returned

    return handle


def basic_get(deliveries: Deliveries, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """`BlockingChannel.basic_get` with telemetry; `call` is the real one."""
    deliveries.receiver.take_back()
    found = call(*arguments, **named)
    if found[0] is not None:
        deliveries.hand_over(given(arguments, named, 0, "queue"), *found)
    return found


def consume(
    deliveries: Deliveries, call: Callable[..., Any], /, *arguments: Any, **named: Any
) -> Iterator[Any]:
    """`BlockingChannel.consume` with telemetry; `call` is the real one.

    A message's handling doesn't end with the generator: `next(channel.consume(queue))` drops that before the
    message is handled.
    """
    messages = call(*arguments, **named)
    queue = given(arguments, named, 0, "queue")
    while True:
        deliveries.receiver.take_back()
        message = next(messages, None)
        if message is None:
            return
        if message[0] is not None:
            deliveries.hand_over(queue, *message)
        yield message


PRODUCERS = CONSUMERS = (Way(("basic_publish", "basic_consume", "basic_get"), False, TracedChannel),)
