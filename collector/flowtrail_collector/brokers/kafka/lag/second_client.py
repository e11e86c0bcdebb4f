"""kafka-python, for what librdkafka can't ask: the same connection, where it can be had."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowtrail_collector.brokers.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

__all__ = ["connected", "settings_of"]

_TIMEOUT_MS = 5_000
_SETTINGS = {
    "security.protocol": "security_protocol",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
}
# What kafka-python has no setting for: a connection without it would be another connection.
_UNTRANSLATABLE = ("ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem", "ssl.keystore.location")


def settings_of(connection: KafkaConnection) -> Mapping[str, Any] | None:
    """The connection in kafka-python's words; None where it has none for a part of it."""
    settings = connection.settings
    if any(name in settings for name in _UNTRANSLATABLE) or settings.get("sasl.mechanisms") == "OAUTHBEARER":
        return None
    found: dict[str, Any] = {new: settings[old] for old, new in _SETTINGS.items() if old in settings}
    found["bootstrap_servers"] = [server.strip() for server in connection.bootstrap_servers.split(",")]
    found["ssl_check_hostname"] = settings.get("ssl.endpoint.identification.algorithm") != "none"
    if "security_protocol" in found:
        found["security_protocol"] = found["security_protocol"].upper()
    return found


def connected(settings: Mapping[str, Any]) -> KafkaAdminClient:
    """A client.

    Raises:
        ImportError: kafka-python isn't installed.
    """
    from kafka.admin import KafkaAdminClient

    # At DEBUG it logs its settings, the password among them; and each failed connection at ERROR, which is
    # told where lag is read.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    return KafkaAdminClient(
        **settings, client_id="flowtrail-lag-groups", bootstrap_timeout_ms=_TIMEOUT_MS,
        request_timeout_ms=_TIMEOUT_MS,
    )  # fmt: skip
