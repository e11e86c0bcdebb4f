"""The timestamps inside a record batch; the rest of a record is never looked at."""

import struct
import zlib
from collections.abc import Iterator

_FIELDS = struct.Struct(">qiibIhiqqqhii")
_COMPRESSION_MASK = 0x07
_PLAIN, _GZIP = 0, 1
_GZIP_WINDOW = 31  # zlib's way to say "with a gzip header"
# A batch is at most some megabytes; a bomb inside it must not be.
_MAX_UNPACKED_BYTES = 256 * 1024 * 1024


def record_timestamps(batch: bytes) -> Iterator[tuple[int, int]]:
    """(offset, timestamp in ms) of each record of a batch.

    If its records can't be read (a codec other than gzip, or nonsense within a sound checksum), one
    pair with the first offset and the newest timestamp stands for all.
    """
    fields = _FIELDS.unpack_from(batch)
    base_offset, attributes, first_timestamp, max_timestamp, count = (fields[i] for i in (0, 5, 7, 8, 12))
    try:
        payload = _unpack(batch[_FIELDS.size :], attributes & _COMPRESSION_MASK)
        pairs = list(_walk(payload, count))
    except (ValueError, IndexError, zlib.error):
        yield base_offset, max_timestamp
        return
    for offset_delta, timestamp_delta in pairs:
        yield base_offset + offset_delta, first_timestamp + timestamp_delta


def _unpack(payload: bytes, codec: int) -> bytes:
    if codec == _PLAIN:
        return payload
    if codec == _GZIP:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(payload, _MAX_UNPACKED_BYTES)
    raise ValueError(f"compression codec {codec}")


def _walk(payload: bytes, count: int) -> Iterator[tuple[int, int]]:
    position = 0
    for _ in range(count):
        length, position = _signed_varint(payload, position)
        end = position + length
        timestamp_delta, position = _signed_varint(payload, position + 1)  # after the attributes
        offset_delta, position = _signed_varint(payload, position)
        yield offset_delta, timestamp_delta
        if end < position or end > len(payload):
            raise ValueError("a record's length")
        position = end


def _signed_varint(data: bytes, position: int) -> tuple[int, int]:
    """A zigzag-encoded number of up to 64 bits, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
        if shift > 63:
            raise ValueError("a varint of more than ten bytes")
