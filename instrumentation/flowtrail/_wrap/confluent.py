"""confluent-kafka: telemetry around `Producer.produce` and around what `Consumer` hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from flowtrail._telemetry import MessageTracer, OutgoingMessage, Telemetry
from flowtrail._telemetry.attributes import KAFKA
from flowtrail._telemetry.errors import error_type_of
from flowtrail._wrap.calls import Shape, given, put, shape_of
from flowtrail._wrap.confluent_settings import delivery_callback_of
from flowtrail._wrap.confluent_settings import group_of as group_of
from flowtrail._wrap.proxy import Proxy, Way, keep
from flowtrail._wrap.scope import Receiver, ReceivingProxy, text_or_none
from flowtrail.wire import record_of

PRODUCE = ("topic", "value", "key", "partition", "callback", "on_delivery", "timestamp", "headers")
"""What `Producer.produce` takes, by position or by name; it is written in C and has no signature."""

REPORTS = ("callback", "on_delivery")
"""Names of the delivery callback; where both are given, the client calls the first."""


def shape_of_produce(kind: type[Any]) -> Shape:
    """What `produce` of a producer's class takes.

    Raises:
        ConfigurationError: A subclass's `produce` leaves no way to hand headers or the callback on.
    """
    return shape_of(kind, "produce", PRODUCE, REPORTS)


def _reporting(outgoing: OutgoingMessage, theirs: Callable[..., Any] | None) -> Callable[[Any, Any], None]:
    """The delivery callback: reports the outcome, then calls the program's own."""

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            outgoing.fail(error_type_of(error))
        else:
            outgoing.done(message.partition(), message.offset())
        if theirs is not None:
            theirs(error, message)

    return delivered


class Sender:
    """`Producer.produce` with telemetry.

    Args:
        telemetry: Where to report.
        producer: Whose messages these are.
        shape: What the real `produce` takes.
        client_id: The client's own id.
    """

    def __init__(
        self, telemetry: Telemetry, producer: Any, shape: Shape, client_id: str | None = None
    ) -> None:
        self.tracer = MessageTracer(telemetry, client_id)
        self._shape = shape
        self._configured = delivery_callback_of(producer)

    def send(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """Call the real `produce` with what was given, our headers, and our callback before theirs."""
        shape, tracer = self._shape, self.tracer
        count = len(arguments)
        topic = arguments[shape.topic] if shape.topic < count else named.get("topic")
        if not isinstance(topic, str):
            return call(*arguments, **named)  # the client itself shall refuse what is wrong
        headers = arguments[shape.headers] if shape.headers < count else named.get("headers")
        try:
            outgoing = tracer.start(
                topic,
                arguments[shape.value] if shape.value < count else named.get("value"),
                arguments[shape.key] if shape.key < count else named.get("key"),
                headers,
            )
            # A serializer gets the headers to read: in the kind of container that it knows.
            ours: Any = dict(outgoing.headers) if isinstance(headers, dict) else outgoing.headers
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            tracer.telemetry.internal_error("send", failure)
            return call(*arguments, **named)
        arguments = put(arguments, named, shape.headers, "headers", ours)
        arguments = self._report(outgoing, arguments, named)
        try:
            return call(*arguments, **named)
        except BaseException as error:
            outgoing.fail(error)
            raise

    def _report(
        self, outgoing: OutgoingMessage, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Any, ...]:
        reports = self._shape.reports
        for name, place in reports:
            theirs = given(arguments, named, place, name)
            if theirs is not None:
                if not callable(theirs):
                    return arguments  # for the client to refuse
                return put(arguments, named, place, name, _reporting(outgoing, theirs))
        name, place = reports[-1]
        return put(arguments, named, place, name, _reporting(outgoing, self._configured))


class TracedProducer(Proxy):
    """A `Producer` whose messages are traced."""

    produce: Callable[..., Any]
    """See `Producer.produce`."""

    def __init__(self, telemetry: Telemetry, producer: Any) -> None:
        client_id = text_or_none(getattr(producer, "_flowtrail_settings", {}).get("client.id"))
        sender = Sender(telemetry, producer, shape_of_produce(type(producer)), client_id)
        super().__init__(producer)
        keep(self, "produce", partial(sender.send, producer.produce))


class TracedConsumer(ReceivingProxy):
    """A `Consumer` whose messages are being handled between two calls."""

    def __init__(self, telemetry: Telemetry, consumer: Any, group: str | None) -> None:
        super().__init__(consumer, Receiver(telemetry, group, None))

    def poll(self, *arguments: Any, **named: Any) -> Any:
        """See `Consumer.poll`."""
        return poll(self._flowtrail_receiver, self.__wrapped__.poll, *arguments, **named)

    def consume(self, *arguments: Any, **named: Any) -> Any:
        """See `Consumer.consume`; iterate the list to have each message handled inside its span."""
        return consume(self._flowtrail_receiver, self.__wrapped__.consume, *arguments, **named)

    def commit(self, *arguments: Any, **named: Any) -> Any:
        """See `Consumer.commit`."""
        return commit(self._flowtrail_receiver, self.__wrapped__.commit, *arguments, **named)


def poll(receiver: Receiver, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """`Consumer.poll` with telemetry; `call` is the real one."""
    receiver.take_back()
    message = call(*arguments, **named)
    if message is not None and message.error() is None:
        receiver.hand_over(record_of(message))
    return message


def consume(receiver: Receiver, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """`Consumer.consume` with telemetry; `call` is the real one."""
    receiver.take_back()
    with receiver.telemetry.polling(group=receiver.group) as operation:
        messages = call(*arguments, **named)
        for message in messages:
            if message.error() is None:
                operation.received(message.topic())
    return receiver.batch(messages, lambda message: record_of(message) if message.error() is None else None)


def commit(receiver: Receiver, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """`Consumer.commit` with telemetry; `call` is the real one."""
    topics: set[str] = set()
    with suppress(Exception):  # what is wrong with the arguments is the client's to say
        topics.update(
            _topics_of(given(arguments, named, 0, "message"), given(arguments, named, 1, "offsets"))
        )
    with receiver.telemetry.committing(topics, group=receiver.group):
        return call(*arguments, **named)


def _topics_of(message: Any, offsets: Any) -> Iterator[str]:
    if message is not None:
        yield message.topic()
    for offset in offsets or ():
        yield offset.topic


SYSTEM = KAFKA
PRODUCERS = (Way(("produce",), False, TracedProducer),)
CONSUMERS = (Way(("poll", "consume"), False, TracedConsumer),)
