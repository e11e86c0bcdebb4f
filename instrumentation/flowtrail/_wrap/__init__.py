"""Clients with telemetry around them, for programs that keep their own loop."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from flowtrail._telemetry.attributes import KAFKA
from flowtrail._wrap.proxy import Proxy, Way, fitted, leave_alone
from flowtrail.errors import ConfigurationError

if TYPE_CHECKING:
    from flowtrail._telemetry import Telemetry

_LOG = logging.getLogger("flowtrail")

Client = TypeVar("Client")

_ADAPTERS = {
    "kafka": "flowtrail._wrap.kafka_python",
    "aiokafka": "flowtrail._wrap.aiokafka",
    "confluent_kafka": "flowtrail._wrap.confluent",
    "cimpl": "flowtrail._wrap.confluent",
    "pika": "flowtrail._wrap.pika",
    "aio_pika": "flowtrail._wrap.aio_pika",
}


def wrap_producer(telemetry: Telemetry, producer: Client) -> Client:
    """A producer whose messages carry correlation and trace, and are counted and logged.

    Args:
        telemetry: Where to report.
        producer: A kafka-python, confluent-kafka or aiokafka producer, a channel of pika, a channel or exchange
            of aio-pika, or a subclass; it stays as it is. A channel's consumers are traced, too.

    Returns:
        An object with the same API, which passes for the same class.

    Raises:
        ConfigurationError: It is none of these clients, or a subclass whose sending method leaves no way to
            hand headers on.
    """
    if _is_traced(producer):
        return producer
    adapter = _adapter_of(producer)
    way = _way(producer, adapter.PRODUCERS, "producer")
    traced: Client = fitted(way.proxy, producer)(telemetry.speaking(adapter.SYSTEM), producer)
    return traced


def wrap_consumer(telemetry: Telemetry, consumer: Client, *, group: str | None = None) -> Client:
    """A consumer whose records are handled inside their process span.

    A record's handling lasts until the next one is asked for, the loop over a polled list moves on, or the
    consumer is closed; where the client calls a function for each message, as long as that runs.

    Args:
        telemetry: Where to report.
        consumer: A kafka-python, confluent-kafka or aiokafka consumer, a channel of pika, a channel or queue of
            aio-pika, or a subclass; it stays as it is. What a channel publishes is traced, too.
        group: Consumer group, where the client doesn't know it; by default that of RabbitMQ's queues is their
            name, without the exchange's at its beginning.

    Returns:
        An object with the same API, which passes for the same class.

    Raises:
        ConfigurationError: It is none of these clients.
    """
    if _is_traced(consumer):
        return consumer
    adapter = _adapter_of(consumer)
    way = _way(consumer, adapter.CONSUMERS, "consumer")
    known = group
    if known is None and adapter.SYSTEM == KAFKA:
        known = adapter.group_of(consumer)
        if known is None:
            _warn_of_unknown_group(consumer)
    traced: Client = fitted(way.proxy, consumer)(telemetry.speaking(adapter.SYSTEM), consumer, known)
    return traced


def _warn_of_unknown_group(consumer: object) -> None:
    _LOG.warning(
        "%s doesn't say its consumer group, so the records it hands over are reported without one; tell it: "
        'trail.wrap_consumer(consumer, group="...")',
        type(consumer).__qualname__,
    )


def _is_traced(client: object) -> bool:
    return issubclass(type(client), Proxy)


def _way(client: object, ways: tuple[Way, ...], role: str) -> Way:
    """How to trace a client; refuses what only looks like one that can be."""
    kind = type(client)
    for way in ways:
        if way.fits(kind) and not hasattr(kind, "acknowledge"):  # a share consumer has no offsets to commit
            return way
    raise ConfigurationError(
        f"{kind.__module__}.{kind.__qualname__} can't be traced as a {role}: this takes the {role}s of "
        f"kafka-python and aiokafka, confluent-kafka's blocking ones, pika's channels, and aio-pika's channels "
        f"and {'exchanges' if role == 'producer' else 'queues'}"
    )


def _adapter_of(client: object) -> Any:
    for kind in type(client).__mro__:
        adapter = _ADAPTERS.get(kind.__module__.partition(".")[0])
        if adapter is not None:
            return import_module(adapter)
    raise ConfigurationError(
        f"{type(client).__module__}.{type(client).__qualname__} is not a client of kafka-python, "
        "confluent-kafka, aiokafka, pika or aio-pika"
    )


__all__ = ["leave_alone", "wrap_consumer", "wrap_producer"]
