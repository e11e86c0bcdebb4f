"""Partitions, groups and failures in memory; a `LagSource` and a `RecordProber`."""

from bisect import bisect_left
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count as counting

from flowtrail_collector.lag.ports import (
    Failure,
    FirstRecord,
    GroupInfo,
    GroupList,
    MemberInfo,
    OffsetAnswer,
    Spec,
    Topics,
)

Committed = namedtuple("Committed", "topic partition offset")


@dataclass
class Log:
    """One partition: the offsets that hold records, when each arrived, and what its timestamp says."""

    offsets: list[int] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    stamped: list[float] = field(default_factory=list)
    start: int = 0
    end: int = 0
    stable_end: int | None = None
    leader: int = 1

    def first_at(self, offset: int) -> int | None:
        """Index of the first record at or after an offset."""
        i = bisect_left(self.offsets, max(offset, self.start))
        return i if i < len(self.offsets) else None


@dataclass
class Group:
    """A group's commits, type and state; its member holds what it has committed, unless told otherwise."""

    commits: dict[tuple[str, int], int] = field(default_factory=dict)
    type: str = "classic"
    state: str = "stable"
    assigned: frozenset[tuple[str, int]] | None = None

    @property
    def held(self) -> frozenset[tuple[str, int]]:
        return frozenset(self.commits) if self.assigned is None else self.assigned


