"""A trail's rows with their bars, from the API's JSON to what the template draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail_collector.broker_names import broker_of
from flowtrail_collector.trails.drawing import SYMBOLS, Row, TimeScale, Wait, trail_scale, waits
from flowtrail_collector.wording import format_seconds

# Bars are drawn in this many units across, whatever the width on the screen.
AXIS_UNITS = 1000
_LEAST_UNITS = 4
_COLOURS = 8
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Two labels closer than this would run into each other.
_LEAST_BETWEEN_LABELS = 180
# What an entry in JSON may lack, so that the template can ask for it.
_OPTIONAL: dict[str, Any] = dict.fromkeys(
    ("error", "attempt", "duplicate", "state", "topic", "partition", "offset", "group", "span_id")
)

_MEANINGS = {
    "command": "request",
    "publish": "published",
    "compensation": "compensation published",
    "notification": "notification published",
    "process": "processed",
    "retry": "retried",
    "dead_letter": "dead letter",
    "redrive": "redriven",
    "operation": "operation",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar, in axis units."""

    x: float
    width: float
    waiting: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry, with the queue wait before it; and its broker, where a trail crosses several."""

    entry: dict[str, Any]
    queue_seconds: float | None
    segments: tuple[Segment, ...]
    colour: int
    symbol: str
    meaning: str
    new_service: bool
    broker: str = ""


def entry_rows(trail: dict[str, Any], rows: Sequence[Row]) -> list[EntryRow]:
    """Rows for what happened; the first one names its service, whatever stood before it."""
    colours = {name: index % _COLOURS for index, name in enumerate(trail["services"])}
    scale = trail_scale(trail)
    several = len({broker_of(entry["topic"]) for entry in trail["entries"] if entry.get("topic")}) > 1
    return [
        EntryRow(
            entry=_OPTIONAL | row.entry,
            queue_seconds=row.queue["duration_seconds"] if row.queue else None,
            segments=_segments(row.entry, row.queue, scale),
            colour=colours.get(row.entry["service"], 0),
            symbol=SYMBOLS.get(row.entry["kind"], "?"),
            meaning=_MEANINGS.get(row.entry["kind"], row.entry["kind"]),
            new_service=row.new_service or number == 0,
            broker=broker_of(row.entry["topic"]) if several and row.entry.get("topic") else "",
        )
        for number, row in enumerate(rows)
    ]


def symbols_of(trail: dict[str, Any], rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The symbols that stand before these rows and after them, with what they mean."""
    kinds = dict.fromkeys(row.entry["kind"] for row in rows)
    found = [(SYMBOLS.get(kind, "?"), _MEANINGS.get(kind, kind)) for kind in kinds]
    if any(row.queue for row in rows):
        found.append(("▬", "waited in the topic"))
    return found + [("○", "missing, or still to come")] * bool(trail["missing"])


@dataclass(frozen=True, slots=True)
class MissingRow:
    """What hasn't happened yet, with its bar: (x, width, `waited`, `overdue` or `ahead`) in axis units."""

    wait: Wait
    segments: tuple[tuple[float, float, str], ...]


def missing_rows(trail: dict[str, Any]) -> list[MissingRow]:
    """Rows for missing steps, and then for those whose turn hasn't come."""
    scale = trail_scale(trail)
    return [_missing_row(wait, scale) for wait in waits(trail)]


def _missing_row(wait: Wait, scale: TimeScale) -> MissingRow:
    segments = []
    for piece in wait.pieces():
        start = min(_units(piece.start, scale), AXIS_UNITS - _LEAST_UNITS)
        width = max(_LEAST_UNITS, _units(piece.end, scale) - start)
        segments.append((round(start, 2), round(width, 2), piece.kind))
    return MissingRow(wait, tuple(segments))


def ticks(scale: TimeScale) -> list[tuple[float, str]]:
    """Positions in axis units with their time; even, or where it goes on after a gap."""
    if scale.gaps:
        moments = sorted({*(start for start, _ in scale.stretches()), scale.total_seconds})
    else:
        moments = [part * scale.total_seconds for part in _TICKS]
    labels: list[str] = []
    for number, moment in enumerate(moments):
        label = format_seconds(moment)
        # After a long gap two moments may read the same: then how much later the second is.
        same = number > 0 and label == format_seconds(moments[number - 1])
        labels.append(f"+{format_seconds(moment - moments[number - 1])}" if same else label)
    places = [round(_units(moment, scale), 2) for moment in moments]
    for number in range(len(places) - 2, 0, -1):
        following = next(at for at in range(number + 1, len(places)) if labels[at])
        if min(places[number], places[following] - places[number]) < _LEAST_BETWEEN_LABELS:
            labels[number] = ""
    return list(zip(places, labels, strict=True))


def breaks(scale: TimeScale) -> list[tuple[float, float]]:
    """Squashed stretches in axis units, as (start, width)."""
    ends = [(_units(start, scale), _units(end, scale)) for start, end in scale.gaps]
    return [(round(start, 2), round(end - start, 2)) for start, end in ends]


def _segments(entry: dict[str, Any], queue: dict[str, Any] | None, scale: TimeScale) -> tuple[Segment, ...]:
    start = _units(entry["offset_seconds"], scale)
    end = _units(entry["offset_seconds"] + entry["duration_seconds"], scale)
    width = max(_LEAST_UNITS, end - start)
    # What is a moment at the very end is still drawn within the axis.
    start = min(start, AXIS_UNITS - width)
    segments = [Segment(round(start, 2), round(width, 2), waiting=False)]
    if queue is not None:
        waiting = _units(queue["offset_seconds"], scale)
        if waiting < start:
            segments.insert(0, Segment(round(waiting, 2), round(start - waiting, 2), waiting=True))
    return tuple(segments)


def _units(seconds: float, scale: TimeScale) -> float:
    return scale.place(seconds) * AXIS_UNITS
