"""Times, ages and foreign text as people read them; shared by command line and console."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice

_MOST_COMPARED = 1_000
_MARK = re.compile(r"\\u\{([0-9a-f]{1,6})\}")


def printable(text: str, keep: str = "") -> str:
    """Text from outside without control characters, so that no terminal obeys it; those in `keep` stay."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def marked(text: str, keep: str = "\n\t") -> str:
    """Text from outside with a mark such as `\\u{feff}` for whatever can't be seen; those in `keep` stay.

    `unmarked` makes the same text of it again: where a text itself has such a mark, its backslash gets one.
    """
    if text.isprintable() and "\\u{" not in text:
        return text
    text = _MARK.sub(lambda mark: mark[0] if _meant(mark) is None else "\\u{5c}" + mark[0][1:], text)
    return "".join(char if char.isprintable() or char in keep else f"\\u{{{ord(char):x}}}" for char in text)


def unmarked(text: str) -> str:
    """The text that `marked` made this of."""
    return _MARK.sub(lambda mark: _meant(mark) or mark[0], text)


def _meant(mark: re.Match[str]) -> str | None:
    """The character that a mark stands for; None if it is text like any other."""
    number = int(mark[1], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF or f"{number:x}" != mark[1]:
        return None
    char = chr(number)
    return char if char == "\\" or not char.isprintable() else None


def unmistakable(name: str) -> str:
    """A name from outside, so that no two look alike: `""` is the empty one, what can't be printed is escaped.

    Unlike `printable` it says which characters those are: `a\\nb` and `a\\rb` are two names.
    """
    if not name:
        return '""'
    shown = "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in name
    )
    return f"\\{shown}" if shown[0] == '"' else shown


def left_out(oversize: str) -> str:
    """What stands in place of a dead letter's value, by its header `dlq.oversize`."""
    instead = {"moved": "its new location is stored instead", "reference": "and key and headers too"}
    return f"left out, too large: {instead.get(oversize, 'it is still where the record came from')}"


def counted(number: int, word: str) -> str:
    """A number of things: `1 retry`, `2 retries`."""
    plural = word[:-1] + "ies" if word.endswith("y") else word + "s"
    return f"{number} {word if number == 1 else plural}"


def format_seconds(seconds: float) -> str:
    """A time span for people: `850µs`, `12ms`, `1.4s`, `2m 05s`, `3h 10m`, `4d 02h`."""
    if seconds < 0:
        return "-" + format_seconds(-seconds)
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f}µs" if seconds else "0s"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{name} {whole % size // small:02d}{small_name}"
    return f"{whole}s"


def format_span(seconds: float) -> str:
    """A round time span as short as it can be written: `0`, `50ms`, `30s`, `2d`."""
    if seconds == 0:
        return "0"
    if seconds < 60:
        return format_seconds(seconds) if seconds < 1 else f"{seconds:g}s"
    return format_seconds(seconds).replace(" 00s", "").replace(" 00m", "").replace(" 00h", "")


def clock(moment: str) -> str:
    """An RFC 3339 moment in UTC as people read it, with milliseconds."""
    found = datetime.fromisoformat(moment)
    return f"{found:%Y-%m-%d %H:%M:%S}.{found.microsecond // 1000:03d} UTC"


def age(moment: str | None, *, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 moment was (`3m 20s ago`) or how far off it is (`in 2h 05m`)."""
    if moment is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    return f"{format_seconds(seconds)} ago" if seconds >= 0 else f"in {format_seconds(-seconds)}"


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """` (did you mean NAME?)` if one of the first thousand names is much like what was asked for; else nothing."""
    near = get_close_matches(asked, list(islice(known, _MOST_COMPARED)), 1)
    return f" (did you mean {unmistakable(near[0])}?)" if near else ""
