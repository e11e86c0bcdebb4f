"""Properties of messages byte by byte, as no client would write them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import pika

_WITH_LENGTH = "SxAF"


def value_of(kind: str, content: bytes, length: int | None = None) -> bytes:
    """A value of a table, of the kind that AMQP gives this letter; its length may be a lie."""
    said = struct.pack(">I", len(content) if length is None else length) if kind in _WITH_LENGTH else b""
    return kind.encode() + said + content


def nested(kind: str, levels: int) -> bytes:
    """An array (`A`) or a table (`F`) in as many others."""
    content = b""
    for _ in range(levels):
        content = value_of(kind, content if kind == "A" or not content else b"\x01a" + content)
    return content


def table_of(pairs: Iterable[tuple[bytes, bytes]], length: int | None = None) -> bytes:
    """A table of names and values; its length may be a lie."""
    content = b"".join(bytes([len(name)]) + name + value for name, value in pairs)
    return struct.pack(">I", len(content) if length is None else length) + content


def properties_of(
    pairs: Iterable[tuple[bytes, bytes]], timestamp: int | None = None, length: int | None = None
) -> bytes:
    """Properties with these headers, a message id, and perhaps a timestamp."""
    flags = 1 << 13 | 1 << 7 | (0 if timestamp is None else 1 << 6)
    stamp = b"" if timestamp is None else struct.pack(">Q", timestamp)
    return struct.pack(">H", flags) + table_of(pairs, length) + b"\x03m-1" + stamp


class RawProperties(pika.BasicProperties):  # type: ignore[misc]
    """Properties that are sent as these bytes.

    Args:
        raw: As they are on the wire, flags first.
    """

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw = raw

    def encode(self) -> Any:
        """What is sent."""
        return [self._raw]
