"""What is true of one group at one partition."""

import math
from dataclasses import dataclass

from hostilekit._allowed import Allowed, Span, between, either, exactly
from hostilekit._memory import LogMemory, Memory, PairMemory
from hostilekit._record import Group, Log, Place

__all__ = ["PairTruth", "Rules", "pair_truth"]

_OK, _REWOUND, _BEHIND, _STALLED, _STOPPED, _LOSING, _BEYOND = range(7)
_SECOND = 1.0
_ROUNDED = 0.006
_CLOCKS = 0.01


@dataclass(frozen=True, slots=True)
class Rules:
    """What the collector was told.

    Attributes:
        window: what statuses are judged over, seconds.
        patience: how long a commit past the end counts as 0, seconds.
        read_committed: how names of groups begin that read committed records alone.
    """

    window: float
    patience: float
    read_committed: str


@dataclass(frozen=True, slots=True)
class PairTruth:
    """The figures of a pair, and what goes into sums: lag at least, start of the log, statuses."""

    commit: int
    lag: Allowed
    least: Allowed
    seconds: Allowed
    statuses: frozenset[int | None]
    margin: Allowed


def pair_truth(
    memory: Memory,
    rules: Rules,
    name: str,
    group: Group,
    held: frozenset[Place],
    place: Place,
    pair: PairMemory,
) -> PairTruth:
    """Work it out from what was done."""
    seen = memory.logs[place]
    log, commit = seen.log, pair.commit
    # Where nobody can be asked, it is as it was.
    reach = seen.stable_end if name.startswith(rules.read_committed) else seen.end
    beyond = _holds_for(pair.beyond, memory.now, rules.patience)
    settled = seen.is_settled(max(seen.since, pair.since)) and not any(
        memory.is_silent(place, max(commit, start or 0)) for start in seen.starts
    )
    lag, least = _lag(seen, commit, reach or 0, beyond, settled=settled)
    seconds = _seconds(memory, seen, commit, reach or 0, lag, settled=settled)
    if not log.is_led:
        lag = exactly(None)
        seconds = (seconds if least != exactly(0) else Allowed()) | (lag if 0 in least else Allowed())
    idle = _STALLED if place in held or group.state == "preparing_rebalance" else _STOPPED
    statuses = _statuses(memory, rules, group, idle, seen, pair, lag, least, seconds, beyond)
    margins = [None if start is None else max(0, commit - start) for start in seen.starts]
    return PairTruth(commit, lag, least, seconds, statuses, either(margins))


def _holds_for(since: Span | None, now: Span, seconds: float) -> frozenset[bool]:
    """Whether something has lasted for so long: one answer, or both where the moment itself decides."""
    if since is None:
        return frozenset({False})
    least, most = now[0] - since[1], now[1] - since[0]
    return frozenset({least - _CLOCKS >= seconds, most + _CLOCKS >= seconds})


def _first(log: Log, commit: int, reach: int) -> int | None:
    """Offset of the first record that the group has not read."""
    return next((at for at in range(max(commit, log.start), reach) if log.holds(at)), None)


def _lag(
    seen: LogMemory, commit: int, reach: int, beyond: frozenset[bool], *, settled: bool
) -> tuple[Allowed, Allowed]:
    if commit > reach:
        return either({None if lasts else 0 for lasts in beyond}), exactly(0)
    behind = reach - commit
    log = seen.log
    if behind and (seen.doubtful or not any(log.held(at) for at in range(commit, reach))):
        # Where only markers are left it takes a look to tell, and that they were there before they were cut off.
        sure = settled and log.start <= commit and not seen.doubtful
        return (exactly(0) if sure else either({0, behind}),) * 2
    return exactly(behind), exactly(behind)


