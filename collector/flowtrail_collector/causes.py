"""Causes: one fingerprint for what went wrong in the same way, however many ids its messages name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

__all__ = ["HOUR_MS", "cause_of", "common_words", "fingerprint", "normalised", "trend_of"]

HOUR_MS = 3_600_000

_MAX_READ = 4_000
_MAX_MESSAGE = 200
_MAX_EXAMPLE = 80
_HOLE = "*"
# A quotation begins where a word doesn't end: an apostrophe is none.
_QUOTED = re.compile(
    # Long ones lose their end where messages are cut, so the most usual one needs none.
    r"""(?<!\w)'[^'\n]*'(?!\w)|"[^"\n]*"?|`[^`\n]*`|“[^“”\n]*”|‘[^‘’\n]*’|«[^«»\n]*»|„[^„“\n]*“"""
)
_TOKEN = re.compile(r"[\w.\-+@$%~]+")
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_ENDS = ".-+"
_HOLES = re.compile(r"\*(?:[\s,;:/|=&]*\*)+")
_SPACE = re.compile(r"\s+")


def normalised(message: str) -> str:
    """What messages of one cause have in common: what is quoted, and every token that is a number or an id, is `*`.

    A token is an id if it has a digit or an @, or is hexadecimal of 8 letters or more. Several in a row are one, so that a
    list of three ids reads like one of five. Takes time in proportion to the length of the message.
    """
    text = _QUOTED.sub(_HOLE, message[:_MAX_READ])
    text = _HOLES.sub(_HOLE, _TOKEN.sub(_without_id, text))
    return _SPACE.sub(" ", text).strip()[:_MAX_MESSAGE]


def common_words(message: str | None) -> str | None:
    """What messages of one cause have in common, for people; where that is no word at all, with one of them.

    What `KeyError` says is only the key, in quotes.
    """
    if message is None:
        return None
    common = normalised(message)
    first = message.strip().partition("\n")[0][:_MAX_EXAMPLE]
    return common if any(map(str.isalpha, common)) or not first else f"{common}, such as {first}"


def cause_of(group: str | None, event_type: str | None, error_type: str | None, message: str | None) -> str:
    """The fingerprint of what a dead letter died of.

    Args:
        group: Who gave the message up.
        event_type: What it was.
        error_type: Class of the error.
        message: The error's message; only what is common to its kind counts.
    """
    return fingerprint(group, event_type, error_type, None if message is None else normalised(message))


def fingerprint(*values: str | None) -> str:
    """16 hexadecimal characters that stand for these values, in this order."""
    return blake2b(b"".join(_parts(values)), digest_size=8).hexdigest()


def trend_of(last_hour: int, hour_before: int) -> str:
    """`rising`, `falling` or `steady` by how many came in the last two hours; `quiet` if none did."""
    if not last_hour and not hour_before:
        return "quiet"
    if last_hour == hour_before:
        return "steady"
    return "rising" if last_hour > hour_before else "falling"


def _without_id(found: re.Match[str]) -> str:
    token = found[0]
    core = token.rstrip(_ENDS)
    if "@" in core or _HEX.fullmatch(core) or any(map(str.isdigit, core)):
        return _HOLE + token[len(core) :]
    return token


def _parts(values: Iterable[str | None]) -> Iterable[bytes]:
    """Each with its length before it: no two rows of values are alike once they are joined."""
    for value in values:
        if value is None:
            yield b"-"
        else:
            text = value.encode("utf-8", "surrogatepass")
            yield b"%d:%b" % (len(text), text)
