"""Which groups may be asked for their commits while coordinators move.

librdkafka (2.16) ends the process when a broker answers an admin client's question for commits that it isn't, or not
yet, the coordinator of the group: https://github.com/confluentinc/librdkafka/issues/5040. Asked for the description of
a group in the same place, the same answer is an error like any other. So after anything that may have moved
coordinators groups are described first, until all of them could be. What remains is a coordinator that moves between
metadata and question.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from flowtrail_collector.brokers.kafka.errors import cause_of, reason_of
from flowtrail_collector.brokers.kafka.lag.deadline import REQUEST_SECONDS, seconds_left
from flowtrail_collector.lag.ports import Failure

__all__ = ["Coordinators"]

_COMMITS = "__consumer_offsets"
_TOGETHER = 200
_SLOW = "its coordinator takes too long to answer"
# Answers that have nothing to do with where the coordinator is.
_CERTAIN = frozenset({
    KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.GROUP_ID_NOT_FOUND,
    KafkaError.INVALID_GROUP_ID, KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE,
})  # fmt: skip


class Coordinators:
    """Tells whom to ask.

    Attributes:
        unsettled_since: Since when groups are described first, on the monotonic clock; None if they aren't.
    """

    def __init__(self) -> None:
        self.unsettled_since: float | None = time.monotonic()
        self._known: object = None
        self._open: dict[str, Future[Any]] = {}

    def trouble(self) -> None:
        """Something went wrong on the way to a broker, or to a coordinator."""
        if self.unsettled_since is None:
            self.unsettled_since = time.monotonic()

    def note(self, metadata: Any) -> None:
        """What the cluster looks like now.

        Args:
            metadata: Of all topics, as the client has it.
        """
        topic = metadata.topics.get(_COMMITS)
        leaders = {} if topic is None else {number: each.leader for number, each in topic.partitions.items()}
        seen = frozenset(metadata.brokers), leaders
        if seen != self._known:
            self._known = seen
            self.trouble()

    def settled(
        self, client: AdminClient, groups: Sequence[str], deadline: float
    ) -> tuple[Sequence[str], Mapping[str, Failure]]:
        """The groups that may be asked for their commits, and why the others may not.

        Args:
            client: Who is going to ask.
            groups: Whom to ask.
            deadline: Until when to wait, on the monotonic clock.
        """
        if self.unsettled_since is None:
            return groups, {}
        failures: dict[str, Failure] = {}
        # The questions for the commits need the rest of the time.
        until = time.monotonic() + seconds_left(deadline) / 2
        for first in range(0, len(groups), _TOGETHER):
            asked = groups[first : first + _TOGETHER]
            for group, answer in self._answers(client, asked, until).items():
                reason = _objection(answer)
                if reason is not None:
                    failures[group] = Failure("group", group, reason)
        if not failures:
            self.unsettled_since = None
        return [group for group in groups if group not in failures], failures

    def drop(self) -> None:
        """Forget all questions."""
        self._open.clear()

    def _answers(self, client: AdminClient, groups: Sequence[str], until: float) -> Mapping[str, Future[Any]]:
        """A question for each group; who didn't answer the last time isn't waited for again."""
        late = {group: self._open.pop(group) for group in groups if group in self._open}
        # One by one: the client answers none of several before it can answer all.
        asked = {
            group: client.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)[group]
            for group in groups
            if group not in late
        }
        wait(asked.values(), seconds_left(until))
        answers = {**late, **asked}
        self._open |= {group: answer for group, answer in answers.items() if not answer.done()}
        return answers


def _objection(answer: Future[Any]) -> str | None:
    """Why a group's coordinator can't be asked; None if it can."""
    if not answer.done():
        return _SLOW
    error = answer.exception()
    if error is None:
        return None
    cause = cause_of(error)
    if isinstance(cause, KafkaError) and cause.code() in _CERTAIN:
        return None
    return reason_of(error)
