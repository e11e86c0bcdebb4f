"""Offsets of all partitions, one request per leader: a broker delays only itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, NamedTuple

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient

from flowtrail_collector.brokers.kafka.errors import reason_of
from flowtrail_collector.brokers.kafka.lag.deadline import REQUEST_SECONDS, seconds_left
from flowtrail_collector.brokers.kafka.offset_specs import offset_spec
from flowtrail_collector.lag.ports import Failure, OffsetAnswer, Spec, Topics

__all__ = ["OffsetQuestions"]


class _Question(NamedTuple):
    asked_at: float
    answers: Mapping[TopicPartition, Future[Any]]


class OffsetQuestions:
    """Asks leaders for offsets, and keeps the questions that aren't answered yet."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, Spec], _Question] = {}
        self._partitions: dict[int, list[TopicPartition]] = {}
        self._partitions_of: Topics | None = None

    def read(
        self,
        client: AdminClient,
        topics: Topics,
        spec: Spec,
        deadline: float,
        only: Sequence[tuple[str, int]] | None,
    ) -> Iterator[OffsetAnswer]:
        """Read one offset of each partition, or of those in `only`."""
        by_leader = self._by_leader(topics) if only is None else _by_leader(topics, only)
        for partition in by_leader.pop(-1, []):
            reason = f"partition {partition.partition} has no leader"
            yield _failed(Failure("topic", partition.topic, reason))
        asked = []
        for leader, partitions in by_leader.items():
            late = self._open.get((leader, spec))
            if late is not None and not all(answer.done() for answer in late.answers.values()):
                yield _failed(_slow(leader))
                continue
            # A late answer to an earlier question is older than commits read since: it is not used.
            self._open[leader, spec] = _Question(time.time(), _ask(client, partitions, spec))
            asked.append(leader)
        for leader in asked:
            yield self._answer(leader, spec, deadline)

    def drop(self) -> None:
        """Forget all questions."""
        self._open.clear()

    def _by_leader(self, topics: Topics) -> dict[int, list[TopicPartition]]:
        # Making thousands of TopicPartition objects costs more than asking: they are kept for as long as
        # the leaders stay the same.
        if self._partitions_of is None or self._partitions_of.leaders != topics.leaders:
            everything = [(topic, number) for topic, numbers in topics.leaders.items() for number in numbers]
            self._partitions = _by_leader(topics, everything)
        self._partitions_of = topics
        return dict(self._partitions)

    def _answer(self, leader: int, spec: Spec, deadline: float) -> OffsetAnswer:
        asked_at, answers = self._open[leader, spec]
        offsets: dict[tuple[str, int], tuple[int, float | None]] = {}
        failed: dict[str, str] = {}
        slow = False
        for partition, answer in answers.items():
            try:
                # One call each: there are thousands of them, and every further question takes their locks again.
                found = answer.result(seconds_left(deadline))
            except FutureTimeoutError:
                slow = True
                continue
            except Exception as error:  # noqa: BLE001 - the client puts whatever ended it into the future
                failed.setdefault(partition.topic, reason_of(error))
                continue
            if found.offset >= 0:
                at = found.timestamp / 1000 if found.timestamp > 0 else None
                offsets[partition.topic, partition.partition] = found.offset, at
        failures = [Failure("topic", topic, reason) for topic, reason in failed.items()]
        if slow:
            failures.append(_slow(leader))
        else:
            del self._open[leader, spec]
        return OffsetAnswer(asked_at, time.time(), offsets, failures)


def _ask(
    client: AdminClient, partitions: Iterable[TopicPartition], spec: Spec
) -> Mapping[TopicPartition, Future[Any]]:
    stable = spec == "latest_stable"
    answers: Mapping[TopicPartition, Future[Any]] = client.list_offsets(
        dict.fromkeys(partitions, offset_spec(spec)),
        isolation_level=IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED,
        request_timeout=REQUEST_SECONDS,
    )
    return answers


def _by_leader(topics: Topics, names: Iterable[tuple[str, int]]) -> dict[int, list[TopicPartition]]:
    found: dict[int, list[TopicPartition]] = {}
    for topic, number in names:
        leader = topics.leaders.get(topic, {}).get(number)
        if leader is not None:
            found.setdefault(leader, []).append(TopicPartition(topic, number))
    return found


def _slow(leader: int) -> Failure:
    return Failure("broker", str(leader), "takes too long to answer")


def _failed(failure: Failure) -> OffsetAnswer:
    now = time.time()
    return OffsetAnswer(now, now, {}, [failure])
