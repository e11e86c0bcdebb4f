"""How wide texts of the service map are at most, and how they are put into lines that fit."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["fitted", "text_width", "wrapped"]

# Widths in em, as wide as DejaVu Sans and Verdana have them bold: wider than most fonts, so that whatever a system
# draws with has room.
_NARROW, _MIDDLE, _WIDE, _SQUARE = 0.42, 0.72, 0.84, 1.12
_NARROW_CHARS = frozenset("fijlrtI.,:;'|!()[]/\\ -·")
_WIDE_CHARS = frozenset("mwMW%@≤⚠→…")
_BREAKS = re.compile(r"[^-._/:\s]*[-._/:\s]?")
_ELLIPSIS = "…"


def text_width(text: str, size: float) -> float:
    """How wide a text is at most, in the unit of its font's size."""
    return size * sum(map(_em, text))


def fitted(text: str, size: float, width: float) -> str:
    """A text short enough for a width; of a long one beginning and end, which tell names of one family apart."""
    if text_width(text, size) <= width:
        return text
    half = (width - text_width(_ELLIPSIS, size)) / 2
    return _taken(text, size, half) + _ELLIPSIS + _taken(text[::-1], size, half)[::-1]


def wrapped(text: str, size: float, width: float, most: int) -> list[str]:
    """A text in lines, broken behind spaces and what joins the parts of a name; the last line is shortened."""
    lines = [""]
    for part in filter(None, _BREAKS.findall(text)):
        if lines[-1] and text_width((lines[-1] + part).rstrip(), size) > width:
            lines.append("")
        lines[-1] += part
    kept = [*lines[: most - 1], "".join(lines[most - 1 :])] if len(lines) > most else lines
    return [fitted(line.strip(), size, width) for line in kept]


def _em(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if char in _NARROW_CHARS:
        return _NARROW
    if not char.isascii() and (unicodedata.east_asian_width(char) in "FW" or not char.isalpha()):
        return _SQUARE
    if char in _WIDE_CHARS:
        return _SQUARE
    return _WIDE if char.isupper() else _MIDDLE


def _taken(text: str, size: float, width: float) -> str:
    """As many characters from the beginning as there is room for."""
    used, count = 0.0, 0
    for char in text:
        used += text_width(char, size)
        if used > width:
            break
        count += 1
    return text[:count]
