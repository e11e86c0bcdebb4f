"""What admin clients ask for, on devbroker and on a real Kafka."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka
import kafka
import kafka.admin
import kafka.errors
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioNewTopic
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from servers.clients import WAIT_SECONDS, Confluent, KafkaPython, Message, consume
from waiting import Deadline, scaled, until

# Each statement runs with every client: half a second each, because clients connect and groups form.
pytestmark = pytest.mark.slow


@pytest.fixture
def confluent(broker: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker, "log_level": 2})


@pytest.fixture
def python(broker: str) -> Iterator[kafka.admin.KafkaAdminClient]:
    client = kafka.admin.KafkaAdminClient(bootstrap_servers=broker)
    yield client
    client.close()


def _result(futures: dict[Any, Any]) -> Any:
    (future,) = futures.values()
    return future.result(scaled(WAIT_SECONDS))


def _partitions(admin: AdminClient, topic: str) -> int:
    found = admin.list_topics(timeout=scaled(WAIT_SECONDS)).topics.get(topic)
    return 0 if found is None else len(found.partitions)


def _code(caught: "pytest.ExceptionInfo[confluent_kafka.KafkaException]") -> str:
    name: str = caught.value.args[0].name()
    return name


class TestTopics:
    def test_confluent(self, confluent: AdminClient, topic: Callable[..., str]) -> None:
        name = topic()
        _result(confluent.create_topics([NewTopic(name, 2, 1)]))
        until(lambda: _partitions(confluent, name) == 2)
        _result(confluent.create_partitions([NewPartitions(name, 5)]))
        until(lambda: _partitions(confluent, name) == 5)
        _result(confluent.delete_topics([name]))
        until(lambda: _partitions(confluent, name) == 0)

    def test_kafka_python(self, python: kafka.admin.KafkaAdminClient, topic: Callable[..., str]) -> None:
        name = topic()
        python.create_topics([kafka.admin.NewTopic(name, 2, 1)])
        until(lambda: name in python.list_topics())
        python.create_partitions({name: kafka.admin.NewPartitions(4)})
        until(lambda: len(python.describe_topics([name])[0]["partitions"]) == 4)
        python.delete_topics([name])
        until(lambda: name not in python.list_topics())

    def test_aiokafka(self, broker: str, topic: Callable[..., str]) -> None:
        name = topic()

        async def run() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=broker)
            await admin.start()
            try:
                await admin.create_topics([AioNewTopic(name, 2, 1)])
                deadline = Deadline(WAIT_SECONDS)
                while name not in await admin.list_topics():
                    assert not deadline.passed
                (described,) = await admin.describe_topics([name])
                assert len(described["partitions"]) == 2
                await admin.delete_topics([name])
                while name in await admin.list_topics():
                    assert not deadline.passed
            finally:
                await admin.close()

        asyncio.run(run())

    @pytest.mark.parametrize(
        ("new", "code"),
        [
            (NewTopic("a b", 1, 1), "TOPIC_EXCEPTION"),
            (NewTopic("x" * 250, 1, 1), "TOPIC_EXCEPTION"),
            (NewTopic("..", 1, 1), "TOPIC_EXCEPTION"),
            (NewTopic("none", 0, 1), "INVALID_PARTITIONS"),
            (NewTopic("copies", 1, 3), "INVALID_REPLICATION_FACTOR"),
            (NewTopic("conf", 1, 1, config={"retention.bytes": "lots"}), "INVALID_CONFIG"),
        ],
        ids=["name", "long", "dots", "partitions", "replication", "config"],
    )
    def test_what_cannot_be_created(self, confluent: AdminClient, new: NewTopic, code: str) -> None:
        with pytest.raises(confluent_kafka.KafkaException) as caught:
            _result(confluent.create_topics([new]))
        assert _code(caught) == code

    def test_what_is_there_already_or_not_at_all(
        self, confluent: AdminClient, topic: Callable[..., str]
    ) -> None:
        name = topic()
        _result(confluent.create_topics([NewTopic(name)]))
        until(lambda: _partitions(confluent, name) == 3)
        attempts = [
            (confluent.create_topics, NewTopic(name, 1, 1), "TOPIC_ALREADY_EXISTS"),
            (confluent.create_partitions, NewPartitions(name, 3), "INVALID_PARTITIONS"),
            (confluent.create_partitions, NewPartitions(topic(), 9), "UNKNOWN_TOPIC_OR_PART"),
            (confluent.delete_topics, topic(), "UNKNOWN_TOPIC_OR_PART"),
        ]
        for call, argument, code in attempts:
            with pytest.raises(confluent_kafka.KafkaException) as caught:
                _result(call([argument]))
            assert _code(caught) == code

    def test_validate_only_creates_nothing(self, confluent: AdminClient, topic: Callable[..., str]) -> None:
        name = topic()
        _result(confluent.create_topics([NewTopic(name, 1, 1)], validate_only=True))
        assert _partitions(confluent, name) == 0

    def test_a_topic_that_is_asked_for_is_created(
        self, confluent: AdminClient, topic: Callable[..., str]
    ) -> None:
        name = topic()
        assert _partitions(confluent, name) == 0  # listing all asks for none
        confluent.list_topics(name, timeout=scaled(WAIT_SECONDS))
        until(lambda: _partitions(confluent, name) == 3)

    def test_settings(self, confluent: AdminClient, topic: Callable[..., str]) -> None:
        name = topic()
        _result(confluent.create_topics([NewTopic(name, 1, 1, config={"retention.bytes": "12345"})]))
        until(lambda: _partitions(confluent, name) == 1)
        entries = _result(confluent.describe_configs([ConfigResource(ResourceType.TOPIC, name)]))
        assert entries["retention.bytes"].value == "12345"
        assert not entries["retention.bytes"].is_default
        assert entries["max.message.bytes"].value == "1048588"
        assert entries["max.message.bytes"].is_default


def test_the_cluster(confluent: AdminClient, broker: str) -> None:
    described = confluent.describe_cluster().result(scaled(WAIT_SECONDS))
    (node,) = described.nodes
    assert f"{node.host}:{node.port}" == broker
    assert described.controller.id == node.id
    assert described.cluster_id == confluent.list_topics(timeout=scaled(WAIT_SECONDS)).cluster_id


class TestOffsets:
    def test_list_offsets(self, confluent: AdminClient, broker: str, topic: Callable[..., str]) -> None:
        name = topic()
        stamps = [1_700_000_000_000, 1_700_000_000_500, 1_700_000_000_200]
        Confluent().produce(broker, name, [Message(b"v", timestamp_ms=stamp) for stamp in stamps])
        expected = {
            OffsetSpec.earliest(): (0, -1),
            OffsetSpec.latest(): (3, -1),
            OffsetSpec.max_timestamp(): (1, stamps[1]),
            OffsetSpec.for_timestamp(stamps[0] + 1): (1, stamps[1]),
            OffsetSpec.for_timestamp(stamps[1] + 1): (-1, -1),
        }
        for spec, (offset, stamp) in expected.items():
            found = _result(confluent.list_offsets({TopicPartition(name, 0): spec}))
            assert (found.offset, found.timestamp) == (offset, stamp)

    def test_max_timestamp_of_an_empty_partition(
        self, confluent: AdminClient, topic: Callable[..., str]
    ) -> None:
        name = topic()
        _result(confluent.create_topics([NewTopic(name, 1, 1)]))
        until(lambda: _partitions(confluent, name) == 1)
        found = _result(confluent.list_offsets({TopicPartition(name, 0): OffsetSpec.max_timestamp()}))
        assert (found.offset, found.timestamp) == (-1, -1)

    def test_records_are_deleted(
        self, confluent: AdminClient, broker: str, topic: Callable[..., str]
    ) -> None:
        name = topic()
        Confluent().produce(broker, name, [Message(b"%d" % number) for number in range(5)])
        deleted = _result(confluent.delete_records([TopicPartition(name, 0, 3)]))
        assert deleted.low_watermark == 3
        with KafkaPython().member(broker, name) as member:
            assert [r.offset for r in consume(member, 2)] == [3, 4]
        with pytest.raises(confluent_kafka.KafkaException) as caught:
            _result(confluent.delete_records([TopicPartition(name, 0, 6)]))
        assert _code(caught) == "OFFSET_OUT_OF_RANGE"


class TestGroups:
    def _group_with_offsets(self, broker: str, topic: str, group: str) -> None:
        Confluent().produce(broker, topic, [Message(b"1"), Message(b"2")])
        with Confluent().member(broker, topic, group) as member:
            consume(member, 2)
            member.commit()

    def test_confluent(self, confluent: AdminClient, broker: str, topic: Callable[..., str]) -> None:
        name, group = topic(), topic("group")
        Confluent().produce(broker, name, [Message(b"1"), Message(b"2")])
        with Confluent().member(broker, name, group) as member:
            consume(member, 2)
            member.commit()
            listed = confluent.list_consumer_groups(states={ConsumerGroupState.STABLE}).result(
                scaled(WAIT_SECONDS)
            )
            assert group in {entry.group_id for entry in listed.valid}
            described = _result(confluent.describe_consumer_groups([group]))
            assert described.state is ConsumerGroupState.STABLE
            assert described.partition_assignor == "range"
            (only,) = described.members
            assert only.client_id == "rdkafka"
            assert only.host == "/127.0.0.1"
            assigned = {(place.topic, place.partition) for place in only.assignment.topic_partitions}
            assert assigned == {(name, 0), (name, 1), (name, 2)}
        until(lambda: not _result(confluent.describe_consumer_groups([group])).members)
        assert _result(confluent.describe_consumer_groups([group])).state is ConsumerGroupState.EMPTY

    def test_confluent_offsets(self, confluent: AdminClient, broker: str, topic: Callable[..., str]) -> None:
        name, group = topic(), topic("group")
        self._group_with_offsets(broker, name, group)
        everything = ConsumerGroupTopicPartitions(group)
        found = _result(confluent.list_consumer_group_offsets([everything])).topic_partitions
        assert {(place.partition, place.offset) for place in found if place.offset >= 0} == {(0, 2)}
        rewound = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 1)])
        _result(confluent.alter_consumer_group_offsets([rewound]))
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0)])
        found = _result(confluent.list_consumer_group_offsets([asked])).topic_partitions
        assert [place.offset for place in found] == [1]
        _result(confluent.delete_consumer_groups([group]))
        listed = confluent.list_consumer_groups().result(scaled(WAIT_SECONDS))
        assert group not in {entry.group_id for entry in listed.valid}

    def test_groups_with_members_are_not_deleted(
        self, confluent: AdminClient, broker: str, topic: Callable[..., str]
    ) -> None:
        name, group = topic(), topic("group")
        Confluent().produce(broker, name, [Message(b"1")])
        with Confluent().member(broker, name, group) as member:
            consume(member, 1)
            for target, code in [(group, "NON_EMPTY_GROUP"), (topic("group"), "GROUP_ID_NOT_FOUND")]:
                with pytest.raises(confluent_kafka.KafkaException) as caught:
                    _result(confluent.delete_consumer_groups([target]))
                assert _code(caught) == code

    def test_kafka_python(
        self, python: kafka.admin.KafkaAdminClient, broker: str, topic: Callable[..., str]
    ) -> None:
        name, group = topic(), topic("group")
        self._group_with_offsets(broker, name, group)
        assert group in {entry["group_id"] for entry in python.list_groups()}
        described = python.describe_groups([group])[group]
        assert described["group_state"] == "Empty"
        assert described["members"] == []
        offsets = python.list_group_offsets(group)[group]
        assert offsets[kafka.TopicPartition(name, 0)].offset == 2

    def test_offsets_go_with_their_topic(
        self, confluent: AdminClient, broker: str, topic: Callable[..., str]
    ) -> None:
        name, group = topic(), topic("group")
        self._group_with_offsets(broker, name, group)
        _result(confluent.delete_topics([name]))
        everything = ConsumerGroupTopicPartitions(group)
        until(lambda: not _result(confluent.list_consumer_group_offsets([everything])).topic_partitions)
