"""The client port: what every adapter does, whatever its broker."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest

from flowtrail.clients import (
    Client,
    ConsumerClient,
    Delivered,
    Message,
    Partition,
    ProducerClient,
    Subscription,
)
from flowtrail.wire import Record
from waiting import Deadline, scaled

WAIT_SECONDS = 30.0


class Owned:
    """A listener that remembers, and hands back what it was told to commit."""

    def __init__(self) -> None:
        self.partitions: set[Partition] = set()
        self.positions: dict[Partition, int] = {}
        self.calls: list[str] = []

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.calls.append("assigned")
        self.partitions.update(partitions)

    def revoked(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        self.calls.append("revoked")
        self.partitions.difference_update(partitions)
        return {
            partition: self.positions.pop(partition)
            for partition in partitions
            if partition in self.positions
        }

    def lost(self, partitions: Collection[Partition]) -> None:
        self.calls.append("lost")
        self.partitions.difference_update(partitions)


class Member:
    """A consumer and its listener."""

    def __init__(self, client: Client, topics: Collection[str], group: str, start: str = "earliest") -> None:
        self.owned = Owned()
        self.consumer: ConsumerClient = client.open_consumer(
            [Subscription(topic) for topic in topics], group, self.owned, start=start
        )

    def poll(self) -> list[Record]:
        return self.consumer.poll(0.1, 500)

    def until(self, condition: Callable[[list[Record]], bool], *others: "Member") -> list[Record]:
        """Poll (the others too) until the records fit."""
        records: list[Record] = []
        deadline = Deadline(WAIT_SECONDS)
        while not condition(records):
            assert not deadline.passed, f"have {len(records)} records, {self.owned.partitions}"
            records += self.poll()
            for other in others:
                other.poll()
        return records

    def take(self, count: int) -> list[Record]:
        return self.until(lambda records: len(records) >= count)


class Setup:
    """One adapter on one broker; closes what it opened."""

    def __init__(self, client: Client, topic: Callable[..., str]) -> None:
        self.client = client
        self.name = topic
        self.topic = topic("contract")
        self.group = topic("group")
        self._opened: list[Any] = []

    def producer(self) -> ProducerClient:
        producer = self.client.open_producer()
        self._opened.append(producer)
        return producer

    def member(self, topics: Collection[str] | None = None, **settings: Any) -> Member:
        member = Member(self.client, topics or [self.topic], settings.pop("group", self.group), **settings)
        self._opened.append(member.consumer)
        return member

    def send(self, count: int = 1, **fields: Any) -> list[Delivered]:
        """Send messages and wait for their acknowledgements."""
        self.subscribe()
        producer = self.producer()
        ends: list[tuple[Delivered | None, Exception | None]] = []
        for number in range(count):
            values = {"key": b"k", "value": b"%d" % number, "headers": (), **fields}
            producer.send(Message(self.topic, **values), lambda *end: ends.append(end))
        assert producer.flush(scaled(WAIT_SECONDS))
        delivered = [where for where, error in ends if where is not None and error is None]
        assert len(delivered) == count, ends
        return delivered

    def subscribe(self) -> None:
        """See to it that what is sent is kept for the group."""

    def close(self) -> None:
        for opened in reversed(self._opened):
            opened.close(10.0)


class Contract:
    """The suite of every client; a subclass gives the `setup` fixture."""

    def test_what_is_sent_is_what_is_read(self, setup: Setup) -> None:
        headers = [("ce_id", b"1"), ("raw", b"\x00\xff"), ("text", "Straße".encode()), ("empty", b"")]
        setup.send(key=b"key", value=b"\x00value", headers=headers)
        (record,) = setup.member().take(1)
        assert record.topic == setup.topic
        assert (record.key, record.value) == (b"key", b"\x00value")
        assert sorted(record.headers) == sorted(headers)
        assert record.timestamp_ms is not None
        assert abs(record.timestamp_ms / 1000 - time.time()) < 60

    def test_tombstones_and_null_headers(self, setup: Setup) -> None:
        setup.send(key=b"k", value=None, headers=[("null", None)])
        (record,) = setup.member().take(1)
        assert record.value is None
        assert dict(record.headers)["null"] in (None, b"")

    def test_equal_keys_keep_their_order(self, setup: Setup) -> None:
        setup.send(500)
        member = setup.member()

        def through(records: list[Record]) -> bool:
            if records:  # a broker may hold back what follows until then
                last = records[-1]
                member.consumer.commit({Partition(last.topic, last.partition): last.offset + 1})
            return len(records) >= 500

        records = member.until(through)
        assert [record.value for record in records] == [b"%d" % number for number in range(500)]
        assert len({(record.topic, record.partition) for record in records}) == 1
        offsets = [record.offset for record in records]
        assert offsets == list(range(offsets[0], offsets[0] + 500))

    def test_a_message_that_is_too_large_fails_for_good(self, setup: Setup) -> None:
        setup.subscribe()
        producer = setup.producer()
        ends: list[Any] = []
        try:
            message = Message(setup.topic, b"k", b"x" * 3_000_000, ())
            producer.send(message, lambda where, error: ends.append(error))
            assert producer.flush(scaled(WAIT_SECONDS))
        except Exception as error:
            ends.append(error)
        assert len(ends) == 1
        assert isinstance(ends[0], Exception)
        assert not setup.client.is_retriable(ends[0])

    def test_a_group_goes_on_where_it_committed(self, setup: Setup) -> None:
        setup.send(10)
        first = setup.member()
        fifth = first.take(10)[4]
        first.consumer.commit({Partition(fifth.topic, fifth.partition): fifth.offset})
        first.consumer.close(10.0)
        assert [record.value for record in setup.member().take(6)] == [b"%d" % n for n in range(4, 10)]

    def test_what_was_not_committed_is_read_again(self, setup: Setup) -> None:
        setup.send(5)
        first = setup.member()
        assert len(first.take(5)) == 5
        first.consumer.close(10.0)
        assert [record.value for record in setup.member().take(5)] == [b"%d" % n for n in range(5)]

    @pytest.mark.slow
    def test_a_new_group_starts_at_the_end_if_told_to(self, setup: Setup) -> None:
        setup.send(3)
        member = setup.member(start="latest", group=setup.name("late"))
        member.until(lambda _: len(member.owned.partitions) > 0)
        # A position at the end is found by the first fetch, which may still be on its way.
        looked_until = time.monotonic() + 1.5
        while time.monotonic() < looked_until:
            assert member.poll() == []
        setup.send(1, value=b"new")
        assert [record.value for record in member.take(1)] == [b"new"]

    @pytest.mark.slow
    def test_pause_and_resume(self, setup: Setup) -> None:
        setup.send(1)
        member = setup.member()
        (first,) = member.take(1)
        partition = Partition(first.topic, first.partition)
        member.consumer.pause([partition, Partition("elsewhere", 0)])
        setup.send(1)
        looked_until = time.monotonic() + 1.0
        while time.monotonic() < looked_until:
            assert member.poll() == []
        member.consumer.resume([partition, Partition("elsewhere", 0)])
        assert [record.offset for record in member.take(1)] == [first.offset + 1]

    def test_a_topic_that_does_not_exist_yet(self, setup: Setup) -> None:
        member = setup.member()
        member.poll()
        setup.send(1)
        assert len(member.take(1)) == 1

    def test_a_topic_that_is_waited_for_is_not_sent_to_at_once(self, setup: Setup) -> None:
        """Whoever can't wait learns it from `waits_for`, and `send_at_once` neither waits nor loses anything."""
        setup.subscribe()
        producer = setup.producer()
        ends: list[tuple[Delivered | None, Exception | None]] = []

        def send(number: int) -> Message:
            return Message(setup.topic, b"k", b"%d" % number, ())

        waits = producer.waits_for(setup.topic)
        taken = producer.send_at_once(send(0), lambda *end: ends.append(end))
        assert taken is not waits
        if waits:
            producer.send(send(0), lambda *end: ends.append(end))
        assert not producer.waits_for(setup.topic), "it was sent to, so its partitions are known"
        assert producer.send_at_once(send(1), lambda *end: ends.append(end))
        assert producer.flush(scaled(WAIT_SECONDS))
        assert [error for _, error in ends] == [None, None]
        assert [record.value for record in setup.member().take(2)] == [b"0", b"1"]
        assert waits or not producer.waits_for(setup.name("elsewhere")), (
            "an adapter waits for all or for none"
        )

    def test_many_topics(self, setup: Setup) -> None:
        first, second = setup.topic, setup.name("second")
        setup.send(1)
        setup.topic = second
        setup.send(1)
        records = setup.member([first, second]).take(2)
        assert {record.topic for record in records} == {first, second}

    @pytest.mark.slow
    def test_of_several_topics_one_may_be_paused(self, setup: Setup) -> None:
        quiet, busy = setup.topic, setup.name("busy")
        setup.send(5)
        setup.topic = busy
        setup.send(60)
        member = setup.member([quiet, busy])
        offsets: dict[str, list[int]] = {}
        deadline = Deadline(WAIT_SECONDS)
        # As a member does that has enough to do for now: what it got is paused, the others are asked.
        while sum(map(len, offsets.values())) < 65:
            assert not deadline.passed, {topic: len(found) for topic, found in offsets.items()}
            paused: set[Partition] = set()
            for _ in range(3):
                records = member.consumer.poll(0.1, 10)
                assert not paused & {Partition(record.topic, record.partition) for record in records}
                for record in records:
                    offsets.setdefault(record.topic, []).append(record.offset)
                paused |= {Partition(record.topic, record.partition) for record in records}
                member.consumer.pause(paused)
            member.consumer.resume(paused)
        assert all(found == list(range(found[0], found[0] + len(found))) for found in offsets.values())
