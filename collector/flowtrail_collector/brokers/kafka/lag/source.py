"""Offsets, groups and topics of a Kafka cluster through confluent-kafka's admin client."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, wait
from typing import Any

from confluent_kafka import KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient

from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.errors import reason_of, unreachable
from flowtrail_collector.brokers.kafka.lag.commits import CommitQuestions
from flowtrail_collector.brokers.kafka.lag.coordinators import Coordinators
from flowtrail_collector.brokers.kafka.lag.deadline import REQUEST_SECONDS, seconds_left
from flowtrail_collector.brokers.kafka.lag.names import is_askable
from flowtrail_collector.brokers.kafka.lag.offsets import OffsetQuestions
from flowtrail_collector.brokers.kafka.lag.other_commits import OtherCommits
from flowtrail_collector.brokers.kafka.lag.other_groups import OtherGroups
from flowtrail_collector.lag.model import CommittedOffset
from flowtrail_collector.lag.ports import (
    ClusterLayout,
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

# Listing asks every broker, and waits for one that is gone: groups that are new must not wait as long.
_LISTING_SECONDS = 15.0
# A client of librdkafka 2.16 whose coordinator went away may wait for it for ever after it came back.
_RENEW_SECONDS = 20.0
_NO_ID = str(Uuid(0, 0))
_STATES = {
    "STABLE": "stable", "EMPTY": "empty", "DEAD": "dead", "PREPARING_REBALANCING": "preparing_rebalance",
    "COMPLETING_REBALANCING": "completing_rebalance",
}  # fmt: skip


class KafkaLagSource:
    """A `LagSource` on an `AdminClient`.

    Args:
        connection: how the cluster is reached.
        renew_seconds: after how long without an answer of a coordinator it is asked by a new client.
        others_seconds: how often share and streams groups are listed.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        renew_seconds: float = _RENEW_SECONDS,
        others_seconds: float = 60.0,
    ) -> None:
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
        self._brokers: frozenset[int] = frozenset()
        self._others = OtherGroups(connection, every_seconds=others_seconds)
        self._other_commits = OtherCommits(connection)
        self._listing: Future[Any] | None = None
        self._commits = CommitQuestions()
        self._coordinators = Coordinators()
        self._offsets = OffsetQuestions()

    def groups(self, deadline: float) -> GroupList:
        """List all groups."""
        late = self._listing is not None
        if self._listing is None:
            self._listing = self._admin.list_consumer_groups(request_timeout=_LISTING_SECONDS)
        # What was late before is looked at and not waited for: the rest of the collection needs the time.
        if not wait((self._listing,), 0 if late else seconds_left(deadline)).done:
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
        return GroupList(self._others.together_with(groups), failures)

    def topics(self, deadline: float) -> Topics:
        """List all partitions with their leaders."""
        try:
            metadata = self._admin.list_topics(timeout=max(0.1, seconds_left(deadline)))
        except KafkaException as error:
            self._coordinators.trouble()
            raise unreachable(self._where, error) from error
        self._coordinators.note(metadata)
        self._renew_if_outdated(metadata.brokers.keys())
        leaders: dict[str, dict[int, int]] = {}
        failures = []
        for name, topic in metadata.topics.items():
            if topic.error is not None:
                failures.append(Failure("topic", name, reason_of(topic.error)))
            else:
                leaders[name] = {number: p.leader for number, p in topic.partitions.items()}
        return Topics(leaders, failures, lambda: _layout(metadata))

    def commits(
        self, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[CommittedOffset] | Failure]]:
        """Read every committed offset of each group, many requests at a time."""
        # One name that the library can't take must not stop the others.
        askable = [group for group in groups if is_askable(group)]
        settled, moving = self._coordinators.settled(self._admin, askable, deadline)
        yield from moving.items()
        yield from self._commits.read(self._admin, settled, deadline)
        if len(askable) < len(groups):
            others = [group for group in groups if not is_askable(group)]
            yield from self._other_commits.read(others, deadline)
        waited = self._commits.longest_wait(groups)
        if waited:
            self._coordinators.trouble()
        since = self._coordinators.unsettled_since
        self._renew_if_stuck(waited if since is None else max(waited, time.monotonic() - since))

    def offsets(
        self, topics: Topics, spec: Spec, deadline: float, only: Sequence[tuple[str, int]] | None = None
    ) -> Iterator[OffsetAnswer]:
        """Read one offset of each partition, one request per leader: a broker delays only itself."""
        return self._offsets.read(self._admin, topics, spec, deadline, only)

    def members(
        self, groups: Sequence[str], deadline: float
    ) -> tuple[Mapping[str, MemberInfo], Sequence[Failure]]:
        """Describe groups, and say which can't be."""
        askable = [group for group in groups if is_askable(group)]
        if not askable:
            return {}, []
        found, failures = {}, []
        futures = self._admin.describe_consumer_groups(askable, request_timeout=REQUEST_SECONDS)
        for group, future in futures.items():
            if not wait((future,), seconds_left(deadline)).done:
                continue
            error = future.exception()
            if error is not None:
                failures.append(Failure("group", group, f"its members are unknown: {reason_of(error)}"))
                continue
            described = future.result()
            assigned = frozenset(
                (held.topic, held.partition)
                for member in described.members
                if member.assignment is not None
                for held in member.assignment.topic_partitions
            )
            found[group] = MemberInfo(len(described.members), assigned)
        return found, failures

    def topic_ids(self, topics: Sequence[str], deadline: float) -> Mapping[str, str]:
        """Read the ids of topics; brokers before 2.8 know of none."""
        found: dict[str, str] = {}
        if not topics:
            return found
        try:
            futures = self._admin.describe_topics(
                TopicCollection(list(topics)), request_timeout=REQUEST_SECONDS
            )
        except (KafkaException, ValueError, TypeError):
            return found
        wait(futures.values(), seconds_left(deadline))
        for name, future in futures.items():
            # What can't be told of a topic is told by those who need more of it.
            if future.done() and future.exception() is None:
                identity = str(future.result().topic_id)
                if identity != _NO_ID:
                    found[name] = identity
        return found

    def close(self) -> None:
        """Let go of the client; requests under way are dropped."""
        self._others.close()
        self._other_commits.close()
        self._drop_questions()

    def _renew_if_stuck(self, waited: float) -> None:
        """Begin with a new client where the old one hasn't had an answer for long, although the cluster answers."""
        now = time.monotonic()
        if waited < self._renew_seconds or now - self._renewed_at < 2 * self._renew_seconds:
            return
        logger.info("some groups' commits didn't come for %.0f s: reconnecting", waited)
        self._renewed_at = now
        self._renew()

    def _renew_if_outdated(self, brokers: Set[int]) -> None:
        """Begin with a new client where a broker has left the cluster: the old one would ask it for groups, and wait."""
        gone, self._brokers = self._brokers - brokers, frozenset(brokers)
        if gone:
            logger.info("brokers %s are gone: reconnecting", ", ".join(map(str, sorted(gone))))
            self._renew()

    def _renew(self) -> None:
        old, self._admin = [self._admin], AdminClient(self._settings)
        self._listing = None
        self._drop_questions()
        # Its end waits for what it still has to do.
        threading.Thread(target=old.clear, name="flowtrail-lag-client", daemon=True).start()

    def _drop_questions(self) -> None:
        self._coordinators.drop()
        self._commits.drop()
        self._offsets.drop()


def _layout(metadata: Any) -> ClusterLayout:
    brokers = {broker.id: f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()}
    replicas = {
        (name, number): (tuple(partition.replicas), tuple(partition.isrs))
        for name, topic in metadata.topics.items()
        for number, partition in topic.partitions.items()
    }
    return ClusterLayout(brokers, replicas)
