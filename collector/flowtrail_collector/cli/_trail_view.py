"""A trail on the terminal: header, time axis, one row per thing that happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from flowtrail_collector.cli._output import print_words
from flowtrail_collector.cli._timeline import ASCII_GLYPHS, Glyphs, Timeline
from flowtrail_collector.sagas.words import forecast_words, past_words
from flowtrail_collector.trails.drawing import Row, Wait, rows_of, trail_scale, waits
from flowtrail_collector.wording import clock, counted, format_seconds, printable

_PALETTE = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_OUTCOME_STYLES = {
    "completed": "bold green",
    "compensated": "bold yellow",
    "failed": "bold red",
    "timed_out": "bold red",
    "open": "bold blue",
}
_KIND_STYLES = {"dead_letter": "bold red", "compensation": "yellow", "retry": "yellow", "redrive": "yellow"}
# Whose topic, partition and offset are news; a handling's are those of the event above it.
PUBLISHED = frozenset({"publish", "compensation", "notification", "dead_letter", "redrive"})
_KIND_WORDS = {"dead_letter": "dead letter", "compensation": "undo", "redrive": "redrive"}
_SERVICE = "SERVICE"
_SERVICE_CELLS = 14
_FIGURE_CELLS = 9
_LEAST_AXIS_CELLS = 12
_WIDEST = 200


class TrailView:
    """Draws one trail, as the API answers it.

    Args:
        console: Where to; its width decides about the layout, its encoding about the characters.
        data: `trail` of the API's answer.
        now: The present, to say how long something is overdue.
    """

    def __init__(self, console: Console, data: dict[str, Any], *, now: datetime | None = None) -> None:
        self._console = console
        self._data = data
        self._now = now or datetime.now(UTC)
        self._glyphs = Glyphs() if console.encoding.lower().startswith("utf") else ASCII_GLYPHS
        self._symbols = self._glyphs.symbols
        width = min(console.width, _WIDEST)
        names = [*data["services"], *(wait.step["by"] or "?" for wait in waits(data))]
        widest = max(map(cell_len, names), default=1)
        self._service_cells = min(_SERVICE_CELLS, max(len(_SERVICE), widest))
        rest = width - self._service_cells - 2 * _FIGURE_CELLS - 4
        self._what_cells = max(16, min(44, int(rest * 0.45)))
        self._timeline = Timeline(trail_scale(data), max(_LEAST_AXIS_CELLS, rest - self._what_cells))
        self._styles = {name: _PALETTE[index % len(_PALETTE)] for index, name in enumerate(data["services"])}

    def print(self) -> None:
        """Draw everything."""
        for line in self._header():
            print_words(self._console, line, indent=2)
        self._console.print()
        self._console.print(self._axis(), no_wrap=True, overflow="crop")
        for row in rows_of(self._data):
            self._print_row(row)
        for wait in waits(self._data):
            self._print_missing(wait)
        if self._data["notes"]:
            self._console.print()
        for note in self._data["notes"]:
            print_words(self._console, f"note: {printable(note)}", style="dim")

    def _header(self) -> Iterator[Text]:
        data, dot = self._data, self._glyphs.dot
        title = Text()
        for saga in data["sagas"]:
            number = f" #{saga['instance']}" if saga["instance"] > 1 else ""
            title.append(printable(saga["flow"]) + number, style="bold")
            title.append(dot)
            style = _OUTCOME_STYLES.get(saga["outcome"], "bold")
            title.append(saga["outcome"].replace("_", " "), style=style)
            title.append(" (its start wasn't seen)" if saga["partial"] else "", style="dim")
            title.append(dot)
        title.append(format_seconds(data["duration_seconds"]))
        if data["subjects"]:
            title.append(dot)
            title.append(_some(data["subjects"], 3), style="bold")
        yield title
        kinds = [row["kind"] for row in data["entries"]]
        events = len({row["event_id"] for row in data["entries"] if row.get("event_id")})
        facts = [
            clock(data["start"]),
            counted(len(data["services"]), "service"),
            counted(events, "event"),
            *(counted(kinds.count(kind), word) for kind, word in _COUNTED_KINDS if kinds.count(kind)),
            f"seen as {data['seen_as']}",
        ]
        yield Text(dot.join(facts), style="dim")
        for name, ids in (("correlation id", data["correlation_ids"]), ("trace id", data["trace_ids"])):
            if ids:
                yield Text(f"{name} {_some(ids, 3)}", style="dim")
        for saga in data["sagas"]:
            if saga.get("reason"):
                yield Text(printable(saga["reason"]), style="yellow")
            for sentence in past_words(saga):
                yield Text(sentence, style="yellow")
            for sentence in forecast_words(saga, now=self._now):
                yield Text(sentence)

    def _axis(self) -> Text:
        line = Text(style="dim")
        line.append(set_cell_size(_SERVICE, self._service_cells) + " ")
        line.append(set_cell_size("WHAT", self._what_cells) + " ")
        line.append(self._timeline.axis())
        line.append("QUEUE".rjust(_FIGURE_CELLS) + "TIME".rjust(_FIGURE_CELLS))
        return line

    def _print_row(self, drawn: Row) -> None:
        row, queue = drawn.entry, drawn.queue
        style = self._styles.get(row["service"], "white")
        line = Text()
        line.append(self._cell(row["service"] if drawn.new_service else "", self._service_cells), style=style)
        line.append(" ")
        line.append_text(self._what(row))
        line.append(" ")
        line.append_text(self._bar(row, queue, "red" if row.get("error") else style))
        waited = format_seconds(queue["duration_seconds"]) if queue else ""
        line.append(waited.rjust(_FIGURE_CELLS), style="dim")
        took = format_seconds(row["duration_seconds"]) if row["duration_seconds"] else ""
        line.append(took.rjust(_FIGURE_CELLS))
        self._console.print(line, no_wrap=True, overflow="crop")
        if row.get("error"):
            self._print_error(row["error"])

    def _print_error(self, error: dict[str, str]) -> None:
        text = ": ".join(part for part in (error["type"], error["message"]) if part)
        indent = " " * (self._service_cells + 1)
        self._console.print(
            Text(f"{indent}{self._glyphs.corner} {printable(text)}", style="red"),
            no_wrap=True,
            overflow="crop",
        )

    def _what(self, row: dict[str, Any]) -> Text:
        kind = row["kind"]
        symbol = self._symbols.get(kind, "?")
        words = [_KIND_WORDS[kind]] if kind in _KIND_WORDS else []
        words.append(printable(row["name"]))
        if (row.get("attempt") or 1) > 1:
            words.append(f"(attempt {row['attempt']})")
        if row.get("duplicate"):
            words.append("(duplicate)")
        if row.get("state"):
            words.append(f"({row['state']})")
        head = f"{symbol} {' '.join(words)}"
        tail = ""
        if kind in PUBLISHED and row.get("topic"):
            place = f"/{row['partition']}@{row['offset']}" if row.get("offset") is not None else ""
            tail = f" {self._glyphs.arrow} {printable(row['topic'])}{place}"
        text = Text(head, style="red" if row.get("error") else _KIND_STYLES.get(kind, ""))
        text.append(tail, style="dim")
        return self._fitted(text)

    def _fitted(self, text: Text) -> Text:
        """In the width of the WHAT column."""
        if text.cell_len > self._what_cells:
            text.truncate(self._what_cells - 1, overflow="crop")
            text.append(self._glyphs.more)
        text.pad_right(self._what_cells - text.cell_len)
        return text

    def _bar(self, row: dict[str, Any], queue: dict[str, Any] | None, style: str) -> Text:
        start = row["offset_seconds"]
        end = start + row["duration_seconds"]
        text = Text()
        at = 0
        wait_from = queue["offset_seconds"] if queue else None
        for first, cells, waiting in self._timeline.bar(wait_from, start, end):
            text.append(" " * (first - at))
            work = self._glyphs.work if row["duration_seconds"] else self._glyphs.moment
            glyph = self._glyphs.wait if waiting else work
            text.append(glyph * cells, style="dim" if waiting else style)
            at = first + cells
        text.append(" " * (self._timeline.cells - at))
        return text

    def _print_missing(self, wait: Wait) -> None:
        style = "bold yellow" if wait.start is not None else "dim"
        line = Text()
        line.append(self._cell(wait.step["by"] or "?", self._service_cells), style=style)
        line.append(" ")
        line.append_text(
            self._fitted(Text(f"{self._symbols['missing']} {printable(wait.title)}", style=style))
        )
        line.append(" ")
        line.append_text(self._missing_bar(wait))
        waited = "" if wait.seconds is None else format_seconds(wait.seconds)
        line.append(waited.rjust(_FIGURE_CELLS), style="dim")
        self._console.print(line, no_wrap=True, overflow="crop")
        print_words(self._console, self._missing_facts(wait.step), indent=self._service_cells + 3)

    def _missing_bar(self, wait: Wait) -> Text:
        looks = {
            "waited": (self._glyphs.waited, "yellow"),
            "overdue": (self._glyphs.overdue, "red"),
            "ahead": (self._glyphs.ahead, "dim"),
        }
        text = Text()
        for piece in wait.pieces():
            glyph, style = looks[piece.kind]
            for first, cells, _ in self._timeline.bar(None, piece.start, piece.end):
                # A piece of less than a cell may share its cell with the one before it.
                at = max(first, text.cell_len)
                text.pad_right(at - text.cell_len)
                text.append(glyph * (first + cells - at), style=style)
        text.pad_right(self._timeline.cells - text.cell_len)
        return text

    def _missing_facts(self, step: dict[str, Any]) -> Text:
        indent = " " * (self._service_cells + 1)
        line = Text(f"{indent}{self._glyphs.corner} expects {printable(' or '.join(step['expects']))}")
        if step["lag_messages"]:
            line.append(f", {step['lag_messages']} messages behind", style="yellow")
        if step["deadline"]:
            seconds = (datetime.fromisoformat(step["deadline"]) - self._now).total_seconds()
            word = f"{'overdue' if seconds < 0 else 'due in'} {format_seconds(abs(seconds))}"
            line.append(f", {word} ({clock(step['deadline'])})", style="red" if seconds < 0 else "")
        return line

    def _cell(self, text: str, cells: int) -> str:
        clean = printable(text)
        if cell_len(clean) > cells:
            clean = set_cell_size(clean, cells - 1) + self._glyphs.more
        return set_cell_size(clean, cells)


_COUNTED_KINDS = (
    ("retry", "retry"),
    ("dead_letter", "dead letter"),
    ("compensation", "compensation"),
    ("redrive", "redrive"),
)


def _some(values: list[str], limit: int) -> str:
    shown = ", ".join(printable(value) for value in values[:limit])
    return shown + (f" and {len(values) - limit} more" if len(values) > limit else "")
