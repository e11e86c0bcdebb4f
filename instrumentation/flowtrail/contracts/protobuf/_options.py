"""Options of a .proto file, `name = value`: held to what Protobuf knows of them, since one that is misspelt does nothing."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flowtrail.contracts.protobuf import _rules as rules
from flowtrail.contracts.protobuf._kinds import is_repeated
from flowtrail.contracts.protobuf._lexing import Word, Words
from flowtrail.contracts.protobuf._names import default_text

_BYTES: Final = 12
_KEPT: Final = frozenset({
    "deprecated", "allow_alias", "packed", "lazy", "unverified_lazy", "message_set_wire_format",
})  # fmt: skip


class Own(NamedTuple):
    """An option that a file declares itself, or one that it imports: `(shop.masked) = true`.

    Attributes:
        path: Its name's parts; those in brackets are the names of extensions.
        within: Full name of what it stands in.
        options: Full name of the message that it extends, e.g. `google.protobuf.FieldOptions`.
        value: The first word of its value, behind the sign.
        sign: A minus, or nothing.
        again: Whether the same was said before.
    """

    path: tuple[tuple[str, bool], ...]
    within: str
    options: str
    value: Word
    sign: str
    again: bool


class Options:
    """Reads the options of one file.

    Args:
        words: The file's.

    Attributes:
        proto3: Whether the file is.
        own: What can only be looked up when all files are known.
    """

    def __init__(self, words: Words) -> None:
        self.proto3 = False
        self.own: list[Own] = []
        self._words = words
        # What they are of is kept, so that nothing else gets its id.
        self._said: dict[tuple[int, str], Any] = {}

    def statement(self, holder: Any, within: str) -> bool:
        """`option name = value;`, if that follows."""
        if not self._words.follows("option"):
            return False
        self._option(holder, within)
        self._words.expect(";")
        return True

    def list(self, holder: Any, within: str) -> None:
        """`[name = value, ...]`, if that follows."""
        if not self._words.follows("["):
            return
        while True:
            self._option(holder, within)
            if not self._words.follows(","):
                break
        self._words.expect("]")

    def _option(self, holder: Any, within: str) -> None:
        words = self._words
        at = words.next
        path = self._path()
        words.expect("=")
        sign = "-" if words.follows("-") else ""
        words.follows("+")
        value = words.next
        name = ".".join(f"({part})" if is_own else part for part, is_own in path)
        again = self._is_known(holder, name)
        if path[0][1]:
            options = f"google.protobuf.{type(holder.options).__name__}"
            self.own.append(Own(path, within, options, value, sign, again))
        elif said := rules.option_wrong(holder, name, value, sign, proto3=self.proto3):
            words.wrong(said)
        elif again and not _repeats(holder, name):
            words.wrong(f"{name} is said twice", at)
        if value.text == "{" and value.kind == "sign":
            words.skip_block()
        elif value.kind == "text":
            _keep(holder, name, words.text("a value"))
        elif value.kind in ("name", "number"):
            _keep(holder, name, sign + words.take().text)
        else:
            words.wrong(f"a value of {name} expected, not {value.text[:40]!r}")

    def _path(self) -> tuple[tuple[str, bool], ...]:
        words, found = self._words, []
        while True:
            if words.follows("("):
                found.append((words.full_name("an option's name"), True))
                words.expect(")")
            else:
                found.append((words.name_of("an option's name"), False))
            if not words.follows("."):
                return tuple(found)

    def _is_known(self, holder: Any, name: str) -> bool:
        key = (id(holder), name)
        known = key in self._said
        self._said[key] = holder
        return known


def _repeats(holder: Any, name: str) -> bool:
    option = holder.options.DESCRIPTOR.fields_by_name.get(name)
    return option is not None and is_repeated(option)


def _keep(holder: Any, name: str, value: str | bytes) -> None:
    """Of the options only those that contracts know."""
    if name in _KEPT and hasattr(holder.options, name):
        setattr(holder.options, name, value == "true")
    elif name == "json_name" and isinstance(value, bytes):
        holder.json_name = value.decode("utf-8", "replace")
    elif name == "default":
        holder.default_value = default_text(holder.type == _BYTES, value)
