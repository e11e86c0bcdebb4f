"""A real cluster that odd things are done to, and a record of what was done: nothing in it is asked of the collector."""

import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hostilekit._members import ClassicMembers, NewMember
from hostilekit._wire import Wire
from waiting import until

__all__ = ["Entry", "Group", "HostileCluster", "Log", "Place"]

Place = tuple[str, int]

_CONFIGS = {
    "plain": {"message.timestamp.after.max.ms": "100000000000"},
    "compacted": {
        "cleanup.policy": "compact", "segment.ms": "50", "min.cleanable.dirty.ratio": "0.001",
        "max.compaction.lag.ms": "50", "delete.retention.ms": "50",
        "message.timestamp.after.max.ms": "100000000000",
    },
}  # fmt: skip


@dataclass(slots=True)
class Entry:
    """What holds an offset.

    Attributes:
        kind: `record`; `open` (of a transaction under way), `aborted`, `marker`.
        arrived: when it was written: not before the first, not after the second (seconds since the epoch).
        stamp: the record's own timestamp.
    """

    kind: str
    arrived: tuple[float, float]
    stamp: float


@dataclass
class Log:
    """A partition: what was written to it, offset by offset.

    Attributes:
        changed: counts what was done to it.
        left: of a compacted one, the offsets that hold records still, as last read.
        number: tells it from others that had the same name.
    """

    compacted: bool
    entries: list[Entry] = field(default_factory=list)
    start: int = 0
    changed: int = 0
    left: frozenset[int] = frozenset()
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """Up to where readers of committed records get."""
        return next((at for at, entry in enumerate(self.entries) if entry.kind == "open"), self.end)

    def holds(self, offset: int) -> bool:
        """Whether there is a record."""
        return offset >= self.start and self.held(offset)

    def held(self, offset: int) -> bool:
        """Whether there is a record, or was until it was cut off."""
        if self.compacted and offset not in self.left:
            return False
        return self.entries[offset].kind in ("record", "open")


@dataclass
class Group:
    """A group: what it has committed, who is in it, and what those hold."""

    type: str = "classic"
    state: str = "empty"
    commits: dict[Place, int] = field(default_factory=dict)
    held: frozenset[Place] = frozenset()
    count: int = 0
    changed: int = 0
    members: ClassicMembers | NewMember | None = None


