"""Reading the offsets of partitions (earliest, latest, or by time) and the ids of topics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
    admin,
)

from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.errors import ServiceUnreachableError

__all__ = ["EARLIEST", "LATEST", "OffsetReader"]

EARLIEST, LATEST = "earliest", "latest"
_TIMEOUT_SECONDS = 3.0  # a stop has to wait for it
# The client has no types for it.
_OFFSET_SPEC: Any = admin.OffsetSpec  # type: ignore[attr-defined]
Place = tuple[str, int]


class OffsetReader:
    """Asks the brokers, one request per leader.

    Args:
        connection: Which cluster.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        settings = connection.client_settings(client_id="flowtrail-collector-offsets")
        # The consumer beside it reports what is wrong with the connection; twice would be noise.
        self._admin = admin.AdminClient({**settings, "log_level": 2})
        self._servers = connection.bootstrap_servers

    def read(self, places: Sequence[Place], which: str) -> dict[Place, int]:
        """The earliest offset, or the one behind the last record that can be read; of what can be told.

        Raises:
            ServiceUnreachableError: No partition's offset could be read.
        """
        spec = _OFFSET_SPEC.earliest() if which == EARLIEST else _OFFSET_SPEC.latest()
        return self._ask(dict.fromkeys(places, spec))

    def starting(self, places: Sequence[Place], start: str | float, now_seconds: float) -> dict[Place, int]:
        """Where to begin: `earliest`, `latest`, or at the first record at most so many seconds old.

        Raises:
            ServiceUnreachableError: No partition's offset could be read.
        """
        if isinstance(start, str):
            return self.read(places, start)
        moment = _OFFSET_SPEC.for_timestamp(int((now_seconds - start) * 1000))
        found = self._ask(dict.fromkeys(places, moment))
        # -1: nothing is that young, so begin at the end.
        late = [place for place, offset in found.items() if offset < 0]
        return {**found, **self.read(late, LATEST)}

    def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """The ids that brokers give topics: a topic that was deleted and made anew has another one.

        Topics that don't exist are left out, and so are all where brokers are too old to tell.

        Raises:
            ServiceUnreachableError: No broker answers.
        """
        if not topics:
            return {}
        futures = self._admin.describe_topics(
            TopicCollection(sorted(topics)), request_timeout=_TIMEOUT_SECONDS
        )
        found: dict[str, str] = {}
        for topic, future in futures.items():
            try:
                identity = str(future.result().topic_id)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise ServiceUnreachableError(
                        f"no Kafka broker at {self._servers} describes topics: {error.args[0].str()}"
                    ) from None
                continue
            if identity.strip("A"):  # zero in base64: not told
                found[topic] = identity
        return found

    def _ask(self, specs: dict[Place, Any]) -> dict[Place, int]:
        if not specs:
            return {}
        futures = self._admin.list_offsets(
            {TopicPartition(*place): spec for place, spec in specs.items()},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_TIMEOUT_SECONDS,
        )
        found: dict[Place, int] = {}
        reason = ""
        for partition, future in futures.items():
            try:
                found[partition.topic, partition.partition] = future.result().offset
            except KafkaException as error:
                reason = error.args[0].str()
        if not found:
            raise ServiceUnreachableError(f"no Kafka broker at {self._servers} tells offsets: {reason}")
        return found
