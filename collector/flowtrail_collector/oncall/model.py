"""Changes, and in which order somebody on call should hear of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["MOST", "SPAN_MS", "Change", "Kind", "Place", "earlier", "folded", "ranked"]

SPAN_MS = 30 * 60_000
"""How far back a change may lie."""
MOST = 50
"""How many are shown at most."""


class Kind(StrEnum):
    """What changed; in this order where nothing else decides."""

    BROKER = "broker"
    """A broker doesn't answer: then the rest may be old, and much that fails besides follows from it."""
    COLLECTOR = "collector"
    """A part of the collector doesn't work: then the rest may be old."""
    GROUP = "group"
    """A consumer group stopped, stalls, or falls behind."""
    LOST = "lost"
    """Retention removed records before a group read them."""
    STUCK = "stuck"
    """More instances are stuck for a cause than before."""
    ENDED = "ended"
    """More instances timed out, failed or were compensated than before."""
    DEAD_LETTERS = "dead_letters"
    """Messages are given up for a new cause, or more often than before."""
    UNREADABLE = "unreadable"
    """A broker doesn't tell how a topic, a group or itself is, for example for want of a leader."""
    MAPPING = "mapping"
    """Records from which the mapping of their topic makes no event."""


_KINDS = {kind: place for place, kind in enumerate(Kind)}
_BLINDING = frozenset({Kind.BROKER, Kind.COLLECTOR})


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look next.

    Attributes:
        page: Of the console, with its query.
        command: The same on the command line; empty if there is none.
    """

    page: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that went wrong within the span.

    Attributes:
        kind: What it is.
        name: Which one: a group's name, a flow and an outcome, a cause.
        text: What changed, in one sentence without a stop.
        next: Where to look next.
        touched: How many orders it touches; where no flow tells, how many messages.
        of: `orders` or `messages`.
        since_ms: Since when, as far as is known, ms since the epoch; None if it was so before anybody looked.
        trail: An order it touches.
        because: Kind and name of what it follows from.
        quiet: It goes on, and isn't what somebody should hear of first: nothing of it is new within the span.
        ended_ms: When it ended, ms since the epoch; None if it goes on.
        about: What the text says, each by its name: for who reads no sentences that others had a hand in.
    """

    kind: Kind
    name: tuple[str, ...]
    text: str
    next: Place
    touched: int = 0
    of: str = "orders"
    since_ms: int | None = None
    trail: str | None = None
    because: tuple[Kind, tuple[str, ...]] | None = None
    quiet: bool = False
    ended_ms: int | None = None
    about: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[Kind, tuple[str, ...]]:
        """What tells it from all others."""
        return self.kind, self.name


def folded(changes: Iterable[Change]) -> list[Change]:
    """Without those that follow from another one.

    That one touches as many orders as they do, then, began no later, and shows their trail.
    """
    given = list(changes)
    found = {change.key: change for change in given if change.because is None}
    for change in sorted((each for each in given if each.because is not None), key=_order):
        cause = None if change.because is None else found.get(change.because)
        if cause is None:
            found.setdefault(change.key, change)
            continue
        grown = change.of == cause.of and change.touched > cause.touched
        found[cause.key] = replace(
            cause,
            touched=change.touched if grown else cause.touched,
            trail=cause.trail or change.trail,
            since_ms=earlier(cause.since_ms, change.since_ms),
        )
    return list(found.values())


def earlier(one: int | None, other: int | None) -> int | None:
    """The earlier of two moments; None is earlier than any: what was so before anybody looked."""
    return None if one is None or other is None else min(one, other)


def ranked(changes: Iterable[Change], most: int = MOST) -> list[Change]:
    """The first ones in the order of their impact, whatever order they come in.

    First what goes on. Of that, what keeps the collector from knowing the rest; then by how many orders a change
    touches; of those that touch as many, the newest first, and last what was so before anybody looked.
    """
    return sorted(changes, key=_order)[:most]


def _order(change: Change) -> tuple[bool, bool, int, bool, int, int, tuple[str, ...]]:
    since_ms = change.since_ms
    return (
        change.ended_ms is not None,
        change.kind not in _BLINDING,
        -change.touched,
        since_ms is None,
        -(since_ms or 0),
        _KINDS[change.kind],
        change.name,
    )
