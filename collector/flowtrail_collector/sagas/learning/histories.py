"""What happened in one instance of a flow nobody has written down yet, and which flow that was."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["History", "Seen", "by_start", "bystanders", "history_of"]


class Seen(NamedTuple):
    """An event as it was seen.

    Attributes:
        id: The event's.
        type: The event's.
        source: Who published it, e.g. `/billing`.
        at_ms: Its record's timestamp, milliseconds since the epoch.
        cause: Id of the event that caused it, None if it doesn't say.
        topic: Where it stands.
    """

    id: str
    type: str
    source: str | None
    at_ms: int
    cause: str | None = None
    topic: str = ""


class History(NamedTuple):
    """The events of one instance.

    Attributes:
        events: In order: by time, but no effect before its cause, whatever the clocks say.
        times: When each type was first seen.
        causes: Types of the events that caused the events of each type, as far as they are known.
    """

    events: tuple[Seen, ...]
    times: Mapping[str, int]
    causes: Mapping[str, tuple[str, ...]]

    @property
    def start(self) -> Seen:
        """The first event."""
        return self.events[0]


def history_of(events: Iterable[Seen]) -> History | None:
    """The history of one instance; None if there are no events.

    Of several events under one id the earliest counts: the others are copies.
    """
    by_id: dict[str, Seen] = {}
    for event in events:
        known = by_id.get(event.id)
        if known is None or _key(event) < _key(known):
            by_id[event.id] = event
    if not by_id:
        return None
    ranks = {event.id: _rank(event, by_id) for event in by_id.values()}
    ordered = tuple(sorted(by_id.values(), key=lambda event: (ranks[event.id], _key(event))))
    times: dict[str, int] = {}
    causes: dict[str, list[str]] = defaultdict(list)
    for event in ordered:
        times.setdefault(event.type, ranks[event.id][0])
        cause = by_id.get(event.cause or "")
        if cause is not None and cause is not event:
            causes[event.type].append(cause.type)
    return History(ordered, times, {kind: tuple(found) for kind, found in causes.items()})


def _key(event: Seen) -> tuple[int, str, str, str]:
    return event.at_ms, event.type, event.source or "", event.id


def _rank(event: Seen, by_id: Mapping[str, Seen]) -> tuple[int, int]:
    """The time by which it and all that led to it had happened, and how many events led to it."""
    at_ms, depth, passed = event.at_ms, 0, {event.id}
    cause = by_id.get(event.cause or "")
    while cause is not None and cause.id not in passed:
        passed.add(cause.id)
        at_ms, depth = max(at_ms, cause.at_ms), depth + 1
        cause = by_id.get(cause.cause or "")
    return at_ms, depth


def by_start(histories: Iterable[History]) -> tuple[dict[str, list[History]], int]:
    """Histories by the type that started them, and how many were seen only from the middle on.

    A type starts flows if at least half of the histories it stands in begin with it.
    """
    all_histories = list(histories)
    first = Counter(history.start.type for history in all_histories)
    anywhere = Counter(kind for history in all_histories for kind in history.times)
    found: dict[str, list[History]] = defaultdict(list)
    partial = 0
    for history in all_histories:
        kind = history.start.type
        if 2 * first[kind] >= anywhere[kind]:
            found[kind].append(history)
        else:
            partial += 1
    return dict(found), partial


def bystanders(histories: Sequence[History]) -> frozenset[str]:
    """Types that only report what others do: they lead to nothing, and several types lead to them.

    Not a step that waits for several others: that happens once, and so has one cause in each instance.
    """
    causing = {kind for history in histories for kinds in history.causes.values() for kind in kinds}
    seen = Counter(kind for history in histories for kind in history.times)
    several = Counter(
        kind for history in histories for kind, causes in history.causes.items() if len(set(causes)) > 1
    )
    return frozenset(
        kind for kind, count in several.items() if kind not in causing and 2 * count >= seen[kind]
    )
