"""Dead letter and retry topics on a Kafka that creates none by itself: made at the start, or waited for."""

import logging
import uuid
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

import flowtrail
from flowtrail.clients import ChecksTopics, choose_client
from instrumentation.delivery.ground import Ground, ground_of, wait_for
from instrumentation.delivery.test_faults import settings
from instrumentation.handlers.shapes import ADAPTERS, SHAPES, Shape

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(170), pytest.mark.sampled(5)]

GOOD, BAD = 1, 0
NAMES = [shape.name for shape in SHAPES]


class Access:
    """Access lists of a broker."""

    def __init__(self, broker: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": broker})

    def set(self, kind: ResourceType, name: str, operation: AclOperation, permission: Any) -> AclBinding:
        """Allow everybody something, or deny it."""
        rule = AclBinding(kind, name, ResourcePatternType.LITERAL, "User:*", "*", operation, permission)
        for future in self._admin.create_acls([rule]).values():
            future.result(20)
        return rule

    def refuse_creating(self, topic: str) -> None:
        """Nobody may create this topic, though they may write to it."""
        self.set(ResourceType.BROKER, "kafka-cluster", AclOperation.ALL, AclPermissionType.ALLOW)
        self.set(ResourceType.BROKER, "kafka-cluster", AclOperation.CREATE, AclPermissionType.DENY)
        for operation in (AclOperation.WRITE, AclOperation.READ, AclOperation.DESCRIBE):
            self.set(ResourceType.TOPIC, topic, operation, AclPermissionType.ALLOW)

    def allow_creating(self, topic: str) -> None:
        """Now everybody may."""
        self.set(ResourceType.TOPIC, topic, AclOperation.CREATE, AclPermissionType.ALLOW)


class Run:
    """One trail with a group for each shape, on a topic with a partition that holds a bad record."""

    def __init__(self, adapter: str, broker: str) -> None:
        self.broker = broker
        self.name = f"in-{uuid.uuid4().hex[:12]}"
        self.calls: dict[str, list[tuple[int, int]]] = {name: [] for name in NAMES}
        self.trail = flowtrail.Trail(
            self.name, broker, client=adapter, client_settings=settings(adapter, max_poll_interval_ms=9000)
        )
        for shape in SHAPES:
            self._register(shape)

    def group(self, shape: str) -> str:
        return f"{self.name}-{shape}"

    def letters(self, shape: str) -> str:
        return f"{self.name}.{self.group(shape)}.dlq"

    def _register(self, shape: Shape) -> None:
        calls = self.calls[shape.name]

        def work(event: flowtrail.Event[Any]) -> None:
            calls.append((event.partition, event.offset))
            if (event.partition, event.offset) == (BAD, 1):
                raise ValueError("always")

        shape.register(
            self.trail, self.name, work, group=self.group(shape.name), retry=flowtrail.Retry(attempts=1)
        )

    def feed(self, partition: int, count: int) -> None:
        """Write so many records to one partition."""
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker})
        for _ in range(count):
            producer.produce(self.name, b"{}", partition=partition)
        assert producer.flush(30) == 0


class Blocked(Run):
    """Its dead letter topics can't be created at first, then they can."""

    def __init__(self, adapter: str, broker: str) -> None:
        super().__init__(adapter, broker)
        access = Access(broker)
        self.log = Lines()
        with ground_of(broker) as ground, self.log:
            ground.create(self.name, partitions=2)
            for shape in NAMES:
                access.refuse_creating(self.letters(shape))
            with self.trail.running():
                assert self.trail.ready(60)
                self._while_blocked(ground)
                for shape in NAMES:
                    access.allow_creating(self.letters(shape))
                for shape in NAMES:
                    wait_for(lambda shape=shape: ground.caught_up(self.group(shape), self.name), shape)  # type: ignore[misc]
            self.arrived = {shape: ground.read(self.letters(shape)) for shape in NAMES}

    def _while_blocked(self, ground: Ground) -> None:
        self.feed(BAD, 6)
        wait_for(lambda: all((BAD, 1) in calls for calls in self.calls.values()), "the bad record")
        wait_for(lambda: all(self.log.waiting(self.letters(shape)) for shape in NAMES), "the letters to fail")
        self.feed(GOOD, 50)
        wait_for(
            lambda: all(len([1 for part, _ in calls if part == GOOD]) == 50 for calls in self.calls.values()),
            "the other partition",
        )
        self.committed = {}
        for shape in NAMES:
            group = self.group(shape)
            wait_for(lambda group=group: ground.committed(group, self.name)[GOOD] == 50, group)  # type: ignore[misc]
            self.committed[shape] = ground.committed(group, self.name)[BAD]
        self.there = ground.topics()


