"""Clients with telemetry around them, for programs that keep their own loop."""

from __future__ import annotations

import logging
from importlib import import_module
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from flowtrail._wrap.proxy import Proxy, fitted, leave_alone
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
}


def wrap_producer(telemetry: Telemetry, producer: Client) -> Client:
    """A producer whose messages carry correlation and trace, and are counted and logged.

    Args:
        telemetry: Where to report.
        producer: A kafka-python, confluent-kafka or aiokafka producer, or a subclass; it stays as it is.

    Returns:
        An object with the same API, which passes for the same class.

    Raises:
        ConfigurationError: It is none of these clients, or a subclass whose sending method leaves no way to
            hand headers on.
    """
    if _is_traced(producer):
        return producer
    adapter = _adapter_of(producer)
    _check(producer, adapter.PRODUCER_CALLS, adapter.AWAITED, "producer")
    traced: Client = fitted(adapter.TracedProducer, producer)(telemetry, producer)
    return traced


def wrap_consumer(telemetry: Telemetry, consumer: Client, *, group: str | None = None) -> Client:
    """A consumer whose records are handled inside their process span.

    A record's handling lasts until the next one is asked for, the loop over a polled list moves on, or the
    consumer is closed.

    Args:
        telemetry: Where to report.
        consumer: A kafka-python, confluent-kafka or aiokafka consumer, or a subclass; it stays as it is.
        group: Consumer group, where the client doesn't know it.

    Returns:
        An object with the same API, which passes for the same class.

    Raises:
        ConfigurationError: It is none of these clients.
    """
    if _is_traced(consumer):
        return consumer
    adapter = _adapter_of(consumer)
    _check(consumer, adapter.CONSUMER_CALLS, adapter.AWAITED, "consumer")
    known = group or adapter.group_of(consumer)
    if known is None:
        _LOG.warning(
            "%s doesn't say its consumer group, so the records it hands over are reported without one; tell it: "
            'trail.wrap_consumer(consumer, group="...")',
            type(consumer).__qualname__,
        )
    traced: Client = fitted(adapter.TracedConsumer, consumer)(telemetry, consumer, known)
    return traced


def _is_traced(client: object) -> bool:
    return issubclass(type(client), Proxy)


def _check(client: object, calls: tuple[str, ...], awaited: bool, role: str) -> None:
    """Refuse what only looks like a client that can be traced."""
    kind = type(client)
    methods = [getattr(kind, name, None) for name in calls]
    fits = all(callable(method) and iscoroutinefunction(method) is awaited for method in methods)
    if not fits or hasattr(kind, "acknowledge"):  # a share consumer has no offsets to commit
        raise ConfigurationError(
            f"{kind.__module__}.{kind.__qualname__} can't be traced as a {role}: this takes the {role}s of "
            "kafka-python and aiokafka, and confluent-kafka's blocking ones"
        )


def _adapter_of(client: object) -> Any:
    for kind in type(client).__mro__:
        adapter = _ADAPTERS.get(kind.__module__.partition(".")[0])
        if adapter is not None:
            return import_module(adapter)
    raise ConfigurationError(
        f"{type(client).__module__}.{type(client).__qualname__} is no client of kafka-python, "
        "confluent-kafka or aiokafka"
    )


__all__ = ["leave_alone", "wrap_consumer", "wrap_producer"]
