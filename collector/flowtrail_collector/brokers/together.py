"""Kafka and RabbitMQ as one: each is asked for what is its own, and what one can't tell leaves the other as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from flowtrail.wire import Record
from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.dead_letters.model.letter import Place
from flowtrail_collector.dead_letters.ports import Ack, Outgoing, RecordMover
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.lag.model import CommittedOffset
from flowtrail_collector.lag.ports import (
    Failure,
    FirstRecord,
    GroupList,
    LagSource,
    MemberInfo,
    OffsetAnswer,
    RecordProber,
    Spec,
    Topics,
)

__all__ = ["KafkaProber", "LagSources", "RecordMovers"]

T = TypeVar("T")
_NAMES = ("RabbitMQ", "Kafka")


class LagSources:
    """A `LagSource` of Kafka's and RabbitMQ's; names tell whose a group or a topic is.

    Args:
        rabbitmq: Asked first, and waited for half of the time: its server answers at once, or late.
        kafka: Kafka's.
    """

    def __init__(self, rabbitmq: LagSource, kafka: LagSource) -> None:
        self._rabbitmq = rabbitmq
        self._kafka = kafka
        self._last = [Topics({}), Topics({})]

    def groups(self, deadline: float) -> GroupList:
        """See `LagSource.groups`."""
        first, second = self._rabbitmq.groups(_halfway(deadline)), self._kafka.groups(deadline)
        return GroupList([*first.groups, *second.groups], [*first.failures, *second.failures])

    def topics(self, deadline: float) -> Topics:
        """See `LagSource.topics`: of a broker that doesn't answer, those it had last."""
        rabbitmq, kafka = self._topics_of(0, deadline), self._topics_of(1, deadline)
        if isinstance(rabbitmq, ServiceUnreachableError) and isinstance(kafka, ServiceUnreachableError):
            raise ServiceUnreachableError(f"{rabbitmq}; {kafka}")
        leaders: dict[str, Mapping[int, int]] = {}
        failures: list[Failure] = []
        for i, answer in enumerate((rabbitmq, kafka)):
            if isinstance(answer, Topics):
                self._last[i] = answer
                failures += answer.failures
            else:
                failures.append(Failure("cluster", _NAMES[i], str(answer)))
            leaders.update(self._last[i].leaders)
        return Topics(leaders, failures, self._last[1].layout)

    def _topics_of(self, i: int, deadline: float) -> Topics | ServiceUnreachableError:
        try:
            return (self._rabbitmq, self._kafka)[i].topics(deadline)
        except ServiceUnreachableError as error:
            return error

    def commits(
        self, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[CommittedOffset] | Failure]]:
        """See `LagSource.commits`."""
        ours, others = _divided(groups, lambda group: group)
        if ours:
            yield from self._rabbitmq.commits(ours, deadline)
        if others:
            yield from self._kafka.commits(others, deadline)

    def offsets(
        self,
        topics: Topics,
        spec: Spec,
        deadline: float,
        only: Sequence[tuple[str, int]] | None = None,
    ) -> Iterator[OffsetAnswer]:
        """See `LagSource.offsets`."""
        leaders: tuple[dict[str, Mapping[int, int]], dict[str, Mapping[int, int]]] = ({}, {})
        for topic, numbers in topics.leaders.items():
            leaders[not topic.startswith(RABBITMQ)][topic] = numbers
        ours, others = (None, None) if only is None else _divided(only, lambda place: place[0])
        if leaders[0] and ours != []:
            yield from self._rabbitmq.offsets(Topics(leaders[0]), spec, _halfway(deadline), ours)
        if leaders[1] and others != []:
            yield from self._kafka.offsets(Topics(leaders[1], layout=topics.layout), spec, deadline, others)

    def members(
        self, groups: Sequence[str], deadline: float
    ) -> tuple[Mapping[str, MemberInfo], Sequence[Failure]]:
        """See `LagSource.members`."""
        ours, others = _divided(groups, lambda group: group)
        found, failures = self._rabbitmq.members(ours, deadline) if ours else ({}, ())
        more, others_failures = self._kafka.members(others, deadline) if others else ({}, ())
        return {**found, **more}, [*failures, *others_failures]

    def topic_ids(self, topics: Sequence[str], deadline: float) -> Mapping[str, str]:
        """See `LagSource.topic_ids`; nothing of RabbitMQ has one."""
        _, others = _divided(topics, lambda topic: topic)
        return self._kafka.topic_ids(others, deadline) if others else {}

    def close(self) -> None:
        """See `LagSource.close`."""
        self._rabbitmq.close()
        self._kafka.close()


