"""What went over an edge: which types, and the last few events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from flowtrail_collector.topology.model import (
    OTHER,
    Alike,
    Edge,
    EdgeKey,
    Reaction,
    Reading,
    edge_of,
    newest_of,
)

__all__ = ["KEPT", "Crossing", "TypePair", "by_edge", "count_types", "newest"]

KEPT = 20
"""Of each edge so many of its last events are kept."""
# Text from outside that is kept for people is cut to this.
_MAX_TEXT = 512


class TypePair(NamedTuple):
    """The type of what somebody reacted to, and that of the reaction."""

    cause: str
    effect: str


class Crossing(NamedTuple):
    """A reaction that went over an edge.

    Attributes:
        at_ms: When it was published, in ms since the epoch; 0 if it doesn't say.
        latency_seconds: From the record of its cause to its own.
        cause_type: Type of its cause.
        effect_type: Its own type.
        event_id: Its id; its trail is found by it.
        subject: Its subject, mostly the order; None if it has none.
    """

    at_ms: int
    latency_seconds: float
    cause_type: str
    effect_type: str
    event_id: str
    subject: str | None


def by_edge(kinds: Iterable[Alike], edges: Mapping[EdgeKey, Edge]) -> dict[EdgeKey, list[Alike]]:
    """Reactions by the edge that they are counted under.

    Args:
        kinds: In any order.
        edges: Those that are counted; what went over another one is counted as `other`.
    """
    found: dict[EdgeKey, list[Alike]] = {}
    for kind in kinds:
        key = edge_of(kind.reactions[0])
        found.setdefault(key if key in edges else EdgeKey(OTHER, OTHER, OTHER), []).append(kind)
    return found


def count_types(known: Mapping[TypePair, Reading], kinds: Iterable[Alike]) -> dict[TypePair, Reading]:
    """How often which types went over an edge, those included that were counted before."""
    found = dict(known)
    for kind in kinds:
        pair = TypePair(kind.reactions[0].cause_type, kind.reactions[0].effect_type)
        events, last_ms = found.get(pair, (0, 0))
        found[pair] = Reading(events + len(kind.reactions), max(last_ms, kind.last_ms))
    return found


def newest(known: Iterable[Crossing], reactions: Iterable[Reaction], most: int = KEPT) -> list[Crossing]:
    """The last events that went over an edge, the newest first; each once."""
    fresh = map(_crossing, newest_of(reactions, most))
    by_id = {each.event_id: each for each in (*known, *fresh)}
    return sorted(by_id.values(), key=lambda each: (-each.at_ms, each.event_id))[:most]


def _crossing(reaction: Reaction) -> Crossing:
    return Crossing(
        reaction.at_ms,
        round(max(0.0, reaction.latency_seconds), 6),
        reaction.cause_type[:_MAX_TEXT],
        reaction.effect_type[:_MAX_TEXT],
        reaction.event_id,
        None if reaction.subject is None else reaction.subject[:_MAX_TEXT],
    )
