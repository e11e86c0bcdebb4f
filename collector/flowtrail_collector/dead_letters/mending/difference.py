"""What an edit changes, as lines that went and lines that came; bounded in length and in work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import unified_diff
from typing import NamedTuple

__all__ = ["MAX_DIFF_CHARACTERS", "Changed", "difference"]

MAX_DIFF_CHARACTERS = 16_384
_CONTEXT = 2
_MAX_LINE = 1_000
# Comparing takes time with the product of both: beyond this, what differs is told as a whole.
_MAX_PRODUCT = 1_000_000
_NONE = "(none)"


class Changed(NamedTuple):
    """A part of a record before and after; None where there is none."""

    name: str
    before: str | None
    after: str | None


def difference(parts: Iterable[Changed]) -> str:
    """The parts that differ, each with its name, lines that went (`-`) and lines that came (`+`)."""
    lines: list[str] = []
    for name, before, after in parts:
        if before != after:
            lines += [name, *map(_bounded, _changed(before, after))]
    text = "\n".join(lines).replace("\0", "\N{SYMBOL FOR NULL}")  # no database keeps it
    return text if len(text) <= MAX_DIFF_CHARACTERS else text[:MAX_DIFF_CHARACTERS] + "\n(cut)"


def _bounded(line: str) -> str:
    return line if len(line) <= _MAX_LINE else line[:_MAX_LINE] + " (cut)"


def _changed(before: str | None, after: str | None) -> list[str]:
    if before is None or after is None:  # a text may read like what stands for none
        return [*(f"-{line}" for line in _lines(before)), *(f"+{line}" for line in _lines(after))]
    return _of_part(_lines(before), _lines(after))


def _lines(text: str | None) -> list[str]:
    return [_NONE] if text is None else text.split("\n")


def _of_part(before: Sequence[str], after: Sequence[str]) -> list[str]:
    start = next(
        (n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one != other),
        min(len(before), len(after)),
    )
    rest = min(len(before), len(after)) - start
    end = next((n for n in range(rest) if before[-1 - n] != after[-1 - n]), rest)
    first, around = max(0, start - _CONTEXT), max(0, end - _CONTEXT)
    old, new = before[first : len(before) - around], after[first : len(after) - around]
    if len(old) * len(new) > _MAX_PRODUCT:
        return [*(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    return list(unified_diff(old, new, lineterm="", n=_CONTEXT))[3:]
