"""aiokafka's idempotent producer after batches whose number is in doubt: it goes on, and nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.structs import TopicPartition

from flowtrail.clients import Client, Delivered, Message, choose_client
from instrumentation.delivery.ground import ground_of
from waiting import scaled, until

pytestmark = pytest.mark.slow

PATIENCE_MS = 1000
"""For how long a batch waits for its partition's leader."""


class Producer:
    """A producer with two partitions, and its inside."""

    def __init__(self, broker: str, topic: str) -> None:
        settings = {"producer": {"request_timeout_ms": PATIENCE_MS, "metadata_max_age_ms": 200}}
        self.client: Client = choose_client("aiokafka", broker, settings)
        self._producer = self.client.open_producer()
        self.inner: Any = self._producer._producer  # type: ignore[attr-defined]
        self._topic = topic

    def send(self, value: str, key: bytes = b"k") -> Any:
        """What came of it: where it is, or the error."""
        ends: list[Any] = []
        message = Message(self._topic, key, value.encode(), ())
        self._producer.send(message, lambda where, error: ends.append(where or error))
        return until(lambda: ends, f"the end of {value}")[0]

    def partition_of(self, key: bytes) -> TopicPartition:
        sent = self.send("first", key)
        assert isinstance(sent, Delivered)
        return TopicPartition(self._topic, sent.partition)

    def close(self) -> None:
        self._producer.close(scaled(10))


@pytest.fixture
def name(broker: str, topic: Callable[..., str]) -> str:
    made = topic("numbered")
    with ground_of(broker) as ground:
        ground.create(made, partitions=1)
    return made


@pytest.fixture
def producer(broker: str, name: str) -> Iterator[Producer]:
    opened = Producer(broker, name)
    yield opened
    opened.close()


def _written(broker: str, name: str) -> list[str]:
    with ground_of(broker) as ground:
        return [message.value().decode() for message in ground.read(name)]


def _never_sent(_: Producer) -> None:
    pass


def _refused_connection(producer: Producer) -> None:
    async def send(*_: Any, **__: Any) -> Any:
        raise KafkaConnectionError("nobody there")

    producer.inner.client.send = send


def _lost_answer(producer: Producer) -> None:
    real = producer.inner.client.send

    async def send(node: int, request: Any, **named: Any) -> Any:
        await real(node, request, **named)
        raise RequestTimedOutError

    producer.inner.client.send = send


def _broken_answer(producer: Producer) -> None:
    real = producer.inner.client.send

    async def send(node: int, request: Any, **named: Any) -> Any:
        await real(node, request, **named)
        raise KafkaConnectionError("the connection broke")

    producer.inner.client.send = send


TROUBLES = (_never_sent, _refused_connection, _lost_answer, _broken_answer)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__.strip("_"))
@pytest.mark.parametrize("times", [1, 2])
def test_the_next_ones_are_taken_once_there_is_a_leader_again(
    broker: str, name: str, producer: Producer, trouble: Callable[[Producer], None], times: int
) -> None:
    assert isinstance(producer.send("before"), Delivered)
    client = producer.inner.client
    send, leader_of = client.send, client.cluster.leader_for_partition
    for number in range(times):
        trouble(producer)
        if trouble is not _never_sent:
            client.cluster.leader_for_partition = _gone_after_the_first(client, leader_of)
        else:
            client.cluster.leader_for_partition = lambda _: None
        failed = producer.send(f"lost {number}")
        assert producer.client.is_retriable(failed)
        client.send, client.cluster.leader_for_partition = send, leader_of
        after = [producer.send(f"after {number}.{again}") for again in range(3)]
        assert all(isinstance(end, Delivered) for end in after), after
    expected = ["before"]
    for number in range(times):
        # What was written although the answer was lost stays; what is sent again is somebody else's matter.
        expected += [f"lost {number}"] if trouble in (_lost_answer, _broken_answer) else []
        expected += [f"after {number}.{again}" for again in range(3)]
    assert _written(broker, name) == expected


def _gone_after_the_first(client: Any, leader_of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A leader until something was sent there, then none."""
    sent: list[int] = []
    inner = client.send

    async def send(*arguments: Any, **named: Any) -> Any:
        sent.append(1)
        return await inner(*arguments, **named)

    client.send = send
    return lambda partition: None if sent else leader_of(partition)


def test_a_producer_whose_number_is_refused_counts_from_the_beginning(
    broker: str, name: str, producer: Producer
) -> None:
    partition = producer.partition_of(b"k")
    producer.inner._txn_manager.increment_sequence_number(partition, 5)
    refused = producer.send("out of order")
    assert not isinstance(refused, Delivered)
    assert producer.client.is_retriable(refused), "sent again it has another number"
    assert isinstance(producer.send("after"), Delivered)
    assert _written(broker, name) == ["first", "after"]


def test_other_partitions_go_on_meanwhile(broker: str, topic: Callable[..., str]) -> None:
    name = topic("numbered")
    with ground_of(broker) as ground:
        ground.create(name, partitions=2)
    producer = Producer(broker, name)
    try:
        keys = [str(number).encode() for number in range(20)]
        where = {key: producer.partition_of(key).partition for key in keys}
        lost = where[keys[0]]
        cluster = producer.inner.client.cluster
        leader_of = cluster.leader_for_partition
        cluster.leader_for_partition = lambda found: None if found.partition == lost else leader_of(found)
        failed = producer.send("lost", keys[0])
        assert producer.client.is_retriable(failed)
        cluster.leader_for_partition = leader_of
        ends = [producer.send(f"after {number}", key) for number, key in enumerate(keys)]
        assert all(isinstance(end, Delivered) for end in ends), ends
    finally:
        producer.close()
    written = _written(broker, name)
    assert sorted(written) == sorted(["first"] * 20 + [f"after {number}" for number in range(20)])
