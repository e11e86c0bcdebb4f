"""A trail's rows with their bars, from the API's JSON to what the template draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail_collector.broker_names import broker_of
from flowtrail_collector.trails.drawing import SYMBOLS, Row, TimeScale, Wait, trail_scale, waits

# Bars are drawn in this many units across, whatever the width on the screen.
AXIS_UNITS = 1000
_LEAST_UNITS = 4
_COLOURS = 8
# Deeper is drawn no further to the right: what is left of a narrow column has to hold a name.
_MOST_INDENT = 9
# What a column of services has room for without breaking a word, by its class in the style sheet.
_SERVICE_COLUMNS = {"": 12, "wide": 19}
_WIDEST_SERVICES = "widest"
# What an entry in JSON may lack, so that the template can ask for it.
_OPTIONAL: dict[str, Any] = dict.fromkeys(
    ("error", "attempt", "duplicate", "state", "topic", "partition", "offset", "group", "span_id", "by")
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
    """One entry, with the queue wait before it; and its broker, where a trail crosses several.

    Attributes:
        number: Which row of the trail it is, counted from 0.
        indent: How many causes it has above it, as far as they are drawn.
        cause: The row that led to it, None if none of those drawn did.
        cause_name: What that is called; empty where it is the row above, as one sees anyway.
        repeats: Its error is that of the row above.
    """

    number: int
    entry: dict[str, Any]
    queue_seconds: float | None
    segments: tuple[Segment, ...]
    colour: int
    symbol: str
    meaning: str
    new_service: bool
    broker: str = ""
    indent: int = 0
    cause: int | None = None
    cause_name: str = ""
    repeats: bool = False


def entry_rows(trail: dict[str, Any], rows: Sequence[Row], first: int = 0) -> list[EntryRow]:
    """Rows for what happened; the first one names its service, whatever stood before it.

    Args:
        trail: As the API answers it.
        rows: Those of it that are drawn.
        first: Which of the trail's rows the first one is.
    """
    colours = {name: index % _COLOURS for index, name in enumerate(trail["services"])}
    scale = trail_scale(trail)
    several = len({broker_of(entry["topic"]) for entry in trail["entries"] if entry.get("topic")}) > 1
    causes = _Causes(trail, rows, first)
    return [
        EntryRow(
            number=number,
            entry=_OPTIONAL | row.entry,
            queue_seconds=row.queue["duration_seconds"] if row.queue else None,
            segments=_segments(row.entry, row.queue, scale),
            colour=colours.get(row.entry["service"], 0),
            symbol=SYMBOLS.get(row.entry["kind"], "?"),
            meaning=_MEANINGS.get(row.entry["kind"], row.entry["kind"]),
            new_service=row.new_service or number == first,
            broker=broker_of(row.entry["topic"]) if several and row.entry.get("topic") else "",
            indent=causes.indent(row.entry["id"]),
            cause=causes.row_of(row.entry),
            cause_name=causes.name_beside(row.entry, number),
            repeats=_same_error(row, rows[number - first - 1]) if number > first else False,
        )
        for number, row in enumerate(rows, first)
    ]


def _same_error(row: Row, above: Row) -> bool:
    return row.entry.get("error") is not None and row.entry.get("error") == above.entry.get("error")


class _Causes:
    """What led to what among the rows that are drawn; waits in topics are parts of rows, and skipped."""

    def __init__(self, trail: dict[str, Any], rows: Sequence[Row], first: int) -> None:
        entries = {entry["id"]: entry for entry in trail["entries"]}
        self._parents: dict[str, str | None] = {}
        for entry in trail["entries"]:
            parent = entry["parent"]
            while parent in entries and entries[parent]["kind"] == "queue":
                parent = entries[parent]["parent"]
            self._parents[entry["id"]] = parent
        self._rows = {row.entry["id"]: (number, row.entry) for number, row in enumerate(rows, first)}
        self._indents: dict[str, int] = {}
        for row in rows:  # causes before effects
            parent = self._parents[row.entry["id"]]
            self._indents[row.entry["id"]] = self._indents[parent] + 1 if parent in self._indents else 0

    def indent(self, entry_id: str) -> int:
        return min(self._indents[entry_id], _MOST_INDENT)

    def row_of(self, entry: dict[str, Any]) -> int | None:
        found = self._rows.get(self._parents[entry["id"]] or "")
        return found[0] if found else None

    def name_beside(self, entry: dict[str, Any], number: int) -> str:
        found = self._rows.get(self._parents[entry["id"]] or "")
        if found is None or found[0] == number - 1:
            return ""
        return f"{SYMBOLS.get(found[1]['kind'], '?')} {found[1]['name']}"


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


def service_column(rows: Sequence[EntryRow], missing: Sequence[MissingRow]) -> str:
    """How wide the column of services is, as a class: names may be broken behind dots only."""
    names = [row.entry["by"] or row.entry["service"] for row in rows]
    names += [row.wait.step["by"] or "" for row in missing]
    longest = max((len(part) for name in names for part in name.split(".")), default=0)
    return next((name for name, most in _SERVICE_COLUMNS.items() if longest <= most), _WIDEST_SERVICES)


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
