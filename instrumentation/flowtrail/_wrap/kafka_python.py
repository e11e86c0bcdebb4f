"""kafka-python: telemetry around `KafkaProducer.send` and around what `KafkaConsumer` hands over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flowtrail._telemetry import MessageTracer, Telemetry
from flowtrail._wrap.proxy import Proxy, keep
from flowtrail._wrap.scope import Receiver, ReceivingProxy, text_or_none, topics_of

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


def send(
    tracer: MessageTracer,
    call: Callable[..., Any],
    headers_possible: bool,
    topic: str,
    value: Any = None,
    key: Any = None,
    headers: Any = None,
    partition: Any = None,
    timestamp_ms: Any = None,
    **named: Any,
) -> Any:
    """`KafkaProducer.send` with telemetry.

    Args:
        tracer: Traces the message.
        call: The real `send`.
        headers_possible: See `takes_headers`.
        topic: See kafka-python; likewise the rest. `named` is whatever newer versions take.
    """
    try:
        outgoing = tracer.start(topic, value, key, headers)
        if headers_possible:
            headers = outgoing.headers
    except Exception as failure:  # noqa: BLE001 - the client itself shall refuse what is wrong
        tracer.telemetry.internal_error("send", failure)
        return call(topic, value, key, headers, partition, timestamp_ms, **named)
    try:
        future = call(topic, value, key, headers, partition, timestamp_ms, **named)
    except BaseException as error:
        outgoing.fail(error)
        raise
    try:
        future._add_cb_eb(outgoing.acked, outgoing.fail)
    except AttributeError:  # before kafka-python 3
        future.add_callback(outgoing.acked)
        future.add_errback(outgoing.fail)
    return future


class TracedProducer(Proxy):
    """A `KafkaProducer` whose messages are traced."""

    send: Callable[..., Any]
    """See `KafkaProducer.send`."""

    def __init__(self, telemetry: Telemetry, producer: Any) -> None:
        super().__init__(producer)
        tracer = MessageTracer(telemetry, client_id_of(producer))
        keep(self, "send", partial(send, tracer, producer.send, takes_headers(producer)))


class TracedConsumer(ReceivingProxy):
    """A `KafkaConsumer` whose records are being handled between two calls."""

    def __init__(self, telemetry: Telemetry, consumer: Any, group: str | None) -> None:
        super().__init__(consumer, Receiver(telemetry, group or group_of(consumer), client_id_of(consumer)))

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        receiver: Receiver = self._receiver
        receiver.take_back()
        record = next(self.__wrapped__)
        receiver.hand_over(record)
        return record

    def poll(self, *arguments: Any, **named: Any) -> Any:
        """See `KafkaConsumer.poll`; iterate its lists to have each record handled inside its span."""
        return poll(self._receiver, self.__wrapped__.poll, *arguments, **named)

    def commit(self, *arguments: Any, **named: Any) -> Any:
        """See `KafkaConsumer.commit`."""
        return commit(self._receiver, self.__wrapped__.commit, *arguments, **named)


def poll(receiver: Receiver, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
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


def commit(receiver: Receiver, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """`KafkaConsumer.commit` with telemetry; `call` is the real one."""
    with receiver.telemetry.committing(topics_of(arguments, named), group=receiver.group):
        return call(*arguments, **named)
