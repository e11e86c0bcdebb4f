"""From bytes to data: compiled once, and strict, since nothing in the bytes says what they are.

fastavro's own reader takes the last symbol for a symbol of number -1, cuts numbers that are too large for their
type, and reads a record within a record by calling itself in C, where bytes that claim a depth of 100,000 end the
process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Any, Final, NoReturn

from flowtrail.contracts.avro._branches import Branch, is_open
from flowtrail.contracts.avro._logical import conversion_of
from flowtrail.contracts.avro._nodes import Node, in_bytes
from flowtrail.errors import DecodeError

MAX_LEVELS: Final = 400
"""How many records, lists, maps and unions may be within each other. One is a frame of Python, which has 1000."""

Read = Callable[[bytes, int, int], tuple[Any, int]]
"""From the payload, a place in it, and how many levels are around it, to the value there and the place behind."""


class MalformedError(Exception):
    """Bytes that nothing of the type is written as.

    Attributes:
        at: Where.
    """

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


class Reader:
    """Reads payloads of one schema.

    Args:
        root: The schema.
        trees: Whether what is read says which types of unions it is of; see `Branch`.
    """

    def __init__(self, root: Node, *, trees: bool = False) -> None:
        self._trees = trees
        self._shown = root.shown
        self._made: dict[int, Read] = {}
        self._read = self._of(root)

    def read(self, payload: bytes) -> Any:
        """What a payload holds.

        Raises:
            DecodeError: It isn't written with this schema, or nested too deeply.
        """
        try:
            data, end = self._read(payload, 0, 0)
        except MalformedError as error:
            self._refuse(f"{error} at byte {error.at}")
        except IndexError:
            self._refuse(f"it ends too early, after {in_bytes(len(payload))}")
        except RecursionError:
            raise DecodeError("nested too deeply") from None
        if end != len(payload):
            self._refuse(f"{in_bytes(len(payload) - end)} left over")
        return data

    def _refuse(self, why: str) -> NoReturn:
        raise DecodeError(f"not what {self._shown} is written as: {why}") from None

    def _of(self, node: Node) -> Read:
        known = self._made.get(id(node))
        if known is not None:
            return known
        if node.kind == "record":
            parts: list[tuple[str, Read]] = []
            # It is known before its parts are: one of them may be a record like itself.
            read = self._made[id(node)] = _record(parts)
            parts += [(part.name, self._of(part.type)) for part in node.fields.values()]
            return read
        made = self._made[id(node)] = self._plain(node)
        return made

    def _plain(self, node: Node) -> Read:
        conversion = conversion_of(node)
        raw = self._raw(node)
        return raw if conversion is None else _converted(raw, conversion.made, node.shown)

    def _raw(self, node: Node) -> Read:
        if node.kind == "union":
            branches = [self._of(branch) for branch in node.branches]
            if self._trees and is_open(node):
                branches = [_branch(number, read) for number, read in enumerate(branches)]
            return _union(branches)
        if node.kind == "array" and node.inner is not None:
            return _array(self._of(node.inner))
        if node.kind == "map" and node.inner is not None:
            return _map(self._of(node.inner))
        if node.kind == "enum":
            return _enum(node.symbols)
        if node.kind == "fixed":
            return _fixed(node.size)
        return _PLAIN[node.kind]


def _record(parts: list[tuple[str, Read]]) -> Read:
    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        if level >= MAX_LEVELS:
            raise MalformedError(at, f"more than {MAX_LEVELS} levels are within each other")
        level += 1
        made: dict[str, Any] = {}
        for name, inner in parts:
            made[name], at = inner(payload, at, level)
        return made, at

    return read


def _union(branches: list[Read]) -> Read:
    count = len(branches)

    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        number, start = _long(payload, at)
        if not 0 <= number < count:
            raise MalformedError(at, f"branch {number} of a union of {count}")
        return branches[number](payload, start, level + 1)

    return read


def _branch(number: int, inner: Read) -> Read:
    """One type of a union, whose values say so."""

    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        value, end = inner(payload, at, level)
        return Branch(number, value), end

    return read


def _enum(symbols: tuple[str, ...]) -> Read:
    count = len(symbols)

    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        number, end = _long(payload, at)
        if not 0 <= number < count:
            raise MalformedError(at, f"symbol {number} of an enum of {count}")
        return symbols[number], end

    return read


def _array(inner: Read) -> Read:
    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        made: list[Any] = []
        level += 1
        while True:
            count, at = _block(payload, at)
            if not count:
                return made, at
            for _ in range(count):
                item, at = inner(payload, at, level)
                made.append(item)

    return read


def _map(inner: Read) -> Read:
    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        made: dict[str, Any] = {}
        level += 1
        while True:
            count, at = _block(payload, at)
            if not count:
                return made, at
            for _ in range(count):
                name, at = _text(payload, at)
                made[name], at = inner(payload, at, level)

    return read


def _block(payload: bytes, at: int) -> tuple[int, int]:
    """How many items follow. A negative count has the block's length behind it, for whoever passes it over."""
    count, start = _long(payload, at)
    if count < 0:
        count = -count
        size, start = _long(payload, start)
        if size < 0:
            raise MalformedError(at, f"a block of {in_bytes(size)}")
    if count > len(payload) - start:  # an item has at least one byte
        raise MalformedError(at, f"a block of {count} items, with {in_bytes(len(payload) - start)} behind it")
    return count, start


