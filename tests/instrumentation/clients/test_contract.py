"""The client port: what every adapter does, on the embedded broker and on a real Kafka."""

import gc
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pytest

from flowtrail.clients import (
    Client,
    ClientError,
    ConsumerClient,
    Delivered,
    Message,
    Partition,
    ProducerClient,
    choose_client,
)
from flowtrail.errors import ConfigurationError, MissingExtraError
from flowtrail.testing import MemoryBroker, MemoryClient
from flowtrail.wire import Record
from waiting import Deadline, scaled

ADAPTERS = ["kafka-python", "confluent", "aiokafka"]
WAIT_SECONDS = 30.0
SESSION_MS = int(scaled(6) * 1000)
SESSION = {
    "kafka-python": {"consumer": {"session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": 500}},
    "confluent": {"consumer": {"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 500}},
    "aiokafka": {"consumer": {"session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": 500}},
}


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
        self.consumer: ConsumerClient = client.open_consumer(topics, group, self.owned, start=start)

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
        producer = self.producer()
        ends: list[tuple[Delivered | None, Exception | None]] = []
        for number in range(count):
            values = {"key": b"k", "value": b"%d" % number, "headers": (), **fields}
            producer.send(Message(self.topic, **values), lambda *end: ends.append(end))
        assert producer.flush(scaled(WAIT_SECONDS))
        delivered = [where for where, error in ends if where is not None and error is None]
        assert len(delivered) == count, ends
        return delivered

    def close(self) -> None:
        for opened in reversed(self._opened):
            opened.close(10.0)


@pytest.fixture(
    params=[
        pytest.param(
            (adapter, broker),
            id=f"{adapter}-{broker}",
            marks=pytest.mark.servers if broker == "kafka" else pytest.mark.slow,
        )
        for adapter in ADAPTERS
        for broker in ("devbroker", "kafka")
    ]
)
def setup(request: pytest.FixtureRequest, topic: Callable[..., str]) -> Iterator[Setup]:
    adapter, broker = request.param
    setup = Setup(choose_client(adapter, request.getfixturevalue(broker), SESSION[adapter]), topic)
    yield setup
    setup.close()


class Contract:
    """The suite; a subclass gives the `setup` fixture."""

    def test_what_is_sent_is_what_is_read(self, setup: Setup) -> None:
        headers = [("ce_id", b"1"), ("twice", b"a"), ("twice", b"b"), ("raw", b"\x00\xff"), ("empty", b"")]
        (where,) = setup.send(key=b"key", value=b"\x00value", headers=headers)
        (record,) = setup.member().take(1)
        assert (record.topic, record.partition, record.offset) == (setup.topic, *where)
        assert (record.key, record.value) == (b"key", b"\x00value")
        assert list(record.headers) == headers
        assert record.timestamp_ms is not None
        assert abs(record.timestamp_ms / 1000 - time.time()) < 60

    def test_tombstones_and_null_headers(self, setup: Setup) -> None:
        setup.send(key=b"k", value=None, headers=[("null", None)])
        (record,) = setup.member().take(1)
        assert record.value is None
        assert dict(record.headers)["null"] in (None, b"")

    def test_equal_keys_keep_their_order(self, setup: Setup) -> None:
        delivered = setup.send(500)
        assert len({where.partition for where in delivered}) == 1
        records = setup.member().take(500)
        assert [record.value for record in records] == [b"%d" % number for number in range(500)]

    def test_what_was_left_in_a_paused_partition_comes_when_it_is_resumed(self, setup: Setup) -> None:
        busy = setup.send(60)[0].partition
        keys = (b"%d" % number for number in range(100))
        quiet_key = next(key for key in keys if setup.send(key=key)[0].partition != busy)
        setup.send(5, key=quiet_key)
        member = setup.member()
        offsets: dict[int, list[int]] = {}
        deadline = Deadline(WAIT_SECONDS)
        # As a member does that has enough to do for now: what it got is paused, the others are asked.
        while len(offsets.get(busy, ())) < 60:
            assert not deadline.passed, {number: len(found) for number, found in offsets.items()}
            paused: set[Partition] = set()
            for _ in range(3):
                records = member.consumer.poll(0.1, 10)
                for record in records:
                    offsets.setdefault(record.partition, []).append(record.offset)
                paused |= {Partition(record.topic, record.partition) for record in records}
                member.consumer.pause(paused)
            member.consumer.resume(paused)
        assert all(found == list(range(len(found))) for found in offsets.values())

    def test_a_message_that_is_too_large_fails_for_good(self, setup: Setup) -> None:
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
        partition = Partition(setup.topic, setup.send(10)[0].partition)
        first = setup.member()
        first.take(10)
        first.consumer.commit({partition: 4})
        first.consumer.close(10.0)
        assert [record.offset for record in setup.member().take(6)] == [4, 5, 6, 7, 8, 9]

    def test_a_new_group_starts_at_the_end_if_told_to(self, setup: Setup) -> None:
        setup.send(3)
        member = setup.member(start="latest")
        member.until(lambda _: len(member.owned.partitions) > 0)
        # A position at the end is found by the first fetch, which may still be on its way.
        looked_until = time.monotonic() + 1.5
        while time.monotonic() < looked_until:
            assert member.poll() == []
        setup.send(1, value=b"new")
        assert [record.value for record in member.take(1)] == [b"new"]

    def test_pause_and_resume(self, setup: Setup) -> None:
        partition = Partition(setup.topic, setup.send(1)[0].partition)
        member = setup.member()
        member.take(1)
        member.consumer.pause([partition, Partition("elsewhere", 0)])
        setup.send(1)
        looked_until = time.monotonic() + 1.0
        while time.monotonic() < looked_until:
            assert member.poll() == []
        member.consumer.resume([partition, Partition("elsewhere", 0)])
        assert [record.offset for record in member.take(1)] == [1]

    def test_a_topic_that_does_not_exist_yet(self, setup: Setup) -> None:
        member = setup.member()
        member.poll()
        setup.send(1)
        assert len(member.take(1)) == 1

    def test_partitions_move_between_members_with_their_offsets(self, setup: Setup) -> None:
        partition = Partition(setup.topic, setup.send(10)[0].partition)
        first = setup.member()
        first.take(10)
        everything = set(first.owned.partitions)
        first.owned.positions[partition] = 7
        second = setup.member()
        second.until(
            lambda _: (
                bool(second.owned.partitions)
                and first.owned.partitions | second.owned.partitions == everything
            ),
            first,
        )
        assert not first.owned.partitions & second.owned.partitions
        assert partition not in first.owned.positions, "revoked was asked what to commit"
        first.consumer.close(10.0)
        second.until(lambda _: second.owned.partitions == everything)
        second.consumer.close(10.0)
        third = setup.member()
        assert [record.offset for record in third.take(3)][:3] == [7, 8, 9]

    def test_what_was_read_but_not_committed_is_read_again_after_a_rebalance(self, setup: Setup) -> None:
        offsets = {(where.partition, where.offset) for where in setup.send(5, key=None)}
        first = setup.member()
        first.take(5)
        second = setup.member()
        seen: set[tuple[int, int]] = set()

        def note(member: Member) -> None:
            seen.update((record.partition, record.offset) for record in member.poll())

        deadline = Deadline(WAIT_SECONDS)
        while seen != offsets:
            assert not deadline.passed, f"only {sorted(seen)} of {sorted(offsets)}"
            note(second)
            note(first)

    def test_a_topic_that_is_waited_for_is_not_sent_to_at_once(self, setup: Setup) -> None:
        """Whoever can't wait learns it from `waits_for`, and `send_at_once` neither waits nor loses anything."""
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


class TestAdapters(Contract):
    """Each client library, on each broker."""


class TestMemory(Contract):
    """The client that `flowtrail.testing` brings."""

    @pytest.fixture
    def setup(self, topic: Callable[..., str]) -> Iterator[Setup]:
        setup = Setup(MemoryClient(MemoryBroker(partitions=3)), topic)
        yield setup
        setup.close()

    def test_a_message_that_is_too_large_fails_for_good(self, setup: Setup) -> None:
        setup.client.broker.refuse(setup.topic, reason="too large")  # type: ignore[attr-defined]
        super().test_a_message_that_is_too_large_fails_for_good(setup)


# kafka-python leaves the sockets of refused connections to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ADAPTERS)
class TestWithoutABroker:
    def test_an_unreachable_broker_is_a_client_error(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flowtrail.clients._confluent._CONNECT_SECONDS", 0.5)
        settings = {"kafka-python": {"bootstrap_timeout_ms": 300}}.get(name)
        client = choose_client(name, "127.0.0.1:1", settings)
        with pytest.raises(ClientError):
            client.open_producer()
        with pytest.raises(ClientError):
            client.open_consumer(["orders"], "group", Owned(), start="earliest")
        gc.collect()

    def test_a_missing_library_names_the_extra(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        module = {"kafka-python": "kafka", "confluent": "confluent_kafka"}.get(name, name)
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(MissingExtraError) as caught:
            choose_client(name, "localhost:9092")
        assert f"pip install 'flowtrail[{name}]'" in str(caught.value)


def test_an_unknown_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown client 'rabbit'"):
        choose_client("rabbit", "localhost:9092")


def test_an_unknown_setting_of_kafka_python_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no setting bogus"):
        choose_client("kafka-python", "localhost:9092", {"bogus": 1})


def test_settings_go_to_the_side_that_knows_them() -> None:
    client: Any = choose_client(
        "kafka-python", "h:1", {"acks": 1, "fetch_min_bytes": 2, "consumer": {"client_id": "c"}}
    )
    assert (client._producer["acks"], client._consumer["fetch_min_bytes"]) == (1, 2)
    assert client._consumer["client_id"] == "c"
    assert "client_id" not in client._producer
