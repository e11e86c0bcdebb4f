"""The words of a .proto file, each with its line."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, NoReturn

from flowtrail.contracts._errors import SchemaError

_WORDS: Final = re.compile(
    r"(?P<space>[ \t\r\f\v]+|\n)"
    r"|(?P<comment>//[^\n]*|/\*.*?\*/)"
    r"|(?P<text>\"(?:\\.|[^\"\\\n\0])*\"|'(?:\\.|[^'\\\n\0])*')"
    r"|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>[{}()\[\]<>;:,=.+\-/])",
    re.DOTALL | re.ASCII,
)
_ESCAPE: Final = re.compile(
    rb"\\(?:([abfnrtv\\'\"?])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)"
)
_PLAIN: Final = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_MARK: Final = "\ufeff"
_AFTER: Final = re.compile(r"x-remove-after:\s*(\S+)")


class Word(NamedTuple):
    """One word: `kind` is text, number, name, sign or end."""

    kind: str
    text: str
    line: int


class Words:
    """Hands out the words of a file, one after the other.

    Args:
        name: What messages call the file.
        text: The file.

    Attributes:
        removals: What `x-remove-after: DATE` in a comment says, by the line it counts for: its own, or, if it
            stands alone, the next.

    Raises:
        SchemaError: Something in it is no word.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.removals: dict[int, str] = {}
        self._words: list[Word] = []
        self._at = 0
        line, end, alone = 1, len(_MARK) if text.startswith(_MARK) else 0, True
        while end < len(text):
            match = _WORDS.match(text, end)
            if match is None:
                raise SchemaError(f"{name}:{line}: {text[end]!r} is not valid in a .proto file")
            kind, word, end = str(match.lastgroup), match[0], match.end()
            breaks = word.count("\n")
            if kind == "comment":
                if after := _AFTER.search(word):
                    self.removals[line + breaks + 1 if alone else line] = after[1]
            elif kind != "space":
                self._words.append(Word(kind, word, line))
            line += breaks
            alone = (alone or breaks > 0) if kind == "space" else kind == "comment" and alone
        self._words.append(Word("end", "the end of the file", line))

    @property
    def next(self) -> Word:
        """The word that `take` will hand out."""
        return self._words[self._at]

    @property
    def ended(self) -> bool:
        """Whether none is left."""
        return self.next.kind == "end"

    def take(self) -> Word:
        """The next word."""
        word = self._words[self._at]
        if word.kind != "end":
            self._at += 1
        return word

    def follows(self, text: str) -> bool:
        """Take the next word if it is this one."""
        if self.next.text == text and self.next.kind != "text":
            self._at += 1
            return True
        return False

    def expect(self, text: str) -> Word:
        """Take the next word, which has to be this one."""
        word = self.take()
        if word.text != text or word.kind == "text":
            self.wrong(f"{text!r} expected, not {word.text[:40]!r}", word)
        return word

    def wrong(self, what: str, word: Word | None = None) -> NoReturn:
        """Raise, naming the line."""
        raise SchemaError(f"{self.name}:{(word or self.next).line}: {what}")

    def name_of(self, what: str) -> str:
        """A name without points."""
        word = self.take()
        if word.kind != "name":
            self.wrong(f"{what} expected, not {word.text[:40]!r}", word)
        return word.text

    def full_name(self, what: str, *, absolute: bool = True) -> str:
        """A name with or without points; one in front, if that may be, says that it is a full one."""
        name = "." if absolute and self.follows(".") else ""
        name += self.name_of(what)
        while self.follows("."):
            name += f".{self.name_of(what)}"
        return name

    def number(self, what: str) -> int:
        """A whole number."""
        sign = -1 if self.follows("-") else 1
        word = self.take()
        try:
            return sign * whole(word.text)
        except ValueError:
            self.wrong(f"{what} expected, not {word.text[:40]!r}", word)

    def text(self, what: str) -> bytes:  # noqa: RET503 - `wrong` raises
        """A text; neighbours are one."""
        found = b""
        while self.next.kind == "text":
            word = self.take()
            try:
                found += _ESCAPE.sub(_unescaped, word.text[1:-1].encode())
            except ValueError:
                self.wrong(f"{what} has an unknown escape", word)
            if self.next.kind != "text":
                return found
        self.wrong(f"{what} expected, in quotes, not {self.next.text[:40]!r}")

    def skip_block(self) -> None:
        """Pass over everything up to the brace that closes the next one."""
        opened = self.expect("{")
        depth = 1
        while depth:
            word = self.take()
            if word.kind == "end":
                self.wrong("this brace is never closed", opened)
            depth += {"{": 1, "}": -1}.get(word.text, 0) if word.kind == "sign" else 0


def _unescaped(match: re.Match[bytes]) -> bytes:
    """What an escape stands for; raises ValueError."""
    plain, octal, byte, *points = match.groups()
    if plain is not None:
        return bytes([_PLAIN.get(plain[0], plain[0])])
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if byte is not None:
        return bytes([int(byte, 16)])
    return chr(int(points[0] or points[1] or b"", 16)).encode()


def whole(text: str) -> int:
    """A whole number as it stands in a .proto file; raises ValueError."""
    if text.lower().startswith("0x"):
        return int(text, 16)
    return int(text, 8) if len(text) > 1 and text.startswith("0") else int(text)
