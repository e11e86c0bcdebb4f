"""kafka-python: telemetry around `KafkaProducer.send` and around what `KafkaConsumer` hands over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flowtrail._telemetry import Sender, Telemetry
from flowtrail._wrap.proxy import Proxy, keep
from flowtrail._wrap.scope import Receiver

_FIRST_WITH_HEADERS = (0, 11)


def client_id_of(client: Any) -> str | None:
    """The client's id as configured."""
    config = getattr(client, "config", None)
    value = config.get("client_id") if isinstance(config, dict) else None
    return value if isinstance(value, str) else None


def group_of(client: Any) -> str | None:
    """The consumer's group as configured."""
    config = getattr(client, "config", None)
    value = config.get("group_id") if isinstance(config, dict) else None
    return value if isinstance(value, str) else None


def takes_headers(client: Any) -> bool:
    """Whether the broker's message format has room for headers (Apache Kafka 0.11, message format 2)."""
    config = getattr(client, "config", None)
    version = config.get("api_version") if isinstance(config, dict) else None
    return not isinstance(version, tuple) or version >= _FIRST_WITH_HEADERS


def send(
    sender: Sender,
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
        sender: Starts the publication.
        call: The real `send`.
        headers_possible: See `takes_headers`.
        topic: See kafka-python; likewise the rest.
        value: Payload.
        key: Key.
        headers: Pairs.
        partition: Partition.
        timestamp_ms: Milliseconds.
        named: Whatever newer versions take.
    """
    try:
        sending = sender.start(topic, value, key, headers)
        if headers_possible:
            headers = sending.headers
    except Exception as failure:  # noqa: BLE001 - the client itself shall refuse what is wrong
        sender.telemetry.internal_error("send", failure)
        return call(topic, value, key, headers, partition, timestamp_ms, **named)
    try:
        future = call(topic, value, key, headers, partition, timestamp_ms, **named)
    except BaseException as error:
        sending.fail(error)
        raise
    try:
        future._add_cb_eb(sending.acked, sending.fail)
    except AttributeError:  # before kafka-python 3
        future.add_callback(sending.acked)
        future.add_errback(sending.fail)
    return future


class TracedProducer(Proxy):
    """A `KafkaProducer` whose messages are traced."""

    send: Callable[..., Any]
    """See `KafkaProducer.send`."""

    def __init__(self, telemetry: Telemetry, producer: Any) -> None:
        super().__init__(producer)
        sender = Sender(telemetry, client_id_of(producer))
        keep(self, "send", partial(send, sender, producer.send, takes_headers(producer)))


class TracedConsumer(Proxy):
    """A `KafkaConsumer` whose records are being handled between two calls."""

    def __init__(self, telemetry: Telemetry, consumer: Any, group: str | None) -> None:
        super().__init__(consumer)
        keep(self, "_receiver", Receiver(telemetry, group or group_of(consumer), client_id_of(consumer)))

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

    def close(self, *arguments: Any, **named: Any) -> Any:
        """See `KafkaConsumer.close`."""
        self._receiver.take_back()
        return self.__wrapped__.close(*arguments, **named)

    def __exit__(self, *exception: Any) -> Any:
        self._receiver.take_back(exception[1] if len(exception) > 1 else None)
        return super().__exit__(*exception)


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
    offsets = arguments[0] if arguments else named.get("offsets")
    topics = {partition.topic for partition in offsets} if isinstance(offsets, dict) else ()
    with receiver.telemetry.committing(topics, group=receiver.group):
        return call(*arguments, **named)
