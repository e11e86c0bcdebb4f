"""Content headers of AMQP 0.9.1 made such that a client can't fail on them, nor change them. Pure.

A client decodes a message's headers before anyone else sees them, and ends the connection at what it doesn't
understand: the message would come again, and end the next one. So their table is put, as it came, into a table with
one value of bytes, which every client takes; whoever wants the headers reads them with `unpacked`.

https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 2.3.5.2 and 4.2
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Any

from flowtrail.wire.amqp_tables import LAST_SECOND, decoded

__all__ = [
    "header_end",
    "packed",
    "packed_frame",
    "readable",
    "readable_frame",
    "room_for_table",
    "unpacked",
    "with_table",
]

_NAME = "flowtrail.table"
_BEFORE = bytes((len(_NAME),)) + _NAME.encode() + b"x"  # and the length of the table, which is there already
_FRAME_BYTES = 131_072  # what RabbitMQ offers; all headers of a message travel in one frame
_ROOM = 64  # for what is around the properties, and one that is added
_METHOD, _HEADER, _BASIC = 1, 2, 60
_DELIVER = b"\x00\x3c\x00\x3c"  # class basic, method deliver
_AROUND = 8  # bytes of a frame beside its payload
_START = 7  # where its payload begins
_PROPERTIES = _START + 12  # class, weight and size of the body before them
_END = b"\xce"
_FLAGS, _LENGTH, _SECONDS = Struct(">H"), Struct(">I"), Struct(">Q")
_SIZE = _LENGTH.unpack_from
_TABLE_FLAG, _FIRST_FLAG = 1 << 13, 15
# AMQP's properties in its order, the first one at the highest flag: text, table, octet, or long.
_KINDS = "sstoosssslssss"
_SIZES = {"o": 1, "l": 8}
_TO_MILLISECONDS = 1000


def header_end(data: bytes) -> int:
    """Where the content header ends with which the data begins; 0 if they don't begin with a whole one."""
    if len(data) < _AROUND or data[0] != _HEADER:
        return 0
    end: int = _AROUND + _SIZE(data, 3)[0]
    return end if end <= len(data) else 0


def packed_frame(frame: bytes) -> bytes:
    """A whole frame with `packed` properties if it is a content header; anything else as it is."""
    return _with_properties(frame, strict=False)


def readable_frame(frame: bytes) -> bytes:
    """A whole frame that pamqp can decode, if that is up to what others have sent.

    Its texts must be UTF-8, and its timestamps before the year 10000; see `readable`.
    """
    if frame[:1] == bytes((_METHOD,)) and frame[_START : _START + 4] == _DELIVER:
        return _with_readable_names(frame)
    return _with_properties(frame, strict=True)


def _with_properties(frame: bytes, *, strict: bool) -> bytes:
    if header_end(frame) != len(frame) or len(frame) <= _PROPERTIES:
        return frame
    if int.from_bytes(frame[_START : _START + 2]) != _BASIC or frame[-1:] != _END:
        return frame
    properties = (readable if strict else packed)(frame[_PROPERTIES:-1])
    size = _LENGTH.pack(_PROPERTIES - _START + len(properties))
    return b"".join((frame[:3], size, frame[_START:_PROPERTIES], properties, _END))


def packed(properties: bytes) -> bytes:
    """Properties whose headers are one value of bytes.

    From the first property on that isn't whole they are cut off; no server sends such.

    Args:
        properties: As they are on the wire, flags first.
    """
    return _packed(properties, strict=False)


def readable(properties: bytes) -> bytes:
    """`packed`, without what pamqp can't decode.

    Other characters become question marks in texts that aren't UTF-8; a timestamp after the year 9999 is left out.
    """
    return _packed(properties, strict=True)


def unpacked(headers: Mapping[Any, Any] | None) -> Any:
    """The headers that were packed; others as they are.

    Args:
        headers: As the client gives them.
    """
    if not headers or len(headers) != 1:
        return headers
    content = headers.get(_NAME)
    return decoded(bytes(content)) if isinstance(content, bytes | bytearray) else headers


def room_for_table(properties: Mapping[str, Any]) -> int:
    """How many bytes a message's headers may have beside its other properties; RabbitMQ takes no more by default."""
    return _FRAME_BYTES - _ROOM - sum(map(_room_of, properties.values()))


def _room_of(value: Any) -> int:
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return 1 + len(data) if isinstance(data, bytes) else 8


def with_table(properties: bytes, table: bytes) -> bytes:
    """Properties that have no headers, with some.

    Args:
        properties: As they are on the wire, flags first.
        table: The headers as they are on the wire, length first.
    """
    flags, at = _flags(properties)
    for bit in (_FIRST_FLAG, _FIRST_FLAG - 1):
        if flags >> bit & 1:
            at = _end(properties, at, "s")
    return b"".join((_FLAGS.pack(flags | _TABLE_FLAG), properties[_FLAGS.size : at], table, properties[at:]))


def _packed(properties: bytes, *, strict: bool) -> bytes:
    flags, at = _flags(properties)
    kept = 0
    pieces = [b""]
    for bit, kind in _present(flags):
        end = _end(properties, at, kind)
        piece = properties[at:end]
        whole = end <= len(properties)
        if kind == "t" and len(piece) >= _LENGTH.size:
            pieces.append(_LENGTH.pack(len(_BEFORE) + len(piece)) + _BEFORE + piece)
            kept |= 1 << bit
        elif whole and not (strict and _is_too_late(kind, piece)):
            pieces.append(_with_text(piece) if strict and kind == "s" else piece)
            kept |= 1 << bit
        if not whole:
            break
        at = end
    pieces[0] = _FLAGS.pack(kept)
    return b"".join(pieces)


@lru_cache(maxsize=256)
def _present(flags: int) -> tuple[tuple[int, str], ...]:
    """Which properties are there: the number of each one's flag, and its kind."""
    each = zip(range(_FIRST_FLAG, 1, -1), _KINDS, strict=True)
    return tuple((bit, kind) for bit, kind in each if flags >> bit & 1)


def _flags(properties: bytes) -> tuple[int, int]:
    """Which properties are there, and where the first one is; further words of flags say nothing yet."""
    if len(properties) >= _FLAGS.size and not properties[1] & 1:
        return int.from_bytes(properties[: _FLAGS.size]), _FLAGS.size
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


def _is_too_late(kind: str, piece: bytes) -> bool:
    """Whether it is a timestamp that pamqp can't decode: it takes what is above 32 bits for milliseconds."""
    return kind == "l" and _SECONDS.unpack(piece)[0] > LAST_SECOND * _TO_MILLISECONDS


def _with_text(piece: bytes) -> bytes:
    """A text with its length before it, in UTF-8."""
    try:
        piece[1:].decode()
    except UnicodeDecodeError:
        text = piece[1:].decode("utf-8", "replace").replace("\ufffd", "?").encode()
        return bytes((len(text),)) + text
    return piece


def _with_readable_names(frame: bytes) -> bytes:
    """A delivery whose exchange and routing key are UTF-8."""
    try:
        tag = _START + 4
        exchange = tag + 1 + frame[tag] + 9  # a delivery tag, and whether it was delivered before
        routing_key = exchange + 1 + frame[exchange]
        end = routing_key + 1 + frame[routing_key]
    except IndexError:
        return frame
    if frame[exchange:end].isascii():
        return frame
    names = _with_text(frame[exchange:routing_key]), _with_text(frame[routing_key:end])
    payload = b"".join((frame[_START:exchange], *names, frame[end:-1]))
    return b"".join((frame[:3], _LENGTH.pack(len(payload)), payload, _END))
