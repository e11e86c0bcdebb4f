"""Tables of AMQP 0.9.1 as they are on the wire: the headers of a message. Pure.

The clients' own codecs end the connection at values that have no counterpart in Python, and change others: pika makes
whole numbers of floats, pamqp small floats of large ones. Here whatever was sent is read, and goes out again as it came.

Letters are RabbitMQ's: https://www.rabbitmq.com/amqp-0-9-1-errata
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from struct import Struct
from struct import error as StructError
from typing import Any

from flowtrail.errors import EncodeError

__all__ = ["DEEPEST", "LAST_SECOND", "Long", "decoded", "encoded"]

LAST_SECOND = 253_402_300_799
"""Of the year 9999, the last one that Python has."""

DEEPEST = 32
"""How many levels of tables and arrays are read; what is below stays bytes."""

Name = str | bytes
"""Of a value: text, or bytes that aren't UTF-8."""


class Long(int):
    """A number that was sent in eight bytes, and is again."""


_LENGTH = Struct(">I")
_SMALL, _LARGE, _DOUBLE, _SECONDS = Struct(">ci"), Struct(">cq"), Struct(">cd"), Struct(">cQ")
_DECIMAL, _TEXT = Struct(">cBi"), Struct(">cI")
_length, _decimal, _seconds = _LENGTH.unpack_from, Struct(">Bi").unpack_from, Struct(">Q").unpack_from
_LONGEST_NAME = 255
_SMALL_NUMBERS = range(-(2**31), 2**31)
_STRING, _BYTES, _ARRAY, _TABLE, _MOMENT, _FIXED_POINT, _TRUTH, _NOTHING = b"SxAFTDtV"


def _number(letters: str) -> Callable[[bytes, int], Any]:
    unpack = Struct(letters).unpack_from
    return lambda data, at: unpack(data, at)[0]


def decoded(content: bytes) -> dict[Name, Any]:
    """The values of a table; never raises, whatever was sent.

    From the first one on whose end isn't known, the rest is left out; no RabbitMQ server lets that through. Tables and
    arrays that are broken or nested too deep are bytes, and so is text that isn't UTF-8. A moment after the year 9999
    is the number that it was sent as, with a sign.

    Args:
        content: A table without its length.
    """
    table: dict[Name, Any] = {}
    _read_table(content, 0, len(content), DEEPEST, table)
    return table


def _read_table(data: bytes, at: int, end: int, depth: int, table: dict[Name, Any]) -> bool:
    """Fill the table with what is between two places; whether all of it could be read."""
    while at < end:
        start = at + 1 + data[at]
        if start >= end:
            return False
        value, stop = _read_value(data, start, end, depth)
        if not stop:
            return False
        table[_text(data[at + 1 : start])] = value
        at = stop
    return True


def _read_array(data: bytes, at: int, end: int, depth: int, array: list[Any]) -> bool:
    """The same with values that have no names."""
    while at < end:
        value, at = _read_value(data, at, end, depth)
        if not at:
            return False
        array.append(value)
    return True


def _read_value(data: bytes, at: int, end: int, depth: int) -> tuple[Any, int]:
    """The value that begins here, and where it ends: 0 if that can't be told."""
    kind, at = data[at], at + 1
    if kind in _FIXED:
        size, read = _FIXED[kind]
        stop = at + size
        return (read(data, at), stop) if stop <= end else (None, 0)
    start = at + _LENGTH.size
    if kind not in b"SxAF" or start > end:
        return None, 0
    stop = start + _length(data, at)[0]
    if stop > end:
        return None, 0
    if kind == _STRING:
        return _text(data[start:stop]), stop
    if kind == _ARRAY and depth:
        array: list[Any] = []
        if _read_array(data, start, stop, depth - 1, array):
            return array, stop
    elif kind == _TABLE and depth:
        table: dict[Name, Any] = {}
        if _read_table(data, start, stop, depth - 1, table):
            return table, stop
    return data[start:stop], stop


def _text(data: bytes) -> Name:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _exact(data: bytes, at: int) -> Decimal:
    decimals, number = _decimal(data, at)
    return Decimal(number).scaleb(-decimals)


