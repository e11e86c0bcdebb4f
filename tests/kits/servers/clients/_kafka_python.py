"""kafka-python."""

import time
from collections.abc import Sequence

import kafka

from servers.clients._base import POLL_SECONDS, WAIT_SECONDS, Closing, Member, Message, Place, Received
from waiting import scaled

_STUCK_SECONDS = 8.0


class KafkaPython:
    name = "kafka-python"

    def produce(
        self,
        servers: str,
        topic: str,
        messages: Sequence[Message],
        *,
        idempotent: bool = False,
        compression: str | None = None,
        max_bytes: int = 1_000_000,
    ) -> list[Place]:
        producer = kafka.KafkaProducer(
            bootstrap_servers=servers,
            acks="all",
            enable_idempotence=idempotent,
            compression_type=compression,
            max_request_size=max_bytes,
            max_block_ms=WAIT_SECONDS * 1000,
        )
        try:
            futures = [
                producer.send(
                    topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    partition=message.partition,
                    timestamp_ms=message.timestamp_ms,
                )
                for message in messages
            ]
            placed = [future.get(timeout=scaled(WAIT_SECONDS)) for future in futures]
        finally:
            producer.close()
        return [(metadata.partition, metadata.offset) for metadata in placed]

    def member(
        self,
        servers: str,
        topic: str,
        group: str | None = None,
        *,
        instance_id: str | None = None,
        session_ms: int = 10_000,
    ) -> "Member":
        return _KafkaPythonMember(servers, topic, group, instance_id, session_ms)

    def offsets_at(self, servers: str, topic: str, timestamps_ms: Sequence[int]) -> list[int | None]:
        consumer = kafka.KafkaConsumer(bootstrap_servers=servers)
        partition = kafka.TopicPartition(topic, 0)
        try:
            found = [consumer.offsets_for_times({partition: stamp})[partition] for stamp in timestamps_ms]
        finally:
            consumer.close()
        return [None if place is None else int(place.offset) for place in found]


class _KafkaPythonMember(Closing):
    def __init__(
        self, servers: str, topic: str, group: str | None, instance_id: str | None, session_ms: int
    ) -> None:
        self._topic = topic
        self._settings = {
            "bootstrap_servers": servers,
            "group_id": group,
            "group_instance_id": instance_id,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "session_timeout_ms": session_ms,
            "heartbeat_interval_ms": min(1000, session_ms // 4),
            "metadata_max_age_ms": 2000,
        }
        self._consumer = kafka.KafkaConsumer(topic, **self._settings)
        self._in_order_at = time.monotonic()

    def poll(self) -> list[Received]:
        self._start_afresh_if_stuck()
        polled = self._consumer.poll(timeout_ms=int(POLL_SECONDS * 1000))
        return [
            Received(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for records in polled.values()
            for r in records
        ]

    def _start_afresh_if_stuck(self) -> None:
        """Begin again as a supervisor would, where the client's join hangs.

        kafka-python 3.0 can stay in "rebalancing" for ever, without heartbeats, whatever the broker does.
        That is no difference between brokers, so it must not decide whether they behave alike.
        """
        if "rebalancing" not in str(self._consumer.group_metadata().state).lower():
            self._in_order_at = time.monotonic()
        elif time.monotonic() - self._in_order_at > _STUCK_SECONDS:
            self._consumer.close(autocommit=False)
            self._consumer = kafka.KafkaConsumer(self._topic, **self._settings)
            self._in_order_at = time.monotonic()

    def assignment(self) -> set[int]:
        return {partition.partition for partition in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit()

    def committed(self, partition: int) -> int | None:
        offset: int | None = self._consumer.committed(kafka.TopicPartition(self._topic, partition))
        return offset

    def close(self) -> None:
        self._consumer.close(autocommit=False)
