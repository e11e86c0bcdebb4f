"""A trail as it is drawn, whatever with: symbols, rows, and one time axis; shared by command line and console.

What hasn't happened has a place on the axis too: from when its turn came, over the moment it was due, to the
present. That may be days after everything that did happen, so the time after the trail's last entry is drawn
short; else the one late step would squeeze the whole story into a point. So are long stretches in which
nothing happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

# A stretch is squashed if it is longer than this share of the whole ...
_LONG_SHARE = 0.25
# ... and so many times longer than everything that did happen.
_LONG_TIMES_BUSY = 3.0
# Less than clocks tell apart.
_SHORTEST_SECONDS = 1e-9
_SQUASHED_SHARE = 0.06
_AFTERWARDS_SHARE = 0.12
_MOST_AFTERWARDS = 3
# The time after the last entry is drawn as it is if it is at most this much of the trail's own.
_SHORT_SHARE = 0.25

SYMBOLS = {
    "command": "▶",
    "publish": "●",
    "compensation": "↺",
    "notification": "◇",
    "process": "■",
    "retry": "↻",
    "dead_letter": "✖",
    "redrive": "↷",
    "operation": "·",
    "missing": "○",
}
"""By kind of entry, and for what is missing."""


@dataclass(frozen=True, slots=True)
class TimeScale:
    """An axis from 0 to `total_seconds`.

    Attributes:
        total_seconds: Its length.
        gaps: Idle stretches as (start, end), in order, that are drawn short.
        shares: How much of the axis each of them takes.
    """

    total_seconds: float
    gaps: tuple[tuple[float, float], ...] = ()
    shares: tuple[float, ...] = ()

    @classmethod
    def of(cls, total_seconds: float, busy: Iterable[tuple[float, float]]) -> TimeScale:
        """The scale for what happened.

        Args:
            total_seconds: Length of the axis.
            busy: Stretches as (start, end) in which something was done or waited for, in any order.
        """
        idle: list[tuple[float, float]] = []
        end = 0.0
        busy_seconds = 0.0
        for start, stop in sorted(busy):
            if start > end:
                idle.append((end, start))
            busy_seconds += max(0.0, stop - max(start, end))
            end = max(end, stop)
        # Where there are only moments, the time between them is all there is to see.
        least = max(total_seconds * _LONG_SHARE, _LONG_TIMES_BUSY * busy_seconds)
        gaps = tuple(gap for gap in idle if busy_seconds and gap[1] - gap[0] > least)
        return cls(total_seconds, gaps, (_SQUASHED_SHARE,) * len(gaps))

    def place(self, seconds: float) -> float:
        """Where a moment is drawn, 0 to 1."""
        seconds = min(max(seconds, 0.0), self.total_seconds)
        if self.total_seconds < _SHORTEST_SECONDS:
            return 0.0
        squashed_seconds = sum(end - start for start, end in self.gaps)
        rest_share = 1.0 - sum(self.shares)
        # What isn't squashed may be too short for the sum to show it.
        drawn_seconds = max(self.total_seconds - squashed_seconds, self.total_seconds * 1e-12)
        per_second = rest_share / drawn_seconds
        place, at = 0.0, 0.0
        for (start, end), share in zip(self.gaps, self.shares, strict=True):
            if seconds <= start:
                break
            place += (start - at) * per_second
            place += share * min(1.0, (seconds - start) / (end - start))
            at = end
        return min(1.0, place + max(0.0, seconds - at) * per_second)

    def stretches(self) -> list[tuple[float, float]]:
        """The stretches between the squashed ones, as (start, end)."""
        starts = [0.0, *(end for _, end in self.gaps)]
        ends = [*(start for start, _ in self.gaps), self.total_seconds]
        return list(zip(starts, ends, strict=True))


@dataclass(frozen=True, slots=True)
class Row:
    """An entry on a line of its own; everything is as the API answers it.

    Attributes:
        entry: What happened.
        queue: The wait in the topic before it, which belongs to whoever was waited for.
        new_service: The row above is another service's, or was done by somebody else.
    """

    entry: dict[str, Any]
    queue: dict[str, Any] | None
    new_service: bool


def rows_of(trail: dict[str, Any]) -> list[Row]:
    """All rows of a trail, as the API answers it, in its order."""
    queues = {entry["id"]: entry for entry in trail["entries"] if entry["kind"] == "queue"}
    rows: list[Row] = []
    for entry in trail["entries"]:
        if entry["kind"] != "queue":
            is_new = not rows or _whose(rows[-1].entry) != _whose(entry)
            rows.append(Row(entry, queues.get(entry["parent"] or ""), is_new))
    return rows


def _whose(entry: Mapping[str, Any]) -> tuple[str, str | None]:
    return entry["service"], entry.get("by")


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

    @property
    def seconds(self) -> float | None:
        """For how long it was waited for; None if its turn hasn't come."""
        return None if self.start is None or self.until is None else self.until - self.start

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
    own = TimeScale.of(end, map(_busy_stretch, trail["entries"]))
    moments = {moment for wait in waits(trail) for moment in (wait.due, wait.until) if moment is not None}
    afterwards = sorted(moment for moment in moments if moment > end)
    if not afterwards:
        return own
    total = afterwards[-1]
    if total - end <= _SHORT_SHARE * end or end <= 0:
        return TimeScale(total, own.gaps, own.shares)
    if len(afterwards) > _MOST_AFTERWARDS:
        afterwards = [total]
    gaps = tuple(zip([end, *afterwards], afterwards, strict=False))
    return TimeScale(total, (*own.gaps, *gaps), (*own.shares, *[_AFTERWARDS_SHARE] * len(gaps)))


def _wait(step: dict[str, Any], end: float) -> Wait:
    since, due, until = (step[f"{name}_offset_seconds"] for name in ("since", "deadline", "until"))
    # Clocks disagree, and a store may know of a saga more than of its events: it begins within the axis.
    start = min(max(0.0, since), end) if since is not None else end
    name = f"undo of {step['step']}" if step["undo"] else step["step"]
    if ids := step.get("ids"):
        name = f"{name} ({', '.join(ids)})"
    return Wait(
        step,
        f"missing: {name}",
        start,
        None if due is None else max(start, due),
        max(start, until if until is not None else end),
    )


def _busy_stretch(entry: Mapping[str, Any]) -> tuple[float, float]:
    """From when to when an entry of a trail's JSON lasted, in seconds from the trail's start."""
    start = entry["offset_seconds"]
    return start, start + entry["duration_seconds"]