class HostileCluster:
    """Does what it is told, and remembers it.

    Args:
        bootstrap: the only broker of a cluster that nobody else uses.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.wire = Wire(bootstrap)
        self.logs: dict[Place, Log] = {}
        self.groups: dict[str, Group] = {}
        self._open: dict[Place, list[int]] = {}
        self._mark = uuid.uuid4().hex[:8]

    def close(self) -> None:
        for group in self.groups.values():
            if group.members is not None:
                group.members.drop()
        self.wire.close()

    def topics(self) -> dict[str, int]:
        """How many partitions each topic has."""
        found: dict[str, int] = {}
        for topic, _ in self.logs:
            found[topic] = found.get(topic, 0) + 1
        return found

    def create_topic(self, name: str, partitions: int, *, compacted: bool = False) -> None:
        self.wire.create_topic(name, partitions, _CONFIGS["compacted" if compacted else "plain"])
        for number in range(partitions):
            self.logs[name, number] = Log(compacted)

    def add_partition(self, topic: str) -> None:
        count = self.topics()[topic]
        self.wire.add_partitions(topic, count + 1)
        self.logs[topic, count] = Log(self.logs[topic, 0].compacted)

    def delete_topic(self, topic: str) -> None:
        """Delete it, its open transactions ended; Kafka deletes the commits there, too."""
        for place in [place for place in self._open if place[0] == topic]:
            self.end_transaction(place, commit=False)
        self.wire.delete_topic(topic)
        self.wire.forget_producers(topic)
        self.logs = {place: log for place, log in self.logs.items() if place[0] != topic}
        for name, group in self.groups.items():
            if any(place[0] == topic for place in group.commits):
                self._await_no_commits(name, topic)
                group.commits = {place: at for place, at in group.commits.items() if place[0] != topic}

    def _await_no_commits(self, group: str, topic: str) -> None:
        until(lambda: all(place[0] != topic for place in self.wire.commits(group)), "commits to go")

    def produce(self, place: Place, count: int, stamp: Callable[[float], float], key: bytes | None) -> None:
        """Append records; `stamp` makes their timestamps of the present."""
        began = time.time()
        stamps = [stamp(began) for _ in range(count)]
        first = self.wire.produce(*place, [round(each * 1000) for each in stamps], key)
        self._append(place, first, "record", began, stamps)

    def write_transaction(self, place: Place, count: int) -> None:
        """Append records to the partition's open transaction, which begins with the first."""
        began = time.time()
        stamps = [began] * count
        first = self.wire.write(self._transaction(place), *place, [round(each * 1000) for each in stamps])
        self._append(place, first, "open", began, stamps)
        self._open.setdefault(place, []).extend(range(first, first + count))

    def end_transaction(self, place: Place, *, commit: bool) -> None:
        """End it, where one is open; its marker takes an offset."""
        written = self._open.pop(place, None)
        if written is None:
            return
        began = time.time()
        self.wire.end(self._transaction(place), *place, commit=commit)
        log = self.logs[place]
        for offset in written:
            log.entries[offset].kind = "record" if commit else "aborted"
        self._append(place, log.end, "marker", began, [began])

    def is_open(self, place: Place) -> bool:
        """Whether a transaction is under way there."""
        return place in self._open

    def cut(self, place: Place, start: int) -> None:
        """Remove the records before an offset."""
        log = self.logs[place]
        if log.start < start <= log.stable_end:
            self.wire.cut(*place, start)
            log.start = start
            log.changed += 1

    def commit(self, name: str, place: Place, offset: int) -> None:
        """Commit, as a member where there is one."""
        group = self.groups.setdefault(name, Group())
        if group.members is None:
            self.wire.commit(name, {place: offset})
        else:
            group.members.commit({place: offset})
        group.commits[place] = offset
        group.changed += 1

    def forget_commit(self, name: str, place: Place) -> None:
        """Delete a commit of a group without members."""
        group = self.groups[name]
        self.wire.forget_commit(name, *place)
        del group.commits[place]
        group.changed += 1

    def delete_group(self, name: str) -> None:
        """Delete a group without members."""
        self.wire.delete_group(name)
        del self.groups[name]

    def join(self, name: str, held: Iterable[Place]) -> None:
        """A member of the classic protocol comes and holds these."""
        group = self.groups.setdefault(name, Group())
        group.members = ClassicMembers(self.wire, name)
        group.members.join(held)
        self._note(group, "stable", held, 1)

    def join_anew(self, name: str, topic: str) -> None:
        """A member of the new protocol comes and holds a topic."""
        group = self.groups.setdefault(name, Group())
        group.members = NewMember(self.wire, name)
        group.members.join([topic])
        group.type = "consumer"
        self._note(group, "stable", [place for place in self.logs if place[0] == topic], 1)

    def disturb(self, name: str) -> None:
        """A second member wants to join, and the first doesn't come back yet."""
        group = self.groups[name]
        assert isinstance(group.members, ClassicMembers)
        group.members.disturb()
        self._note(group, "preparing_rebalance", group.held, 2)

    def settle(self, name: str, held: Sequence[Iterable[Place]]) -> None:
        """Both members hold what they are given."""
        group = self.groups[name]
        assert isinstance(group.members, ClassicMembers)
        group.members.settle(held)
        self._note(group, "stable", [place for each in held for place in each], 2)

    def leave(self, name: str) -> None:
        """All members leave."""
        group = self.groups[name]
        assert group.members is not None
        group.members.leave()
        group.members = None
        self._note(group, "empty", (), 0)

    def look(self) -> None:
        """Read which records compaction has left."""
        for place, log in self.logs.items():
            if log.compacted:
                left = frozenset(self.wire.left(*place, log.start, log.end))
                log.changed += left != log.left
                log.left = left

    def _transaction(self, place: Place) -> str:
        return f"{self._mark}-{place[0]}-{place[1]}"

    def _append(self, place: Place, first: int, kind: str, began: float, stamps: Sequence[float]) -> None:
        log = self.logs[place]
        assert first == log.end, "somebody else writes"
        log.entries += [Entry(kind, (began, time.time()), stamp) for stamp in stamps]
        log.changed += 1

    def _note(self, group: Group, state: str, held: Iterable[Place], count: int) -> None:
        group.state, group.held, group.count = state, frozenset(held), count
        group.changed += 1
