"""Reading the offsets of partitions (earliest, latest, or by time) and the ids of topics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.errors import reason_of
from flowtrail_collector.brokers.kafka.offset_specs import offset_spec
from flowtrail_collector.brokers.kafka.tail.positions import LATEST, Place, Start
from flowtrail_collector.errors import ServiceUnreachableError

__all__ = ["OffsetReader"]

_TIMEOUT_SECONDS = 3.0  # a stop has to wait for it


class OffsetReader:
    """Asks the brokers, one request per leader.

    Args:
        connection: Which cluster.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        settings = connection.client_settings(client_id="flowtrail-collector-offsets")
        # The consumer beside it reports what is wrong with the connection; twice would be noise.
        self._admin = AdminClient({**settings, "log_level": 2})
        self.servers = connection.bootstrap_servers

    def read(self, places: Sequence[Place], which: Literal["earliest", "latest"]) -> dict[Place, int]:
        """The earliest offset, or the last stable one, before which everything can be read; of what can be told.

        Raises:
            ServiceUnreachableError: No partition's offset could be read.
        """
        return self._ask(dict.fromkeys(places, offset_spec(which)))

    def ends(self, places: Sequence[Place]) -> dict[Place, int]:
        """The offset behind everything that was written, open transactions included; of what can be told.

        Raises:
            ServiceUnreachableError: No partition's offset could be read.
        """
        return self._ask(dict.fromkeys(places, offset_spec(LATEST)), IsolationLevel.READ_UNCOMMITTED)

    def starting(self, places: Sequence[Place], start: Start, now_seconds: float) -> dict[Place, int]:
        """Where to begin: `earliest`, `latest`, or at the first record at most so many seconds old.

        Raises:
            ServiceUnreachableError: No partition's offset could be read.
        """
        if isinstance(start, str):
            return self.read(places, start)
        found = self._ask(dict.fromkeys(places, offset_spec(now_seconds - start)))
        # -1: nothing is that young, so begin at the end.
        late = [place for place, offset in found.items() if offset < 0]
        return {**found, **self.read(late, LATEST)}

    def topic_ids(self, topics: Collection[str]) -> dict[str, str]:
        """The ids that brokers give topics: a topic that was deleted and recreated has another one.

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
                        f"no Kafka broker at {self.servers} describes topics: {reason_of(error)}"
                    ) from None
                continue
            if identity.strip("A"):  # zero in base64: not told
                found[topic] = identity
        return found

    def _ask(
        self, specs: dict[Place, Any], isolation: IsolationLevel = IsolationLevel.READ_COMMITTED
    ) -> dict[Place, int]:
        if not specs:
            return {}
        futures = self._admin.list_offsets(
            {TopicPartition(*place): spec for place, spec in specs.items()},
            isolation_level=isolation,
            request_timeout=_TIMEOUT_SECONDS,
        )
        found: dict[Place, int] = {}
        reason = ""
        for partition, future in futures.items():
            try:
                found[partition.topic, partition.partition] = future.result().offset
            except KafkaException as error:
                reason = reason_of(error)
        if not found:
            raise ServiceUnreachableError(f"no Kafka broker at {self.servers} returns offsets: {reason}")
        return found