def _moment(data: bytes, at: int) -> datetime | Long:
    (seconds,) = _seconds(data, at)
    if seconds <= LAST_SECOND:
        return datetime.fromtimestamp(seconds, UTC)
    return _long(data, at)


def _long(data: bytes, at: int) -> Long:
    return Long(int.from_bytes(data[at : at + 8], signed=True))


# What is of fixed size, by its letter: how many bytes it has, and what they say.
_FIXED: dict[int, tuple[int, Callable[[bytes, int], Any]]] = {
    _TRUTH: (1, lambda data, at: bool(data[at])),
    ord("b"): (1, _number(">b")),
    ord("B"): (1, _number(">B")),
    ord("s"): (2, _number(">h")),
    ord("U"): (2, _number(">h")),
    ord("u"): (2, _number(">H")),
    ord("I"): (4, _number(">i")),
    ord("i"): (4, _number(">I")),
    ord("l"): (8, _long),
    ord("L"): (8, _long),
    ord("f"): (4, _number(">f")),
    ord("d"): (8, _number(">d")),
    _FIXED_POINT: (5, _exact),
    _MOMENT: (8, _moment),
    _NOTHING: (0, lambda data, at: None),
}


def encoded(table: Mapping[Any, Any]) -> bytes:
    """A table as it is sent, its length first.

    Args:
        table: By name of text or bytes: text, bytes, whole numbers of at most eight bytes, floats, decimals of four
            bytes, bools, moments, None; lists and tables of those.

    Raises:
        EncodeError: AMQP has nothing for a value, or a name has more than 255 bytes.
    """
    pieces: list[bytes] = []
    for name, value in table.items():
        try:
            data = name if isinstance(name, bytes) else name.encode("utf-8", "replace")
            pieces.append(bytes((len(data),)))
            pieces.append(data)
            _write(value, pieces)
        except (StructError, ValueError, AttributeError, ArithmeticError, RecursionError):
            raise EncodeError(
                f"the header {str(name)[:60]!r} can't be sent with AMQP: its name has more than {_LONGEST_NAME} bytes,"
                " or its value is one that AMQP doesn't have"
            ) from None
    content = b"".join(pieces)
    return _LENGTH.pack(len(content)) + content


def _write(value: Any, pieces: list[bytes]) -> None:
    """A value with its letter.

    Raises:
        ValueError: There is none for it (likewise StructError, ArithmeticError: it is too large).
    """
    if isinstance(value, str):
        data = value.encode("utf-8", "replace")
        pieces.append(_TEXT.pack(b"S", len(data)))
        pieces.append(data)
    elif isinstance(value, bool):
        pieces.append(b"t\1" if value else b"t\0")
    elif isinstance(value, int):
        small = type(value) is not Long and value in _SMALL_NUMBERS
        pieces.append(_SMALL.pack(b"I", value) if small else _LARGE.pack(b"l", value))
    elif isinstance(value, bytes | bytearray | memoryview):
        pieces.append(_TEXT.pack(b"x", len(value)))
        pieces.append(bytes(value))
    elif isinstance(value, Mapping):
        pieces.append(b"F")
        pieces.append(encoded(value))
    elif isinstance(value, list | tuple):
        inner: list[bytes] = []
        for each in value:
            _write(each, inner)
        data = b"".join(inner)
        pieces.append(_TEXT.pack(b"A", len(data)))
        pieces.append(data)
    else:
        pieces.append(_written(value))


def _written(value: Any) -> bytes:
    if value is None:
        return b"V"
    if isinstance(value, float):
        return _DOUBLE.pack(b"d", value)
    if isinstance(value, Decimal):
        decimals = max(0, -int(value.as_tuple().exponent))
        return _DECIMAL.pack(b"D", decimals, int(value.scaleb(decimals)))
    if isinstance(value, datetime):
        return _SECONDS.pack(b"T", calendar.timegm(value.utctimetuple()))
    raise ValueError(f"AMQP has no {type(value).__name__}")
