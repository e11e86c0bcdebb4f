"""JSON as text that people edit: indented and made compact again without touching a number or a string."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

__all__ = ["NotJsonError", "compact", "parsed", "pretty", "visible"]

# Of a text that is JSON: strings, punctuation, and numbers and words.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')
_INDENT = "  "


class NotJsonError(Exception):
    """A text isn't JSON; says where and why, and never shows it."""


def parsed(text: str) -> Any:
    """The data of a JSON text.

    Raises:
        NotJsonError: It isn't one; names line and column.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        raise NotJsonError(f"isn't JSON: {reason}") from None
    except RecursionError:
        raise NotJsonError("isn't JSON that can be read: nested too deeply") from None
    except ValueError:  # a number of thousands of digits
        raise NotJsonError("isn't JSON that can be read: a number is too long") from None


def compact(text: str) -> str:
    """A JSON text without blanks between its parts; numbers and strings stay as they are written."""
    return "".join(_TOKEN.findall(text))


def pretty(text: str, most: int = sys.maxsize) -> str | None:
    """A JSON text with a line for each member; numbers and strings stay as they are written.

    Args:
        text: Is JSON.
        most: Characters that it may become; None if they would be more, as deep nesting makes long indents.
    """
    made: list[str] = []
    length = 0
    for part in _laid_out(text):
        made.append(part)
        length += len(part)
        if length > most:
            return None
    return "".join(made)


def _laid_out(text: str) -> Iterator[str]:
    depth, before = 0, ""
    for part, following in pairwise([*_TOKEN.findall(text), ""]):
        if part in "]}":
            depth -= 1
            if before not in "[{":
                yield _line(depth)
        yield part
        if part in "[{":
            depth += 1
            if following not in "]}":
                yield _line(depth)
        elif part == ",":
            yield _line(depth)
        elif part == ":":
            yield " "
        before = part


def visible(text: str) -> str:
    """A JSON text whose strings have an escape for whatever can't be seen: it would get lost on the way to people."""
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


def _line(depth: int) -> str:
    return "\n" + _INDENT * depth


def _no_constant(name: str) -> Any:
    raise NotJsonError(f"isn't JSON: {name} is no number there")