class Lines(logging.Handler):
    """The library's log, as long as the block runs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def waiting(self, topic: str) -> list[str]:
        """What it said of records that can't go to a topic."""
        return [line for line in self.lines if f"can't go to {topic}" in line]

    def __enter__(self) -> None:
        logging.getLogger("flowtrail").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("flowtrail").removeHandler(self)


@pytest.fixture(scope="module", params=ADAPTERS)
def blocked(request: pytest.FixtureRequest, strict_kafka: str) -> Blocked:
    return Blocked(request.param, strict_kafka)


@pytest.mark.parametrize("shape", NAMES)
class TestATopicThatCannotBeCreated:
    def test_the_other_partitions_go_on(self, blocked: Blocked, shape: str) -> None:
        assert [offset for part, offset in blocked.calls[shape] if part == GOOD] == list(range(50))
        assert blocked.letters(shape) not in blocked.there

    def test_its_own_partition_is_not_committed_past_it(self, blocked: Blocked, shape: str) -> None:
        assert blocked.committed[shape] <= 1

    def test_no_handler_runs_twice(self, blocked: Blocked, shape: str) -> None:
        assert [offset for part, offset in blocked.calls[shape] if part == BAD] == list(range(6))

    def test_the_letter_arrives_once_it_can(self, blocked: Blocked, shape: str) -> None:
        (letter,) = blocked.arrived[shape]
        headers = dict(letter.headers())
        assert (headers["dlq.partition"], headers["dlq.offset"]) == (b"0", b"1")
        assert headers["dlq.error.message"] == b"always"

    def test_the_log_says_at_the_start_and_then_what_waits_for_what(
        self, blocked: Blocked, shape: str
    ) -> None:
        topic = blocked.letters(shape)
        assert any(f"there is no topic {topic} for what fails" in line for line in blocked.log.lines)
        assert "its partition waits" in blocked.log.waiting(topic)[0]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ground(strict_kafka: str) -> Iterator[Ground]:
    with ground_of(strict_kafka) as ground:
        yield ground


@pytest.mark.parametrize("shape", SHAPES, ids=NAMES)
def test_topics_are_created_at_the_start(
    adapter: str, shape: Shape, strict_kafka: str, ground: Ground
) -> None:
    name = f"in-{uuid.uuid4().hex[:12]}"
    ground.create(name)
    trail = flowtrail.Trail("s", strict_kafka, client=adapter, client_settings=settings(adapter))
    shape.register(trail, name, lambda _: None, group=name, retry=flowtrail.Retry(topics=[1, 2]))
    mine = {f"{name}.{name}.dlq", f"{name}.{name}.retry.1", f"{name}.{name}.retry.2"}
    with trail.running():
        wait_for(lambda: mine <= ground.topics(), "the topics")


def test_what_is_there_is_left_as_it_is(adapter: str, strict_kafka: str, ground: Ground) -> None:
    name = f"there-{uuid.uuid4().hex[:12]}"
    ground.create(name, partitions=7)
    client = choose_client(adapter, strict_kafka)
    assert isinstance(client, ChecksTopics)
    assert client.ensure_topics([name]) == {}
    assert len(ground.partitions(name)) == 7
