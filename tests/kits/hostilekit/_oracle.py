"""Every figure that the collector's page must show, worked out from what was done to the cluster."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hostilekit._allowed import Allowed, Figures, between, either, exactly, merged, worst_of
from hostilekit._brokers import NOBODY
from hostilekit._cluster import HostileCluster
from hostilekit._memory import GroupMemory, LogMemory, Memory
from hostilekit._pairs import PairTruth, Rules, pair_truth
from hostilekit._record import Group, Log, Place

__all__ = ["Oracle"]

_OK, _STALLED, _UNCOMMITTED = 0, 3, 7
_CLOCKS = 0.01
_ROUNDED = 0.006
_NOTHING = exactly(None)


class Unread(NamedTuple):
    """Partitions with unread records that nothing is committed in: those that are known, those that may be."""

    surely: frozenset[Place]
    maybe: frozenset[Place]

    def counts(self, topic: str | None = None) -> range:
        """How many there may be, of one topic or of all."""
        least, most = (
            sum(topic is None or place[0] == topic for place in places)
            for places in (self.surely, self.maybe)
        )
        return range(least, most + 1)


class Oracle:
    """Knows what is true.

    Args:
        cluster: what is done to it, it records.
        rules: what the collector was told.
        internal: how names of topics begin that aren't looked at.
    """

    def __init__(self, cluster: HostileCluster, rules: Rules, internal: str = "__") -> None:
        self._cluster = cluster
        self._rules = rules
        self._internal = internal
        self.begin()

    def begin(self) -> None:
        """A new collector knows nothing of what the one before has seen."""
        self.memory = Memory(self._cluster, self._internal, self._rules.read_committed)

    def failures(self) -> set[str]:
        """Topics of which a partition has no leader."""
        return {place[0] for place, seen in self.memory.logs.items() if not seen.log.is_led}

    def figures(self) -> Figures:
        """All lag series, by what they may be."""
        found: Figures = {}
        for place, seen in self.memory.logs.items():
            found |= self._partition(place, seen.log, seen.starts)
        for topic, count in self._cluster.topics().items():
            if not topic.startswith(self._internal):
                found |= _one("kafka_topic_partitions", count, topic=topic)
        groups = self._cluster.groups
        for name, state in self.memory.shared.items():
            if name not in groups or groups[name].type == "share":
                found |= _one("flowtrail_group_info", 1, group=name, type="share", state=state)
        for name, known in self.memory.groups.items():
            group = groups[name]
            found |= merged(
                self._group(name, group, known, held, count) for held, count in dict.fromkeys(known.held)
            )
        return found

    def _partition(self, place: Place, log: Log, starts: Iterable[int | None]) -> Figures:
        labels = {"topic": place[0], "partition": str(place[1])}
        end = exactly(log.end if log.is_led else None)
        found = _one("kafka_partition_latest_offset", end, **labels)
        found |= _one("kafka_topic_partition_current_offset", end, **labels)
        start = either(starts)
        found |= _one("kafka_partition_earliest_offset", start, **labels)
        found |= _one("kafka_topic_partition_oldest_offset", start, **labels)
        told = [
            {
                "leader": None if each.leader == NOBODY else each.leader,
                "replicas": len(each.replicas),
                "in_sync_replica": len(each.in_sync),
                "leader_is_preferred": int(each.leader == each.replicas[0]),
                "under_replicated_partition": int(len(each.in_sync) < len(each.replicas)),
            }
            for each in log.layouts
        ]
        for name in told[0]:
            values = either(each[name] for each in told)
            found |= _one(f"kafka_topic_partition_{name}", values, **labels)
        return found

    def _group(
        self, name: str, group: Group, known: GroupMemory, held: frozenset[Place], count: int
    ) -> Figures:
        """One group, if its members hold that."""
        memory = self.memory
        truths = {
            place: pair_truth(memory, self._rules, name, group, held, place, pair)
            for place, pair in known.pairs.items()
        }
        there = self._cluster.logs.keys()
        hidden = {place for place in there if place[0].startswith(self._internal)}
        without = {place for place in held if place not in group.commits and place in there}
        unseen = {place for place in group.commits if place in hidden} | (without & hidden)
        open_ = self._unread(without - hidden)
        found: Figures = {}
        for place, truth in truths.items():
            found |= _pair(name, place, truth)
        topics = sorted({topic for topic, _ in truths})
        for topic in topics:
            mine = {place: truth for place, truth in truths.items() if place[0] == topic}
            more = [place for place in without if place[0] == topic]
            found |= self._topic(name, topic, mine, known, more, open_)
        found |= _sums(name, list(truths.values()), without - hidden, open_, unseen)
        gone = [place for place in group.commits if place not in there]
        found |= _one("flowtrail_group_orphaned_commits", len(gone), group=name)
        found |= _one("flowtrail_group_info", 1, group=name, type=group.type, state=group.state)
        for family, label in (("flowtrail_group", "group"), ("kafka_consumergroup", "consumergroup")):
            found |= _one(f"{family}_members", count, **{label: name})
        found |= _one("flowtrail_group_read_at_seconds", between(*_around(memory.now)), group=name)
        found |= self._uncommitted(name, known, without - hidden)
        statuses = self._status(known, truths.values(), without - hidden, open_, certain=not unseen)
        return found | _one("flowtrail_group_status", either(statuses), group=name)

    def _unread(self, without: set[Place]) -> Unread:
        """Which of the partitions held without a commit surely hold records, and which may be thought to."""
        surely, maybe = set(), set()
        for place in without:
            seen = self.memory.logs[place]
            some = _holds_some(seen)
            # Where nobody can be asked, there may be some.
            if True in some or not seen.log.is_led:
                maybe.add(place)
            if False not in some or not seen.log.is_led:
                surely.add(place)
        return Unread(frozenset(surely), frozenset(maybe))

    def _topic(
        self, name: str, topic: str, mine: Mapping[Place, PairTruth], known: GroupMemory,
        more: list[Place], open_: Unread,
    ) -> Figures:  # fmt: skip
        labels = {"group": name, "topic": topic}
        truths = list(mine.values())
        unread = open_.counts(topic)
        total = _total([truth.lag for truth in truths])
        sums = (total if 0 in unread else Allowed()) | (_NOTHING if unread[-1] else Allowed())
        found = _one("kafka_consumergroup_group_topic_sum_lag", sums, **labels)
        found |= _one("kafka_consumergroup_lag_sum", sums, consumergroup=name, topic=topic)
        at = sum(truth.commit for truth in truths)
        found |= _one("kafka_consumergroup_current_offset_sum", at, consumergroup=name, topic=topic)
        least = _total([truth.least for truth in truths])
        found |= _one("flowtrail_group_topic_lag_at_least", least, **labels)
        found |= _one("flowtrail_group_topic_partitions", len(truths) + len(more), **labels)
        counts = _known([truth.lag for truth in truths])
        told = {count + len(more) - open_now for count in counts for open_now in unread}
        found |= _one("flowtrail_group_topic_known_partitions", either(told), **labels)
        longest = _longest([truth.seconds for truth in truths])
        found |= _one("flowtrail_group_topic_max_lag_seconds", longest, **labels)
        found |= _one("flowtrail_group_catch_up_seconds", _catch_up(sums), **labels)
        margin = _least([truth.margin for truth in truths])
        found |= _one("flowtrail_group_retention_margin_messages", margin, **labels)
        sure, maybe = known.sure[topic], known.maybe[topic]
        lost = between(len(sure), len(maybe))
        return found | _one("flowtrail_group_messages_lost_total", lost, **labels)

    def _uncommitted(self, name: str, known: GroupMemory, without: set[Place]) -> Figures:
        found = _one("flowtrail_group_uncommitted_partitions", len(without), group=name)
        if not without:
            return found
        logs = {place: self.memory.logs[place] for place in without}
        if any(not seen.log.is_led for seen in logs.values()):
            return found
        earliest = [
            either(None if start is None else seen.log.end - start for start in seen.starts)
            for seen in logs.values()
        ]
        found |= _one("flowtrail_group_uncommitted_lag", _total(earliest), group=name, start="earliest")
        latest = [either(seen.log.end - end for end in known.met[place].ends) for place, seen in logs.items()]
        return found | _one("flowtrail_group_uncommitted_lag", _total(latest), group=name, start="latest")

    def _status(
        self, known: GroupMemory, truths: Iterable[PairTruth], without: set[Place],
        open_: Unread, *, certain: bool,
    ) -> set[int | None]:  # fmt: skip
        columns = [truth.statuses for truth in truths]
        window, now = self._rules.window, self.memory.now
        found: set[int | None] = set()
        for unread in set(open_):
            lasts, surely = {False}, False
            for place in unread & known.met.keys():
                first, last = known.met[place].first, known.met[place].last
                some = _holds_some(self.memory.logs[place])
                if True in some:
                    lasts |= {now[0] - last - _CLOCKS >= window, now[1] - first + _CLOCKS >= window}
                    surely |= False not in some and now[0] - last - _CLOCKS >= window
            for status in worst_of(columns):
                for waits in {True} if surely else lasts:
                    each = status
                    if waits and (status is None or status < _STALLED):
                        each = _UNCOMMITTED
                    elif not columns and without:
                        each = None if unread or not certain else _OK
                    found.add(None if each == _OK and (unread or not certain) else each)
        return found


def _holds_some(seen: LogMemory) -> set[bool]:
    """Whether there were records when it was looked at last."""
    return {seen.end is not None and (start is None or seen.end > start) for start in seen.starts}


def _one(name: str, value: Allowed | float, **labels: str) -> Figures:
    allowed = value if isinstance(value, Allowed) else exactly(value)
    return {(name, tuple(sorted(labels.items()))): allowed}


def _pair(name: str, place: Place, truth: PairTruth) -> Figures:
    labels = {"group": name, "topic": place[0], "partition": str(place[1])}
    theirs = {"consumergroup": name, "topic": place[0], "partition": str(place[1])}
    found = _one("kafka_consumergroup_group_offset", truth.commit, **labels)
    found |= _one("kafka_consumergroup_current_offset", truth.commit, **theirs)
    found |= _one("kafka_consumergroup_group_lag", truth.lag, **labels)
    found |= _one("kafka_consumergroup_lag", truth.lag, **theirs)
    found |= _one("kafka_consumergroup_group_lag_seconds", truth.seconds, **labels)
    return found | _one("flowtrail_group_partition_status", either(truth.statuses), **labels)


def _sums(
    name: str, truths: list[PairTruth], without: set[Place], open_: Unread,
    unseen: set[Place],
) -> Figures:  # fmt: skip
    count = len(truths) + len(without) + len(unseen)
    lags = [truth.lag for truth in truths]
    unread = open_.counts()
    whole = not unseen and count > 0 and 0 in unread
    total, largest = _total(lags), _largest(lags)
    part = unread[-1] > 0 or not whole
    sums = (total if whole else Allowed()) | (_NOTHING if part else Allowed())
    most = (largest if whole else Allowed()) | (_NOTHING if part else Allowed())
    found = _one("kafka_consumergroup_group_sum_lag", sums, group=name)
    found |= _one("kafka_consumergroup_group_max_lag", most, group=name)
    least = _total([truth.least for truth in truths]) if count else _NOTHING
    found |= _one("flowtrail_group_lag_at_least", least, group=name)
    found |= _one("flowtrail_group_partitions", count, group=name)
    told = {known + len(without) - open_now for known in _known(lags) for open_now in unread}
    found |= _one("flowtrail_group_known_partitions", either(told), group=name)
    longest = _longest([truth.seconds for truth in truths])
    return found | _one("kafka_consumergroup_group_max_lag_seconds", longest, group=name)


def _total(parts: list[Allowed]) -> Allowed:
    """The sum; absent where one may be."""
    sums: set[float | None] = {0}
    for part in parts:
        sums = {None if a is None or b is None else a + b for a in sums for b in part.values}
    return either(sums)


def _known(parts: list[Allowed]) -> set[int]:
    counts = {0}
    for part in parts:
        counts = {count + (value is not None) for count in counts for value in part.values}
    return counts


def _largest(parts: list[Allowed]) -> Allowed:
    found: set[float | None] = {0}
    for part in parts:
        found = {None if a is None or b is None else max(a, b) for a in found for b in part.values}
    return either(found)


def _least(parts: list[Allowed]) -> Allowed:
    """The least; absent where one may be."""
    found: set[float | None] = {math.inf}
    for part in parts:
        found = {None if a is None or b is None else min(a, b) for a in found for b in part.values}
    return either(found)


def _longest(parts: list[Allowed]) -> Allowed:
    """The longest wait that is known; no wait beside unknown ones isn't known."""
    bounds = [part.bounds for part in parts if part.spans or part.values != {None}]
    low = max((0.0 if None in part.values else part.bounds[0] for part in parts), default=0.0)
    high = max((each[1] for each in bounds), default=-math.inf)
    absent = not bounds or (low <= 0.0 and any(None in part.values for part in parts))
    spans = ((low - _ROUNDED, high + _ROUNDED),) if high >= low else ()
    return Allowed(frozenset({None}) if absent else frozenset(), spans)


def _catch_up(sums: Allowed) -> Allowed:
    found = Allowed()
    for value in sums.values:
        if value is None:
            found |= _NOTHING
        elif value == 0:
            found |= exactly(0)
        else:
            found |= between(0, math.inf, absent=True)
    return found


def _around(now: tuple[float, float]) -> tuple[float, float]:
    return now[0] - _CLOCKS, now[1] + _CLOCKS
