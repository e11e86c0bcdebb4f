"""Messages that a server lets through, and clients fail on."""

from __future__ import annotations

import struct

from rabbitkit._wire import RawProperties, nested, properties_of, table_of, value_of

_HEADERS: dict[str, list[tuple[bytes, bytes]]] = {
    "milliseconds": [(b"odd", value_of("T", struct.pack(">Q", 1_772_000_000_000)))],
    "before 1970": [(b"odd", value_of("T", struct.pack(">Q", 2**64 - 14_256_000)))],
    "the last moment": [(b"odd", value_of("T", b"\xff" * 8))],
    "within": [(b"odd", value_of("F", table_of([(b"a", value_of("T", b"\xff" * 8))])[4:]))],
    "deep array": [(b"odd", nested("A", 2000))],
    "deep table": [(b"odd", nested("F", 2000))],
    "not UTF-8": [(b"odd", value_of("S", b"\xff"))],
    "a name that isn't UTF-8": [(b"\xff", value_of("S", b"x"))],
    "large number": [(b"odd", value_of("d", struct.pack(">d", 1e300)))],
    "forged": [(b"x-stream-offset", value_of("S", b"x")), (b"x-death", value_of("S", b"x"))],
}
_STAMPS = {"stamp of milliseconds": 1_772_000_000_000, "last stamp": 2**64 - 1, "negative stamp": 2**64 - 9}
_TEXT = "a correlation id that isn't UTF-8"

HOSTILE = (*_HEADERS, *_STAMPS, _TEXT)
"""What is odd about each."""


def hostile(name: str) -> RawProperties:
    """The properties of one of `HOSTILE`."""
    if name == _TEXT:
        return RawProperties(struct.pack(">H", 1 << 10) + b"\x02\xff\xfe")
    return RawProperties(properties_of(_HEADERS.get(name, []), _STAMPS.get(name)))
