"""What commands print: rich on a terminal, plain text through a pipe, JSON on request."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

__all__ = [
    "Listing",
    "console",
    "line_width",
    "print_complaint",
    "print_json",
    "print_words",
    "spans",
    "wrapped",
]

_GAP = "  "
_BETWEEN = ", "
# A figure and its unit are one word: `(84 s)`, `5m 44s ago`.
_WORD = re.compile(r"\(\d[\d.,]* \w{1,3}\)[^ ]*|\d+[dhm] \d\d[hms](?: ago)?[^ ]*|[^ ]+")


def console() -> Console:
    """A console for standard output: width of the terminal (or COLUMNS), no colour without a TTY."""
    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False)


def print_words(out: Console, text: str | Text, *, indent: int = 0, style: str = "") -> None:
    """Print a text on lines of the terminal's width, broken only between words: ids can be copied whole.

    Args:
        out: Where to.
        text: What.
        indent: How many spaces stand before every line but the first.
        style: Of all of it.
    """
    for line in wrapped(text, line_width(out), indent):
        out.print(line, style=style or None, soft_wrap=True)


def print_complaint(text: str) -> None:
    """Print a line to standard error: on a terminal broken between words, elsewhere as one line for programs."""
    out = Console(stderr=True, highlight=False, emoji=False, markup=False)
    for line in wrapped(text, out.width if out.is_terminal else None, 2):
        out.print(line, soft_wrap=True)


def wrapped(text: str | Text, width: int | None, indent: int = 0) -> Iterator[Text]:
    """A text as lines that are broken only between words.

    Args:
        text: What.
        width: How wide they may be; None for a single line.
        indent: How many spaces stand before every line but the first; fewer where only that lets a word fit.
    """
    whole = Text(text) if isinstance(text, str) else text
    rest = None if width is None else width - indent
    for number, (start, end) in enumerate(spans(whole.plain, width, rest)):
        line = whole[start:end]
        room = indent if width is None else max(0, min(indent, width - line.cell_len))
        yield Text(" " * (room if number else 0), no_wrap=True, overflow="ignore").append_text(line)


def spans(text: str, first: int | None, rest: int | None) -> Iterator[tuple[int, int]]:
    """Where the lines of a text begin and end; a word that is longer than a line has one of its own.

    Args:
        text: What.
        first: Room of the first line in cells, None for any.
        rest: Room of the others.
    """
    start, end = 0, 0
    room = first
    for word in _WORD.finditer(text):
        if end and room is not None and cell_len(text[start : word.end()]) > room:
            yield start, end
            start, room = word.start(), rest
        end = word.end()
    yield start, end


def line_width(out: Console) -> int | None:
    """How wide lines may be; None through a pipe, where nobody looks at them but a program."""
    return out.width if out.is_terminal or "COLUMNS" in os.environ else None


def print_json(data: Any) -> None:
    """Print data as indented JSON, readable and with sorted-as-given keys."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


class Listing:
    """Rows under headings. Where they don't fit in the terminal's width, each row is a block of lines.

    No cell of a row is ever broken, and in a block only those that don't fit on a line of their own, between words.

    Args:
        columns: The headings.
        heads: What a block begins with, unnamed; the others follow, each with its heading.
        numbers: Headings of columns that stand to the right.
    """

    def __init__(self, *columns: str, heads: Collection[str], numbers: Collection[str] = ()) -> None:
        self._columns = columns
        self._heads = heads
        self._numbers = numbers
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def add_row(self, *cells: str, style: str = "") -> None:
        """Add a row with a cell for each column."""
        self._rows.append((cells, style))

    def print(self, out: Console) -> None:
        """Print all rows."""
        for line in self.lines(out):
            out.print(line, soft_wrap=True)

    def lines(self, out: Console) -> Iterator[Text]:
        """All rows, as lines for the console that they will be printed on."""
        table = [self._columns, *(cells for cells, _ in self._rows)]
        widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
        width = line_width(out)
        if width is None or sum(widths) + len(_GAP) * (len(widths) - 1) <= width:
            for cells, style in [(self._columns, "bold"), *self._rows]:
                yield Text(self._line(cells, widths), style=style, no_wrap=True, overflow="ignore")
            return
        for cells, style in self._rows:
            for line in self._block(cells, width):
                yield Text(line, style=style, no_wrap=True, overflow="ignore")

    def _line(self, cells: Iterable[str], widths: Iterable[int]) -> str:
        padded = []
        for name, cell, width in zip(self._columns, cells, widths, strict=True):
            room = " " * (width - cell_len(cell))
            padded.append(room + cell if name in self._numbers else cell + room)
        return _GAP.join(padded).rstrip()

    def _block(self, cells: Iterable[str], width: int) -> Iterator[str]:
        named = dict(zip(self._columns, cells, strict=True))
        for line in _broken([named[name] for name in self._heads if named[name]], _GAP, width, 0):
            yield from (part.plain for part in wrapped(line, width, 2))
        rest = [f"{name.lower()} {cell}" for name, cell in named.items() if cell and name not in self._heads]
        for line in _broken(rest, _BETWEEN, width, 2):
            yield from (part.plain for part in wrapped("  " + line, width, 4))


def _broken(parts: Iterable[str], gap: str, width: int | None, indent: int) -> Iterator[str]:
    """Parts joined to lines that have room beside an indent; a part that is longer has a line of its own."""
    line: str | None = None
    for part in parts:
        if line is None:
            line = part
        elif width is None or indent + cell_len(line) + len(gap) + cell_len(part) <= width:
            line += gap + part
        else:
            yield line
            line = part
    yield line or ""