class SimulatedCluster:
    """The cluster. Change it between collections, or while one reads it through `on_read`."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.logs: dict[tuple[str, int], Log] = {}
        self.ids: dict[str, str] = {}
        self._ids = counting()
        self.consumers: dict[str, Group] = {}
        self.failing_groups: set[str] = set()
        self.failing_topics: set[str] = set()
        self.failing_brokers: set[int] = set()
        self.unreadable: set[str] = set()
        self.probed: list[tuple[str, int, int]] = []
        self.on_read: Callable[[str], None] = lambda what: None

    def clock(self) -> float:
        return self.now

    def topic(self, name: str, partitions: int = 1) -> None:
        if (name, 0) not in self.logs:
            self.ids[name] = f"id-{next(self._ids)}"
        for number in range(partitions):
            self.logs.setdefault((name, number), Log())

    def delete(self, name: str) -> None:
        for key in [key for key in self.logs if key[0] == name]:
            del self.logs[key]

    def produce(self, topic: str, partition: int = 0, count: int = 1, *, at: float | None = None,
                stamped: float | None = None) -> None:  # fmt: skip
        """Append records that arrive `at` (default now); `stamped` is what the producer's clock said."""
        log = self.logs[topic, partition]
        for _ in range(count):
            log.offsets.append(log.end)
            log.arrived.append(self.now if at is None else at)
            log.stamped.append(log.arrived[-1] if stamped is None else stamped)
            log.end += 1

    def mark(self, topic: str, partition: int = 0) -> None:
        """Append a transaction's marker: an offset without a record."""
        self.logs[topic, partition].end += 1

    def compact(self, topic: str, partition: int, keep: Callable[[int], bool]) -> None:
        """Remove the records whose offset isn't kept; offsets stay as they are."""
        log = self.logs[topic, partition]
        kept = [i for i, offset in enumerate(log.offsets) if keep(offset)]
        log.offsets = [log.offsets[i] for i in kept]
        log.arrived = [log.arrived[i] for i in kept]
        log.stamped = [log.stamped[i] for i in kept]

    def commit(self, group: str, topic: str, partition: int, offset: int) -> None:
        self.consumers.setdefault(group, Group()).commits[topic, partition] = offset

    def lag(self, group: str, topic: str, partition: int = 0) -> int:
        """The truth in offsets."""
        return self.logs[topic, partition].end - self.consumers[group].commits[topic, partition]

    def waited(self, group: str, topic: str, partition: int = 0) -> float:
        """The truth in seconds: how long ago the oldest record left to read arrived."""
        log = self.logs[topic, partition]
        i = log.first_at(self.consumers[group].commits[topic, partition])
        return 0.0 if i is None else self.now - log.arrived[i]

    def groups(self, deadline: float) -> GroupList:
        self.on_read("groups")
        return GroupList([GroupInfo(name, group.type, group.state) for name, group in self.consumers.items()])

    def topics(self, deadline: float) -> Topics:
        self.on_read("topics")
        leaders: dict[str, dict[int, int]] = {}
        failures = []
        for (topic, number), log in self.logs.items():
            if topic in self.failing_topics:
                failures.append(Failure("topic", topic, "not authorized"))
            else:
                leaders.setdefault(topic, {})[number] = log.leader
        return Topics(leaders, failures)

    def commits(
        self, groups: Sequence[str], deadline: float
    ) -> Iterator[tuple[str, Sequence[Committed] | Failure]]:
        for name in groups:
            self.on_read("commits")
            if name in self.failing_groups:
                yield name, Failure("group", name, "coordinator not available")
            elif name in self.consumers:
                offsets = self.consumers[name].commits
                yield name, [Committed(topic, number, offset) for (topic, number), offset in offsets.items()]

    def offsets(self, topics: Topics, spec: Spec, deadline: float,
                only: Sequence[tuple[str, int]] | None = None) -> Iterator[OffsetAnswer]:  # fmt: skip
        self.on_read(str(spec))
        wanted = self.logs if only is None else {key: self.logs[key] for key in only if key in self.logs}
        for leader in {log.leader for log in wanted.values()}:
            if leader in self.failing_brokers:
                failure = Failure("broker", str(leader), "takes too long to answer")
                yield OffsetAnswer(self.now, self.now, {}, [failure])
                continue
            told = {}
            for key, log in wanted.items():
                if log.leader == leader and key[0] not in self.failing_topics:
                    answer = _asked(log, spec)
                    if answer is not None:
                        told[key] = answer
            yield OffsetAnswer(self.now, self.now, told)

    def members(
        self, groups: Sequence[str], deadline: float
    ) -> tuple[Mapping[str, MemberInfo], Sequence[Failure]]:
        failures = [
            Failure("group", name, "its members are unknown")
            for name in groups
            if name in self.failing_groups
        ]
        found = {
            name: MemberInfo(0 if self.consumers[name].state == "empty" else 1, self.consumers[name].held)
            for name in groups
            if name in self.consumers and name not in self.failing_groups
        }
        return found, failures

    def first_records(
        self, places: Sequence[tuple[str, int, int]], deadline: float
    ) -> tuple[Mapping[tuple[str, int, int], FirstRecord], Sequence[Failure]]:
        found = {}
        failures = {}
        for topic, number, offset in places:
            self.probed.append((topic, number, offset))
            if topic in self.unreadable:
                failures[topic] = Failure("topic", topic, "not authorized to read")
                continue
            log = self.logs[topic, number]
            i = log.first_at(offset)
            if i is None:
                found[topic, number, offset] = FirstRecord(log.end, None, exists=False)
            else:
                found[topic, number, offset] = FirstRecord(log.offsets[i], log.stamped[i], exists=True)
        return found, list(failures.values())

    def topic_ids(self, topics: Sequence[str], deadline: float) -> Mapping[str, str]:
        return {name: self.ids[name] for name in topics if name in self.ids}

    def close(self) -> None:
        pass


def _asked(log: Log, spec: Spec) -> tuple[int, float | None] | None:
    if spec == "latest":
        return log.end, None
    if spec == "latest_stable":
        return (log.end if log.stable_end is None else log.stable_end), None
    if spec == "earliest":
        return log.start, None
    if not log.offsets:
        return None
    if spec == "newest":
        i = max(range(len(log.offsets)), key=lambda i: log.stamped[i])
        return log.offsets[i], log.stamped[i]
    for i, stamped in enumerate(log.stamped):
        if stamped >= float(spec) and log.offsets[i] >= log.start:
            return log.offsets[i], stamped
    return None
