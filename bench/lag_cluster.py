"""A real Kafka with many groups that have committed many partitions, for `bench.lag`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Future, wait

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from waiting import until

__all__ = ["PARTITIONS", "LagCluster"]

TOPICS, PARTITIONS_PER_TOPIC = 100, 20
PARTITIONS = TOPICS * PARTITIONS_PER_TOPIC
PAIRS_PER_GROUP = 500
_AT_ONCE = 50


class LagCluster:
    """Fills a cluster: 2,000 partitions; each group reads 25 whole topics, 500 partitions.

    Args:
        bootstrap: of an empty cluster.
    """

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "log_level": 0,
                "linger.ms": 100,
                "queue.buffering.max.messages": 1_000_000,
                "sticky.partitioning.linger.ms": 0,
            }
        )
        self._dice = random.Random(1)
        self._records = 0
        self.groups = 0

    def create(self) -> None:
        """Create the topics and write the first records."""
        topics = [NewTopic(topic, PARTITIONS_PER_TOPIC, 1) for topic, n in _partitions() if n == 0]
        for future in self._admin.create_topics(topics, operation_timeout=120).values():
            future.result()
        # A broker that is busy leads its partitions some time after it said that they are there.
        until(self._is_led, "a leader of every partition", 300)
        self.write(10)

    def _is_led(self) -> bool:
        wanted = [TopicPartition(topic, number) for topic, number in _partitions()]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        futures = self._admin.list_offsets(dict.fromkeys(wanted, latest)).values()
        return all(future.exception() is None for future in futures)

    def write(self, records: int) -> None:
        """Append so many records to every partition."""
        for _ in range(records):
            for topic, number in _partitions():
                self._producer.produce(topic, b"x" * 100, partition=number)
            self._producer.poll(0)
        if left := self._producer.flush(300):
            raise SystemExit(f"{left} records could not be written within 300 s")
        self._records += records

    def commit(self, groups: int) -> None:
        """Have so many groups commit every one of their partitions, somewhere before the end."""
        running: list[Future[object]] = []
        for number in range(groups):
            running += self._admin.alter_consumer_group_offsets([self._commits(number)]).values()
            if len(running) >= _AT_ONCE:
                wait(running)
                running.clear()
        wait(running)
        self.groups = max(groups, self.groups)

    def _commits(self, number: int) -> ConsumerGroupTopicPartitions:
        names = list(_partitions())
        begin = number * PAIRS_PER_GROUP % PARTITIONS
        return ConsumerGroupTopicPartitions(
            f"group-{number:03d}",
            [
                TopicPartition(topic, n, self._records - self._dice.randrange(1, 10))
                for topic, n in names[begin : begin + PAIRS_PER_GROUP]
            ],
        )


def _partitions() -> Iterator[tuple[str, int]]:
    for topic in range(TOPICS):
        for number in range(PARTITIONS_PER_TOPIC):
            yield f"topic-{topic:03d}", number
