"""A real cluster that somebody does odd things to, and an oracle that shares no code with what is tested.

The oracle asks through kafka-python, and remembers by itself when it wrote which record.
"""

import contextlib
import time
import uuid
from dataclasses import dataclass, field

from confluent_kafka import Producer
from kafka import KafkaConsumer
from kafka import TopicPartition as Place
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import GroupIdNotFoundError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

from waiting import scaled, until

__all__ = ["HostileCluster", "Truth"]


@dataclass
class Truth:
    """What is true of one committed partition.

    Attributes:
        lags: what may be shown; None stands for "not known".
        waits: lower and upper bound of the seconds, None if nothing decides them.
    """

    commit: int
    end: int
    lags: set[int | None]
    waits: tuple[float, float] | None


@dataclass
class Log:
    """What was written to a topic's one partition: when each record arrived, by offset."""

    kind: str
    arrived: dict[int, float] = field(default_factory=dict)


class HostileCluster:
    """Does what is asked for, tells the truth.

    Args:
        bootstrap: a real Kafka.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.mark = uuid.uuid4().hex[:8]
        self.topics: dict[str, Log] = {}
        self.groups: set[str] = set()
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._transactions = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"hostile-{self.mark}"})
        self._transactions.init_transactions(scaled(30))
        self._reader = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)

    def close(self) -> None:
        self.clear()
        self._reader.close()
        self._admin.close()

    def clear(self) -> None:
        """Remove all that was made."""
        for group in self.groups:
            with contextlib.suppress(GroupIdNotFoundError):
                self._admin.delete_groups([group])
        for name in list(self.topics):
            self.delete_topic(name)
        self.groups.clear()

    def create_topic(self, name: str, kind: str = "plain") -> None:
        """A topic of one partition: `plain`, `compacted`, or `hidden` (which the collector's filter leaves out)."""
        full = f"{'hidden' if kind == 'hidden' else 'seen'}-{self.mark}-{name}"
        if full in self.topics:
            return
        configs = {"cleanup.policy": "delete", "segment.bytes": "1048576"}
        if kind == "compacted":
            configs = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01",
                       "max.compaction.lag.ms": "100", "delete.retention.ms": "100"}  # fmt: skip
        self._admin.create_topics([NewTopic(full, 1, 1, topic_configs=configs)])
        self._admin.wait_for_topics([full])
        self.topics[full] = Log(kind)

    def delete_topic(self, full: str) -> None:
        self._admin.delete_topics([full])
        del self.topics[full]
        until(lambda: full not in {topic["name"] for topic in self._admin.describe_topics()}, "the topic is gone")

    def produce(self, full: str, count: int, age: float | None = None) -> None:
        """Append records; `age` (seconds) only before anybody watches: then it is all there is to go by."""
        log, done = self.topics[full], []
        for i in range(count):
            stamp = {} if age is None else {"timestamp": round((time.time() - age + i * 0.001) * 1000)}
            self._producer.produce(
                full, b"x", key=b"k%d" % (i % 2), partition=0, on_delivery=lambda e, m: done.append((e, m)), **stamp
            )
        assert self._producer.flush(scaled(20)) == 0
        for error, message in done:
            assert error is None, error
            log.arrived[message.offset()] = time.time() if age is None else message.timestamp()[1] / 1000

    def transact(self, full: str, count: int, *, abort: bool) -> None:
        """Append a transaction; its marker takes an offset, too."""
        done: list[int] = []
        self._transactions.begin_transaction()
        for _ in range(count):
            self._transactions.produce(full, b"t", key=b"t", partition=0, on_delivery=lambda e, m: done.append(m.offset()))
        self._transactions.flush(scaled(20))
        if abort:
            self._transactions.abort_transaction(scaled(20))
            return
        self._transactions.commit_transaction(scaled(20))
        self.topics[full].arrived.update(dict.fromkeys(done, time.time()))

    def cut(self, full: str, share: float) -> None:
        """Remove records from the start, as retention does."""
        start, end = self._bounds(full)
        self._admin.delete_records({Place(full, 0): start + int((end - start) * share)})

    def commit(self, group: str, full: str, share: float, beyond: int = 0) -> None:
        """Commit somewhere between start and end, or past the end."""
        _, end = self._bounds(full)
        answer = self._admin.alter_group_offsets(
            group, {Place(full, 0): OffsetAndMetadata(int(end * share) + beyond, "", -1)}
        )
        assert all(getattr(error, "errno", 1) == 0 for error in answer.values()), answer
        self.groups.add(group)

    def forget(self, group: str) -> None:
        """Delete a group."""
        with contextlib.suppress(GroupIdNotFoundError):
            self._admin.delete_groups([group])
        self.groups.discard(group)

    def truth(self, group: str) -> dict[tuple[str, int], Truth]:
        """Of each of its committed partitions on topics that there are."""
        commits = self._admin.list_group_offsets({group: None})[group]
        found = {}
        for place, committed in commits.items():
            if place.topic in self.topics:
                with contextlib.suppress(UnknownTopicOrPartitionError):
                    found[place.topic, place.partition] = self._of(place, committed.offset)
        return found

    def _of(self, place: Place, commit: int) -> Truth:
        start, end = self._bounds(place.topic)
        if commit > end:
            # A lagging replica's commit is 0 for a minute, then unknown.
            return Truth(commit, end, {0, None}, None)
        left = self._left(place, max(commit, start), end)
        log = self.topics[place.topic]
        written = sorted(offset for offset in log.arrived if offset >= max(commit, start))
        # Offsets that hold no record: counted until somebody has looked.
        lags: set[int | None] = {end - commit} if left else {end - commit, 0}
        if not left:
            return Truth(commit, end, lags, (0.0, float("inf")) if commit < end else (0.0, 0.0))
        now, waits = time.time(), None
        if left[0] in log.arrived:
            # What compaction has removed since may still be taken for the first.
            oldest = log.arrived[written[0]] if log.kind == "compacted" else log.arrived[left[0]]
            waits = now - log.arrived[left[0]], now - oldest
        return Truth(commit, end, lags, waits)

    def _bounds(self, full: str) -> tuple[int, int]:
        place = Place(full, 0)
        earliest = self._admin.list_partition_offsets({place: -2})[place].offset
        return earliest, self._admin.list_partition_offsets({place: -1})[place].offset

    def _left(self, place: Place, start: int, end: int) -> list[int]:
        """Offset of the first record left in [start, end) that a reader of committed records gets; none if none."""
        wrote = [offset for offset in self.topics[place.topic].arrived if start <= offset < end]
        if self.topics[place.topic].kind != "compacted":
            return [min(wrote)] if wrote else []
        self._reader.assign([place])
        self._reader.seek(place, start)
        deadline = time.monotonic() + scaled(10)
        while self._reader.position(place) < end and time.monotonic() < deadline:
            for records in self._reader.poll(200, max_records=1).values():
                return [records[0].offset] if records[0].offset < end else []
        return []