class KafkaProber:
    """A `RecordProber` that leaves RabbitMQ's queues alone: there a look at a message would take it.

    Args:
        kafka: Looks at Kafka's records.
    """

    def __init__(self, kafka: RecordProber) -> None:
        self._kafka = kafka

    def first_records(
        self, places: Sequence[tuple[str, int, int]], deadline: float
    ) -> tuple[Mapping[tuple[str, int, int], FirstRecord], Sequence[Failure]]:
        """See `RecordProber.first_records`."""
        _, others = _divided(places, lambda place: place[0])
        return self._kafka.first_records(others, deadline) if others else ({}, ())

    def close(self) -> None:
        """See `RecordProber.close`."""
        self._kafka.close()


class RecordMovers:
    """A `RecordMover` of Kafka's and RabbitMQ's; names tell whose a topic is.

    Args:
        rabbitmq: RabbitMQ's.
        kafka: Kafka's.
    """

    def __init__(self, rabbitmq: RecordMover, kafka: RecordMover) -> None:
        self._rabbitmq = rabbitmq
        self._kafka = kafka

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """See `RecordMover.partitions`."""
        ours, others = _divided(list(topics), str)
        return {**self._ask(ours, self._rabbitmq.partitions), **self._ask(others, self._kafka.partitions)}

    def make_topic(self, topic: str, partitions: int) -> None:
        """See `RecordMover.make_topic`."""
        self._of(topic).make_topic(topic, partitions)

    def read(self, places: Sequence[Place], timeout_seconds: float) -> Mapping[Place, Record]:
        """See `RecordMover.read`."""
        ours, others = _divided(places, lambda place: place[0])
        found = dict(self._rabbitmq.read(ours, timeout_seconds)) if ours else {}
        return {**found, **(self._kafka.read(others, timeout_seconds) if others else {})}

    def size_limits(self, topics: Iterable[str]) -> Mapping[str, int]:
        """See `RecordMover.size_limits`."""
        ours, others = _divided(list(topics), str)
        return {**self._ask(ours, self._rabbitmq.size_limits), **self._ask(others, self._kafka.size_limits)}

    def exceeded_limits(self, records: Sequence[Outgoing]) -> list[int | None]:
        """See `RecordMover.exceeded_limits`."""
        return self._each(records, self._rabbitmq.exceeded_limits, self._kafka.exceeded_limits)

    def publish(self, records: Sequence[Outgoing]) -> list[Ack]:
        """See `RecordMover.publish`."""
        return self._each(records, self._rabbitmq.publish, self._kafka.publish)

    def settled(self, places: Iterable[Place]) -> None:
        """See `RecordMover.settled`."""
        ours, others = _divided(list(places), lambda place: place[0])
        self._rabbitmq.settled(ours)
        self._kafka.settled(others)

    def close(self) -> None:
        """See `RecordMover.close`."""
        self._rabbitmq.close()
        self._kafka.close()

    def _of(self, topic: str) -> RecordMover:
        return self._rabbitmq if topic.startswith(RABBITMQ) else self._kafka

    @staticmethod
    def _ask(topics: list[str], ask: Callable[[list[str]], Mapping[str, int]]) -> Mapping[str, int]:
        return ask(topics) if topics else {}

    @staticmethod
    def _each(
        records: Sequence[Outgoing],
        rabbitmq: Callable[[Sequence[Outgoing]], list[T]],
        kafka: Callable[[Sequence[Outgoing]], list[T]],
    ) -> list[T]:
        """One answer for each record, in their order."""
        ours, others = _divided(records, lambda record: record.topic)
        first = iter(rabbitmq(ours) if ours else [])
        second = iter(kafka(others) if others else [])
        return [next(first if record.topic.startswith(RABBITMQ) else second) for record in records]


def _halfway(deadline: float) -> float:
    now = time.monotonic()
    return now + (deadline - now) / 2


def _divided(items: Sequence[T], name_of: Callable[[T], str]) -> tuple[list[T], list[T]]:
    """RabbitMQ's, and the others."""
    ours = [item for item in items if name_of(item).startswith(RABBITMQ)]
    return ours, [item for item in items if not name_of(item).startswith(RABBITMQ)]
