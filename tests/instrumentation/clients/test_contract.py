"""The client port, for Kafka's clients: on the embedded broker, on a real Kafka, and in memory."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowtrail.clients import ClientError, Partition, Subscription, choose_client
from flowtrail.errors import ConfigurationError, MissingExtraError
from flowtrail.testing import MemoryBroker, MemoryClient
from instrumentation.clients.contract import WAIT_SECONDS, Contract, Member, Owned, Setup
from waiting import Deadline, scaled

ADAPTERS = ["kafka-python", "confluent", "aiokafka"]
SESSION_MS = int(scaled(6) * 1000)
SESSION = {
    "kafka-python": {"consumer": {"session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": 500}},
    "confluent": {"consumer": {"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 500}},
    "aiokafka": {"consumer": {"session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": 500}},
}


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


class LogContract(Contract):
    """What is true where topics are logs: their partitions move between members, and offsets stay."""

    def test_a_record_is_where_its_delivery_said(self, setup: Setup) -> None:
        headers = [("twice", b"b"), ("other", b""), ("twice", b"a")]
        (where,) = setup.send(headers=headers)
        (record,) = setup.member().take(1)
        assert (record.partition, record.offset) == where
        assert list(record.headers) == headers

    def test_equal_keys_share_a_partition(self, setup: Setup) -> None:
        assert len({where.partition for where in setup.send(20)}) == 1

    def test_what_was_left_in_a_paused_partition_comes_when_it_is_resumed(self, setup: Setup) -> None:
        busy = setup.send(60)[0].partition
        keys = (b"%d" % number for number in range(100))
        quiet_key = next(key for key in keys if setup.send(key=key)[0].partition != busy)
        setup.send(5, key=quiet_key)
        member = setup.member()
        offsets: dict[int, list[int]] = {}
        deadline = Deadline(WAIT_SECONDS)
        # As a member does that has enough to do for now: what it got is paused, the others are asked.
        while len(offsets.get(busy, ())) < 60:  # type: ignore[arg-type]
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

    def test_partitions_move_between_members_with_their_offsets(self, setup: Setup) -> None:
        partition = Partition(setup.topic, setup.send(10)[0].partition or 0)
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


class TestAdapters(LogContract):
    """Each client library, on each broker."""


class TestMemory(LogContract):
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
    @pytest.mark.slow
    def test_an_unreachable_broker_is_a_client_error(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flowtrail.clients._confluent._CONNECT_SECONDS", 0.5)
        settings = {"kafka-python": {"bootstrap_timeout_ms": 300}}.get(name)
        client = choose_client(name, "127.0.0.1:1", settings)
        with pytest.raises(ClientError):
            client.open_producer()
        with pytest.raises(ClientError):
            client.open_consumer([Subscription("orders")], "group", Owned(), start="earliest")
        gc.collect()

    def test_a_missing_library_names_the_extra(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        module = {"kafka-python": "kafka", "confluent": "confluent_kafka"}.get(name, name)
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(MissingExtraError) as caught:
            choose_client(name, "localhost:9092")
        assert f"pip install '.[{name}]' in a checkout" in str(caught.value)


def test_an_unknown_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown client 'rabbit'"):
        choose_client("rabbit", "localhost:9092")


@pytest.mark.parametrize("client", ["kafka-python", "confluent", "aiokafka"])
@pytest.mark.parametrize("address", ["amqp://ann:secret@rabbit:5672/%2F", "amqps://rabbit"])
def test_an_address_of_the_other_broker_is_refused(client: str, address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is an address of RabbitMQ.*set client='pika'") as caught:
        choose_client(client, address)
    assert "secret" not in str(caught.value)


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
