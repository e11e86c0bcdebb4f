"""Properties of a message made such that the client's decoder can take them, whatever was sent. Pure.

The client ends the connection at a value that has no counterpart in Python, so that one message would keep all behind
it from being read. What is changed keeps its length; only what no server lets through is left out.
"""

from __future__ import annotations

import math
from struct import Struct

__all__ = ["decodable", "with_decodable"]

_FRAME = Struct(
    ">BHIHHQ"
).unpack_from  # of a header frame: type, channel, size, class, weight, size of the body
_HEADER, _BASIC = 2, 60
_AROUND = 8  # bytes of a frame beside its payload
_PROPERTIES = 19
_END = b"\xce"

_FLAGS = Struct(">H")
_LENGTH = Struct(">I")
_SECONDS = Struct(">Q").unpack_from
_FLOAT, _DOUBLE = Struct(">f").unpack_from, Struct(">d").unpack_from
# AMQP's properties in its order, the first one at the highest flag: short text, table, octet, or long.
_FIELDS = "sstoosssslssss"
_SIZES = {"o": 1, "l": 8}
# Of a value: its kind, and how many bytes it takes.
_FIXED = {
    **dict.fromkeys(b"V", 0), **dict.fromkeys(b"tbB", 1), **dict.fromkeys(b"Uus", 2), **dict.fromkeys(b"Iif", 4),
    **dict.fromkeys(b"LldT", 8), **dict.fromkeys(b"D", 5),
}  # fmt: skip
_WITH_LENGTH = frozenset(b"SxAF")
_TABLE, _ARRAY, _BYTES, _LONG, _MOMENT = b"FAxlT"
_LAST_SECOND = 253_402_300_799  # of the year 9999
_DEEPEST = 32
_NOT_NUMBERS = {"nan": b"NaN ", "inf": b"+Inf", "-inf": b"-Inf"}


def with_decodable(frame: bytes) -> bytes:
    """A whole frame, with `decodable` properties if it is a message's header; anything else as it is."""
    if len(frame) <= _PROPERTIES or frame[0] != _HEADER:
        return frame
    _, _, size, number, _, _ = _FRAME(frame, 0)
    if len(frame) != _AROUND + size or number != _BASIC:
        return frame
    properties = decodable(frame[_PROPERTIES:-1])
    size = len(properties) + _PROPERTIES - _AROUND + 1
    return b"".join((frame[:3], _LENGTH.pack(size), frame[7:_PROPERTIES], properties, _END))


def decodable(properties: bytes) -> bytes:
    """The same properties, with something else for what the client can't decode.

    A moment after the year 9999 becomes its number, as a signed one; tables and arrays that are nested too deep, or
    broken, become bytes; what isn't a number becomes text. From the first value on that can't be told from the next,
    a table is cut off, and from the first property on the properties are.

    Args:
        properties: As they are on the wire, flags first.
    """
    flags, at = _flags(properties)
    kept = 0
    pieces = [b""]
    for bit, kind in zip(range(15, 1, -1), _FIELDS, strict=True):
        if not flags >> bit & 1:
            continue
        end = _end(properties, at, kind)
        piece = properties[at:end]
        if kind == "t" and len(piece) >= _LENGTH.size:
            pieces.append(_table(piece[_LENGTH.size :]))
        elif end <= len(properties):
            pieces.append(piece)
        else:
            break
        kept |= 1 << bit
        if end > len(properties):
            break
        at = end
    pieces[0] = _FLAGS.pack(kept)
    return b"".join(pieces)


def _flags(properties: bytes) -> tuple[int, int]:
    """Which properties are there, and where the first one is; further words of flags say nothing yet."""
    at, first = 0, None
    while at + _FLAGS.size <= len(properties):
        (word,) = _FLAGS.unpack_from(properties, at)
        at += _FLAGS.size
        first = word if first is None else first
        if not word & 1:
            return first, at
    return 0, at


def _end(properties: bytes, at: int, kind: str) -> int:
    """Where a property ends; beyond all of them if it isn't whole."""
    if kind == "s":
        return at + 1 + properties[at] if at < len(properties) else at + 1
    if kind == "t":
        length = properties[at : at + _LENGTH.size]
        return at + _LENGTH.size + int.from_bytes(length)
    return at + _SIZES[kind]


def _table(content: bytes) -> bytes:
    """A table as it is on the wire, of what can be read of its content."""
    data = bytearray(content)
    end = _mend(data, 0, len(data), _DEEPEST, named=True)
    return _LENGTH.pack(end) + data[:end]


def _mend(data: bytearray, at: int, end: int, depth: int, *, named: bool) -> int:
    """Mend the values between two places.

    Args:
        data: Changed in place.
        at: Where they begin.
        end: Where they end.
        depth: How many levels may still be below.
        named: Of a table rather than an array.

    Returns:
        Where the first one is that can't be read: their end if they all can.
    """
    while at < end:
        place = at + 1 + data[at] if named else at
        stop = _stop(data, place, end)
        if stop > end:
            return at
        _mend_value(data, place, stop, depth)
        at = stop
    return at


def _stop(data: bytearray, at: int, end: int) -> int:
    """Where a value ends; beyond the end if it isn't whole, or of no kind that is known."""
    if at >= end:
        return end + 1
    kind = data[at]
    if kind in _WITH_LENGTH:
        start = at + 1 + _LENGTH.size
        return start + int.from_bytes(data[at + 1 : start]) if start <= end else end + 1
    size = _FIXED.get(kind)
    return end + 1 if size is None else at + 1 + size


def _mend_value(data: bytearray, at: int, stop: int, depth: int) -> None:
    kind, start = data[at], at + 1
    if kind == _MOMENT:
        if _SECONDS(data, start)[0] > _LAST_SECOND:
            data[at] = _LONG
    elif kind in (_TABLE, _ARRAY):
        start += _LENGTH.size
        if not depth or _mend(data, start, stop, depth - 1, named=kind == _TABLE) != stop:
            data[at] = _BYTES
    elif kind in b"df":
        (number,) = (_DOUBLE if kind == b"d"[0] else _FLOAT)(data, start)
        if not math.isfinite(number):
            text = _NOT_NUMBERS[str(number)] if kind == b"d"[0] else b""
            data[at:stop] = b"S" + _LENGTH.pack(len(text)) + text
