"""Texts as contracts restrict them: the formats that are asserted, and patterns, within a time.

Which formats `jsonschema` asserts depends on what else is installed. A contract has to mean the same in every
service, so the list is fixed here, and none of it needs another package.
"""

from __future__ import annotations

import re
from datetime import date, time
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import regex
from jsonschema import FormatChecker

from flowtrail.contracts.json_schema._ecma import of_ecma

SECONDS: Final = 1.0
"""The longest that a pattern may take for one text, in seconds of the processor."""
_LARGEST: Final = 50_000
"""How many characters a pattern may stand for, each repetition written out as often as it is asked for at least: making
the matcher takes as long as that."""
_ATOM: Final = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?P<times>\d+)(?:,\d*)?\}|.", re.DOTALL | re.ASCII
)
_LIBRARY: Final = ("email", "ipv4", "ipv6", "uuid")
_TIME: Final = re.compile(
    r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(?:[Zz]|[+-](?P<zone>[0-9]{2}:[0-9]{2}))"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
FORMATS: Final = FormatChecker(_LIBRARY)


class TooSlowError(Exception):
    """A pattern took too long."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self.pattern = pattern


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    if _written_out(pattern) > _LARGEST:
        raise regex.error("too much of it is repeated")
    return regex.compile(of_ecma(pattern))


def _written_out(pattern: str) -> int:
    """How many characters a pattern has without its repetitions, up to where that is decided."""
    around, last = [0], 0
    for atom in _ATOM.finditer(pattern):
        text = atom[0]
        if text == "(":
            around.append(0)
        elif text == ")" and len(around) > 1:
            last = around.pop() + 1
            around[-1] += last
        elif atom["times"]:
            times = max(int(atom["times"][:9]), 1)
            around[-1] += last * (times - 1)
            last *= times
        else:
            last = 1
            around[-1] += 1
        if around[-1] > _LARGEST:
            break
    return sum(around)


def found_in(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text.

    Raises:
        TooSlowError: Nobody can say within a second.
    """
    try:
        return _compiled(pattern).search(text, timeout=SECONDS) is not None
    except TimeoutError:
        raise TooSlowError(pattern) from None


@FORMATS.checks("regex", raises=regex.error)
def _is_regex(value: object) -> bool:
    try:
        return not isinstance(value, str) or bool(_compiled(value))
    except RecursionError:
        return False  # a flat text, and a pattern too deep for anybody to use


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(_DATE.fullmatch(value) and date.fromisoformat(value))


@FORMATS.checks("time", raises=ValueError)
def _is_time(value: object) -> bool:
    """RFC 3339's `full-time`, leap seconds included."""
    if not isinstance(value, str):
        return True
    found = _TIME.fullmatch(value)
    if found is None:
        return False
    leap = found["time"].endswith(":60")
    time.fromisoformat(found["time"][:-2] + "59" if leap else found["time"])
    if found["zone"]:
        time.fromisoformat(found["zone"])
    return True


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    """RFC 3339's `date-time`: a time zone is part of it."""
    if not isinstance(value, str):
        return True
    return value[10:11] in ("T", "t") and _is_date(value[:10]) and _is_time(value[11:])


@FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    """RFC 3986: with a scheme, and nothing in it that has to be escaped."""
    if not isinstance(value, str):
        return True
    if not _URI.fullmatch(value):
        return False
    _ = urlsplit(value).port  # which raises if it is no number, and has looked at the brackets
    return True
