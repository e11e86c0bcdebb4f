"""confluent-kafka."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import confluent_kafka

from servers.clients._base import POLL_SECONDS, WAIT_SECONDS, Closing, Member, Message, Place, Received
from waiting import scaled


class Confluent:
    name = "confluent-kafka"

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
        placed: dict[int, Place] = {}
        errors: list[Any] = []

        def delivered(number: int, error: Any, message: Any) -> None:
            if error is not None:
                errors.append(error)
            else:
                placed[number] = (message.partition(), message.offset())

        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": idempotent,
                "compression.type": compression or "none",
                "message.max.bytes": max_bytes,
                "message.timeout.ms": int(WAIT_SECONDS * 1000),
                "linger.ms": 5,
                "log_level": 2,
            }
        )
        for number, message in enumerate(messages):
            optional: dict[str, Any] = {}
            if message.partition is not None:
                optional["partition"] = message.partition
            if message.timestamp_ms is not None:
                optional["timestamp"] = message.timestamp_ms
            producer.produce(
                topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                on_delivery=partial(delivered, number),
                **optional,
            )
        assert producer.flush(scaled(WAIT_SECONDS)) == 0
        if errors:
            raise confluent_kafka.KafkaException(errors[0])
        return [placed[number] for number in range(len(messages))]

    def member(
        self,
        servers: str,
        topic: str,
        group: str | None = None,
        *,
        instance_id: str | None = None,
        session_ms: int = 10_000,
    ) -> "Member":
        return _ConfluentMember(servers, topic, group, instance_id, session_ms)

    def offsets_at(self, servers: str, topic: str, timestamps_ms: Sequence[int]) -> list[int | None]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": servers, "group.id": "unused", "log_level": 2}
        )
        try:
            found = [
                consumer.offsets_for_times(
                    [confluent_kafka.TopicPartition(topic, 0, stamp)], timeout=scaled(WAIT_SECONDS)
                )[0]
                for stamp in timestamps_ms
            ]
        finally:
            consumer.close()
        return [None if place.offset < 0 else int(place.offset) for place in found]


class _ConfluentMember(Closing):
    def __init__(
        self, servers: str, topic: str, group: str | None, instance_id: str | None, session_ms: int
    ) -> None:
        settings = {
            "bootstrap.servers": servers,
            "group.id": group or "unused",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": min(1000, session_ms // 4),
            "topic.metadata.refresh.interval.ms": 2000,
            "log_level": 2,
        }
        if instance_id is not None:
            settings["group.instance.id"] = instance_id
        self._topic = topic
        self._consumer = confluent_kafka.Consumer(settings)
        if group is not None:
            self._consumer.subscribe([topic])
            return
        partitions = self._consumer.list_topics(topic, timeout=scaled(WAIT_SECONDS)).topics[topic].partitions
        self._consumer.assign(
            [
                confluent_kafka.TopicPartition(topic, index, confluent_kafka.OFFSET_BEGINNING)
                for index in partitions
            ]
        )

    def poll(self) -> list[Received]:
        received = []
        messages: list[Any] = self._consumer.consume(500, timeout=POLL_SECONDS)
        for message in messages:
            if message.error() is not None:
                continue  # e.g. the topic isn't there yet
            received.append(
                Received(
                    message.partition(),
                    message.offset(),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    message.headers() or [],
                )
            )
        return received

    def assignment(self) -> set[int]:
        return {partition.partition for partition in self._consumer.assignment()}

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def committed(self, partition: int) -> int | None:
        (found,) = self._consumer.committed(
            [confluent_kafka.TopicPartition(self._topic, partition)], timeout=scaled(WAIT_SECONDS)
        )
        return None if found.offset < 0 else int(found.offset)

    def close(self) -> None:
        self._consumer.close()
