"""A real cluster that odd things are done to, and a record of what was done: nothing in it is asked of the collector."""

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from kafka.admin import KafkaAdminClient

from hostilekit._brokers import FIRST, SECOND
from hostilekit._members import ClassicMembers, NewMember, ShareMember
from hostilekit._record import Entry, Group, Log, Place
from hostilekit._wire import Wire
from servers import KafkaServer
from waiting import until

__all__ = ["HostileCluster"]

_CONFIGS = {
    "plain": {"message.timestamp.after.max.ms": "100000000000"},
    "compacted": {
        "cleanup.policy": "compact", "segment.ms": "50", "min.cleanable.dirty.ratio": "0.001",
        "max.compaction.lag.ms": "50", "delete.retention.ms": "50",
        "message.timestamp.after.max.ms": "100000000000",
    },
}  # fmt: skip


class HostileCluster:
    """Does what it is told, and remembers it.

    Args:
        bootstrap: the first broker of a cluster that nobody else uses.
        second: the other one, which is started here, and comes and goes.
    """

    def __init__(self, bootstrap: str, second: KafkaServer) -> None:
        self.bootstrap = bootstrap
        self.wire = Wire(bootstrap)
        self._second = second
        self.logs: dict[Place, Log] = {}
        self.groups: dict[str, Group] = {}
        self._open: dict[Place, list[int]] = {}
        self._mark = uuid.uuid4().hex[:8]
        self._allow_sharing()
        second.start()
        self._until_whole()

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

    def _allow_sharing(self) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            admin.update_features({"share.version": (1, 1)})
        # With the first group of its kind comes the topic where their state is kept: on the first broker.
        self.create_topic("first", [(FIRST,)])
        self.join_share("first", ["first"])
        until(
            lambda: ("__share_group_state", 0) in self.wire.brokers.layout(),
            "the topic of share groups' state",
        )
        self.leave("first")
        self.delete_group("first")
        self.delete_topic("first")

    @property
    def is_whole(self) -> bool:
        """Whether both brokers are there."""
        return self._second.running

    def lose_broker(self, *, killed: bool) -> None:
        """The second one goes: what it holds alone has no leader then."""
        if killed:
            self._second.kill()
        else:
            self._second.stop()
        brokers = self.wire.brokers
        brokers.forget_broker(SECOND)
        until(
            lambda: (
                brokers.nodes() == {FIRST}
                and all(
                    each.leader != SECOND and (FIRST not in each.replicas or each.in_sync == (FIRST,))
                    for each in brokers.layout().values()
                )
            ),
            "the other broker to be gone",
        )
        self._look_around()

    def regain_broker(self) -> None:
        """The second one is back, and leads what it did."""
        self._second.start()
        self._until_whole()
        self._look_around()
        for place, log in self.logs.items():
            # Kafka notes where logs were cut once a minute: who is killed forgets the last cuts.
            start = self.wire.start_offset(*place)
            log.changed += start != log.start
            log.start = start

    def _until_whole(self) -> None:
        brokers = self.wire.brokers
        until(lambda: brokers.nodes() == {FIRST, SECOND}, "the other broker to be back")
        until(
            lambda: all(sorted(each.in_sync) == sorted(each.replicas) for each in brokers.layout().values()),
            "replicas in sync",
        )
        brokers.elect()
        until(
            lambda: all(each.leader == each.replicas[0] for each in brokers.layout().values()),
            "preferred leaders",
        )
        until(lambda: brokers.layout(SECOND) == brokers.layout(), "the other broker to know all")
        # It is told that it leads after all others have heard of it.
        self.wire.until_led(list(self.logs))

    def create_topic(self, name: str, holders: Sequence[Sequence[int]], *, compacted: bool = False) -> None:
        """Create it, with each partition on these brokers."""
        self.wire.create_topic(name, holders, _CONFIGS["compacted" if compacted else "plain"])
        for number in range(len(holders)):
            self.logs[name, number] = Log(compacted)
        self._look_around()

    def add_partition(self, topic: str, holders: Sequence[int]) -> None:
        """Add one, on these brokers."""
        count = self.topics()[topic]
        self.wire.add_partition(topic, count, holders)
        self.logs[topic, count] = Log(self.logs[topic, 0].compacted)
        self._look_around()

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

    def open_for(self, place: Place) -> float | None:
        """For how many seconds a transaction has been under way there; None: there is none."""
        if place not in self._open:
            return None
        return time.time() - self.logs[place].entries[self._open[place][0]].arrived[0]

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

    def join_share(self, name: str, topics: Sequence[str]) -> None:
        """A member of a share group comes."""
        group = self.groups.setdefault(name, Group("share"))
        group.members = ShareMember(self.wire, name)
        group.members.join(topics)
        self._note(group, "stable", (), 1)

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
        """Read which records compaction has left, and who leads what."""
        self._look_around()
        for place, log in self.logs.items():
            if log.compacted:
                left = frozenset(self.wire.left(*place, log.start, log.end))
                log.changed += left != log.left
                log.left = left

    def _look_around(self) -> None:
        layout = self.wire.brokers.layout()
        for place, log in self.logs.items():
            log.layouts = (*log.layouts[-1:], layout[place])

    def _transaction(self, place: Place) -> str:
        return f"{self._mark}-{place[0]}-{place[1]}"

    def _append(self, place: Place, first: int, kind: str, began: float, stamps: Sequence[float]) -> None:
        log = self.logs[place]
        assert first == log.end, "somebody else writes"
        log.entries += [Entry(kind, (began, time.time()), stamp) for stamp in stamps]
        log.changed += 1

    def _note(self, group: Group, state: str, held: Iterable[Place], count: int) -> None:
        group.state, group.held, group.count = state, frozenset(held), count
        group.changed, group.since = group.changed + 1, time.monotonic()
