"""kafka-python: telemetry around `KafkaProducer.send` and around what `KafkaConsumer` hands over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowtrail._telemetry import Telemetry
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
    telemetry: Telemetry,
    call: Callable[..., Any],
    client_id: str | None,
    headers_possible: bool,
    topic: str,
    value: Any = None,
    key: Any = None,
    headers: Any = None,
    *more: Any,
    **named: Any,
) -> Any:
    """`KafkaProducer.send` with telemetry; `call` is the real one."""
    try:
        sending = telemetry.sending(
            topic, key=key, tombstone=value is None, headers=headers, client_id=client_id
        )
    except Exception as failure:  # noqa: BLE001 - the client itself shall refuse what is wrong
        telemetry.internal_error("send", failure)
        return call(topic, value, key, headers, *more, **named)
    try:
        future = call(topic, value, key, sending.headers if headers_possible else headers, *more, **named)
    except BaseException as error:
        sending.fail(error)
        raise
    both = getattr(future, "_add_cb_eb", None)
    if both is not None:
        both(sending.acked, sending.fail)
    else:
        future.add_callback(sending.acked)
        future.add_errback(sending.fail)
    return future


class TracedProducer(Proxy):
    """A `KafkaProducer` whose messages are traced."""

    def __init__(self, telemetry: Telemetry, producer: Any) -> None:
        super().__init__(producer)
        keep(self, "_telemetry", telemetry)
        keep(self, "_client_id", client_id_of(producer))
        keep(self, "_headers_possible", takes_headers(producer))

    def send(self, topic: str, *arguments: Any, **named: Any) -> Any:
        """See `KafkaProducer.send`."""
        return send(
            self._telemetry,
            self.__wrapped__.send,
            self._client_id,
            self._headers_possible,
            topic,
            *arguments,
            **named,
        )


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
