"""Text of a record on its way through a form and back, so that what nobody touched comes back as it was.

A browser makes CRLF of every line break of a text area and takes those of a field out; what can't be seen can't be
edited by anybody. So a form has one way of ending lines, said beside it, marks for what can't be seen, and a digest of
what it showed, by which untouched text is known.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple

from flowtrail_collector.wording import marked, unmarked

__all__ = ["LINE_ENDS", "InForm", "digest", "from_form", "in_area", "in_field", "packed", "unpacked"]

LINE_ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}
"""How lines end, by the names that people have for it."""


class InForm(NamedTuple):
    """A text as a form shows it.

    Attributes:
        text: With marks, and with lines that end with LF.
        line_end: How lines end in the text itself, one of `LINE_ENDS`.
        digest: See `digest`.
    """

    text: str
    line_end: str
    digest: str


def in_area(text: str) -> InForm:
    """A text as a text area shows it; where its lines end in several ways, each CR has a mark."""
    line_end = _line_end(text)
    lines = text.replace(LINE_ENDS[line_end], "\n")
    shown = marked(lines)
    return InForm(shown, line_end, digest(shown))


def in_field(text: str) -> InForm:
    """A text as a field of one line shows it."""
    shown = marked(text, keep="")
    return InForm(shown, "LF", digest(shown))


def from_form(typed: str, line_end: str = "LF") -> str:
    """The text that somebody typed.

    Args:
        typed: As the browser sent it.
        line_end: How its lines end, one of `LINE_ENDS`.
    """
    return unmarked(_lines(typed).replace("\n", LINE_ENDS[line_end]))


def digest(shown: str) -> str:
    """What tells whether a text was touched, however the browser writes its line breaks."""
    return hashlib.sha256(_lines(shown).encode("utf-8", "surrogatepass")).hexdigest()


def packed(values: Mapping[str, str]) -> str:
    """What was typed, in characters that every form leaves as they are."""
    return urlsafe_b64encode(json.dumps(dict(values), ensure_ascii=False).encode()).decode()


def unpacked(text: str) -> dict[str, str]:
    """What `packed` made this of.

    Raises:
        ValueError: It didn't.
    """
    try:
        values = json.loads(urlsafe_b64decode(text))
    except RecursionError:
        raise ValueError("not packed here") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("not packed here")
    return values


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line_end(text: str) -> str:
    pairs = text.count("\r\n")
    if pairs and text.count("\r") == pairs == text.count("\n"):
        return "CRLF"
    return "CR" if "\r" in text and "\n" not in text else "LF"
