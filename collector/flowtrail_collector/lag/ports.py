"""What the lag poller needs from a broker, and what a tail can tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from flowtrail_collector.lag.model import CommittedOffset

__all__ = [
    "ClusterLayout",
    "Failure",
    "FirstRecord",
    "GroupInfo",
    "GroupList",
    "LagSource",
    "MemberInfo",
    "OffsetAnswer",
    "RecordProber",
    "RecordTimestamps",
    "Spec",
    "Topics",
]

Spec = Literal["latest", "latest_stable", "earliest", "newest"] | float
"""Which offset of a partition: `newest` is that of the record with the greatest timestamp; a number is the
first record with at least that timestamp (seconds since the epoch)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that could not be read.

    Attributes:
        scope: `group`, `broker`, `topic` or `cluster`.
        name: which one.
        reason: one line.
    """

    scope: Literal["group", "broker", "topic", "cluster"]
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A group as the brokers list it.

    Attributes:
        type: `classic`, `consumer`, `share`, `streams`, `queue` (of RabbitMQ) or `unknown`.
        state: `stable`, `empty`, `preparing_rebalance`, `completing_rebalance`, `dead` or `unknown`.
    """

    name: str
    type: str
    state: str


@dataclass(frozen=True, slots=True)
class GroupList:
    """All groups; `failures` says which brokers could not tell theirs."""

    groups: Sequence[GroupInfo]
    failures: Sequence[Failure] = ()


@dataclass(frozen=True, slots=True)
class ClusterLayout:
    """Who there is, and who holds what.

    Attributes:
        brokers: `host:port` by node id.
        replicas: node ids of each partition's replicas (the first is the preferred leader), and of those in sync,
            by (topic, partition).
    """

    brokers: Mapping[int, str] = field(default_factory=dict)
    replicas: Mapping[tuple[str, int], tuple[Sequence[int], Sequence[int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topics:
    """Partitions and their leaders.

    Attributes:
        leaders: node id of each partition's leader (-1: none), by topic, then partition.
        failures: topics that could not be looked at.
        layout: works out more of the same answer, for those who want it.
    """

    leaders: Mapping[str, Mapping[int, int]]
    failures: Sequence[Failure] = ()
    layout: Callable[[], ClusterLayout] = field(default=ClusterLayout, compare=False)


@dataclass(frozen=True, slots=True)
class OffsetAnswer:
    """What one broker said about its partitions.

    Attributes:
        asked_at: when the request left, seconds since the epoch.
        answered_at: when the answer was there, seconds since the epoch.
        offsets: (offset, record timestamp in seconds or None) by (topic, partition).
        failures: what it could not tell.
    """

    asked_at: float
    answered_at: float
    offsets: Mapping[tuple[str, int], tuple[int, float | None]]
    failures: Sequence[Failure] = ()


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """Who is in a group, and which partitions they hold."""

    members: int
    assigned: frozenset[tuple[str, int]] = field(default_factory=frozenset)


class LagSource(Protocol):
    """Reads offsets from a cluster. No method raises for what one group, topic or broker can't tell.

    `deadline` is a `time.monotonic` value: what isn't there by then is a failure of this cycle, and is
    waited for in the background instead of being asked for again.
    """

    def groups(self, deadline: float) -> GroupList:
        """List all groups."""
        ...

    def topics(self, deadline: float) -> Topics:
        """List all partitions with their leaders.

        Raises:
            ServiceUnreachableError: no broker answered.
        """
        ...

    def commits(
        self, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[CommittedOffset] | Failure]]:
        """Read every committed offset of each group, in the order the answers come."""
        ...

    def offsets(self, topics: Topics, spec: Spec, deadline: float,
                only: Sequence[tuple[str, int]] | None = None) -> Iterator[OffsetAnswer]:  # fmt: skip
        """Read one offset of each partition (or of those in `only`), one request per leading broker."""
        ...

    def members(
        self, groups: Sequence[str], deadline: float
    ) -> tuple[Mapping[str, MemberInfo], Sequence[Failure]]:
        """Describe groups, and say which can't be."""
        ...

    def topic_ids(self, topics: Sequence[str], deadline: float) -> Mapping[str, str]:
        """Read the id that each topic got when it was created; a topic whose id isn't told is left out."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class RecordTimestamps(Protocol):
    """Where a tail reports records it read, so that waits are known to the millisecond."""

    def add(self, topic: str, partition: int, offset: int, timestamp_ms: int) -> None:
        """Report one record. Any subset of the records helps; must be cheap and thread-safe."""
        ...


@dataclass(frozen=True, slots=True)
class FirstRecord:
    """What stands at a committed offset.

    Attributes:
        offset: of the first record at or after the offset asked for; if there is none up to the end, the end.
        timestamp: the record's, seconds since the epoch; None if there is no record, or it carries none.
        exists: whether there is a record.
    """

    offset: int
    timestamp: float | None
    exists: bool


class RecordProber(Protocol):
    """Looks at single records to learn when they were written; their content is dropped unread."""

    def first_records(
        self, places: Sequence[tuple[str, int, int]], deadline: float
    ) -> tuple[Mapping[tuple[str, int, int], FirstRecord], Sequence[Failure]]:
        """Look at the first record at or after each (topic, partition, offset).

        Returns:
            What was found by `deadline` (`time.monotonic`), and which topics can't be read.
        """
        ...

    def close(self) -> None:
        """Release connections."""
        ...
