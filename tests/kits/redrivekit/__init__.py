"""Dead letters for tests: rows in a store, records in a Kafka that is a dictionary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowtrail.wire import Record
from flowtrail_collector.causes import cause_of
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders, read_headers
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Place
from flowtrail_collector.dead_letters.ports import Ack, Outgoing
from flowtrail_collector.dead_letters.sql.letters import add_letters
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.store.sql import Database

DLQ = "orders.billing.dlq"
OWN = DeadLetterHeaders("flowtrail", "orders", 0, 7, group="billing", error_type="ValueError")
MINUTE_MS = 60_000


def dead(
    offset: int,
    *,
    topic: str = DLQ,
    partition: int = 0,
    letter: DeadLetterHeaders = OWN,
    timestamp_ms: int = 1_000,
    order: str = "o1",
) -> DeadLetter:
    """A dead letter as the ingest keeps it."""
    event = f"{topic}-{partition}-{offset}"
    return DeadLetter(
        topic,
        partition,
        offset,
        timestamp_ms,
        event,
        "OrderPlaced",
        order,
        f"flow-{order}",
        "pending",
        *letter,
        cause_of(letter.group, "OrderPlaced", letter.error_type, letter.error_message),
    )


def keep(database: Database, letters: Iterable[DeadLetter]) -> None:
    """Put dead letters into a store."""
    with database.transaction() as connection:
        add_letters(connection, letters)


def states(database: Database) -> dict[Place, str]:
    """What has become of the dead letters in a store."""
    with database.read() as connection:
        rows = connection.execute("SELECT topic, partition, position, state FROM dead_letters").fetchall()
    return {(topic, partition, position): state for topic, partition, position, state in rows}


class NoRedrives:
    """A `RedriveStore` with nothing in it but whatever dead letter is asked for."""

    def last_change(self) -> int:
        return 0

    def groups(self, selection: Any, now_ms: int) -> list[Any]:
        return []

    def oversize(self, selection: Any, limit: int) -> list[Any]:
        return []

    def matching(self, selection: Any, limit: int) -> list[Any]:
        return []

    def jobs(self, limit: int) -> list[Any]:
        return []

    def writes(self, limit: int) -> list[Any]:
        return []

    def letter(self, place: Place) -> DeadLetter:
        return DeadLetter(*place)

    def audit(self, limit: int, *, place: Place) -> list[Any]:
        return []


class FakeKafka:
    """`RecordMover` in memory: topics with partitions, records by place.

    Attributes:
        records: What stands where.
        counts: Partitions of the topics that exist.
        refuse: Values that the broker doesn't take: True for good, False for now.
        limits: How many bytes of a value a topic takes, where it tells.
        down: Nothing answers.
        let_go: Dead letters that it was told are written down.
        crash_after: Dies (`MemoryError`) once so many records were published.
    """

    def __init__(self, **topics: int) -> None:
        self.counts: dict[str, int] = {name.replace("_", "."): n for name, n in topics.items()}
        self.records: dict[Place, Record] = {}
        self.refuse: dict[bytes, bool] = {}
        self.limits: dict[str, int] = {}
        self.down = False
        self.crash_after: int | None = None
        self.published: list[Outgoing] = []
        self.let_go: list[Place] = []
        self._ends: dict[tuple[str, int], int] = defaultdict(int)

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        if self.down:
            raise ServiceUnreachableError("no broker")
        return {topic: self.counts[topic] for topic in topics if topic in self.counts}

    def make_topic(self, topic: str, partitions: int) -> None:
        self.counts[topic] = partitions

    def read(self, places: Sequence[Place], timeout_seconds: float) -> Mapping[Place, Record]:
        if self.down:
            raise ServiceUnreachableError("no broker")
        return {place: self.records[place] for place in places if place in self.records}

    def size_limits(self, topics: Iterable[str]) -> Mapping[str, int]:
        return {topic: self.limits[topic] for topic in topics if topic in self.limits}

    def exceeded_limits(self, records: Sequence[Outgoing]) -> list[int | None]:
        limits = [self.limits.get(record.topic) for record in records]
        return [
            limit if limit is not None and len(record.value or b"") > limit else None
            for record, limit in zip(records, limits, strict=True)
        ]

    def publish(self, records: Sequence[Outgoing]) -> list[Ack]:
        return [self._publish(record) for record in records]

    def settled(self, places: Iterable[Place]) -> None:
        self.let_go.extend(places)

    def close(self) -> None:
        pass

    def _publish(self, record: Outgoing) -> Ack:
        final = self.refuse.get(record.value or b"")
        if final is not None:
            return Ack(problem="refused", final=final)
        if self.crash_after is not None and len(self.published) >= self.crash_after:
            raise MemoryError("killed")
        self.published.append(record)
        partition = record.partition or 0
        offset = self._ends[record.topic, partition]
        self._ends[record.topic, partition] += 1
        return Ack(partition, offset)

    def bury(
        self,
        offset: int,
        headers: Sequence[tuple[str, bytes | None]],
        *,
        topic: str = DLQ,
        value: bytes | None = b"payload",
        key: bytes | None = b"key",
        timestamp_ms: int = 1_000,
    ) -> DeadLetter:
        """Put a record into a dead letter topic; what the ingest would keep of it."""
        place = (topic, 0, offset)
        self.records[place] = Record(topic, 0, offset, timestamp_ms, key, value, list(headers))
        return dead(offset, topic=topic, letter=read_headers(headers), timestamp_ms=timestamp_ms)


def own_headers(replays: int = 0, *, source: str = "orders", partition: int = 0) -> list[tuple[str, bytes]]:
    """Headers as flowtrail writes them on a dead letter."""
    return [
        ("ce_id", b"e1"),
        ("ce_type", b"OrderPlaced"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("dlq.topic", source.encode()),
        ("dlq.partition", str(partition).encode()),
        ("dlq.offset", b"7"),
        ("dlq.group", b"billing"),
        ("dlq.error.type", b"ValueError"),
        ("dlq.replays", str(replays).encode()),
    ]