def _fixed(size: int) -> Read:
    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        end = at + size
        if end > len(payload):
            raise IndexError
        return payload[at:end], end

    return read


def _converted(raw: Read, made: Callable[[Any], Any], shown: str) -> Read:
    def read(payload: bytes, at: int, level: int) -> tuple[Any, int]:
        value, end = raw(payload, at, level)
        try:
            return made(value), end
        except (ValueError, OverflowError):
            raise MalformedError(at, f"out of the range of {shown}") from None

    return read


def _long(payload: bytes, at: int, level: int = 0) -> tuple[int, int]:
    byte = payload[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    start, found, shift = at, byte & 0x7F, 7
    while byte >= 0x80:
        if shift > 63:
            raise MalformedError(start, "a number of more than 10 bytes")
        at += 1
        byte = payload[at]
        found |= (byte & 0x7F) << shift
        shift += 7
    if found >> 64:
        raise MalformedError(start, "a number of more than 64 bits")
    return (found >> 1) ^ -(found & 1), at + 1


def _int(payload: bytes, at: int, level: int) -> tuple[int, int]:
    byte = payload[at]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, end = _long(payload, at)
    if end - at > 5 or not -(2**31) <= value < 2**31:
        raise MalformedError(at, "a number of more than 32 bits")
    return value, end


def _bytes(payload: bytes, at: int, level: int = 0) -> tuple[bytes, int]:
    size, start = _long(payload, at)
    if size < 0:
        raise MalformedError(at, f"a length of {size}")
    end = start + size
    if end > len(payload):
        raise IndexError
    return payload[start:end], end


def _text(payload: bytes, at: int, level: int = 0) -> tuple[str, int]:
    byte = payload[at]
    if byte < 0x80 and not byte & 1:  # most are this short
        start = at + 1
        end = start + (byte >> 1)
        if end > len(payload):
            raise IndexError
        raw = payload[start:end]
    else:
        raw, end = _bytes(payload, at)
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        raise MalformedError(at, "text that isn't UTF-8") from None


def _null(payload: bytes, at: int, level: int) -> tuple[None, int]:
    return None, at


def _boolean(payload: bytes, at: int, level: int) -> tuple[bool, int]:
    byte = payload[at]
    if byte > 1:
        raise MalformedError(at, f"a boolean of {byte}")
    return byte == 1, at + 1


def _number(form: Struct, payload: bytes, at: int, level: int) -> tuple[float, int]:
    end = at + form.size
    if end > len(payload):
        raise IndexError
    return form.unpack_from(payload, at)[0], end


_PLAIN: Final[dict[str, Read]] = {
    "null": _null, "boolean": _boolean, "int": _int, "long": _long, "bytes": _bytes, "string": _text,
    "float": partial(_number, Struct("<f")), "double": partial(_number, Struct("<d")),
}  # fmt: skip
