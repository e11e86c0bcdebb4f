"""Deliveries in what a server sends, told apart from everything else. Pure.

A client makes some thirty objects of a delivery: of three frames and a table of a dozen headers, of which most are
looked at once. Here a delivery is five fields cut out of the bytes; what its properties say is read by whoever wants it.

https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 2.3.5 and 4.2
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import Any

__all__ = ["HEARTBEAT", "Delivered", "Splitter"]

Delivered = tuple[int, bytes, bytes, Any, bytes]
"""Delivery tag, exchange, routing key, properties as they are on the wire (flags first), body.

Where the client has decoded it, the properties are its object.
"""

_FRAME = Struct(">BHI").unpack_from  # type, channel, size
_CONTENT = Struct(">BHIHHQ").unpack_from  # ... of a header frame: class, weight, size of the body
_TAG = Struct(">Q").unpack_from
_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_FRAME_HEADER = 7
_AROUND = 8  # bytes of a frame beside its payload: its header, and its end
_KINDS = frozenset({_METHOD, _HEADER, _BODY, _HEARTBEAT})
_END = 0xCE
HEARTBEAT = b"\x08\0\0\0\0\0\0\xce"
"""The frame that says that the connection lives."""

_DELIVER = b"\x00\x3c\x00\x3c"  # class basic, method deliver
_BASIC = 60
_PROPERTIES = _FRAME_HEADER + 12


class Splitter:
    """Takes the deliveries of one channel out of a connection's bytes.

    From the first thing on that isn't as expected, everything is left to the client, which says what is wrong.

    Attributes:
        channel: Number of the channel; 0 for none.
        deliveries: What was taken, in order; whoever handles them empties it.
    """

    def __init__(self) -> None:
        self.channel = 0
        self.deliveries: list[Delivered] = []
        self._parts: list[bytes] = []
        self._length = self._wanted = 0
        self._gave_up = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take in what came.

        Args:
            data: What came, in pieces of any size.

        Returns:
            What the client has to see of it: whole frames, in order.
        """
        if self._gave_up:
            return [data]
        # A body of many megabytes is put together once, not with each piece of it.
        self._parts.append(data)
        self._length += len(data)
        if self._length < self._wanted:
            return []
        whole = b"".join(self._parts) if len(self._parts) > 1 else data
        others: list[bytes] = []
        at, self._gave_up = self._split(whole, others)
        rest = whole[at:]
        self._parts, self._length, self._wanted = [rest] if rest else [], len(rest), self._wanted - at
        if self._gave_up:
            others.append(rest)
        return others

    def _split(self, data: bytes, others: list[bytes]) -> tuple[int, bool]:
        """Where what isn't complete begins, and whether it isn't as expected; fills `others` with whole frames."""
        at, length = 0, len(data)
        self._wanted = 0
        while length - at >= _AROUND:
            kind, channel, size = _FRAME(data, at)
            if kind == _METHOD and channel == self.channel and data[at + 7 : at + 11] == _DELIVER:
                try:
                    end = self._take(data, at)
                except (IndexError, ValueError, struct.error):
                    return at, True
            else:
                end = at + _AROUND + size
                if kind not in _KINDS:
                    return at, True
                if end <= length:
                    others.append(data[at:end])
            if end > length:
                self._wanted = end
                break
            at = end
        return at, False

    def _take(self, data: bytes, at: int) -> int:
        """Take the delivery that begins here.

        Returns:
            Where it ends; if that is beyond the data, it isn't complete, and ends there or later.

        Raises:
            ValueError: It isn't one (likewise IndexError, struct.error).
        """
        length = len(data)
        content: int = at + _AROUND + _FRAME(data, at)[2]
        if content < length and (data[content] != _HEADER or data[content - 1] != _END):
            raise ValueError("no header after a method")
        if content + _PROPERTIES > length:
            return content + _PROPERTIES
        _, channel, size, number, _, body_size = _CONTENT(data, content)
        if channel != self.channel or number != _BASIC:  # its sizes would say nothing
            raise ValueError("no header of a delivery")
        start = content + _AROUND + size
        end: int = start + _AROUND + body_size if body_size else start
        if end > length:
            if body_size:
                _long_body(data, start, channel, body_size)
            return end
        if not body_size:
            body = b""
        elif _FRAME(data, start) == (_BODY, channel, body_size):
            body = data[start + _FRAME_HEADER : end - 1]
        else:
            body, end = _long_body(data, start, channel, body_size)
            if end > length:
                return end
        if data[start - 1] != _END or data[end - 1] != _END:
            raise ValueError("no end of a frame")
        properties = data[content + _PROPERTIES : start - 1]
        tag, exchange, routing_key, stop = _method(data, at + _FRAME_HEADER + 4)
        if stop != content - 1:
            raise ValueError("a method longer or shorter than its frame")
        self.deliveries.append((tag, exchange, routing_key, properties, body))
        return end


def _method(data: bytes, at: int) -> tuple[int, bytes, bytes, int]:
    """Delivery tag, exchange and routing key of a method frame from its consumer tag on, and where it ends."""
    at += 1 + data[at]
    tag = _TAG(data, at)[0]
    at += 9  # and a byte for `redelivered`
    middle = at + 1 + data[at]
    end = middle + 1 + data[middle]
    return tag, data[at + 1 : middle], data[middle + 1 : end], end


def _long_body(data: bytes, at: int, channel: int, size: int) -> tuple[bytes, int]:
    """A body in several frames, and where it ends: beyond the data if it isn't complete."""
    parts: list[bytes] = []
    while size > 0:
        if at + _FRAME_HEADER > len(data):
            return b"", at + _AROUND + size
        kind, number, part = _FRAME(data, at)
        if kind != _BODY or number != channel or not 0 < part <= size:
            raise ValueError("no body after a header")
        end = at + _AROUND + part
        if end > len(data):
            return b"", end + size - part
        if data[end - 1] != _END:
            raise ValueError("no end of a frame")
        parts.append(data[at + _FRAME_HEADER : end - 1])
        size, at = size - part, end
    return b"".join(parts), at
