"""The ground truth about topics and groups, read with a plain client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from waiting import Deadline, scaled, until

WAIT_SECONDS = 60.0


def wait_for(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: It isn't, in time.
    """
    until(condition, what, seconds)


class Ground:
    """Looks at a broker from outside."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        # A broker that is stopped on purpose is no news.
        quiet: dict[str, Any] = {"logger": logging.getLogger("ground"), "log_level": 2}
        self._settings = {"bootstrap.servers": broker, "reconnect.backoff.max.ms": 500, **quiet}
        reading = {"group.id": "ground", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        self._consumer = confluent_kafka.Consumer({**self._settings, **reading})

    def create(self, *topics: str, partitions: int = 3) -> None:
        """Create topics."""
        admin = AdminClient(self._settings)
        for future in admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics]).values():
            future.result(scaled(10))
        for topic in topics:
            wait_for(lambda name=topic: self._has_leaders(name), f"leaders of {topic}", 20)  # type: ignore[misc]

    def _has_leaders(self, topic: str) -> bool:
        try:
            return bool(self.ends(topic))
        except confluent_kafka.KafkaException:
            return False

    def publish(self, topic: str, numbers: Iterable[int], keys: int = 12) -> None:
        """Events `{"number": n}` of type Thing, spread over so many keys."""
        producer = confluent_kafka.Producer({**self._settings, "linger.ms": 5})
        for number in numbers:
            producer.produce(
                topic,
                key=f"k-{number % keys}",
                value=b'{"number": %d}' % number,
                headers=[
                    ("ce_specversion", b"1.0"), ("ce_id", b"in-%d" % number), ("ce_type", b"Thing"),
                    ("ce_source", b"/ground"), ("ce_subject", b"k-%d" % (number % keys)),
                ],
            )  # fmt: skip
        assert producer.flush(scaled(30)) == 0

    def partitions(self, topic: str) -> list[int]:
        """Partition numbers."""
        return sorted(self._consumer.list_topics(topic, timeout=scaled(20)).topics[topic].partitions)

    def topics(self) -> set[str]:
        """Names of all topics."""
        return set(self._consumer.list_topics(timeout=scaled(20)).topics)

    def ends(self, topic: str) -> dict[int, int]:
        """End offset per partition."""
        return {
            number: self._consumer.get_watermark_offsets(
                confluent_kafka.TopicPartition(topic, number), timeout=scaled(20)
            )[1]
            for number in self.partitions(topic)
        }

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Committed offset per partition, 0 where there is none."""
        consumer = confluent_kafka.Consumer(
            {**self._settings, "group.id": group, "enable.auto.commit": False}
        )
        try:
            asked = [confluent_kafka.TopicPartition(topic, number) for number in self.partitions(topic)]
            return {
                found.partition: max(found.offset, 0)
                for found in consumer.committed(asked, timeout=scaled(20))
            }
        finally:
            consumer.close()

    def members(self, group: str) -> set[str]:
        """Ids of a group's members."""
        admin = AdminClient(self._settings)  # its futures never end once it is gone
        found = admin.describe_consumer_groups([group])[group].result(scaled(20))
        return {member.member_id for member in found.members}

    def caught_up(self, group: str, topic: str) -> bool:
        """Whether a group has committed everything; not as long as a broker that starts can't say."""
        try:
            return self.committed(group, topic) == self.ends(topic)
        except confluent_kafka.KafkaException:
            return False

    def read(self, topic: str) -> list[Any]:
        """Every record up to the present end, as confluent-kafka messages."""
        ends = self.ends(topic)
        self._consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in ends])
        missing = {number for number, end in ends.items() if end > 0}
        messages = []
        deadline = Deadline(WAIT_SECONDS)
        while missing:
            assert not deadline.passed, f"could not read {topic}"
            for message in self._consumer.consume(1000, 0.2):
                if message.error() is None:
                    messages.append(message)
                    if message.offset() >= ends[message.partition()] - 1:
                        missing.discard(message.partition())
        self._consumer.unassign()
        return messages

    def close(self) -> None:
        """Close the reader."""
        self._consumer.close()


@contextmanager
def ground_of(broker: str) -> Iterator[Ground]:
    """A `Ground`, closed at the end."""
    ground = Ground(broker)
    try:
        yield ground
    finally:
        ground.close()


def header(message: Any, name: str) -> str:
    """A header's value as text."""
    return str(dict(message.headers() or ())[name].decode())
