"""Kafka's administration by hand: each step is one round trip, takes any name, and shares no code with the collector."""

import uuid
from collections.abc import Mapping, Sequence
from typing import cast

from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder

from devbroker.schema import Api
from hostilekit._brokers import FIRST, Brokers, More, RefusedError, api_of, check
from waiting import until

__all__ = ["Wire"]

Place = tuple[str, int]

_LATEST, _EARLIEST = -1, -2
_NONE, _UNKNOWN_TOPIC, _CONCURRENT_TRANSACTIONS = 0, 3, 51


class Wire:
    """Asks a cluster to do things.

    Args:
        bootstrap: `host:port` of the first one.
    """

    def __init__(self, bootstrap: str) -> None:
        self.brokers = Brokers(bootstrap)
        self._client = self.brokers.at(FIRST)
        self._producers: dict[str, tuple[int, int]] = {}
        self._sequences: dict[tuple[str, str, int], int] = {}

    def close(self) -> None:
        self.brokers.close()

    def create_topic(
        self, name: str, holders: Sequence[Sequence[int]], configs: Mapping[str, str]
    ) -> uuid.UUID:
        """Create it, each partition on these brokers, and wait until they lead it; its id."""
        wanted = {
            "name": name, "num_partitions": -1, "replication_factor": -1,
            "assignments": [{"partition_index": i, "broker_ids": ids} for i, ids in enumerate(holders)],
            "configs": [{"name": key, "value": value} for key, value in configs.items()],
        }  # fmt: skip
        answer = self._client.call(Api.CREATE_TOPICS, 7, topics=[wanted], timeout=20_000, validate_only=False)
        check(answer.topics[0].error_code, f"creating {name!r}")
        self.until_led([(name, number) for number in range(len(holders))])
        return cast("uuid.UUID", answer.topics[0].topic_id)

    def add_partition(self, name: str, number: int, holders: Sequence[int]) -> None:
        """Add one, on these brokers."""
        wanted = {"name": name, "count": number + 1, "assignments": [{"broker_ids": holders}]}
        answer = self._client.call(
            Api.CREATE_PARTITIONS, 3, topics=[wanted], timeout=20_000, validate_only=False
        )
        check(answer.results[0].error_code, f"partitions of {name!r}")
        self.until_led([(name, number)])

    def delete_topic(self, name: str) -> None:
        """Delete it and wait until it is gone."""
        answer = self._client.call(Api.DELETE_TOPICS, 5, topic_names=[name], timeout=20_000)
        check(answer.responses[0].error_code, f"deleting {name!r}")
        brokers = self.brokers
        nodes = brokers.nodes()
        until(
            lambda: all(place[0] != name for node in nodes for place in brokers.layout(node)),
            f"{name!r} to go",
        )

    def produce(self, topic: str, partition: int, stamps_ms: Sequence[int], key: bytes | None = None) -> int:
        """Append records with these timestamps; the offset of the first."""
        return self._produce(topic, partition, _batch(stamps_ms, key=key), None)

    def begin(self, transaction: str) -> None:
        """Get ready to write transactions under this id."""
        if transaction not in self._producers:
            answer = self._client.call(
                Api.INIT_PRODUCER_ID, 3, transactional_id=transaction, transaction_timeout=900_000,
                producer_id=-1, producer_epoch=-1,
            )  # fmt: skip
            check(answer.error_code, "a producer id")
            self._producers[transaction] = answer.producer_id, answer.producer_epoch

    def write(self, transaction: str, topic: str, partition: int, stamps_ms: Sequence[int]) -> int:
        """Append records to the open transaction (the first of them opens it); the offset of the first."""
        self.begin(transaction)
        producer_id, epoch = self._producers[transaction]

        def added() -> bool:
            answer = self._client.call(
                api_of(More.ADD_PARTITIONS_TO_TXN), 3, v3_and_below_transactional_id=transaction,
                v3_and_below_producer_id=producer_id, v3_and_below_producer_epoch=epoch,
                v3_and_below_topics=[{"name": topic, "partitions": [partition]}],
            )  # fmt: skip
            code = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
            if code != _CONCURRENT_TRANSACTIONS:
                check(code, "joining a transaction")
            return bool(code == _NONE)

        until(added, "the end of the last transaction")
        where = transaction, topic, partition
        sequence = self._sequences.get(where, 0)
        self._sequences[where] = sequence + len(stamps_ms)
        content = _batch(stamps_ms, producer=(producer_id, epoch, sequence), transactional=True)
        return self._produce(topic, partition, content, transaction)

    def end(self, transaction: str, topic: str, partition: int, *, commit: bool) -> None:
        """End the open transaction, and wait for the marker."""
        producer_id, epoch = self._producers[transaction]
        before = self.end_offset(topic, partition)
        answer = self._client.call(
            api_of(More.END_TXN), 3, transactional_id=transaction, producer_id=producer_id,
            producer_epoch=epoch, committed=commit,
        )  # fmt: skip
        check(answer.error_code, "ending a transaction")
        until(lambda: self.end_offset(topic, partition) > before, "a transaction's marker")

    def forget_producers(self, topic: str) -> None:
        """A topic that is created anew knows no sequence numbers."""
        self._sequences = {where: n for where, n in self._sequences.items() if where[1] != topic}

    def cut(self, topic: str, partition: int, start: int) -> None:
        """Remove the records before an offset, as retention does."""
        place = {"partition_index": partition, "offset": start}
        answer = self.brokers.leader(topic, partition).call(
            Api.DELETE_RECORDS, 2, topics=[{"name": topic, "partitions": [place]}], timeout=20_000
        )
        check(answer.topics[0].partitions[0].error_code, f"cutting {topic!r}")

    def end_offset(self, topic: str, partition: int) -> int:
        """Where the log ends."""
        return self._offset(topic, partition, _LATEST)

    def start_offset(self, topic: str, partition: int) -> int:
        """Where the log starts."""
        return self._offset(topic, partition, _EARLIEST)

    def left(self, topic: str, partition: int, start: int, end: int) -> list[int]:
        """The offsets in [start, end) that still hold records (of a log without transactions)."""
        found: list[int] = []
        while start < end:
            place = {
                "partition": partition, "current_leader_epoch": -1, "fetch_offset": start,
                "log_start_offset": -1, "partition_max_bytes": 1_000_000,
            }  # fmt: skip
            answer = self.brokers.leader(topic, partition).call(
                Api.FETCH, 11, replica_id=-1, max_wait=0, min_bytes=0, max_bytes=50_000_000, isolation_level=0,
                session_id=0, session_epoch=-1, topics=[{"topic": topic, "partitions": [place]}],
                forgotten_topics_data=[], rack_id="",
            )  # fmt: skip
            part = answer.responses[0].partitions[0]
            check(part.error_code, f"reading {topic!r}")
            records, last = MemoryRecords(bytes(part.records or b"")), start - 1
            while (each := records.next_batch()) is not None:
                found += [record.offset for record in each if start <= record.offset < end]
                last = each.base_offset + each.last_offset_delta
            if last < start:
                break
            start = last + 1
        return found

    def commit(
        self, group: str, offsets: Mapping[tuple[str, int], int], member: str = "", generation: int = -1
    ) -> None:
        """Commit as a member does; without one, as tools do."""
        topics = [
            {"name": topic, "partitions": [
                {"partition_index": number, "committed_offset": offset, "committed_leader_epoch": -1,
                 "committed_metadata": None}
            ]}
            for (topic, number), offset in offsets.items()
        ]  # fmt: skip
        answer = self._client.call(
            Api.OFFSET_COMMIT, 9, group_id=group, generation_id_or_member_epoch=generation,
            member_id=member, group_instance_id=None, topics=topics,
        )  # fmt: skip
        for topic in answer.topics:
            check(topic.partitions[0].error_code, f"a commit of {group!r}")

    def commits(self, group: str) -> dict[tuple[str, int], int]:
        """What is committed."""
        answer = self._client.call(Api.OFFSET_FETCH, 7, group_id=group, topics=None, require_stable=False)
        return {
            (topic.name, part.partition_index): part.committed_offset
            for topic in answer.topics
            for part in topic.partitions
        }

    def forget_commit(self, group: str, topic: str, partition: int) -> None:
        """Delete one committed offset."""
        wanted = {"name": topic, "partitions": [{"partition_index": partition}]}
        answer = self._client.call(Api.OFFSET_DELETE, 0, group_id=group, topics=[wanted])
        check(answer.error_code, f"forgetting a commit of {group!r}")

    def state(self, group: str) -> str:
        """In what state a group of the classic protocol is."""
        answer = self._client.call(
            Api.DESCRIBE_GROUPS, 5, groups=[group], include_authorized_operations=False
        )
        return str(answer.groups[0].group_state)

    def delete_group(self, group: str) -> None:
        """Delete a group without members."""

        def deleted() -> bool:
            answer = self._client.call(Api.DELETE_GROUPS, 2, groups_names=[group])
            code = answer.results[0].error_code
            if code != _UNKNOWN_TOPIC:
                check(code, f"deleting {group!r}")
            return bool(code == _NONE)

        # Of a share group's topics the brokers forget the state first, which they may not know yet.
        until(deleted, f"{group!r} to go")

    def _offset(self, topic: str, partition: int, which: int) -> int:
        place = {"partition_index": partition, "current_leader_epoch": -1, "timestamp": which}
        answer = self.brokers.leader(topic, partition).call(
            Api.LIST_OFFSETS, 4, replica_id=-1, isolation_level=0,
            topics=[{"name": topic, "partitions": [place]}],
        )  # fmt: skip
        found = answer.topics[0].partitions[0]
        check(found.error_code, f"an offset of {topic!r}")
        return int(found.offset)

    def _produce(self, topic: str, partition: int, records: bytes, transaction: str | None) -> int:
        part = {"index": partition, "records": records}
        answer = self.brokers.leader(topic, partition).call(
            Api.PRODUCE, 7, transactional_id=transaction, acks=-1, timeout=20_000,
            topic_data=[{"name": topic, "partition_data": [part]}],
        )  # fmt: skip
        told = answer.responses[0].partition_responses[0]
        check(told.error_code, f"writing to {topic!r}")
        return int(told.base_offset)

    def until_led(self, places: Sequence[Place]) -> None:
        """Wait until the brokers know these partitions, and those that lead them answer."""
        brokers = self.brokers
        nodes = brokers.nodes()

        def led() -> bool:
            try:
                return (
                    all(place in brokers.layout(node) for node in nodes for place in places)
                    and all(brokers.is_led(*place) for place in places)
                    and all(self.end_offset(*place) >= 0 for place in places)
                )
            except RefusedError:
                return False

        until(led, f"leaders of {places!r}")


def _batch(
    stamps_ms: Sequence[int],
    *,
    key: bytes | None = None,
    producer: tuple[int, int, int] = (-1, -1, -1),
    transactional: bool = False,
) -> bytes:
    """One batch (a request takes no more) of records with exactly these timestamps."""
    producer_id, epoch, sequence = producer
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=transactional, producer_id=producer_id,
        producer_epoch=epoch, base_sequence=sequence, batch_size=10_000_000,
    )  # fmt: skip
    for index, stamp in enumerate(stamps_ms):
        builder.append(index, stamp, key, b"x", [])
    return bytes(builder.build())
