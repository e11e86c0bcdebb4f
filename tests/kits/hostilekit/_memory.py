"""What somebody who looks now and then can know: when each thing was first seen, and since when it stays the same."""

from collections import defaultdict
from dataclasses import dataclass, field

from hostilekit._allowed import Span
from hostilekit._cluster import Group, HostileCluster, Log, Place

__all__ = ["GroupMemory", "LogMemory", "Memory", "PairMemory"]

SETTLED = 2
"""Looks after which everything about something that stays the same is known."""


@dataclass
class LogMemory:
    """A partition, as seen.

    Attributes:
        first_seen: when each offset came into sight: after the first, before the second of the times; absent where it
            was there before anybody looked, so that its timestamp alone tells when.
        starts: where the log may be thought to start; None: that isn't known.
        doubtful: it was recreated between two looks and is no shorter: nobody can tell.
    """

    log: Log
    changed: int
    since: int
    starts: frozenset[int | None]
    first_seen: dict[int, Span] = field(default_factory=dict)
    seen_end: int = 0
    doubtful: bool = False


@dataclass
class PairMemory:
    """A commit, as seen."""

    commit: int
    since: int
    moved: Span
    rewound: Span | None = None
    beyond: Span | None = None


@dataclass
class GroupMemory:
    """A group, as seen.

    Attributes:
        held: what its members may be thought to hold, with their number.
        met: since when a partition may have been known to be held without a commit, and where it ended then.
        sure, maybe: offsets that were surely lost to it, and those that may have been, by topic.
    """

    changed: int
    since: int
    held: list[tuple[frozenset[Place], int]]
    pairs: dict[Place, PairMemory] = field(default_factory=dict)
    met: dict[Place, tuple[float, float, set[int]]] = field(default_factory=dict)
    sure: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    maybe: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))


class Memory:
    """Everything seen since somebody began to look.

    Args:
        cluster: what there is.
        internal: how names of topics begin that aren't looked at.
    """

    def __init__(self, cluster: HostileCluster, internal: str) -> None:
        self._cluster = cluster
        self._internal = internal
        self.looks = 0
        self.now: Span = (0.0, 0.0)
        self.began = 0.0
        self.logs: dict[Place, LogMemory] = {}
        self.groups: dict[str, GroupMemory] = {}

    def look(self, began: float, ended: float) -> None:
        """Take in the cluster as it was between two times."""
        before, self.now = self.now, (began, ended)
        self.looks += 1
        self.began = self.began or ended
        logs, groups = self._cluster.logs, self._cluster.groups
        self.logs = {
            place: self._seen(place, log, before)
            for place, log in logs.items()
            if not place[0].startswith(self._internal)
        }
        self.groups = {name: self._met(name, group) for name, group in groups.items()}

    def is_settled(self, since: int) -> bool:
        """Whether something that was last seen to change then is known by now."""
        return self.looks - since >= SETTLED

    def _seen(self, place: Place, log: Log, before: Span) -> LogMemory:
        known = self.logs.get(place)
        if known is None:
            known = LogMemory(log, log.changed, self.looks, frozenset({log.start, None}))
            if self.looks > 1:
                known.first_seen = dict.fromkeys(range(log.end), (before[0], self.now[1]))
        elif known.log is not log:
            longer = log.end >= known.seen_end
            known = LogMemory(log, log.changed, self.looks, known.starts | {log.start, None}, doubtful=longer)
        elif known.changed != log.changed:
            known.changed, known.since = log.changed, self.looks
            known.starts |= {log.start}
            known.first_seen |= dict.fromkeys(range(known.seen_end, log.end), (before[0], self.now[1]))
        elif self.is_settled(known.since):
            known.starts = frozenset({log.start})
        known.seen_end = log.end
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
            place: self._moved(known.pairs.get(place), commit, self.logs[place].log)
            for place, commit in group.commits.items()
            if place in self.logs
        }
        self._note_held(known, group)
        self._note_losses(known)
        return known

    def _moved(self, known: PairMemory | None, commit: int, log: Log) -> PairMemory:
        if known is None:
            known = PairMemory(commit, self.looks, self.now)
        elif known.commit != commit:
            if commit < known.commit:
                known.rewound = self.now
            known.commit, known.since, known.moved = commit, self.looks, self.now
        known.beyond = None if commit <= log.end else known.beyond or self.now
        return known

    def _note_held(self, known: GroupMemory, group: Group) -> None:
        without = {place for held, _ in known.held for place in held if place not in group.commits}
        known.met = {place: each for place, each in known.met.items() if place in without}
        for place in without & self.logs.keys():
            end = self.logs[place].log.end
            first, last, ends = known.met.get(place, (self.now[0], self.now[1], {end}))
            if self.looks - known.since <= 1 or not ends:
                ends, last = ends | {end}, self.now[1]
            if end < min(ends):
                # Its topic was recreated.
                first, last, ends = self.now[0], self.now[1], {end}
            known.met[place] = first, last, ends

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
