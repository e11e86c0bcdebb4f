"""The commits of all groups, many requests at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from flowtrail_collector.brokers.kafka.errors import reason_of
from flowtrail_collector.brokers.kafka.lag.deadline import REQUEST_SECONDS, seconds_left
from flowtrail_collector.lag.model import CommittedOffset
from flowtrail_collector.lag.ports import Failure

__all__ = ["CommitQuestions"]

# Enough to keep broker and client busy; the answers of all groups at once would take tens of megabytes.
_IN_FLIGHT = 64
_COORDINATOR_PATIENCE_SECONDS = 0.25


class _Question(NamedTuple):
    asked_at: float
    answer: Future[Any]


class CommitQuestions:
    """Asks for the commits of groups, and keeps the questions that aren't answered yet."""

    def __init__(self) -> None:
        self._open: dict[str, _Question] = {}

    def read(
        self, client: AdminClient, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[CommittedOffset] | Failure]]:
        """Read every committed offset of each group, in the order the answers come."""
        waiting = deque(groups)
        active: deque[str] = deque()
        parked: list[str] = []
        # Who didn't answer the last time isn't waited for again.
        late = set(self._open)
        while waiting or active:
            while waiting and len(active) < _IN_FLIGHT:
                active.append(waiting.popleft())
                self._ask(client, active[-1])
            group = active.popleft()
            patience = 0 if group in late else min(seconds_left(deadline), _COORDINATOR_PATIENCE_SECONDS)
            if self._is_answered(group, patience):
                yield group, self._take(group)
                continue
            # One slow coordinator must not hold up the groups of the others: its groups wait aside.
            active.appendleft(group)
            parked += [name for name in active if not self._open[name].answer.done()]
            active = deque(name for name in active if self._open[name].answer.done())
        for group in parked:
            if self._is_answered(group, 0 if group in late else seconds_left(deadline)):
                yield group, self._take(group)
            else:
                yield group, Failure("group", group, "its coordinator takes too long to answer")

    def longest_wait(self, groups: Iterable[str]) -> float:
        """For how many seconds the oldest question about these groups has been open."""
        asked_at = (self._open[name].asked_at for name in groups if name in self._open)
        return max((time.monotonic() - at for at in asked_at), default=0.0)

    def drop(self) -> None:
        """Forget all questions."""
        self._open.clear()

    def _ask(self, client: AdminClient, group: str) -> None:
        # An answer to an earlier collection's question, come late, is still older than the end offsets that
        # will be read now: it is taken.
        if group not in self._open:
            request = ConsumerGroupTopicPartitions(group)
            try:
                answer = client.list_consumer_group_offsets([request], request_timeout=REQUEST_SECONDS)[group]
            except (KafkaException, ValueError, TypeError, KeyError) as error:
                answer = Future()
                answer.set_exception(error)
            self._open[group] = _Question(time.monotonic(), answer)

    def _is_answered(self, group: str, patience: float) -> bool:
        try:
            self._open[group].answer.exception(patience)
        except FutureTimeoutError:
            return False
        return True

    def _take(self, group: str) -> Sequence[CommittedOffset] | Failure:
        answer = self._open.pop(group).answer
        error = answer.exception()
        if error is not None:
            return Failure("group", group, reason_of(error))
        offsets: Sequence[CommittedOffset] = answer.result().topic_partitions
        return offsets
