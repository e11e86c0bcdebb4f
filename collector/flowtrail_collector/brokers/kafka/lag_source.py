"""Offsets, groups and topics of a Kafka cluster through confluent-kafka's admin client."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import admin as kafka_admin
from confluent_kafka.admin import AdminClient

from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.lag_groups import OtherGroups
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.lag.model import CommittedOffset
from flowtrail_collector.lag.ports import (
    Failure,
    GroupInfo,
    GroupList,
    MemberInfo,
    OffsetAnswer,
    Spec,
    Topics,
)

__all__ = ["KafkaLagSource"]

logger = logging.getLogger("flowtrail_collector.lag")

# Longer than any cycle waits: an answer that comes late is still taken, instead of asking again and again.
_REQUEST_SECONDS = 60.0
# Listing asks every broker, and waits for one that is gone: groups that are new must not wait as long.
_LISTING_SECONDS = 15.0
# A client of librdkafka 2.16 whose coordinator went away may wait for it for ever after it came back.
_RENEW_SECONDS = 20.0
# Enough to keep broker and client busy; the answers of all groups at once would take tens of megabytes.
_IN_FLIGHT = 64
_COORDINATOR_PATIENCE_SECONDS = 0.25
_STATES = {
    "STABLE": "stable", "EMPTY": "empty", "DEAD": "dead", "PREPARING_REBALANCING": "preparing_rebalance",
    "COMPLETING_REBALANCING": "completing_rebalance",
}  # fmt: skip


class KafkaLagSource:
    """A `LagSource` on an `AdminClient`.

    Args:
        connection: how the cluster is reached.
        renew_seconds: after how long without an answer of a coordinator it is asked by a new client.
    """

    def __init__(self, connection: KafkaConnection, *, renew_seconds: float = _RENEW_SECONDS) -> None:
        self._where = connection.bootstrap_servers
        self._renew_seconds = renew_seconds
        # librdkafka would write to standard error; what matters is told as failures.
        self._settings = {
            **connection.client_settings(client_id="flowtrail-lag"),
            "log_level": 0,
            "topic.metadata.refresh.interval.ms": 60000,
        }
        self._admin = AdminClient(self._settings)
        self._renewed_at = 0.0
        self._others = OtherGroups(connection)
        self._listing: Future[Any] | None = None
        self._committing: dict[str, Future[Any]] = {}
        self._asked_at: dict[str, float] = {}
        self._asking: dict[tuple[int, Spec], tuple[float, Mapping[TopicPartition, Future[Any]]]] = {}
        self._partitions: dict[int, list[TopicPartition]] = {}
        self._partitions_of: Topics | None = None

    def groups(self, deadline: float) -> GroupList:
        """List all groups."""
        late = self._listing is not None
        if self._listing is None:
            self._listing = self._admin.list_consumer_groups(request_timeout=_LISTING_SECONDS)
        # What was late before is looked at and not waited for: the rest of the collection needs the time.
        if not wait((self._listing,), 0 if late else _left(deadline)).done:
            return GroupList([], [Failure("cluster", "groups", "listing groups takes too long")])
        listing, self._listing = self._listing, None
        error = listing.exception()
        if error is not None:
            return GroupList([], [Failure("cluster", "groups", reason_of(error))])
        result = listing.result()
        groups = [
            GroupInfo(
                group.group_id,
                group.type.name.lower() if group.type is not None else "unknown",
                _STATES.get(group.state.name, "unknown"),
            )
            for group in result.valid
        ]
        failures = [Failure("broker", "group listing", reason_of(error)) for error in result.errors]
        return GroupList([*groups, *self._others.groups()], failures)

    def topics(self, deadline: float) -> Topics:
        """List all partitions with their leaders."""
        try:
            metadata = self._admin.list_topics(timeout=max(0.1, _left(deadline)))
        except KafkaException as error:
            raise ServiceUnreachableError(
                f"no Kafka broker answers at {self._where}: {reason_of(error)}"
            ) from error
        leaders: dict[str, dict[int, int]] = {}
        failures = []
        for name, topic in metadata.topics.items():
            if topic.error is not None:
                failures.append(Failure("topic", name, topic.error.str()))
            else:
                leaders[name] = {number: p.leader for number, p in topic.partitions.items()}
        return Topics(leaders, failures)

    def commits(
        self, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[CommittedOffset] | Failure]]:
        """Read every committed offset of each group, many requests at a time."""
        waiting = deque(groups)
        active: deque[str] = deque()
        parked: list[str] = []
        # Who didn't answer the last time isn't waited for again.
        late = set(self._committing)
        while waiting or active:
            while waiting and len(active) < _IN_FLIGHT:
                active.append(waiting.popleft())
                self._ask_commits(active[-1])
            group = active.popleft()
            patience = 0 if group in late else min(_left(deadline), _COORDINATOR_PATIENCE_SECONDS)
            if self._is_there(group, patience):
                yield group, self._committed(group)
                continue
            # One slow coordinator must not hold up the groups of the others: its groups wait aside.
            active.appendleft(group)
            parked += [name for name in active if not self._committing[name].done()]
            active = deque(name for name in active if self._committing[name].done())
        for group in parked:
            if self._is_there(group, 0 if group in late else _left(deadline)):
                yield group, self._committed(group)
            else:
                yield group, Failure("group", group, "its coordinator takes too long")
        self._renew_if_stuck(parked)

    def _renew_if_stuck(self, parked: Iterable[str]) -> None:
        """Begin with a new client where the old one hasn't had an answer for long, although the cluster answers."""
        now = time.monotonic()
        waiting = [now - self._asked_at[name] for name in parked if name in self._committing]
        if (
            max(waiting, default=0.0) < self._renew_seconds
            or now - self._renewed_at < 2 * self._renew_seconds
        ):
            return
        logger.info("some groups' commits didn't come for %.0f s: connecting anew", max(waiting))
        old, self._admin, self._renewed_at = [self._admin], AdminClient(self._settings), now
        self._listing = None
        self._drop_questions()
        # Its end waits for what it still has to do.
        threading.Thread(target=old.clear, name="flowtrail-lag-client", daemon=True).start()

    def _ask_commits(self, group: str) -> None:
        # An answer to an earlier collection's question, come late, is still older than the end offsets that
        # will be read now: it is taken.
        if group not in self._committing:
            request = ConsumerGroupTopicPartitions(group)
            self._asked_at[group] = time.monotonic()
            self._committing.update(
                self._admin.list_consumer_group_offsets([request], request_timeout=_REQUEST_SECONDS)
            )

    def _is_there(self, group: str, patience: float) -> bool:
        try:
            self._committing[group].exception(patience)
        except FutureTimeoutError:
            return False
        return True

    def _committed(self, group: str) -> Sequence[CommittedOffset] | Failure:
        future = self._committing.pop(group)
        del self._asked_at[group]
        error = future.exception()
        if error is not None:
            return Failure("group", group, reason_of(error))
        offsets: Sequence[CommittedOffset] = future.result().topic_partitions
        return offsets

    def offsets(
        self, topics: Topics, spec: Spec, deadline: float, only: Sequence[tuple[str, int]] | None = None
    ) -> Iterator[OffsetAnswer]:
        """Read one offset of each partition, one request per leader: a broker delays only itself."""
        by_leader = self._by_leader(topics) if only is None else _grouped(topics, only)
        for partition in by_leader.pop(-1, []):
            now = time.time()
            failure = Failure("topic", partition.topic, f"partition {partition.partition} has no leader")
            yield OffsetAnswer(now, now, {}, [failure])
        asked = []
        for leader, partitions in by_leader.items():
            late = self._asking.get((leader, spec))
            if late is not None and not all(future.done() for future in late[1].values()):
                now = time.time()
                yield OffsetAnswer(now, now, {}, [_slow(leader)])
                continue
            # A late answer to an earlier question is older than commits read since: it is not used.
            self._asking[leader, spec] = (time.time(), self._ask(partitions, spec))
            asked.append(leader)
        for leader in asked:
            yield self._answer(leader, spec, deadline)

    def members(self, groups: Sequence[str], deadline: float) -> Mapping[str, MemberInfo]:
        """Describe groups; those that can't be described are left out."""
        if not groups:
            return {}
        found = {}
        futures = self._admin.describe_consumer_groups(list(groups), request_timeout=_REQUEST_SECONDS)
        for group, future in futures.items():
            if not wait((future,), _left(deadline)).done or future.exception() is not None:
                continue
            described = future.result()
            assigned = frozenset(
                (held.topic, held.partition)
                for member in described.members
                if member.assignment is not None
                for held in member.assignment.topic_partitions
            )
            found[group] = MemberInfo(len(described.members), assigned)
        return found

    def close(self) -> None:
        """Let go of the client; requests under way are dropped."""
        self._others.close()
        self._drop_questions()

    def _drop_questions(self) -> None:
        self._committing.clear()
        self._asked_at.clear()
        self._asking.clear()

    def _by_leader(self, topics: Topics) -> dict[int, list[TopicPartition]]:
        # Making thousands of TopicPartition objects costs more than asking: they are kept for as long as
        # the leaders stay the same.
        if self._partitions_of is None or self._partitions_of.leaders != topics.leaders:
            everything = [(topic, number) for topic, numbers in topics.leaders.items() for number in numbers]
            self._partitions = _grouped(topics, everything)
        self._partitions_of = topics
        return dict(self._partitions)

    def _ask(self, partitions: Iterable[TopicPartition], spec: Spec) -> Mapping[TopicPartition, Future[Any]]:
        offset_spec = _offset_spec(spec)
        isolation = (
            IsolationLevel.READ_COMMITTED if spec == "latest_stable" else IsolationLevel.READ_UNCOMMITTED
        )
        futures: Mapping[TopicPartition, Future[Any]] = self._admin.list_offsets(
            dict.fromkeys(partitions, offset_spec),
            isolation_level=isolation,
            request_timeout=_REQUEST_SECONDS,
        )
        return futures

    def _answer(self, leader: int, spec: Spec, deadline: float) -> OffsetAnswer:
        asked_at, futures = self._asking[leader, spec]
        wait(futures.values(), _left(deadline))
        answered_at = time.time()
        offsets: dict[tuple[str, int], tuple[int, float | None]] = {}
        failed: dict[str, str] = {}
        slow = False
        for partition, future in futures.items():
            if not future.done():
                slow = True
                continue
            error = future.exception()
            if error is not None:
                failed.setdefault(partition.topic, reason_of(error))
                continue
            found = future.result()
            if found.offset >= 0:
                at = found.timestamp / 1000 if found.timestamp > 0 else None
                offsets[partition.topic, partition.partition] = found.offset, at
        failures = [Failure("topic", topic, reason) for topic, reason in failed.items()]
        if slow:
            failures.append(_slow(leader))
        else:
            del self._asking[leader, spec]
        return OffsetAnswer(asked_at, answered_at, offsets, failures)


def reason_of(error: object) -> str:
    """One line of what Kafka or librdkafka said; futures carry a KafkaError now, a KafkaException then."""
    cause = error.args[0] if isinstance(error, KafkaException) and error.args else error
    return (cause.str() if isinstance(cause, KafkaError) else str(cause)).partition("\n")[0][:300]


def _slow(leader: int) -> Failure:
    return Failure("broker", str(leader), "takes too long to tell offsets")


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _offset_spec(spec: Spec) -> Any:
    offset_spec: Any = kafka_admin.OffsetSpec  # type: ignore[attr-defined]
    if isinstance(spec, float):
        return offset_spec.for_timestamp(int(spec * 1000))
    if spec == "earliest":
        return offset_spec.earliest()
    return offset_spec.max_timestamp() if spec == "newest" else offset_spec.latest()


def _grouped(topics: Topics, names: Iterable[tuple[str, int]]) -> dict[int, list[TopicPartition]]:
    by_leader: dict[int, list[TopicPartition]] = {}
    for topic, number in names:
        leader = topics.leaders.get(topic, {}).get(number)
        if leader is not None:
            by_leader.setdefault(leader, []).append(TopicPartition(topic, number))
    return by_leader
