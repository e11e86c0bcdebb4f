"""The commits of groups whose names librdkafka can't take, through kafka-python where that is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.lag.deadline import seconds_left
from flowtrail_collector.brokers.kafka.lag.names import not_askable
from flowtrail_collector.brokers.kafka.lag.second_client import connected, settings_of
from flowtrail_collector.brokers.question import Question
from flowtrail_collector.lag.model import CommittedOffset
from flowtrail_collector.lag.ports import Failure

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

__all__ = ["OtherCommits"]

_SLOW = "its coordinator takes too long to answer"


class _Committed(NamedTuple):
    topic: str
    partition: int
    offset: int


_Answers = Mapping[str, Sequence[CommittedOffset] | Failure]


class OtherCommits:
    """Asks in a thread of its own, which outlives a collection that can't wait.

    Args:
        connection: how the cluster is reached.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._settings = settings_of(connection)
        self._client: KafkaAdminClient | None = None
        self._question: Question[_Answers] = Question("flowtrail-commits")

    def read(
        self, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[CommittedOffset] | Failure]]:
        """Read every committed offset of each group."""
        if not groups:
            return
        # A question that is open was waited for already.
        patience = 0.0 if self._question.is_open else seconds_left(deadline)
        answers = self._question.answer(partial(self._answer, tuple(groups)), patience)
        if answers is None:
            yield from ((group, Failure("group", group, _SLOW)) for group in groups)
            return
        for group in groups:
            # Who was listed since was not asked for yet.
            yield group, answers.get(group, Failure("group", group, _SLOW))

    def close(self) -> None:
        """Let go of the client, unless it is waited for."""
        if self._client is not None and not self._question.is_under_way:
            self._client.close()
            self._client = None

    def _answer(self, groups: Sequence[str]) -> _Answers:
        # One by one: kafka-python tells only the first error of several groups.
        return {group: self._read_one(group) for group in groups}

    def _read_one(self, group: str) -> Sequence[CommittedOffset] | Failure:
        if self._settings is None:
            return not_askable(group, "kafka-python doesn't support this connection")
        try:
            self._client = self._client or connected(self._settings)
            found = self._client.list_group_offsets({group: None})[group]
        except ImportError:
            return not_askable(group, "kafka-python is not installed")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with one group is told as such
            self._client = None
            return Failure("group", group, f"{type(error).__name__}: {error}".partition("\n")[0])
        return [_Committed(place.topic, place.partition, at.offset) for place, at in found.items()]
