"""From `Trail(client=...)` to an adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowtrail.clients._aiokafka import AiokafkaClient
from flowtrail.clients._confluent import ConfluentClient
from flowtrail.clients._kafka_python import KafkaPythonClient
from flowtrail.clients._port import Client
from flowtrail.errors import ConfigurationError

_ADAPTERS: Mapping[str, Callable[[str, Mapping[str, Any] | None], Client]] = {
    "kafka-python": KafkaPythonClient,
    "confluent": ConfluentClient,
    "aiokafka": AiokafkaClient,
}


def choose_client(
    client: str | Client, bootstrap_servers: str, settings: Mapping[str, Any] | None = None
) -> Client:
    """The adapter for a client's name; an adapter object passes through.

    Raises:
        ConfigurationError: There is no such adapter, or settings were given along with an adapter object.
        MissingExtraError: The library isn't installed.
    """
    if not isinstance(client, str):
        if settings:
            raise ConfigurationError("client_settings belong to the client object that was given")
        return client
    adapter = _ADAPTERS.get(client)
    if adapter is None:
        raise ConfigurationError(f"unknown client {client!r}: one of {', '.join(sorted(_ADAPTERS))}")
    return adapter(bootstrap_servers, settings)
