"""Which service reacts to which, learned from causation ids.

An event that names another as its cause tells that its service reacted to what the other's service published:
an edge from the one to the other, through the cause's topic. The time between the two records is the edge's
latency: waiting, handling and publishing together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import nlargest
from operator import itemgetter
from typing import Any, NamedTuple

LATENCY_BUCKETS_SECONDS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0,
)  # fmt: skip
"""Upper bounds; what is slower falls into the last, unbounded one."""

_PLACE = partial(bisect_left, LATENCY_BUCKETS_SECONDS)

_EARLIER_BUCKETS_SECONDS = tuple(bound for bound in LATENCY_BUCKETS_SECONDS if bound not in (900.0, 1800.0))

OTHER = "other"


@dataclass(frozen=True, slots=True, order=True)
class EdgeKey:
    """From a service, through the topic it published to, to the service that reacted."""

    source: str
    topic: str
    target: str


def with_present_bounds(counts: Sequence[int]) -> list[int]:
    """Counts by bucket, as they are kept; those of a store from before there were all bounds count under the next."""
    if len(counts) != len(_EARLIER_BUCKETS_SECONDS) + 1:
        return list(counts)
    known = dict(zip(_EARLIER_BUCKETS_SECONDS, counts, strict=False))
    return [*(known.get(bound, 0) for bound in LATENCY_BUCKETS_SECONDS), counts[-1]]


@dataclass(slots=True)
class Edge:
    """What went over an edge.

    Attributes:
        events: Reactions.
        latency_seconds: Sum of their latencies.
        buckets: How many fell between each bound and the one before; one more than there are bounds.
        last_ms: When the last of them was published, in ms since the epoch; 0 if that isn't known.
    """

    events: int = 0
    latency_seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_SECONDS) + 1))
    last_ms: int = 0

    def add(self, latencies_seconds: Iterable[float], at_ms: int = 0) -> None:
        """Count reactions, the last of them at a moment; clocks that disagree can't make a latency negative."""
        latencies = [seconds if seconds > 0 else 0.0 for seconds in latencies_seconds]
        self.events += len(latencies)
        self.latency_seconds += sum(latencies)
        for place, number in Counter(map(_PLACE, latencies)).items():
            self.buckets[place] += number
        self.last_ms = max(self.last_ms, at_ms)


class Event(NamedTuple):
    """What is looked at of an event; `row` is its number."""

    row: int
    source: str | None
    causation_id: str | None
    event_id: str
    timestamp_ms: int | None
    trace_id: str | None
    topic: str
    type: str
    subject: str | None = None


class Reaction(NamedTuple):
    """An event together with its cause.

    Attributes:
        trace_id: The trace in which it was published, if it says so.
        cause_type: Type of the cause.
        at_ms: When it was published, in ms since the epoch; 0 if it doesn't say.
        effect_type: Its type.
        event_id: Its id.
        subject: Its subject, mostly the order; None if it has none.
    """

    cause_source: str | None
    cause_topic: str
    effect_source: str | None
    latency_seconds: float
    trace_id: str | None = None
    cause_type: str = ""
    at_ms: int = 0
    effect_type: str = ""
    event_id: str = ""
    subject: str | None = None


def _getter(*names: str) -> itemgetter[Any]:
    """By place: for each of many that takes half as long as by name."""
    return itemgetter(*map(Reaction._fields.index, names))


_KIND = _getter("cause_source", "cause_topic", "effect_source", "cause_type", "effect_type")
_LATENCY, _AT_MS = _getter("latency_seconds"), _getter("at_ms")


def buckets_of(reactions: Iterable[Reaction]) -> Iterator[int]:
    """Of each reaction the place of the bucket in `LATENCY_BUCKETS_SECONDS` that its latency falls into."""
    return map(_PLACE, map(_LATENCY, reactions))


def newest_of(reactions: Iterable[Reaction], most: int) -> list[Reaction]:
    """Those that were published last, the newest first."""
    return nlargest(most, reactions, key=_AT_MS)


class ReadingKey(NamedTuple):
    """A service that reacts to a type of event on a topic."""

    topic: str
    type: str
    service: str


class Reading(NamedTuple):
    """How often it did, and when it did last, in ms since the epoch."""

    events: int
    last_ms: int


def service_of(source: str | None) -> str:
    """The service in a CloudEvents source: the last part of `/billing` or `https://shop.example/billing`."""
    return (source or "").rstrip("/").rpartition("/")[2] or "unknown"


def edge_of(reaction: Reaction) -> EdgeKey:
    """The edge that a reaction went over."""
    return EdgeKey(
        service_of(reaction.cause_source), reaction.cause_topic, service_of(reaction.effect_source)
    )


@dataclass(frozen=True, slots=True)
class Alike:
    """Reactions that edges, readings and types count as the same.

    Attributes:
        reactions: At least one.
        last_ms: When the last of them was published, in ms since the epoch; 0 if none says so.
    """

    reactions: Sequence[Reaction]
    last_ms: int


def alike(reactions: Iterable[Reaction]) -> list[Alike]:
    """Reactions put together by what they are counted by: what is of one kind is many, kinds are few."""
    found: defaultdict[tuple[object, ...], list[Reaction]] = defaultdict(list)
    for reaction in reactions:
        found[_KIND(reaction)].append(reaction)
    return [Alike(each, max(map(_AT_MS, each))) for each in found.values()]


def count_reactions(edges: dict[EdgeKey, Edge], kinds: Iterable[Alike], *, max_edges: int) -> set[EdgeKey]:
    """Add reactions to edges.

    Args:
        edges: What is known; changed in place.
        kinds: What is new.
        max_edges: Further edges are counted as one, `other`: made-up sources can't fill the store.

    Returns:
        The edges that changed.
    """
    changed: set[EdgeKey] = set()
    for kind in kinds:
        key = edge_of(kind.reactions[0])
        if key not in edges and len(edges) >= max_edges:
            key = EdgeKey(OTHER, OTHER, OTHER)
        edges.setdefault(key, Edge()).add(map(_LATENCY, kind.reactions), kind.last_ms)
        changed.add(key)
    return changed


def count_readings(known: dict[ReadingKey, Reading], kinds: Iterable[Alike], *, most: int) -> set[ReadingKey]:
    """Add to what is known who reacts to which type.

    Args:
        known: What is known; changed in place.
        kinds: What is new.
        most: Further services and types are left out: made-up ones can't fill the store.

    Returns:
        What changed.
    """
    changed: set[ReadingKey] = set()
    for kind in kinds:
        first = kind.reactions[0]
        key = ReadingKey(first.cause_topic, first.cause_type, service_of(first.effect_source))
        events, last_ms = known.get(key, (0, 0))
        if events or len(known) < most:
            known[key] = Reading(events + len(kind.reactions), max(last_ms, kind.last_ms))
            changed.add(key)
    return changed
