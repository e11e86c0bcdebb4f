"""Content headers of AMQP as they are on the wire, and what in them a client's decoder can't take. Pure.

A timestamp is an unsigned number of seconds. Where a sender puts milliseconds or a negative number, the decoders of
pika and pamqp fail on the year, which ends the connection: the message would come again, and end the next one. Both
have eight bytes, so such a timestamp is made the number that it is, in place.

https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 4.2.5 and 4.2.6
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

LAST_SECOND = 253_402_300_799
"""Of the year 9999, the last one that Python has."""

_HEADER = 2
_FRAME = struct.Struct(">BHI").unpack_from
_LONG = struct.Struct(">I").unpack_from
_STAMP = struct.Struct(">Q").unpack_from
_FLAGS = struct.Struct(">H").unpack_from
_PROPERTIES = 7 + 12  # of a frame: type, channel and size; class, weight and size of the body
_CONTENT_TYPE, _CONTENT_ENCODING, _TABLE = 1 << 15, 1 << 14, 1 << 13
# Between the table and the timestamp: how long each property is, 0 for a short string.
_BEFORE_STAMP = ((1 << 12, 1), (1 << 11, 1), (1 << 10, 0), (1 << 9, 0), (1 << 8, 0), (1 << 7, 0))
_STAMP_FLAG = 1 << 6
_SIZES = {
    **dict.fromkeys(b"tbB", 1), **dict.fromkeys(b"sUu", 2), **dict.fromkeys(b"Iif", 4), **dict.fromkeys(b"Lld", 8),
    ord("D"): 5, ord("V"): 0,
}  # fmt: skip
_TIMESTAMP, _NUMBER = ord("T"), ord("l")


class _Stamp(NamedTuple):
    """A timestamp: where its eight bytes are, and whether they are a header's, with its type before them."""

    at: int
    in_table: bool


def mended(frame: bytes, last: int = LAST_SECOND, *, table_only: bool = False) -> bytes:
    """A frame whose timestamps a client can decode.

    Args:
        frame: A whole frame.
        last: The greatest timestamp that the client can decode.
        table_only: It can decode any that isn't in the table of headers.

    Returns:
        The same with numbers instead of others; one that isn't a header's is 0, since it has no other type. What isn't
        a content header, or as AMQP wants it, stays as it is: the client says what is wrong with it.
    """
    if len(frame) < _PROPERTIES + 3 or frame[0] != _HEADER:
        return frame
    try:
        wrong = [
            each
            for each in _stamps(frame)
            if _STAMP(frame, each.at)[0] > last and (each.in_table or not table_only)
        ]
    except (IndexError, KeyError, struct.error):
        return frame
    if not wrong:
        return frame
    made = bytearray(frame)
    for at, in_table in wrong:
        if in_table:
            made[at - 1] = _NUMBER
        else:
            made[at : at + 8] = bytes(8)
    return bytes(made)


def _stamps(frame: bytes) -> Iterator[_Stamp]:
    flags = _FLAGS(frame, _PROPERTIES)[0]
    at = _PROPERTIES + 2
    for flag in (_CONTENT_TYPE, _CONTENT_ENCODING):
        if flags & flag:
            at += 1 + frame[at]
    if flags & _TABLE:
        end = at + 4 + _LONG(frame, at)[0]
        yield from _in_table(frame, at + 4, end, named=True)
        at = end
    if flags & _STAMP_FLAG:
        for flag, size in _BEFORE_STAMP:
            if flags & flag:
                at += size or 1 + frame[at]
        yield _Stamp(at, False)


def _in_table(frame: bytes, at: int, end: int, *, named: bool) -> Iterator[_Stamp]:
    """The timestamps in a table, or in a list, whose values have no names."""
    while at < end:
        if named:
            at += 1 + frame[at]
        kind = frame[at]
        at += 1
        if kind == _TIMESTAMP:
            yield _Stamp(at, True)
            at += 8
        elif kind in b"SxFA":
            start, at = at + 4, at + 4 + _LONG(frame, at)[0]
            if kind in b"FA":
                yield from _in_table(frame, start, at, named=kind == ord("F"))
        else:
            at += _SIZES[kind]
