"""The boxes of the service map: what stands in them, and how large they are, in SVG units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flowtrail_collector.console._map_text import text_width, wrapped

__all__ = ["BAD", "WARN", "Block", "Node", "Note", "Place", "Row", "blocks_of"]

Place = tuple[str, str]
"""A node: `service` or `topic`, and its name."""
WARN, BAD = "warn", "bad"
"""How much something needs attention; empty where it needs none."""
NAME_SIZE, NOTE_SIZE = 14.0, 12.0
_NAME_LINE, _NOTE_LINE = 18.0, 16.0
_NAME_LINES, _NOTE_LINES = 2, 6
_LEAST, _WIDEST = 96.0, 200.0
_SIDE, _PAD = 12.0, 6.0
_DESCENT = 4.0
"""From a line's baseline to its end."""
_TARGET = 24.0
"""What is to be hit by itself is at least as high (WCAG 2.2, 2.5.8)."""


class Note(NamedTuple):
    """What is said of a node, beneath its name.

    Attributes:
        text: For people.
        href: Where it leads, if elsewhere than the node itself.
        level: `WARN`, `BAD`, or empty.
    """

    text: str
    href: str = ""
    level: str = ""


class Row(NamedTuple):
    """A line of text, with the y of its baseline."""

    text: str
    y: float
    size: float
    level: str = ""


@dataclass(slots=True)
class Block:
    """A part of a box that leads somewhere: from `top` on, so high."""

    href: str
    rows: list[Row]
    top: float
    height: float
    says: str
    level: str = ""


@dataclass(slots=True)
class Node:
    """A box on the map; its blocks have their places within it.

    Attributes:
        kind: `service` or `topic`.
        name: The whole name.
        href: Where it leads.
        shown: The name as it is drawn.
        notes: What stands beneath; those that lead nowhere of their own first.
        lit: Whether what is looked for goes over it.
    """

    kind: str
    name: str
    href: str
    shown: str
    notes: Sequence[Note] = ()
    lit: bool = False
    blocks: list[Block] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    labels_from: float = 0.0
    """Where the room for labels begins that is left of its column."""

    @property
    def level(self) -> str:
        """The worst of what is said of it."""
        levels = {note.level for note in self.notes}
        return BAD if BAD in levels else WARN if WARN in levels else ""

    @property
    def says(self) -> str:
        """All that stands in it, in words."""
        return ", ".join(filter(None, [f"{self.kind} {self.name}", *(note.text for note in self.notes)]))


def blocks_of(node: Node) -> None:
    """Put a node's texts into blocks, and make it as large as they need it."""
    node.blocks = [_head(node)]
    for note in node.notes:
        if note.href:
            node.blocks.append(_foot(node, note, sum(block.height for block in node.blocks)))
    rows = [row for block in node.blocks for row in block.rows]
    node.width = max(_LEAST, *(text_width(row.text, row.size) + 2 * _SIDE for row in rows))
    node.height = sum(block.height for block in node.blocks)


def _head(node: Node) -> Block:
    """The name, and what leads nowhere of its own."""
    own = [note for note in node.notes if not note.href]
    top, rows = _PAD, []
    for line in wrapped(node.shown or '""', NAME_SIZE, _WIDEST, _NAME_LINES):
        top += _NAME_LINE
        rows.append(Row(line, top - _DESCENT, NAME_SIZE))
    for note in own:
        for line in wrapped(_marked(note), NOTE_SIZE, _WIDEST, _NOTE_LINES):
            top += _NOTE_LINE
            rows.append(Row(line, top - _DESCENT, NOTE_SIZE, note.level))
    whole = Node(node.kind, node.name, node.href, node.shown, own)
    return Block(node.href, rows, 0.0, max(_TARGET, top + _PAD), whole.says, whole.level)


def _foot(node: Node, note: Note, top: float) -> Block:
    """What leads elsewhere than the node itself."""
    lines = wrapped(_marked(note), NOTE_SIZE, _WIDEST, _NOTE_LINES)
    height = max(_TARGET, _NOTE_LINE * len(lines) + _PAD)
    first = top + (height - _NOTE_LINE * len(lines)) / 2 + _NOTE_LINE - _DESCENT
    rows = [Row(line, first + _NOTE_LINE * i, NOTE_SIZE, note.level) for i, line in enumerate(lines)]
    return Block(note.href, rows, top, height, f"{node.name}: {note.text}", note.level)


def _marked(note: Note) -> str:
    """With a sign that needs no colour."""
    return f"⚠ {note.text}" if note.level else note.text
