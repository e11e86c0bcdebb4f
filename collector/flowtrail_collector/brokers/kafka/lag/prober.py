"""Looks at single records through a confluent-kafka consumer that joins no group and commits nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flowtrail_collector.brokers.kafka.closing import close
from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.errors import reason_of
from flowtrail_collector.brokers.kafka.messages import partition_of, timestamp_of
from flowtrail_collector.lag.ports import Failure, FirstRecord

__all__ = ["KafkaRecordProber"]

_BATCH = 500
_CONNECTING = 5
_MOST_SILENT = 10_000


class KafkaRecordProber:
    """A `RecordProber`.

    Args:
        connection: how the cluster is reached.
        silence_seconds: after how long without any answer the rest isn't waited for: a broker says nothing about
            an offset within a transaction under way.
    """

    def __init__(self, connection: KafkaConnection, *, silence_seconds: float = 1.0) -> None:
        self._connection = connection
        self._silence_seconds = silence_seconds
        self._consumer: Consumer | None = None
        self._has_answered = False
        # To connect takes the time that it takes, the first time.
        self._connecting_seconds = math.inf
        # How often in a row nothing was said of a partition.
        self._silent: dict[tuple[str, int], int] = {}

    def first_records(
        self, places: Sequence[tuple[str, int, int]], deadline: float
    ) -> tuple[Mapping[tuple[str, int, int], FirstRecord], Sequence[Failure]]:
        """Look at the first record at or after each (topic, partition, offset)."""
        found: dict[tuple[str, int, int], FirstRecord] = {}
        failures: dict[str, Failure] = {}
        # A consumer holds one position per partition: several offsets of one take several rounds.
        rounds: list[dict[tuple[str, int], int]] = []
        for topic, partition, offset in places:
            free = next((turn for turn in rounds if (topic, partition) not in turn), None)
            if free is None:
                rounds.append(free := {})
            free[topic, partition] = offset
        try:
            for turn in rounds:
                self._note_silence(turn, self._look(turn, deadline, found, failures))
        except KafkaException as error:
            self.close()
            return found, [Failure("cluster", "probe", reason_of(error))]
        return found, list(failures.values())

    def close(self) -> None:
        """Close the consumer."""
        if self._consumer is not None:
            close(self._consumer)
            self._consumer, self._has_answered = None, False

    def _look(
        self,
        turn: Mapping[tuple[str, int], int],
        deadline: float,
        found: dict[tuple[str, int, int], FirstRecord],
        failures: dict[str, Failure],
    ) -> Mapping[tuple[str, int], int]:
        """Look at one offset of each partition; returned is what nothing was said of."""
        consumer = self._consumer = self._consumer or self._connect()
        waiting = dict(turn)
        consumer.assign([TopicPartition(topic, n, offset) for (topic, n), offset in turn.items()])
        begun = time.monotonic()
        heard = begun if self._has_answered else min(deadline, begun + self._connecting_seconds)
        while waiting and (left := min(deadline, heard + self._silence_seconds) - time.monotonic()) > 0:
            for message in consumer.consume(min(_BATCH, len(waiting)), timeout=min(left, 0.2)):
                heard, self._has_answered = time.monotonic(), True
                where = partition_of(message)
                offset = waiting.get(where)
                if offset is None:
                    continue
                record = _record(message, offset, failures)
                if record is not None:
                    found[*where, offset] = record
                del waiting[where]
        consumer.unassign()
        return waiting

    def _note_silence(self, asked: Iterable[tuple[str, int]], silent: Iterable[tuple[str, int]]) -> None:
        """Connect anew where silence lasts: librdkafka hears nothing of a topic that has the name of one it knew.

        A transaction under way is silent, too: it is tried after 2, 4, 8, ... times.
        """
        counts = {where: self._silent.get(where, 0) + 1 for where in silent}
        for where in asked:
            self._silent.pop(where, None)
        if len(self._silent) > _MOST_SILENT:
            self._silent.clear()
        self._silent |= counts
        if any(count > 1 and count.bit_count() == 1 for count in counts.values()):
            self.close()
            # Where all that is asked for is silent there is nothing that tells when it is connected.
            self._connecting_seconds = _CONNECTING * self._silence_seconds

    def _connect(self) -> Consumer:
        return Consumer(
            {
                **self._connection.client_settings(client_id="flowtrail-lag-probe"),
                # Required by the library; nothing is ever committed or joined under it.
                "group.id": "flowtrail-lag-probe",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # What retention removed since the start of the log was read says nothing about its records.
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
                # The broker sends at least one batch whatever the limit: the least that can be asked for.
                "fetch.message.max.bytes": 1,
                "queued.max.messages.kbytes": 1024,
                "log_level": 0,
            }
        )


def _record(message: Message, offset: int, failures: dict[str, Failure]) -> FirstRecord | None:
    error = message.error()
    if error is None:
        timestamp_ms = timestamp_of(message)
        return FirstRecord(message.offset() or 0, timestamp_ms / 1000 if timestamp_ms else None, exists=True)
    if error.code() == KafkaError._PARTITION_EOF:
        return FirstRecord(max(offset, message.offset() or 0), None, exists=False)
    topic, _ = partition_of(message)
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        return None
    failures[topic] = Failure("topic", topic, f"records can't be read: {reason_of(error)}")
    return None
