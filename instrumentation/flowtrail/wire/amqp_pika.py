"""What is put beneath pika so that it reads and sends the headers of any message as they are."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flowtrail.wire.amqp_frames import header_end, packed, packed_frame, unpacked, with_table

__all__ = ["can_read_all", "decoded_properties", "is_undecodable", "properties_with_table", "reading_all"]


# pika calls a connection lost whose bytes it can't decode, and says why with an error of Python's own.
_UNDECODABLE = re.compile(r"lost: ((Value|Overflow|Recursion)Error|error|InvalidFieldTypeException)\(")


def is_undecodable(error: BaseException) -> bool:
    """Whether a connection was lost since pika couldn't decode what came."""
    return _UNDECODABLE.search(str(error)) is not None


def can_read_all(connection: type) -> bool:
    """Whether this version's connections have what `reading_all` takes."""
    return hasattr(connection, "_read_frame")


@cache
def reading_all(connection: type) -> type[Any]:
    """A class of connections whose messages have all their headers, whatever was sent; others stay as they are.

    Args:
        connection: `pika.SelectConnection`, or a class made of it.
    """
    base: Any = connection

    class Connection(base):  # type: ignore[misc]
        def _read_frame(self: Any) -> Any:
            unread = self._frame_buffer
            end = header_end(unread)
            if not end:
                return super()._read_frame()
            self._frame_buffer = packed_frame(unread[:end])
            try:
                _, frame = super()._read_frame()
            finally:
                self._frame_buffer = unread
            frame.properties.headers = unpacked(frame.properties.headers)
            return end, frame

    return Connection


def decoded_properties(pika: Any, raw: bytes) -> Any:
    """Properties as pika has them, with all headers; never raises.

    Args:
        pika: The module.
        raw: As they are on the wire, flags first.
    """
    properties = pika.BasicProperties().decode(packed(raw))
    properties.headers = unpacked(properties.headers)
    return properties


@cache
def properties_with_table(properties: type) -> type[Any]:
    """A class of properties that are sent with a table as it is on the wire, length first: its argument `table`.

    Args:
        properties: `pika.BasicProperties`.
    """
    base: Any = properties

    class Properties(base):  # type: ignore[misc]
        def __init__(self, table: bytes, **named: Any) -> None:
            super().__init__(**named)
            self._table = table

        def encode(self) -> list[bytes]:
            return [with_table(b"".join(super().encode()), self._table)]

    return Properties
