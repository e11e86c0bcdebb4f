"""Settings: keyword arguments first, environment variables second."""

from __future__ import annotations

import os
from dataclasses import dataclass

DEFAULT_BOOTSTRAP_SERVERS = "localhost:9092"
DEFAULT_CLIENT = "kafka-python"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take.

    Attributes:
        publish_timeout_seconds: How long a publication outside a handler waits for its acknowledgement.
        shutdown_timeout_seconds: How long a stopping trail waits for publications in flight.
        commit_interval_seconds: Offsets are committed at most this often while there is work.
        poll_interval_seconds: Longest wait for records before looking around.
        slice_seconds: Longest stretch of handling without a poll, whole handlers permitting.
    """

    publish_timeout_seconds: float = 30.0
    shutdown_timeout_seconds: float = 30.0
    commit_interval_seconds: float = 0.1
    poll_interval_seconds: float = 0.25
    slice_seconds: float = 1.0


def bootstrap_servers(given: str | list[str] | None) -> str:
    """Broker addresses, comma-separated: as given, else from the environment, else localhost."""
    if given:
        return given if isinstance(given, str) else ",".join(given)
    for variable in ("FLOWTRAIL_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"):
        if os.environ.get(variable):
            return os.environ[variable]
    return DEFAULT_BOOTSTRAP_SERVERS


def client_name() -> str:
    """The client library to use unless one is given."""
    return os.environ.get("FLOWTRAIL_CLIENT") or DEFAULT_CLIENT
