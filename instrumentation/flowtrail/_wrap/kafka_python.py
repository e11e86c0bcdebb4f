"""kafka-python: telemetry around `KafkaProducer.send` and around what `KafkaConsumer` hands over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flowtrail._telemetry import MessageTracer, Telemetry
from flowtrail._telemetry.attributes import KAFKA
from flowtrail._wrap.calls import Shape, put, shape_of
from flowtrail._wrap.proxy import Proxy, Way, keep
from flowtrail._wrap.scope import Receiver, ReceivingProxy, Records, text_or_none, topics_of

_FIRST_WITH_HEADERS = (0, 11)


def _setting(client: Any, name: str) -> Any:
    config = getattr(client, "config", None)
    return config.get(name) if isinstance(config, dict) else None


def client_id_of(client: Any) -> str | None:
    """The client's id as configured."""
    return text_or_none(_setting(client, "client_id"))


def group_of(client: Any) -> str | None:
    """The consumer's group as configured."""
    return text_or_none(_setting(client, "group_id"))


def takes_headers(client: Any) -> bool:
    """Whether the broker's message format has room for headers (Apache Kafka 0.11, message format 2)."""
    version = _setting(client, "api_version")
    return not isinstance(version, tuple) or version >= _FIRST_WITH_HEADERS


class Sender:
    """`KafkaProducer.send` with telemetry.

    Args:
        telemetry: Where to report.
        producer: Whose messages these are.
        shape: What the real `send` takes.

    Attributes:
        send: Calls the real `send`, its first argument, with what was given and our headers.
    """

    def __init__(self, telemetry: Telemetry, producer: Any, shape: Shape) -> None:
        self.tracer = MessageTracer(telemetry, client_id_of(producer))
        self.send = _sending(self.tracer, shape, takes_headers(producer))


def _sending(tracer: MessageTracer, shape: Shape, headers_possible: bool) -> Callable[..., Any]:
    at_topic, at_value, at_key, at_headers = shape.topic, shape.value, shape.key, shape.headers
    start, telemetry = tracer.start, tracer.telemetry

    def send(call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        count = len(arguments)
        topic = arguments[at_topic] if at_topic < count else named.get("topic")
        if not isinstance(topic, str):
            return call(*arguments, **named)  # the client itself shall refuse what is wrong
        try:
            outgoing = start(
                topic,
                arguments[at_value] if at_value < count else named.get("value"),
                arguments[at_key] if at_key < count else named.get("key"),
                arguments[at_headers] if at_headers < count else named.get("headers"),
            )
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("send", failure)
            return call(*arguments, **named)
        if headers_possible:
            if at_headers < count:
                arguments = put(arguments, named, at_headers, "headers", outgoing.headers)
            else:
                named["headers"] = outgoing.headers
        try:
            future = call(*arguments, **named)
        except BaseException as error:
            outgoing.fail(error)
            raise
        try:
            future._add_cb_eb(outgoing.acked, outgoing.fail)
        except AttributeError:  # before kafka-python 3
            future.add_callback(outgoing.acked)
            future.add_errback(outgoing.fail)
        return future

    return send


class TracedProducer(Proxy):
    """A `KafkaProducer` whose messages are traced."""

    send: Callable[..., Any]
    """See `KafkaProducer.send`."""

    def __init__(self, telemetry: Telemetry, producer: Any) -> None:
        sender = Sender(telemetry, producer, shape_of(type(producer), "send"))
        super().__init__(producer)
        keep(self, "send", partial(sender.send, producer.send))


class TracedConsumer(ReceivingProxy):
    """A `KafkaConsumer` whose records are being handled between two calls."""

    def __init__(self, telemetry: Telemetry, consumer: Any, group: str | None) -> None:
        super().__init__(consumer, Receiver(telemetry, group, client_id_of(consumer)))

    def __iter__(self) -> Any:
        records = iter(self.__wrapped__)
        return self if records is self.__wrapped__ else Records(records, self._flowtrail_receiver)

    def __next__(self) -> Any:
        receiver: Receiver = self._flowtrail_receiver
        receiver.take_back()
        record = next(self.__wrapped__)
        receiver.hand_over(record)
        return record

    def poll(self, *arguments: Any, **named: Any) -> Any:
        """See `KafkaConsumer.poll`; iterate its lists to have each record handled inside its span."""
        return poll(self._flowtrail_receiver, self.__wrapped__.poll, *arguments, **named)

    def commit(self, *arguments: Any, **named: Any) -> Any:
        """See `KafkaConsumer.commit`."""
        return commit(self._flowtrail_receiver, self.__wrapped__.commit, *arguments, **named)


def poll(receiver: Receiver, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """`KafkaConsumer.poll` with telemetry; `call` is the real one."""
    receiver.take_back()
    with receiver.telemetry.polling(group=receiver.group) as operation:
        batches = call(*arguments, **named)
        if not batches:
            return batches
        for partition, records in batches.items():
            operation.received(partition.topic, len(records))
    for partition, records in batches.items():
        batches[partition] = receiver.batch(records)
    return batches


def commit(receiver: Receiver, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """`KafkaConsumer.commit` with telemetry; `call` is the real one."""
    with receiver.telemetry.committing(topics_of(arguments, named), group=receiver.group):
        return call(*arguments, **named)


SYSTEM = KAFKA
PRODUCERS = (Way(("send",), False, TracedProducer),)
CONSUMERS = (Way(("poll",), False, TracedConsumer),)
