"""Follows every matching topic and hands what it reads to the ingest, position by position.

The store, not Kafka, knows how far everything was read: the tail starts where the store says, and commits
nothing to Kafka. Whatever goes wrong (a broker, the store, a partition that another worker has moved), it begins
again from the stored positions.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from flowtrail_collector.brokers.kafka.assignment import Assignment, Everything, Membership
from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.offsets import EARLIEST, LATEST, OffsetReader
from flowtrail_collector.errors import FencedError, ServiceUnreachableError, StoreError
from flowtrail_collector.events.model import Advance, Position
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.ports import Store
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.lag.ports import RecordTimestamps

__all__ = ["KafkaTail"]

logger = logging.getLogger("flowtrail_collector")

_BATCH = 5_000
_POLL_SECONDS = 0.2
_DISCOVERY_SECONDS = 3.0
_ENDS_SECONDS = 1.0
_STORE_PAUSE_SECONDS = 1.0
_METADATA_TIMEOUT_SECONDS = 3.0  # a stop has to wait for it
# `orders.billing.retry.5s` is ours, `orders-retry-0` Spring's; `orders.quarantine` is where a redrive gives up.
_RETRY_TOPICS = re.compile(r"(?i).+[._-]retry(?:[._-].*)?|.+\.quarantine")
Place = tuple[str, int]


class KafkaTail:
    """A `Part` that reads events and dead letters.

    Args:
        connection: Which cluster.
        ingest: Where records go.
        store: Where positions are.
        topics: Regular expression that a topic's whole name must match to be read.
        dead_letter_topics: The same for topics that hold dead letters; looked at first.
        start: Where to begin in topics that were there before this store: `earliest`, `latest`, or an age in
            seconds. Topics that appear later are read from their beginning.
        timestamps: Told about records that were read, so that lag in seconds is exact.
        group: Share the partitions with the other workers of this consumer group; None reads them all.
        time_seconds: Wall clock, seconds since the epoch.
    """

    name = "tail"

    def __init__(
        self,
        connection: KafkaConnection,
        ingest: Ingest,
        store: Store,
        *,
        topics: str,
        dead_letter_topics: str,
        start: str | float = "earliest",
        timestamps: RecordTimestamps | None = None,
        group: str | None = None,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._ingest = ingest
        self._store = store
        self._topics = re.compile(topics)
        self._dead_letter_topics = re.compile(dead_letter_topics)
        self._start = start
        self._timestamps = timestamps
        self._time_seconds = time_seconds
        self._problem: str | None = "hasn't reached Kafka yet"
        self._troubled: bool | None = None  # not known yet
        self._group = group
        self._assignment: Assignment = Everything()
        self._consumer: Any = None  # both while it runs
        self._offsets: Any = None
        self._assigned: set[Place] = set()
        self._positions: dict[Place, Position] = {}
        self._up_to_date = False
        self._store_fails = False  # that it can be read doesn't mean that it can be written
        self._letters: set[Place] = set()
        self._depths: dict[Place, int] = {}
        self._ids: dict[str, str] = {}
        self._kinds: dict[str, tuple[bool, bool]] = {}
        self._missing: set[str] = set()

    @property
    def partitions(self) -> int:
        """How many partitions are being read."""
        return len(self._assigned)

    @property
    def problem(self) -> str | None:
        """Why nothing is read at present, None when it is."""
        return self._problem

    def dead_letter_depths(self) -> Mapping[str, int]:
        """Records retained in each dead letter topic, as of a few seconds ago."""
        depths: dict[str, int] = {}
        for (topic, _), depth in list(self._depths.items()):
            depths[topic] = depths.get(topic, 0) + depth
        return depths

    def run(self, stop: threading.Event) -> None:
        """Read until told to stop."""
        self._begin_anew()
        self._missing = set()
        self._assignment = Everything() if self._group is None else Membership(self._group, self._begin_anew)
        self._consumer = Consumer(self._settings())
        self._offsets = OffsetReader(self._connection)
        try:
            self._follow(stop)
        finally:
            self._consumer.close()
            self._assigned = set()

    def _settings(self) -> dict[str, Any]:
        settings = self._connection.consumer_settings(
            client_id="flowtrail-collector",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            auto_offset_reset="error",
            fetch_wait_max_ms=200,
            queued_max_messages_kbytes=32_768,
        )
        # The client itself would write a line for every attempt to connect; the tail says it once.
        own = {"error_cb": self._on_error, "log_level": 2}
        return {**self._assignment.defaults, **settings, **self._assignment.settings, **own}

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._set_problem(f"no Kafka broker answers at {self._connection.bootstrap_servers}")

    def _set_problem(self, problem: str | None) -> None:
        """Note what is wrong; the log gets one line when it begins and one when it ends."""
        troubled, self._problem = self._troubled, problem
        self._troubled = problem is not None
        if problem is None and troubled is not False:
            logger.info("following %d partitions", len(self._assigned))
        elif problem is not None and not troubled:
            logger.warning("%s; retrying", problem)

    def _follow(self, stop: threading.Event) -> None:
        next_discovery = next_ends = 0.0
        while not stop.is_set():
            now = time.monotonic()
            try:
                if not self._up_to_date:
                    self._load()
                    next_discovery = now
                if now >= next_discovery:
                    self._discover()
                    next_discovery = time.monotonic() + _DISCOVERY_SECONDS
                self._read()
                if now >= next_ends and (self._assigned or self._letters):
                    self._look_at_ends()
                    next_ends = time.monotonic() + _ENDS_SECONDS
            except FencedError as error:
                logger.info("another worker has been here, reading on from the store: %s", error)
                self._halt()
            except StoreError as error:
                self._store_fails = True
                self._set_problem(str(error))
                self._halt()
                stop.wait(_STORE_PAUSE_SECONDS)
            except ServiceUnreachableError as error:
                self._set_problem(str(error))
                self._halt()
            if not self._assigned:
                self._consumer.poll(0)  # the group is heard all the same
                stop.wait(_POLL_SECONDS)

    def _load(self) -> None:
        self._positions = self._store.positions()
        self._ids = self._store.topic_ids()
        if self._positions or self._ids:
            self._start = EARLIEST  # a restart: what is new appeared meanwhile
        self._up_to_date = True

    def _begin_anew(self) -> None:
        """Trust nothing that was known about positions. Nothing is being read."""
        self._up_to_date = False
        self._assigned = set()

    def _halt(self) -> None:
        self._assignment.stop(self._consumer, self._assigned, {})
        self._begin_anew()

    def _discover(self) -> None:
        try:
            metadata = self._consumer.list_topics(timeout=_METADATA_TIMEOUT_SECONDS)
        except KafkaException as error:
            self._set_problem(
                f"no Kafka broker answers at {self._connection.bootstrap_servers}: {error.args[0].str()}"
            )
            return
        wanted = {name: topic for name, topic in metadata.topics.items() if self._wanted(name)}
        there = {
            (name, partition)
            for name, topic in wanted.items()
            if topic.error is None
            for partition in topic.partitions
        }
        try:
            self._forget(wanted.keys())
            self._check_ids(wanted.keys())
            self._begin(there)
            self._assign(there, wanted.keys())
        except ServiceUnreachableError as error:  # what is being read is read on
            self._set_problem(str(error))
        else:
            if self._assignment.mine(there) <= self._assigned and not self._store_fails:
                self._set_problem(None)

    def _wanted(self, topic: str) -> bool:
        if topic.startswith("__"):
            return False
        return bool(self._dead_letter_topics.fullmatch(topic) or self._topics.fullmatch(topic))

    def _forget(self, listed: Collection[str]) -> None:
        """Forget deleted topics: their silence must not hold the watermark back."""
        missing = {topic for topic, _ in self._positions if topic not in listed}
        # Twice in a row: a broker that has just started may not know all of them yet.
        gone, self._missing = missing & self._missing, missing
        if gone:
            self._store.forget_topics({topic: self._ids.get(topic) for topic in sorted(gone)})
            self._drop(gone)
            logger.info("no longer there: %s", ", ".join(sorted(gone)))

    def _check_ids(self, topics: Collection[str]) -> None:
        """Begin anew in topics that were deleted and made anew, even if their offsets look familiar."""
        ids = self._offsets.topic_ids(topics)
        changed = {topic: identity for topic, identity in ids.items() if self._ids.get(topic) != identity}
        if not changed:
            return
        self._store.remember_topic_ids(changed)
        anew = changed.keys() & self._ids.keys()
        self._ids.update(changed)
        if anew:
            self._drop(anew)
            logger.warning("made anew, reading from the beginning: %s", ", ".join(sorted(anew)))

    def _drop(self, topics: Collection[str]) -> None:
        places = {place for place in self._assigned if place[0] in topics}
        self._assigned -= places
        if places:
            self._assignment.stop(self._consumer, places, self._reading())
        for place in [place for place in self._positions if place[0] in topics]:
            del self._positions[place]

    def _reading(self) -> dict[Place, int]:
        """The next offset of every partition that is being read."""
        return {place: self._positions[place].next_offset for place in self._assigned}

    def _begin(self, there: Collection[Place]) -> None:
        """Note where to begin in partitions never seen before, whoever is going to read them."""
        if not self._positions.keys() >= set(there):
            stored = self._store.positions()  # another worker may have been quicker
            self._positions = {**stored, **self._positions}
        unknown = sorted(set(there) - self._positions.keys())
        begin: dict[Place, int] = self._offsets.starting(unknown, self._start, self._time_seconds())
        if begin:
            self._ingest.apply((), [Advance(*place, None, offset, 0) for place, offset in begin.items()])
            self._positions.update({place: Position(offset, 0) for place, offset in begin.items()})
        # From now on, what appears is read from its beginning: nothing of it was there before.
        self._start = EARLIEST

    def _assign(self, there: Collection[Place], topics: Collection[str]) -> None:
        self._letters = {place for place in there if self._dead_letter_topics.fullmatch(place[0])}
        self._assignment.follow(self._consumer, topics)
        mine = self._assignment.mine(there)
        ready = {
            place: self._positions[place].next_offset
            for place in mine - self._assigned
            if place in self._positions
        }
        if ready:
            self._assignment.start(self._consumer, ready, self._reading())
            self._assigned.update(ready)

    def _read(self) -> None:
        messages = self._consumer.consume(_BATCH, _POLL_SECONDS) if self._assigned else []
        # Within that call the group may have taken or given partitions.
        if messages and self._up_to_date:
            self._take(messages)

    def _take(self, messages: Sequence[Message]) -> None:
        records: list[Incoming] = []
        last: dict[Place, Incoming] = {}
        for message in messages:
            error = message.error()
            if error is not None:
                self._on_message_error(message, error)
                continue
            record = self._incoming(message)
            place = (record.topic, record.partition)
            if place not in self._assigned or record.offset < self._positions[place].next_offset:
                continue  # was in flight when the position was moved
            records.append(record)
            last[place] = record
        if not last:
            return
        now_ms = int(self._time_seconds() * 1000)
        positions = {
            place: Position(record.offset + 1, self._read_until(place, record, now_ms))
            for place, record in last.items()
            if place in self._assigned
        }
        self._apply(
            [record for record in records if (record.topic, record.partition) in positions], positions
        )
        self._set_problem(None)
        if self._timestamps is not None:
            for (topic, partition), record in last.items():
                if record.timestamp_ms is not None:
                    self._timestamps.add(topic, partition, record.offset, record.timestamp_ms)

    def _incoming(self, message: Message) -> Incoming:
        topic = message.topic() or ""
        kind, timestamp_ms = message.timestamp()
        return Incoming(
            topic,
            message.partition() or 0,
            message.offset() or 0,
            timestamp_ms if kind and timestamp_ms >= 0 else None,
            message.key(),
            message.headers(),  # type: ignore[arg-type]  # a list of pairs of text and bytes at run time
            *self._kind(topic),
            message.value,
        )

    def _kind(self, topic: str) -> tuple[bool, bool]:
        """Whether a topic holds dead letters, and whether it holds copies to be tried again."""
        kind = self._kinds.get(topic)
        if kind is None:
            dead = self._dead_letter_topics.fullmatch(topic) is not None
            kind = self._kinds[topic] = dead, _RETRY_TOPICS.fullmatch(topic) is not None
        return kind

    def _read_until(self, place: Place, record: Incoming, now_ms: int) -> int:
        # A timestamp from the future says nothing about how far we have read.
        return max(self._positions[place].watermark_ms, min(record.timestamp_ms or 0, now_ms))

    def _apply(self, records: Sequence[Incoming], positions: Mapping[Place, Position]) -> None:
        advances = [
            Advance(*place, self._positions[place].next_offset, *position)
            for place, position in positions.items()
        ]
        self._ingest.apply(records, advances)
        self._positions.update(positions)
        self._store_fails = False

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        topic, partition = message.topic(), message.partition()
        if error.code() not in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            if error.code() != KafkaError._PARTITION_EOF:
                self._set_problem(f"reading {topic}-{partition}: {error.str()}")
            return
        if topic is None or partition is None or (topic, partition) not in self._assigned:
            return
        # The position is gone: retention was quicker, or the topic was made anew.
        place = (topic, partition)
        self._check_ids([topic])
        if place not in self._assigned:
            return  # discovery assigns it again
        (offset,) = self._offsets.read([place], EARLIEST).values()
        old = self._positions[place]
        logger.warning(
            "%s-%d: offset %d is gone, reading on from %d", topic, partition, old.next_offset, offset
        )
        self._apply((), {place: Position(offset, old.watermark_ms)})
        # Not seek: the client refuses that while the partition is in error.
        self._assigned.discard(place)
        self._assignment.stop(self._consumer, [place], self._reading())
        self._assignment.start(self._consumer, {place: offset}, self._reading())
        self._assigned.add(place)

    def _look_at_ends(self) -> None:
        """Note which partitions have been read to their end, as of when the brokers were asked."""
        asked_ms = int(self._time_seconds() * 1000)
        try:
            ends = self._offsets.read(sorted(self._assigned | self._letters), LATEST)
            begins = self._offsets.read(sorted(self._letters), EARLIEST)
        except ServiceUnreachableError as error:
            self._set_problem(str(error))
            return
        self._depths = {place: ends.get(place, begin) - begin for place, begin in begins.items()}
        caught_up = {
            place: Position(self._positions[place].next_offset, asked_ms)
            for place, end in ends.items()
            if place in self._assigned and self._positions[place].next_offset >= end
        }
        if caught_up:
            self._apply((), caught_up)
