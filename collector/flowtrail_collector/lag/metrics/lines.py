"""Sample lines of one group, formatted in bulk and only when their values changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Any

from flowtrail_collector.lag.model import UNKNOWN_STATUS, GroupReading
from flowtrail_collector.metrics.deflate import Deflater, Piece

__all__ = ["LineBook", "LineTemplate", "column", "escape", "head"]

_SPECIAL = re.compile(r'[\\"\n]')
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


def escape(label: str) -> str:
    """A label value for the text formats: any other character stands for itself, so no two names become one."""
    if _SPECIAL.search(label) is None:
        return label
    return _SPECIAL.sub(lambda match: _ESCAPED[match[0]], label)


def head(name: str, about: str, kind: str = "gauge") -> bytes:
    """The lines that begin a family."""
    return f"# HELP {name} {about}\n# TYPE {name} {kind}\n".encode()


def column(name: str, about: str, labels: Iterable[str], values: Iterable[float | None]) -> bytes:
    """A whole family, one line per label part; a None leaves its line out."""
    lines = [
        f"{name}{{{label}}} {_number(value)}\n"
        for label, value in zip(labels, values, strict=True)
        if value is not None
    ]
    return head(name, about) + "".join(lines).encode("utf-8", "replace")


def _number(value: float) -> str:
    return f"{int(value)}" if isinstance(value, int) else f"{value:.3f}"


class LineTemplate:
    """Lines with the same labels for several families.

    One `%` over a whole group's template formats a line in about 0.15 µs, where a loop needs 0.5 µs.

    Args:
        labels: the label part of each line, without braces.
    """

    __slots__ = ("_rendered", "_template")

    def __init__(self, labels: Iterable[str]) -> None:
        self._template = "".join(f"{{{label}}}".replace("%", "%%") + " %d\n" for label in labels)
        self._rendered: dict[str, tuple[Sequence[Any], Piece]] = {}

    def render(
        self, deflater: Deflater, name: str, values: Sequence[Any], *, decimals: int | None = None
    ) -> Piece:
        """The lines of one family; the piece of the last time if the values are the same.

        Args:
            deflater: compresses the lines.
            name: the family's name.
            values: one per line; a None (in a column of statuses 255) leaves its line out.
            decimals: how many digits after the point; None for whole numbers.
        """
        last = self._rendered.get(name)
        if last is not None and last[0] == values:
            return last[1]
        shown, template = self._known(values)
        if decimals is not None:
            # A real line end only ever follows the placeholder: those in labels are escaped.
            template = template.replace(" %d\n", f" %.{decimals}f\n")
        text = _named(template, name) % tuple(shown)
        if decimals is not None:
            text = text.replace(" inf\n", " +Inf\n")
        piece = deflater.piece(text.encode("utf-8", "replace"))
        self._rendered[name] = (values, piece)
        return piece

    def _known(self, values: Sequence[Any]) -> tuple[Sequence[Any], str]:
        missing = UNKNOWN_STATUS if isinstance(values, bytes) else None
        if missing not in values:
            return values, self._template
        known = [value != missing for value in values]
        # Not `splitlines`: a name may hold any other line end.
        lines = compress(self._template.split("\n"), known)
        return list(compress(values, known)), "".join(f"{line}\n" for line in lines)


def _named(template: str, name: str) -> str:
    """The template with a family's name in front of each line; a line end only ever stands at the end of one."""
    return template and name + template[:-1].replace("\n", f"\n{name}") + "\n"


class LineBook:
    """The templates of all groups: of each, a line per partition and a line per topic.

    Args:
        deflater: compresses the lines.
        pair_label: makes the labels of a partition's line from group, topic and partition.
        topic_label: makes the labels of a topic's line from group and topic.
        with_pairs: whether lines per partition are wanted.
    """

    def __init__(
        self,
        deflater: Deflater,
        pair_label: Callable[[str, str, int], str],
        topic_label: Callable[[str, str], str],
        *,
        with_pairs: bool,
    ) -> None:
        self._deflater = deflater
        self._pair_label = pair_label
        self._topic_label = topic_label
        self._with_pairs = with_pairs
        self._templates: dict[str, tuple[int, LineTemplate, LineTemplate]] = {}

    def prepare(self, readings: Sequence[GroupReading]) -> None:
        """Build the templates of groups whose partitions changed; drop those of groups that are gone."""
        templates = self._templates
        for reading in readings:
            known = templates.get(reading.group)
            if known is None or known[0] != reading.layout:
                templates[reading.group] = self._build(reading)
        if len(templates) > len(readings):
            for gone in templates.keys() - {reading.group for reading in readings}:
                del templates[gone]

    def pairs(
        self, reading: GroupReading, name: str, values: Sequence[Any], *, decimals: int | None = None
    ) -> Piece:
        """The lines of a family that has one per partition."""
        return self._templates[reading.group][1].render(self._deflater, name, values, decimals=decimals)

    def topics(
        self, reading: GroupReading, name: str, values: Sequence[Any], *, decimals: int | None = None
    ) -> Piece:
        """The lines of a family that has one per topic."""
        return self._templates[reading.group][2].render(self._deflater, name, values, decimals=decimals)

    def text(self, content: bytes) -> Piece:
        """Other lines."""
        return self._deflater.piece(content)

    def _build(self, reading: GroupReading) -> tuple[int, LineTemplate, LineTemplate]:
        group = escape(reading.group)
        topics = {part.topic: escape(part.topic) for part in reading.slices}
        pairs = LineTemplate(
            self._pair_label(group, topics[topic], n) for topic, n in reading.pairs if self._with_pairs
        )
        return reading.layout, pairs, LineTemplate(self._topic_label(group, name) for name in topics.values())
