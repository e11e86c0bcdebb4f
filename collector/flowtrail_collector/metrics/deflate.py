"""One gzip stream out of pieces that were compressed apart.

Most of a big page doesn't change from one collection to the next, so its pieces are compressed once and kept
compressed: a page of 40 MB then takes 4 MB, and a scrape that accepts gzip costs nothing. The pieces are raw
deflate blocks that end on a byte (RFC 1951, sync flush); their checksums are combined as zlib's
`crc32_combine` does. A single gzip member is made of them, because several members, though allowed by
RFC 1952, are cut short by clients that stop at the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

__all__ = ["Deflater", "Piece", "gzip_stream", "piece_of"]

_LEVEL = 1
# Lines that repeat each other are close together: half of zlib's usual window, and a smaller table to look them up in,
# find the same repetitions and are set up in a tenth of the time, which small pieces mostly consist of.
_WINDOW_BITS, _MEMORY_LEVEL = 14, 6
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_LAST_BLOCK = b"\x03\x00"
_POLYNOMIAL = 0xEDB88320
_BATCH_BYTES = 1 << 20


@dataclass(slots=True)
class Piece:
    """A stretch of a page, compressed.

    Attributes:
        deflated: raw deflate blocks, none of them the last.
        crc: CRC-32 of the content.
        size: bytes of the content.
        shift: x^(8 size) modulo the CRC's polynomial, to combine checksums.
    """

    deflated: bytes = b""
    crc: int = 0
    size: int = 0
    shift: int = field(default=1 << 31, repr=False)

    def fill(self, content: bytes) -> None:
        """Compress the content into this piece."""
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS, _MEMORY_LEVEL)
        self.deflated = compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH)
        self.crc = zlib.crc32(content)
        self.size = len(content)
        self.shift = _shift(len(content))

    def content(self) -> bytes:
        """The content again."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.deflated)


def piece_of(content: bytes) -> Piece:
    """Compress content at once."""
    piece = Piece()
    piece.fill(content)
    return piece


def gzip_stream(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """The pieces as one gzip member (RFC 1952), part by part."""
    yield _GZIP_HEADER
    crc = size = 0
    for piece in pieces:
        yield piece.deflated
        crc = _multiply(piece.shift, crc) ^ piece.crc
        size += piece.size
    yield _LAST_BLOCK + crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


class Deflater:
    """Compresses pieces in a thread of its own while the caller makes the next ones.

    zlib lets go of the interpreter's lock, so this takes the second core instead of the caller's time.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="flowtrail-deflate")
        self._batch: list[tuple[Piece, bytes]] = []
        self._size = 0
        self._running: list[Future[None]] = []

    def piece(self, content: bytes) -> Piece:
        """A piece that will be filled by the time `finish` returns."""
        piece = Piece()
        self._batch.append((piece, content))
        self._size += len(content)
        if self._size >= _BATCH_BYTES:
            self._submit()
        return piece

    def finish(self) -> None:
        """Wait until every piece is filled.

        Raises:
            MemoryError: there was no room to compress.
        """
        self._submit()
        running, self._running = self._running, []
        for future in running:
            future.result()

    def _submit(self) -> None:
        if self._batch:
            self._running.append(self._pool.submit(_fill, self._batch))
        self._batch, self._size = [], 0


def _fill(batch: list[tuple[Piece, bytes]]) -> None:
    # Emptied on the way, so that the contents are freed one by one.
    batch.reverse()
    while batch:
        piece, content = batch.pop()
        piece.fill(content)


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials over GF(2) modulo CRC-32's, in its reflected notation."""
    product = 0
    while a:
        if a & 0x80000000:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def _powers() -> list[int]:
    # x^1, x^2, x^4, x^8, ...: x^1 has the second highest bit in this notation.
    powers = [1 << 30]
    for _ in range(63):
        powers.append(_multiply(powers[-1], powers[-1]))
    return powers


_POWERS = _powers()
_BLOCK_BITS = 15
_ZEROS = memoryview(bytes(1 << _BLOCK_BITS - 3))


def _shift(size: int) -> int:
    """x^(8 size) modulo the polynomial."""
    # A CRC that runs over zero bytes is only multiplied: for less than a block that is quicker than doing so here.
    blocks, rest = divmod(size, len(_ZEROS))
    product, bit = zlib.crc32(_ZEROS[:rest], 0x7FFFFFFF) ^ 0xFFFFFFFF, _BLOCK_BITS
    while blocks:
        if blocks & 1:
            product = _multiply(_POWERS[bit], product)
        blocks >>= 1
        bit += 1
    return product
