"""What somebody who looks now and then can know: when each thing was first seen, and since when it stays the same."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hostilekit._allowed import Span
from hostilekit._cluster import HostileCluster
from hostilekit._record import Group, Log, Place

__all__ = ["GroupMemory", "LogMemory", "Look", "Memory", "PairMemory"]

SETTLED = 2
"""Looks after which everything about something that stays the same is known."""


_PATIENCE = 10


class Look(NamedTuple):
    """When somebody looked, and what the brokers had said nothing about until then.

    Attributes:
        silent: how often in a row, by topic, partition and offset of what was asked for.
        unlisted: whether share groups couldn't be listed since the look before.
    """

    began: float
    ended: float
    silent: Mapping[tuple[str, int, int], int]
    unlisted: bool


@dataclass
class LogMemory:
    """A partition, as seen.

    Attributes:
        first_seen: when each offset came into sight: after the first, before the second of the times; absent where it
            was there before anybody looked, so that its timestamp alone tells when.
        starts: where the log may be thought to start; None: that isn't known.
        doubtful: it was recreated between two looks and is no shorter: nobody can tell.
        looks: how often it was looked at; nobody can while it has no leader.
        since: with which of those it was seen as it is.
        last: when it was looked at last; `began`: for the first time.
        end, stable_end: where it ended then, where anybody asked.
    """

    log: Log
    changed: int
    starts: frozenset[int | None]
    since: int = 1
    looks: int = 0
    began: float = 0.0
    last: float = 0.0
    first_seen: dict[int, Span] = field(default_factory=dict)
    seen_end: int = 0
    doubtful: bool = False
    end: int | None = None
    stable_end: int | None = None

    @property
    def next_look(self) -> int:
        """Which look is the first that can tell of what is done now."""
        return self.looks if self.log.is_led else self.looks + 1

    def is_settled(self, since: int) -> bool:
        """Whether something that was last seen to change with a look is known by now."""
        return self.looks - since >= SETTLED


@dataclass
class PairMemory:
    """A commit, as seen."""

    commit: int
    since: int
    moved: Span
    rewound: Span | None = None
    beyond: Span | None = None


@dataclass
class Met:
    """A partition that is held without a commit, as seen.

    Attributes:
        number: of its log, which another has once its topic was recreated.
        look: with which look that log was first seen.
        first, last: since when at the earliest and at the latest it may have been known.
        ends: where it may be thought to have ended then.
    """

    number: int
    look: int
    first: float
    last: float
    ends: set[int]


@dataclass
class GroupMemory:
    """A group, as seen.

    Attributes:
        held: what its members may be thought to hold, with their number.
        met: what they hold without a commit.
        sure, maybe: offsets that were surely lost to it, and those that may have been, by topic.
    """

    changed: int
    since: int
    held: list[tuple[frozenset[Place], int]]
    pairs: dict[Place, PairMemory] = field(default_factory=dict)
    met: dict[Place, Met] = field(default_factory=dict)
    sure: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    maybe: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))


class Memory:
    """Everything seen since somebody began to look.

    Args:
        cluster: what there is.
        internal: how names of topics begin that aren't looked at.
        read_committed: how names of groups begin that ask where committed records end.

    Attributes:
        shared: share groups and their states, which are told with the next look.
    """

    def __init__(self, cluster: HostileCluster, internal: str, read_committed: str) -> None:
        self._cluster = cluster
        self._internal = internal
        self._read_committed = read_committed
        self._sharing: dict[str, str] = {}
        self.shared: dict[str, str] = {}
        self._ask_stable = False
        self._silent: Mapping[tuple[str, int, int], int] = {}
        self._last = 0.0
        self.looks = 0
        self.now: Span = (0.0, 0.0)
        self.logs: dict[Place, LogMemory] = {}
        self.groups: dict[str, GroupMemory] = {}

    def look(self, look: Look) -> None:
        """Take in the cluster as it was then."""
        self.now = look.began, look.ended
        self._silent = look.silent
        self.looks += 1
        logs, groups = self._cluster.logs, self._cluster.groups
        self.shared = self.shared if look.unlisted else self._sharing
        self._sharing = {name: group.state for name, group in groups.items() if group.type == "share"}
        self._ask_stable = any(name.startswith(self._read_committed) for name in groups)
        self.logs = {
            place: self._seen(place, log)
            for place, log in logs.items()
            if not place[0].startswith(self._internal)
        }
        self.groups = {
            name: self._met(name, group) for name, group in groups.items() if group.type != "share"
        }
        self._last = look.began

    def is_silent(self, place: Place, offset: int) -> bool:
        """Whether a broker that is busy, or has a transaction under way there, didn't say what stands at an offset."""
        times = self._silent.get((*place, offset), 0)
        return times > 0 and (times < _PATIENCE or self._cluster.open_for(place) is not None)

    def _seen(self, place: Place, log: Log) -> LogMemory:
        known = self.logs.get(place)
        if known is None:
            known = LogMemory(log, log.changed, frozenset({None}), last=self._last if self.looks > 1 else 0.0)
        if not log.is_led:
            return known
        known.looks += 1
        if known.log is not log:
            starts, longer = known.starts | {log.start, None}, log.end >= known.seen_end
            known = LogMemory(
                log, log.changed, starts, known.looks, known.looks, known.began,
                doubtful=longer, stable_end=known.stable_end,
            )  # fmt: skip
        elif known.looks == 1 or known.changed != log.changed:
            known.changed, known.since = log.changed, known.looks
            known.starts |= {log.start}
            if known.last:
                sight = known.last, self.now[1]
                known.first_seen |= dict.fromkeys(range(known.seen_end, log.end), sight)
        elif known.is_settled(known.since):
            known.starts = frozenset({log.start})
        known.began, known.last = known.began or self.now[1], self.now[0]
        known.end = known.seen_end = log.end
        if self._ask_stable:
            known.stable_end = log.stable_end
        return known

    def _met(self, name: str, group: Group) -> GroupMemory:
        known = self.groups.get(name)
        now = group.held, group.count
        if known is None:
            known = GroupMemory(group.changed, self.looks, [now])
        elif known.changed != group.changed:
            known.changed, known.since = group.changed, self.looks
            known.held = [*known.held, now]
        elif self.looks > known.since:
            known.held = [now]
        if group.state == "empty":
            known.held = [now]
        known.pairs = {
            place: self._moved(known.pairs.get(place), commit, self.logs[place])
            for place, commit in group.commits.items()
            if place in self.logs
        }
        self._note_held(known, group)
        self._note_losses(known)
        return known

    def _moved(self, known: PairMemory | None, commit: int, seen: LogMemory) -> PairMemory:
        if known is None:
            known = PairMemory(commit, seen.next_look, self.now)
        elif known.commit != commit:
            if commit < known.commit:
                known.rewound = self.now
            known.commit, known.since, known.moved = commit, seen.next_look, self.now
        if seen.end is None or commit <= seen.end:
            known.beyond = None
        elif seen.log.is_led:
            known.beyond = known.beyond or self.now
        return known

    def _note_held(self, known: GroupMemory, group: Group) -> None:
        without = {place for held, _ in known.held for place in held if place not in group.commits}
        known.met = {place: each for place, each in known.met.items() if place in without}
        for place in without & self.logs.keys():
            end, number = self.logs[place].end, self.logs[place].log.number
            if end is None:
                continue
            met = known.met.setdefault(place, Met(number, self.looks, *self.now, {end}))
            if met.number != number:
                # Whether anybody saw that its topic was gone can't be told.
                met.number, met.look = number, self.looks
            if self.looks - max(known.since, met.look) <= 1:
                met.ends, met.last = met.ends | {end}, self.now[1]
            if end < min(met.ends):
                known.met[place] = Met(number, self.looks, *self.now, {end})

    def _note_losses(self, known: GroupMemory) -> None:
        for place, pair in known.pairs.items():
            memory = self.logs[place]
            for start in [start for start in memory.starts if start is not None]:
                gone = range(pair.commit, min(start, memory.log.end))
                known.maybe[place[0]].update((memory.log.number, at) for at in gone)
            if memory.starts == {memory.log.start}:
                gone = range(pair.commit, min(memory.log.start, memory.log.end))
                known.sure[place[0]].update(
                    (memory.log.number, at)
                    for at in gone
                    if memory.log.entries[at].kind == "record" and not memory.log.compacted
                )
