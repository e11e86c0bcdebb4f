"""confluent-kafka: telemetry around `Producer.produce` and around what `Consumer` hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowtrail._telemetry import MessageTracer, OutgoingMessage, Telemetry
from flowtrail._telemetry.errors import error_type_of
from flowtrail._wrap.proxy import Proxy, keep
from flowtrail._wrap.scope import Receiver, ReceivingProxy
from flowtrail.wire import record_of


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


def produce(
    tracer: MessageTracer,
    call: Callable[..., Any],
    theirs: Callable[..., Any] | None,
    topic: str,
    value: Any = None,
    key: Any = None,
    partition: Any = None,
    callback: Any = None,
    on_delivery: Any = None,
    timestamp: Any = None,
    headers: Any = None,
    **named: Any,
) -> Any:
    """`Producer.produce` with telemetry.

    Args:
        tracer: Traces the message.
        call: The real `produce`.
        theirs: The delivery callback of the producer's configuration, which one per message replaces.
        topic: See confluent-kafka; likewise the rest. `named` is whatever newer versions take.
        callback: Old name of `on_delivery`.
    """
    if partition is not None:
        named["partition"] = partition
    if timestamp is not None:
        named["timestamp"] = timestamp
    try:
        outgoing = tracer.start(topic, value, key, headers)
    except Exception as failure:  # noqa: BLE001 - the client itself shall refuse what is wrong
        tracer.telemetry.internal_error("send", failure)
        return call(topic, value, key, on_delivery=on_delivery or callback, headers=headers, **named)
    delivery = _reporting(outgoing, on_delivery or callback or theirs)
    try:
        return call(topic, value, key, on_delivery=delivery, headers=outgoing.headers, **named)
    except BaseException as error:
        outgoing.fail(error)
        raise


class TracedProducer(Proxy):
    """A `Producer` whose messages are traced."""

    def __init__(
        self, telemetry: Telemetry, producer: Any, configuration: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(producer)
        settings = configuration or {}
        keep(self, "_tracer", MessageTracer(telemetry, settings.get("client.id")))
        keep(self, "_theirs", settings.get("on_delivery"))

    def produce(self, topic: str, *arguments: Any, **named: Any) -> Any:
        """See `Producer.produce`."""
        return produce(self._tracer, self.__wrapped__.produce, self._theirs, topic, *arguments, **named)


class TracedConsumer(ReceivingProxy):
    """A `Consumer` whose messages are being handled between two calls."""

    def __init__(self, telemetry: Telemetry, consumer: Any, group: str | None) -> None:
        super().__init__(consumer, Receiver(telemetry, group, None))

    def poll(self, *arguments: Any, **named: Any) -> Any:
        """See `Consumer.poll`."""
        return poll(self._receiver, self.__wrapped__.poll, *arguments, **named)

    def consume(self, *arguments: Any, **named: Any) -> Any:
        """See `Consumer.consume`; iterate the list to have each message handled inside its span."""
        return consume(self._receiver, self.__wrapped__.consume, *arguments, **named)

    def commit(self, *arguments: Any, **named: Any) -> Any:
        """See `Consumer.commit`."""
        return commit(self._receiver, self.__wrapped__.commit, *arguments, **named)


def poll(receiver: Receiver, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """`Consumer.poll` with telemetry; `call` is the real one."""
    receiver.take_back()
    message = call(*arguments, **named)
    if message is not None and message.error() is None:
        receiver.hand_over(record_of(message))
    return message


def consume(receiver: Receiver, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """`Consumer.consume` with telemetry; `call` is the real one."""
    receiver.take_back()
    with receiver.telemetry.polling(group=receiver.group) as operation:
        messages = call(*arguments, **named)
        for message in messages:
            if message.error() is None:
                operation.received(message.topic())
    return receiver.batch(messages, lambda message: record_of(message) if message.error() is None else None)


def commit(receiver: Receiver, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """`Consumer.commit` with telemetry; `call` is the real one."""
    topics: set[str] = set()
    message = arguments[0] if arguments else named.get("message")
    if message is not None:
        topics.add(message.topic())
    for offset in named.get("offsets") or ():
        topics.add(offset.topic)
    with receiver.telemetry.committing(topics, group=receiver.group):
        return call(*arguments, **named)
