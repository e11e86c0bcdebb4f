"""Patterns as JSON Schema means them, ECMA-262's with the flag `u`, for a matcher that has Python's.

In Python `$` is found before a newline at the end, too, and `\\d`, `\\w` and `\b` know the digits and letters of every
script: what is published would be refused by readers in other languages. What ECMA-262 doesn't have stays as the
matcher has it.
"""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = "0-9A-Za-z_"
_SPACE: Final = r"\t\n\x0b\x0c\r\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES: Final = {r"\d": "0-9", r"\w": _WORD, r"\s": _SPACE}
# The same within brackets, in which nothing can be said to be outside of others.
_OTHERS: Final = {
    r"\D": r"\x00-\x2f\x3a-\U0010ffff",
    r"\W": r"\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\U0010ffff",
    r"\S": r"\x00-\x08\x0e-\x1f\x21-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff"
    r"\u3001-\ufefe\uff00-\U0010ffff",
}
_OUTSIDE: Final = {
    "$": r"\Z",
    ".": r"[^\n\r\u2028\u2029]",
    "[]": "(?!)",
    "[^]": "(?s:.)",
    "{": r"\{",
    r"\b": f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))",
    r"\B": f"(?:(?<=[{_WORD}])(?=[{_WORD}])|(?<![{_WORD}])(?![{_WORD}]))",
    **{short: f"[{each}]" for short, each in _CLASSES.items()},
    **{short.upper(): f"[^{each}]" for short, each in _CLASSES.items()},
}
_INSIDE: Final = {"[": r"\[", **_CLASSES, **_OTHERS}
_TOKEN: Final = re.compile(
    r"\\u\{(?P<point>[0-9A-Fa-f]{1,8})\}"
    r"|\\u(?P<high>[Dd][89ABab][0-9A-Fa-f]{2})\\u(?P<low>[Dd][C-Fc-f][0-9A-Fa-f]{2})"
    r"|\\c(?P<control>[A-Za-z])|\\(?P<zero>0)(?![0-9])|\\[pP]\{[^}]*\}"
    r"|\\k<(?P<group>\w+)>|\\.|\[\^?\]|\[\^?|\{[0-9]+(?:,[0-9]*)?\}|.",
    re.DOTALL,
)
# Within brackets.
_MEMBER: Final = re.compile(
    r"\\u\{(?P<point>[0-9A-Fa-f]{1,8})\}"
    r"|\\u(?P<high>[Dd][89ABab][0-9A-Fa-f]{2})\\u(?P<low>[Dd][C-Fc-f][0-9A-Fa-f]{2})"
    r"|\\c(?P<control>[A-Za-z])|\\(?P<zero>0)(?![0-9])|\\[pP]\{[^}]*\}"
    r"|\\.|.",
    re.DOTALL,
)


def of_ecma(pattern: str) -> str:
    """A pattern of ECMA-262 as the package `regex` has it."""
    made: list[str] = []
    at = 0
    while found := _TOKEN.match(pattern, at):
        text, at = found[0], found.end()
        made.append(_OUTSIDE.get(text) or _character(found) or _group(found) or text)
        if text in ("[", "[^"):
            at = _add_members(pattern, at, made)
    return "".join(made)


def _add_members(pattern: str, at: int, made: list[str]) -> int:
    """Add what stands within brackets, the last one included; hands back where it ends."""
    after_class = False
    for found in _MEMBER.finditer(pattern, at):
        text, at = found[0], found.end()
        is_class = text in _CLASSES or text in _OTHERS
        # Beside a class, a stroke is itself and makes no range.
        if is_class and made[-1] == "-":
            made[-1] = r"\-"
        made.append(r"\-" if text == "-" and after_class else _INSIDE.get(text) or _character(found) or text)
        after_class = is_class
        if found[0] == "]":
            break
    return at


def _character(found: re.Match[str]) -> str:
    """A character that is said by its number, as the matcher is told; empty if it isn't."""
    groups = found.groupdict()
    if groups["high"]:
        number = 0x10000 + ((int(groups["high"], 16) - 0xD800) << 10) + int(groups["low"], 16) - 0xDC00
    elif groups["point"]:
        number = int(groups["point"], 16)
    elif groups["control"]:
        number = ord(groups["control"]) % 32
    elif groups["zero"]:
        number = 0
    else:
        return ""
    return f"\\U{number:08x}"


def _group(found: re.Match[str]) -> str:
    return f"(?P={found['group']})" if found["group"] else ""
