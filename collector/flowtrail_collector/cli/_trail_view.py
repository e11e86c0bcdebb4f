"""A trail on the terminal: header, time axis, one row per thing that happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from flowtrail_collector.cli._output import line_width, print_words
from flowtrail_collector.cli._timeline import ASCII_GLYPHS, Glyphs, Timeline
from flowtrail_collector.cli._trail_layout import FIGURE_CELLS, SERVICE, Columns
from flowtrail_collector.sagas.words import forecast_words, past_words, state_words
from flowtrail_collector.trails.drawing import Row, Wait, rows_of, trail_scale, waits
from flowtrail_collector.wording import clock, counted, format_seconds, printable

_PALETTE = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_OUTCOME_STYLES = {
    "completed": "bold green",
    "compensated": "bold yellow",
    "failed": "bold red",
    "timed out": "bold red",
    "stuck": "bold red",
    "open": "bold blue",
}
_KIND_STYLES = {"dead_letter": "bold red", "compensation": "yellow", "retry": "yellow", "redrive": "yellow"}
# Whose topic, partition and offset are news; a handling's are those of the event above it.
PUBLISHED = frozenset({"publish", "compensation", "notification", "dead_letter", "redrive"})
_KIND_WORDS = {"dead_letter": "dead letter", "compensation": "undo", "redrive": "redrive"}


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
        self._width = line_width(console)
        self._rows = [(row, *self._what(row.entry)) for row in rows_of(data)]
        self._waits = [(wait, self._wanted(wait)) for wait in waits(data)]
        heads = [head.plain for _, head, _ in self._rows] + [wanted.plain for _, wanted in self._waits]
        wholes = [(head + tail).plain for _, head, tail in self._rows] + heads
        names = [*data["services"], *(wait.step["by"] or "?" for wait, _ in self._waits)]
        self._columns = Columns.of(self._width, [printable(name) for name in names], heads, wholes)
        self._timeline = Timeline(trail_scale(data), self._columns.axis)
        self._styles = {name: _PALETTE[index % len(_PALETTE)] for index, name in enumerate(data["services"])}

    def print(self) -> None:
        """Draw everything."""
        for line in self._header():
            print_words(self._console, line, indent=2)
        self._console.print()
        self._put(self._axis())
        for row, head, tail in self._rows:
            self._print_row(row, head, tail)
        for wait, wanted in self._waits:
            self._print_missing(wait, wanted)
        if self._data["notes"]:
            self._console.print()
        for note in self._data["notes"]:
            print_words(self._console, f"note: {printable(note)}", indent=2, style="dim")

    def _header(self) -> Iterator[Text]:
        data, dot = self._data, self._glyphs.dot
        title = Text()
        for saga in data["sagas"]:
            number = f" #{saga['instance']}" if saga["instance"] > 1 else ""
            title.append(printable(saga["flow"]) + number, style="bold")
            title.append(dot)
            state = state_words(saga, data["missing"])
            title.append(state, style=_OUTCOME_STYLES.get(state, "bold"))
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
        columns, line = self._columns, Text(style="dim")
        line.append(set_cell_size(SERVICE, columns.service) + " ")
        line.append(set_cell_size("WHAT", columns.what) + " ")
        line.append(self._timeline.axis())
        line.append("QUEUE".rjust(FIGURE_CELLS) if columns.queues else "")
        line.append("TIME".rjust(FIGURE_CELLS))
        return line

    def _print_row(self, drawn: Row, head: Text, tail: Text) -> None:
        row, queue = drawn.entry, drawn.queue
        style = self._styles.get(row["service"], "white")
        bar = self._bar(row, queue, "red" if row.get("error") else style)
        waited = format_seconds(queue["duration_seconds"]) if queue else ""
        took = format_seconds(row["duration_seconds"]) if row["duration_seconds"] else ""
        self._put_row(
            row.get("by") or row["service"] if drawn.new_service else "",
            style,
            (head, tail),
            bar,
            waited,
            took,
        )
        if row.get("error"):
            self._print_error(row["error"])

    def _put_row(
        self, service: str, style: str, what: tuple[Text, Text], bar: Text, waited: str, took: str
    ) -> None:
        columns, name = self._columns, printable(service)
        if cell_len(name) > columns.service:
            self._put(Text(name, style=style))
            name = ""
        first, *below = columns.lines(*what)
        line = Text(set_cell_size(name, columns.service), style=style)
        line = Text.assemble(line, " ", first, " " * (columns.what - first.cell_len), " ", bar)
        if columns.queues:
            line.append(waited.rjust(FIGURE_CELLS), style="dim")
        line.append(took.rjust(FIGURE_CELLS))
        line.rstrip()
        self._put(line)
        for more in below:
            self._put(more)

    def _put(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _print_error(self, error: dict[str, str]) -> None:
        text = ": ".join(part for part in (error["type"], error["message"]) if part)
        before = self._columns.service + 1
        said = f"{' ' * before}{self._glyphs.corner} {printable(text)}"
        print_words(self._console, said, indent=before + 2, style="red")

    def _what(self, row: dict[str, Any]) -> tuple[Text, Text]:
        """What happened in the fewest words, and where to."""
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
        style = "red" if row.get("error") else _KIND_STYLES.get(kind, "")
        return Text(head, style=style), Text(tail, style="dim")

    def _wanted(self, wait: Wait) -> Text:
        style = _wait_style(wait)
        return Text(f"{self._symbols['missing']} {printable(wait.title)}", style=style)

    def _bar(self, row: dict[str, Any], queue: dict[str, Any] | None, style: str) -> Text:
        start = row["offset_seconds"]
        end = start + row["duration_seconds"]
        text = Text()
        if not self._columns.axis:
            return text
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

    def _print_missing(self, wait: Wait, wanted: Text) -> None:
        waited = "" if wait.seconds is None else format_seconds(wait.seconds)
        bar = self._missing_bar(wait)
        self._put_row(wait.step["by"] or "?", _wait_style(wait), (wanted, Text()), bar, waited, "")
        print_words(self._console, self._missing_facts(wait.step), indent=self._columns.service + 3)

    def _missing_bar(self, wait: Wait) -> Text:
        looks = {
            "waited": (self._glyphs.waited, "yellow"),
            "overdue": (self._glyphs.overdue, "red"),
            "ahead": (self._glyphs.ahead, "dim"),
        }
        text = Text()
        for piece in wait.pieces() if self._columns.axis else ():
            glyph, style = looks[piece.kind]
            for first, cells, _ in self._timeline.bar(None, piece.start, piece.end):
                # A piece of less than a cell may share its cell with the one before it.
                at = max(first, text.cell_len)
                text.pad_right(at - text.cell_len)
                text.append(glyph * (first + cells - at), style=style)
        text.pad_right(self._timeline.cells - text.cell_len)
        return text

    def _missing_facts(self, step: dict[str, Any]) -> Text:
        indent = " " * (self._columns.service + 1)
        line = Text(f"{indent}{self._glyphs.corner} expects {printable(' or '.join(step['expects']))}")
        if step["lag_messages"]:
            line.append(f", {counted(step['lag_messages'], 'message')} behind", style="yellow")
        if step["deadline"]:
            seconds = (datetime.fromisoformat(step["deadline"]) - self._now).total_seconds()
            word = f"{'overdue' if seconds < 0 else 'due in'} {format_seconds(abs(seconds))}"
            line.append(f", {word} ({clock(step['deadline'])})", style="red" if seconds < 0 else "")
        return line


_COUNTED_KINDS = (
    ("retry", "retry"),
    ("dead_letter", "dead letter"),
    ("compensation", "compensation"),
    ("redrive", "redrive"),
)


def _wait_style(wait: Wait) -> str:
    return "bold yellow" if wait.start is not None else "dim"


def _some(values: list[str], limit: int) -> str:
    shown = ", ".join(printable(value) for value in values[:limit])
    return shown + (f" and {len(values) - limit} more" if len(values) > limit else "")
