"""The time axis of a trail, with what is missing from it; shared by command line and console.

What hasn't happened has a place on the axis too: from when its turn came, over the moment it was due, to the
present. That may be days after everything that did happen, so the time after the trail's last entry is drawn
short; else the one late step would squeeze the whole story into a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from flowtrail_collector.trails.time_scale import TimeScale, busy_stretch

_AFTERWARDS_SHARE = 0.12
_MOST_AFTERWARDS = 3
# The time after the last entry is drawn as it is if it is at most this much of the trail's own.
_SHORT_SHARE = 0.25

PieceKind = Literal["waited", "overdue", "ahead"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a missing step's bar; seconds from the trail's start."""

    start: float
    end: float
    kind: PieceKind


@dataclass(frozen=True, slots=True)
class Wait:
    """A missing step on the axis.

    Attributes:
        step: As the API answers it.
        title: For people: `missing: charge`, `missing: undo of charge`, `later: ship`.
        start: From when it is waited for, in seconds from the trail's start; None if its turn hasn't come.
        due: By when it should have happened, None if there is no limit.
        until: Until when it was waited for.
    """

    step: dict[str, Any]
    title: str
    start: float | None = None
    due: float | None = None
    until: float | None = None

    def pieces(self) -> list[Piece]:
        """Its bar: the time in which it was not late, the time since, and the time it still has."""
        if self.start is None or self.until is None:
            return []
        due = self.until if self.due is None else self.due
        found = [
            Piece(self.start, min(due, self.until), "waited"),
            Piece(max(self.start, due), self.until, "overdue"),
            Piece(max(self.start, self.until), due, "ahead"),
        ]
        return [piece for piece in found if piece.end > piece.start]


def waits(trail: dict[str, Any]) -> list[Wait]:
    """The missing steps of a trail, as the API answers it, and after them the steps that come later."""
    found = [_wait(step, trail["duration_seconds"]) for step in trail["missing"]]
    return found + [Wait(step, f"later: {step['step']}") for step in trail["later"]]


def trail_scale(trail: dict[str, Any]) -> TimeScale:
    """The axis of a trail: from its start to its last entry, or to the last moment of what is missing."""
    end = trail["duration_seconds"]
    own = TimeScale.of(end, map(busy_stretch, trail["entries"]))
    moments = {moment for wait in waits(trail) for moment in (wait.due, wait.until) if moment is not None}
    afterwards = sorted(moment for moment in moments if moment > end)
    if not afterwards:
        return own
    total = afterwards[-1]
    if total - end <= _SHORT_SHARE * end or end <= 0:
        return TimeScale(total, own.gaps)
    if len(afterwards) > _MOST_AFTERWARDS:
        afterwards = [total]
    gaps = tuple(zip([end, *afterwards], afterwards, strict=False))
    return TimeScale(total, (*own.gaps, *gaps), (*own.shares, *[_AFTERWARDS_SHARE] * len(gaps)))


def _wait(step: dict[str, Any], end: float) -> Wait:
    since, due, until = (step[f"{name}_offset_seconds"] for name in ("since", "deadline", "until"))
    # Clocks disagree, and a store may know of a saga more than of its events: it begins within the axis.
    start = min(max(0.0, since), end) if since is not None else end
    name = f"undo of {step['step']}" if step["undo"] else step["step"]
    return Wait(
        step,
        f"missing: {name}",
        start,
        None if due is None else max(start, due),
        max(start, until if until is not None else end),
    )
