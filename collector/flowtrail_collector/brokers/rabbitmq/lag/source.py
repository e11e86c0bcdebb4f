"""Queues of a virtual host, told as groups that read a log each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.brokers.question import Question
from flowtrail_collector.brokers.rabbitmq.lag.counts import QueueCounts, QueueDrops
from flowtrail_collector.brokers.rabbitmq.lag.listing import Listing
from flowtrail_collector.brokers.rabbitmq.lag.queues import Queue, is_followed, read_queue, with_totals
from flowtrail_collector.brokers.rabbitmq.lag.standing import StandingQueues
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.lag.model import CommittedOffset
from flowtrail_collector.lag.ports import (
    Failure,
    GroupInfo,
    GroupList,
    MemberInfo,
    OffsetAnswer,
    RecordTimestamps,
    Spec,
    Topics,
)
from flowtrail_collector.settings import RabbitConfig

__all__ = ["QueueLagSource"]

_PARTITION = 0
_ALARMS = {"mem_alarm": "low on memory", "disk_free_alarm": "low on disk"}


class _Commit(NamedTuple):
    topic: str
    partition: int
    offset: int


class _Answer(NamedTuple):
    asked_at: float
    answered_at: float
    names: list[str]
    queues: Mapping[str, Queue]
    is_new: bool
    fresh: Mapping[str, Queue | None]
    alarms: list[Failure] | None


class QueueLagSource:
    """A `LagSource` on the management API.

    A queue is a group, and the only topic that it reads, under the same name. How many messages ever came into it
    is the end of that log, how many have left it is what it has committed.

    Args:
        config: Which virtual host.
        holds_dead_letters: Tells by their names the queues that are no groups.
        timestamps: Told when the message that waits longest was written, where the server knows.
        in_time: An answer that doesn't come within a collection's time is left to the next one: others have to be
            asked in it. Otherwise the server is waited for.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        config: RabbitConfig,
        holds_dead_letters: Callable[[str], bool],
        timestamps: RecordTimestamps | None = None,
        *,
        in_time: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._holds_dead_letters = holds_dead_letters
        self._timestamps = timestamps
        self._clock = clock
        self._management = Management(config)
        self._listing = Listing(config, self._management)
        self._standing = StandingQueues(config)
        self._in_time = in_time
        self._question: Question[_Answer] = Question("flowtrail-queues")
        self._lock = threading.Lock()
        self._queues: dict[str, Queue] = {}
        # All of them: what has no counts yet isn't new when it gets some.
        self._names: list[str] = []
        self._counts: dict[str, QueueCounts] = {}
        self._drops: dict[str, QueueDrops] = {}
        self._alarms: list[Failure] = []
        self._asked = (0.0, 0.0)
        self._is_new = False
        self._problem: str | None = None

    @property
    def queues(self) -> Sequence[Queue]:
        """The queues as they were seen last, by any thread; none while the server can't be asked."""
        with self._lock:
            return [] if self._problem else list(self._queues.values())

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many messages queues with a limit dropped, by name."""
        with self._lock:
            return {name: drops.total for name, drops in self._drops.items()}

    @property
    def alarms(self) -> Mapping[str, int]:
        """How many nodes are short of something, by what."""
        with self._lock:
            return {
                kind: sum(text in alarm.reason for alarm in self._alarms)
                for kind, text in (("memory", _ALARMS["mem_alarm"]), ("disk", _ALARMS["disk_free_alarm"]))
            }

    def groups(self, deadline: float) -> GroupList:
        """See `LagSource.groups`."""
        self._look(deadline, whole=True)
        self._is_new = True
        if self._problem is not None:
            return GroupList([], [Failure("broker", self._config.shown, self._problem)])
        groups = [
            GroupInfo(rabbitmq_name(queue.name), "queue", "stable" if queue.consumers else "empty")
            for queue in self._queues.values()
        ]
        return GroupList(groups)

    def topics(self, deadline: float) -> Topics:
        """See `LagSource.topics`."""
        if self._problem is not None:
            raise ServiceUnreachableError(self._problem)
        return Topics({rabbitmq_name(name): {_PARTITION: 0} for name in self._names}, list(self._alarms))

    def commits(
        self, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[CommittedOffset] | Failure]]:
        """See `LagSource.commits`."""
        for name in self._queues:
            group = rabbitmq_name(name)
            if self._problem is not None:
                yield group, Failure("group", group, self._problem)
                continue
            yield group, [_Commit(group, _PARTITION, self._counts[name].gone)]

    def offsets(
        self,
        topics: Topics,
        spec: Spec,
        deadline: float,
        only: Sequence[tuple[str, int]] | None = None,
    ) -> Iterator[OffsetAnswer]:
        """See `LagSource.offsets`: nothing is known of the past, and nothing of it is kept."""
        if spec not in ("latest", "latest_stable"):
            return
        if not self._is_new:
            self._look(deadline, whole=False)
        # A collection holds ends and commits of one moment against each other.
        self._is_new = False
        if self._problem is None:
            found: dict[tuple[str, int], tuple[int, float | None]] = {
                (rabbitmq_name(name), _PARTITION): (self._counts[name].end, None) for name in self._queues
            }
            yield OffsetAnswer(*self._asked, found)

    def members(
        self, groups: Sequence[str], deadline: float
    ) -> tuple[Mapping[str, MemberInfo], Sequence[Failure]]:
        """See `LagSource.members`."""
        held = {rabbitmq_name(name): queue.consumers for name, queue in self._queues.items()}
        return {
            group: MemberInfo(held[group], frozenset({(group, _PARTITION)}) if held[group] else frozenset())
            for group in groups
            if group in held
        }, ()

    def topic_ids(self, topics: Sequence[str], deadline: float) -> Mapping[str, str]:
        """See `LagSource.topic_ids`: a queue has none."""
        return {}

    def close(self) -> None:
        """See `LagSource.close`."""
        self._management.close()
        self._listing.close()
        self._standing.close()

    def _look(self, deadline: float, *, whole: bool) -> None:
        """Ask how the queues stand; the nodes, too, if the whole is asked for."""
        patience = deadline - time.monotonic() if self._in_time else None
        try:
            answer = self._question.answer(partial(self._ask, whole=whole), patience)
        except ServiceUnreachableError as error:
            self._problem = str(error)
            return
        if answer is None:
            self._problem = f"RabbitMQ's management API at {self._config.management_url} takes too long to tell its queues"
            return
        self._take_in(answer)

    def _ask(self, *, whole: bool) -> _Answer:
        """What the server says; in a thread of its own, so nothing is changed here."""
        asked_at = self._clock()
        found, is_new, totals = self._listing.look()
        alarms = _alarms_of(self._management.nodes()) if whole else None
        followed = [each for each in found if is_followed(each, self._holds_dead_letters)]
        queues = {queue.name: queue for each in followed if (queue := read_queue(each)) is not None}
        fresh = self._read_ones(queues) if totals is None else self._since(queues, totals)
        fresh |= self._standing.look(fresh.get(name) or queue for name, queue in queues.items())
        names = [str(each["name"]) for each in followed]
        return _Answer(asked_at, self._clock(), names, queues, is_new, fresh, alarms)

    def _read_ones(self, queues: Mapping[str, Queue]) -> dict[str, Queue | None]:
        """Those that somebody reads, with the counts that are known first.

        Their messages are told before the samples in which the management API keeps rates and what was published.
        """
        read = {name: queue for name, queue in queues.items() if queue.consumers}
        return dict(with_totals(read, self._management.totals())) if read else {}

    def _since(
        self, queues: Mapping[str, Queue], totals: Mapping[str, tuple[int, int] | None]
    ) -> dict[str, Queue | None]:
        """What is known of queues since they were listed: what they hold, and whether their readers are still there."""
        fresh = with_totals(queues, totals)
        for name, consumers in self._standing.readers(fresh.values()).items():
            fresh[name] = fresh[name]._replace(consumers=consumers)
        return dict(fresh)

    def _take_in(self, answer: _Answer) -> None:
        self._names, queues = answer.names, dict(answer.queues)
        if answer.is_new:  # the same figures again aren't those of a queue that is quiet
            self._count_drops(queues)
        for name, queue in answer.fresh.items():
            queues[name] = queue or self._queues.get(name, queues[name])
        for name in self._counts.keys() - queues.keys():
            del self._counts[name]
        for name, queue in queues.items():
            self._count(name, queue)
        with self._lock:
            self._problem, self._queues = None, queues
            self._alarms = self._alarms if answer.alarms is None else answer.alarms
        self._asked = answer.asked_at, answer.answered_at

    def _count_drops(self, queues: Mapping[str, Queue]) -> None:
        """Count what was dropped, going by figures that the server tells at once."""
        limited = {
            name: queue for name, queue in queues.items() if queue.drops and queue.published is not None
        }
        drops = {name: self._drops.get(name) or QueueDrops() for name in limited}
        for name, queue in limited.items():
            full = queue.limit is not None and queue.ready >= queue.limit
            drops[name].observe(queue.published or 0, queue.taken, queue.messages, full=full)
        with self._lock:
            self._drops = drops

    def _count(self, name: str, queue: Queue) -> None:
        counts = self._counts.get(name)
        is_new = counts is None
        if counts is None:
            counts = self._counts[name] = QueueCounts()
        counts.observe(queue.messages, queue.published)
        # Of what waited before it was first looked at, only its own timestamp tells for how long.
        if is_new and queue.head_ms is not None and not queue.unacknowledged and self._timestamps is not None:
            self._timestamps.add(rabbitmq_name(name), _PARTITION, counts.gone, queue.head_ms)


def _alarms_of(nodes: Sequence[Mapping[str, Any]]) -> list[Failure]:
    return [
        Failure(
            "broker",
            str(node["name"]),
            f"it is {text} and takes no messages: free some, or rabbitmq-diagnostics alarms says which limit to raise",
        )
        for node in nodes
        for alarm, text in _ALARMS.items()
        if node.get(alarm)
    ]