def _seconds(
    memory: Memory, seen: LogMemory, commit: int, reach: int, lag: Allowed, *, settled: bool
) -> Allowed:
    if commit >= reach:
        return lag
    log = seen.log
    first = _first(log, commit, reach)
    began, ended = memory.now
    if first is None:
        return either({0, None}) if settled and not seen.doubtful else between(0, math.inf, absent=True)
    least, most = _arrival(seen, first)
    if not settled or seen.doubtful or least == -math.inf:
        return between(0, math.inf, absent=True)
    if log.compacted:
        # What stood there when it was looked at may have been compacted away since.
        earlier = [_arrival(seen, at)[0] for at in range(max(commit, log.start), first)]
        least = min([least, *earlier])
    return between(max(0.0, began - most - _SECOND), max(0.0, ended - least) + _SECOND)


def _arrival(seen: LogMemory, offset: int) -> Span:
    """When a record arrived, as far as anybody can tell who looked in between."""
    entry = seen.log.entries[offset]
    sight = seen.first_seen.get(offset)
    if entry.kind == "open":
        # Nobody is shown it, nor its timestamp, before its transaction is committed.
        return sight or (-math.inf, math.inf)
    stamps = [each.stamp for each in seen.log.entries[: offset + 1]]
    if entry.arrived[0] - _CLOCKS <= entry.stamp <= entry.arrived[1] + _CLOCKS:
        if sight is not None:
            return entry.arrived
        # A clock that was fast, before anybody looked, tells a later time of those behind it, too.
        latest = max(stamp for stamp in stamps if stamp <= max(entry.stamp, seen.began))
        return entry.arrived[0], max(entry.arrived[1], latest)
    if sight is not None:
        return sight
    # Only timestamps tell, and a record is no older than those before it.
    if max(stamps) > seen.began:
        return -math.inf, math.inf
    return entry.stamp, max(stamps)


def _statuses(
    memory: Memory,
    rules: Rules,
    group: Group,
    idle: int,
    seen: LogMemory,
    pair: PairMemory,
    lag: Allowed,
    least: Allowed,
    seconds: Allowed,
    beyond: frozenset[bool],
) -> frozenset[int | None]:
    found: set[int | None] = set()
    losing = _losing(seen, pair.commit)
    still = _holds_for(pair.moved, memory.now, rules.window)
    # What waits for a group without members is read by nobody, however short it has waited.
    nobody = group.state in ("empty", "dead")
    for behind in [value for value in least.values if value is not None]:
        for over in _holds_for(pair.rewound, memory.now, rules.window) if pair.rewound else {True}:
            status = _OK if over else _REWOUND
            if group.state == "preparing_rebalance" and behind:
                status = status or _BEHIND
            for waits in _waits(seconds, rules.window) if behind else {False}:
                for stands in still:
                    each = {idle} if waits and stands else {status}
                    if waits and not stands and status == _OK:
                        each.add(_BEHIND)
                    if nobody and behind and status != _REWOUND:
                        each = {_STOPPED}
                    found |= each
    if True in losing:
        found = {_LOSING, *(found if False in losing else ())}
    if not seen.log.is_led:
        found = {None if each == _OK else each for each in found}
    if True in beyond:
        found = {_BEYOND, *(found if False in beyond else ())}
    return frozenset(found)


def _waits(seconds: Allowed, window: float) -> frozenset[bool]:
    """Whether a record has waited for a window; one of which nothing is known counts as one that has."""
    low, high = seconds.bounds
    found = {low >= window + _ROUNDED, high >= window - _ROUNDED} if seconds.spans or low <= high else set()
    return frozenset(found | ({True} if None in seconds.values else set()))


def _losing(seen: LogMemory, commit: int) -> frozenset[bool]:
    sure = set()
    for start in seen.starts:
        gone = range(commit, commit if start is None else min(start, seen.log.end))
        records = [at for at in gone if seen.log.entries[at].kind == "record"]
        sure.add(bool(records))
        # Markers count as lost records where nobody looked at them before they went.
        if gone and (not records or seen.log.compacted or seen.doubtful):
            sure = {True, False}
    return frozenset(sure)
