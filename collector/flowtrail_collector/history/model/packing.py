"""A block as bytes: a matrix of small numbers, byte by byte of the same weight together, compressed.

    4 bytes   length of what follows
    JSON      start, step, covered, whole, names, their sizes, whether columns are differences, bytes of a number
    planes    the lowest byte of every number, column by column; then the next one; ...

A number is 0 for an unknown value, else the value, or its difference from the known one before it, plus 1; below 0
every other number, as in a zigzag. All of it is compressed with zlib. One column is read without the others.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from sys import byteorder

from flowtrail_collector.history.model.blocks import Kind, Name, Slots, Values

__all__ = ["LARGEST", "Packed", "pack"]

LARGEST = 2**61
"""Values beyond it are cut to it, so that no difference is wider than 8 bytes."""
_WIDTH = 8
_TYPES = {2: "H", 3: "I", 4: "I", 5: "Q", 6: "Q", 7: "Q", 8: "Q"}
_LEVEL = 6


def pack(block: Slots, kind: Kind) -> bytes:
    """A block's bytes."""
    differences = kind is Kind.GAUGE
    names = sorted(block.names)
    codes, sizes, size_of = array("Q"), [], max if kind is Kind.GAUGE else sum
    for name in names:
        column = [None if value is None else _near(value) for value in block.column(name) or ()]
        known = [value for value in column if value is not None]
        sizes.append(size_of(known) if known else 0)
        codes.extend(_codes(column, differences=differences))
    width = max(1, (max(codes, default=0).bit_length() + 7) // 8)
    if byteorder == "big":
        codes.byteswap()
    raw = codes.tobytes()
    head = json.dumps(
        [block.start, block.step, list(block.covered), list(block.whole), names, sizes, differences, width],
        separators=(",", ":"),
    ).encode()
    planes = b"".join(raw[at::_WIDTH] for at in range(width))
    return zlib.compress(len(head).to_bytes(4, "big") + head + planes, _LEVEL)


class Packed:
    """A packed block, of which single columns can be read; see `Slots`.

    Args:
        body: What `pack` made.
    """

    __slots__ = (
        "_differences", "_places", "_planes_at", "_raw", "_sizes", "_width", "covered", "start", "step", "whole",
    )  # fmt: skip

    def __init__(self, body: bytes) -> None:
        raw = zlib.decompress(body)
        until = 4 + int.from_bytes(raw[:4], "big")
        head = json.loads(raw[4:until])
        self.start: int
        self.step: int
        self.covered: Sequence[int]
        self.whole: Sequence[int]
        self.start, self.step, self.covered, self.whole, names, sizes, self._differences, self._width = head
        self._places: dict[Name, int] = dict(zip(map(tuple, names), range(len(names)), strict=True))
        self._sizes: Sequence[int] = sizes
        self._raw, self._planes_at = raw, until

    @property
    def names(self) -> Iterable[Name]:
        """See `Slots.names`."""
        return self._places.keys()

    @property
    def sizes(self) -> Iterable[tuple[Name, int]]:
        """How far each name gets here: the highest value of a gauge, the sum of a counter's; 0 if none is known."""
        return zip(self._places, self._sizes, strict=True)

    def size(self, name: Name) -> int | None:
        """See `Slots.size`."""
        place = self._places.get(name)
        return None if place is None else self._sizes[place]

    def is_known(self, name: Name, first: int, end: int) -> bool:
        """Whether a name has a value between two slots, without reading it."""
        place = self._places.get(name)
        if place is None:
            return False
        slots = len(self.covered)
        plane = len(self._places) * slots
        begin = self._planes_at + place * slots + first
        length = min(end, slots) - first
        return any(
            self._raw.count(0, at, at + length) < length
            for at in range(begin, begin + self._width * plane, plane)
        )

    def column(self, name: Name) -> Values | None:
        """See `Slots.column`."""
        place = self._places.get(name)
        if place is None:
            return None
        slots = len(self.covered)
        plane = len(self._places) * slots
        first = self._planes_at + place * slots
        # Most numbers are small: a byte is a number already.
        if self._width == 1:
            return _values(self._raw[first : first + slots], differences=self._differences)
        codes = array(_TYPES[self._width])
        raw = bytearray(slots * codes.itemsize)
        for at in range(self._width):
            raw[at :: codes.itemsize] = self._raw[first + at * plane : first + at * plane + slots]
        codes.frombytes(bytes(raw))
        if byteorder == "big":
            codes.byteswap()
        return _values(codes, differences=self._differences)


def _near(value: int) -> int:
    return max(-LARGEST, min(value, LARGEST))


def _codes(values: Values, *, differences: bool) -> list[int]:
    codes, last = [], 0
    for value in values:
        if value is None:
            codes.append(0)
            continue
        step = value - last
        codes.append((step << 1) + 1 if step >= 0 else -(step << 1))
        if differences:
            last = value
    return codes


def _values(codes: Sequence[int], *, differences: bool) -> list[int | None]:
    if not differences:
        return [(code >> 1 if code & 1 else -(code >> 1)) if code else None for code in codes]
    values = list(accumulate([code >> 1 if code & 1 else -(code >> 1) for code in codes]))
    if 0 not in codes:
        return values  # type: ignore[return-value]  # a list of numbers is one of numbers that may be unknown
    return [value if code else None for value, code in zip(values, codes, strict=True)]
