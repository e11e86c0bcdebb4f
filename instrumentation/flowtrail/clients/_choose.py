"""From `Trail(client=...)` to an adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowtrail import _settings
from flowtrail.clients._aio_pika import AioPikaClient
from flowtrail.clients._aiokafka import AiokafkaClient
from flowtrail.clients._confluent import ConfluentClient
from flowtrail.clients._kafka_python import KafkaPythonClient
from flowtrail.clients._kinds import KAFKA, RABBITMQ, RABBITMQ_AIO_PIKA, BrokerKind
from flowtrail.clients._pika import PikaClient
from flowtrail.clients._port import Client
from flowtrail.clients._rabbitmq import shown
from flowtrail.errors import ConfigurationError

_Adapter = Callable[[str, Mapping[str, Any] | None], Client]
_ADDRESSES: Mapping[str, Callable[[str | list[str] | None], str]] = {
    KAFKA.system: _settings.bootstrap_servers,
    RABBITMQ.system: _settings.amqp_url,
}
_ADAPTERS: Mapping[str, tuple[BrokerKind, _Adapter]] = {
    "kafka-python": (KAFKA, KafkaPythonClient),
    "confluent": (KAFKA, ConfluentClient),
    "aiokafka": (KAFKA, AiokafkaClient),
    "pika": (RABBITMQ, PikaClient),
    "aio-pika": (RABBITMQ_AIO_PIKA, AioPikaClient),
}


def kind_of(client: str | Client, settings: Mapping[str, Any] | None = None) -> BrokerKind:
    """The broker that a client talks to, without loading it; Kafka for a name that nobody knows.

    Args:
        client: Its name, or the adapter.
        settings: The client's own.
    """
    if not isinstance(client, str):
        return client.kind
    kind = _ADAPTERS[client][0] if client in _ADAPTERS else KAFKA
    return kind.with_queue((settings or {}).get("queue"))


def choose_client(
    client: str | Client,
    bootstrap_servers: str | list[str] | None,
    settings: Mapping[str, Any] | None = None,
) -> Client:
    """The adapter for a client's name; an adapter object passes through.

    Args:
        client: Its name, or the adapter.
        bootstrap_servers: Where the broker is; None for what the environment says.
        settings: The client's own.

    Raises:
        ConfigurationError: There is no such adapter, it is one for another broker than the address is of, or settings
            were given along with an adapter object.
        MissingExtraError: The library isn't installed.
    """
    if not isinstance(client, str):
        if settings:
            raise ConfigurationError("client_settings belong to the client object that was given")
        return client
    if client not in _ADAPTERS:
        raise ConfigurationError(f"unknown client {client!r}: one of {', '.join(sorted(_ADAPTERS))}")
    kind, adapter = _ADAPTERS[client]
    address = _ADDRESSES[kind.system](bootstrap_servers)
    if kind is KAFKA and address.lstrip().startswith(("amqp://", "amqps://")):
        raise ConfigurationError(
            f"{shown(address)} is an address of RabbitMQ, and {client} talks to Kafka: set client='pika' or 'aio-pika'"
        )
    return adapter(address, settings)
