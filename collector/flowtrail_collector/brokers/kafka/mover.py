"""Reads single dead letters and publishes their copies, through confluent-kafka."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
    admin,
)

from flowtrail.wire import Record
from flowtrail_collector.brokers.kafka.closing import close
from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.errors import reason_of, unreachable
from flowtrail_collector.brokers.kafka.message_size import SizeLimits, fits
from flowtrail_collector.brokers.kafka.messages import given_headers, partition_of, timestamp_of
from flowtrail_collector.dead_letters.model.letter import Place
from flowtrail_collector.dead_letters.ports import Ack, HeadersLackingRecord, Outgoing
from flowtrail_collector.errors import ServiceUnreachableError

__all__ = ["KafkaRecordMover"]

_METADATA_SECONDS = 3.0
_CREATE_SECONDS = 10.0
_PUBLISH_SECONDS = 30
_BATCH = 500
# Records in between are read and dropped; beyond this many, a new fetch is cheaper.
_MAX_GAP = 1_000
_BY_KEY = -1
_MAX_REQUEST_BYTES = 1_000_000_000  # the client's own highest
_GONE = frozenset({
    KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART,
})  # fmt: skip
_FINAL = frozenset({
    KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD,
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.INVALID_TIMESTAMP, *_GONE,
})  # fmt: skip
Partition = tuple[str, int]


class KafkaRecordMover:
    """`RecordMover` on a real cluster. One thread at a time.

    Args:
        connection: Which cluster.
        of_cluster: Told the id of the cluster that answers, before anything is read; raises if it is another.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        of_cluster: Callable[[str | None], None] = lambda cluster: None,
    ) -> None:
        self._connection = connection
        self._of_cluster = of_cluster
        self._consumer: Consumer | None = None
        self._producers: dict[str, Producer] = {}
        self._limits = SizeLimits()
        self._admin: Any = None
        self._seen: dict[str, int] = {}

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """See `RecordMover.partitions`."""
        wanted = set(topics)
        try:
            # All of them: asking for one by name would make it where brokers make topics by themselves.
            metadata = self._admin_client().list_topics(timeout=_METADATA_SECONDS)
        except KafkaException as error:
            raise unreachable(self._connection.bootstrap_servers, error) from None
        self._of_cluster(metadata.cluster_id)
        return {
            name: len(topic.partitions)
            for name, topic in metadata.topics.items()
            if name in wanted and topic.error is None and topic.partitions
        }

    def make_topic(self, topic: str, partitions: int) -> None:
        """See `RecordMover.make_topic`. Nothing in it expires."""
        new: Any = admin.NewTopic
        wanted = new(topic, num_partitions=partitions, config={"retention.ms": "-1"})
        future = self._admin_client().create_topics([wanted], operation_timeout=_CREATE_SECONDS)[topic]
        try:
            future.result(_CREATE_SECONDS + 1)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ServiceUnreachableError(f"topic {topic} can't be created: {reason_of(error)}") from None
        except TimeoutError:
            raise ServiceUnreachableError(f"topic {topic} can't be created: no answer") from None

    def read(self, places: Sequence[Place], timeout_seconds: float) -> Mapping[Place, Record]:
        """See `RecordMover.read`."""
        found: dict[Place, Record] = {}
        unknown = {topic for topic, _, _ in places} - self._seen.keys()
        if unknown:
            # The client would wait half a minute for a topic that isn't there.
            self._seen.update(self.partitions(unknown))
        for turn in _turns([place for place in places if place[1] < self._seen.get(place[0], 0)]):
            self._read_turn(turn, timeout_seconds, found)
        return found

    def size_limits(self, topics: Iterable[str]) -> Mapping[str, int]:
        """See `RecordMover.size_limits`."""
        return self._limits.of(self._admin_client(), topics)

    def exceeded_limits(self, records: Sequence[Outgoing]) -> list[int | None]:
        """See `RecordMover.exceeded_limits`."""
        limits = self.size_limits({record.topic for record in records}) if records else {}
        return [
            limit if (limit := limits.get(record.topic)) is not None and not fits(record, limit) else None
            for record in records
        ]

    def publish(self, records: Sequence[Outgoing]) -> list[Ack]:
        """See `RecordMover.publish`.

        A topic's limit holds for batches: what is refused in company goes again, alone and compressed.
        """
        acks = self._publish(records, {})
        for n, ack in enumerate(acks):
            if ack.too_large:
                (acks[n],) = self._publish([records[n]], {"compression.type": "gzip"})
        return acks

    def _publish(self, records: Sequence[Outgoing], settings: Mapping[str, str]) -> list[Ack]:
        key = settings.get("compression.type", "")
        producer = self._producers.get(key)
        if producer is None:
            producer = self._producers[key] = Producer({**self._producer_settings(), **settings})
        acks = [Ack(problem="not acknowledged in time")] * len(records)
        for n, record in enumerate(records):
            self._send(producer, n, record, acks)
        if producer.flush(_PUBLISH_SECONDS + 5):
            # Whatever is still on its way must not arrive after we have gone on without it.
            producer.purge()
            producer.flush(1)
            del self._producers[key]
        return acks

    def settled(self, places: Iterable[Place]) -> None:
        """See `RecordMover.settled`: a topic keeps its records."""

    def close(self) -> None:
        """See `RecordMover.close`."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            close(consumer)
        self._producers = {}
        self._limits = SizeLimits()
        self._admin = None
        self._seen = {}

    def _send(self, producer: Producer, n: int, record: Outgoing, acks: list[Ack]) -> None:
        def settle(error: KafkaError | None, message: Message) -> None:
            if error is None:
                acks[n] = Ack(message.partition() or 0, message.offset() or 0)
            else:
                acks[n] = _refusal(error)

        while True:
            try:
                producer.produce(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=_BY_KEY if record.partition is None else record.partition,
                    on_delivery=settle,
                )
            except BufferError:
                producer.poll(0.1)
            except KafkaException as error:
                acks[n] = _refusal(error.args[0])
                return
            else:
                producer.poll(0)
                return

    def _producer_settings(self) -> dict[str, Any]:
        return {
            **self._connection.client_settings(client_id="flowtrail-redrive"),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            # What a topic takes is for its broker to say, not for the client.
            "message.max.bytes": _MAX_REQUEST_BYTES,
            "delivery.timeout.ms": _PUBLISH_SECONDS * 1000,
            # As the Java client and kafka-python do it: a key comes back to where it was.
            "partitioner": "murmur2_random",
            "log_level": 2,
        }

    def _read_turn(
        self, turn: Mapping[Partition, list[int]], timeout_seconds: float, found: dict[Place, Record]
    ) -> None:
        if self._consumer is None:
            self._consumer = Consumer(self._consumer_settings())
        waiting = {partition: offsets[::-1] for partition, offsets in turn.items()}
        deadline = time.monotonic() + timeout_seconds
        problem = "no answer"
        try:
            self._consumer.assign([TopicPartition(*place, min(offsets)) for place, offsets in turn.items()])
            while waiting:
                messages = self._consumer.consume(_BATCH, 0.2)
                for message in messages:
                    problem = _take(message, waiting, found) or problem
                if messages:
                    deadline = time.monotonic() + timeout_seconds
                elif time.monotonic() > deadline:
                    raise ServiceUnreachableError(f"dead letters can't be read: {problem}")
            self._consumer.unassign()
        except KafkaException as error:
            self.close()
            raise unreachable(self._connection.bootstrap_servers, error) from None
        except ServiceUnreachableError:
            self.close()
            raise

    def _consumer_settings(self) -> dict[str, Any]:
        return {
            **self._connection.consumer_settings(client_id="flowtrail-redrive"),
            "group.id": "flowtrail-redrive",  # required by the client; never joined, never committed to
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 16_384,
            "log_level": 2,
        }

    def _admin_client(self) -> Any:
        if self._admin is None:
            settings = self._connection.client_settings(client_id="flowtrail-redrive")
            self._admin = admin.AdminClient({**settings, "log_level": 2})
        return self._admin


def _refusal(error: KafkaError) -> Ack:
    code = error.code()
    return Ack(
        problem=reason_of(error), final=code in _FINAL, too_large=code == KafkaError.MSG_SIZE_TOO_LARGE
    )


def _turns(places: Sequence[Place]) -> list[dict[Partition, list[int]]]:
    """Runs of offsets that one fetch after another can cover, each partition at most once per turn."""
    offsets: dict[Partition, list[int]] = defaultdict(list)
    for topic, partition, offset in sorted(set(places)):
        offsets[topic, partition].append(offset)
    turns: list[dict[Partition, list[int]]] = []
    for place, wanted in offsets.items():
        runs = [[wanted[0]]]
        for offset in wanted[1:]:
            if offset - runs[-1][-1] > _MAX_GAP:
                runs.append([])
            runs[-1].append(offset)
        for n, run in enumerate(runs):
            if n == len(turns):
                turns.append({})
            turns[n][place] = run
    return turns


def _record(message: Message) -> Record:
    kind, headers = Record, None
    try:
        headers = given_headers(message)
    except (SystemError, ValueError):
        kind = HeadersLackingRecord
    place = *partition_of(message), message.offset() or 0
    return kind(*place, timestamp_of(message), message.key(), message.value(), list(headers or ()))


def _take(message: Message, waiting: dict[Partition, list[int]], found: dict[Place, Record]) -> str | None:
    """Note what a message says about the places waited for; gives a problem that may pass.

    Args:
        message: A record, or an error.
        waiting: Offsets that are still to come, the next one last.
        found: Where records go.
    """
    partition = partition_of(message)
    error, offset = message.error(), message.offset()
    wanted = waiting.get(partition)
    if error is not None and error.code() != KafkaError._PARTITION_EOF and error.code() not in _GONE:
        return reason_of(error)
    if wanted is None:
        return None
    # The client jumps to the beginning when it was sent behind the end: then nothing of it is there.
    if error is not None or offset is None or offset < wanted[-1] - _MAX_GAP:
        del waiting[partition]
        return None
    while wanted and wanted[-1] <= offset:
        if wanted.pop() == offset:
            found[*partition, offset] = _record(message)
    if not wanted:
        del waiting[partition]
    return None
