"""What the request handlers work on: the broker's settings and state, without any socket."""

import base64
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from devbroker.coordinator import Coordinator
from devbroker.topics import Topics

NODE_ID = 1

Response = Mapping[str, Any]
"""A response body by field names; the codec drops the names that the client's version lacks."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the broker behaves.

    Attributes:
        default_partitions: of a topic that doesn't ask for a number, auto-created ones included.
        auto_create_topics: whether asking for a topic makes it.
        retention_bytes: per partition; above it the oldest records go. None keeps all.
        max_batch_bytes: per record batch, as Kafka's `message.max.bytes`.
        initial_rebalance_delay_seconds: how long an empty group waits for more members. Not 0:
            kafka-python can miss an assignment that comes faster than its metadata.
        min_session_timeout_seconds: shorter session timeouts are refused.
        max_session_timeout_seconds: longer ones too.
        cluster_id: by which clients know it again; None makes a new one.
    """

    default_partitions: int = 3
    auto_create_topics: bool = True
    retention_bytes: int | None = 256 * 1024 * 1024
    max_batch_bytes: int = 1_048_588
    initial_rebalance_delay_seconds: float = 0.25
    min_session_timeout_seconds: float = 0.5
    max_session_timeout_seconds: float = 1800.0
    cluster_id: str | None = None


class Broker:
    """The state behind the sockets, used from one thread only.

    Args:
        settings: how it behaves.
        clock: seconds, monotonic, in the time of `on_deadline`.
        on_deadline: told a group's name and when `coordinator.tick` should be called for it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_deadline: Callable[[str, float], None] = lambda _group, _when: None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.host = "127.0.0.1"
        self.port = 0
        self.cluster_id = settings.cluster_id or _new_cluster_id()
        self.topics = Topics(
            default_partitions=settings.default_partitions,
            retention_bytes=settings.retention_bytes,
            max_batch_bytes=settings.max_batch_bytes,
        )
        self.coordinator = Coordinator(
            initial_delay_seconds=settings.initial_rebalance_delay_seconds, on_deadline=on_deadline
        )
        self._last_producer_id = 0

    def new_producer_id(self) -> int:
        """An id for an idempotent producer that no other has."""
        self._last_producer_id += 1
        return self._last_producer_id


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
