"""Event ids: UUIDv7, so that they sort by time of creation."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import count
from time import time_ns
from typing import Protocol

_VARIANT = 0x8000_0000_0000_0000
_RANDOM_B_BITS = 62
_BYTES = tuple(f"{byte:02x}" for byte in range(256))
_RANDOM_B = (1 << _RANDOM_B_BITS) - 1


class Ids(Protocol):
    """Where flowtrail gets new ids."""

    def new_id(self) -> str:
        """A fresh id for an event or a flow."""
        ...


class Uuid7Ids:
    """UUIDv7 (RFC 9562, sections 5.7 and 6.2): 48 bits of Unix milliseconds, 58 random, 16 counting.

    The random bits are drawn from the operating system anew for every 65,536 ids, and in a forked child.
    Between draws, ids sort by creation. They are unique, not secret.
    """

    __slots__ = ("_blocks", "_draw", "_ends", "_random", "_stamp")

    def __init__(self) -> None:
        self._restart()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._restart)

    def _restart(self) -> None:
        self._blocks = count().__next__
        self._stamp = (0, 0, "")
        self._draw = -1
        self._random = ""
        self._ends: Iterator[str] = iter(())

    def new_id(self) -> str:
        """A fresh UUIDv7 in its usual spelling."""
        now = time_ns()
        begins, over, stamp = self._stamp
        if not begins <= now < over:
            stamp = self._stamp_of(now)
        return stamp + (next(self._ends, "") or self._more_ends())

    def _stamp_of(self, now_ns: int) -> str:
        """The beginning of all ids of one millisecond."""
        now_ms = now_ns // 1_000_000
        stamp = format_uuid7(now_ms, 0)[:15]
        self._stamp = now_ms * 1_000_000, (now_ms + 1) * 1_000_000, stamp
        return stamp

    def _more_ends(self) -> str:
        """The end of one id; those of the next 255 are kept. Threads that come here at once get blocks of their own."""
        block = self._blocks()
        if block >> 8 != self._draw:
            drawn = format_uuid7(0, int.from_bytes(os.urandom(10), "big") >> 6)
            self._random, self._draw = drawn[15:32], block >> 8
        begin = f"{self._random}{block & 0xFF:02x}"
        ends = iter([begin + byte for byte in _BYTES])
        first = next(ends)
        self._ends = ends
        return first


class SeededIds:
    """Ids that come out the same for the same seed, for tests; they are valid UUIDv7.

    Args:
        seed: Any integer.
        start_ms: The milliseconds in the first id; each id is one millisecond later than the last.
    """

    def __init__(self, seed: int = 0, start_ms: int = 1_700_000_000_000) -> None:
        self._bits = random.Random(seed).getrandbits  # noqa: S311
        self._now_ms = start_ms

    def new_id(self) -> str:
        """The next id of the sequence."""
        self._now_ms += 1
        return format_uuid7(self._now_ms, self._bits(74))


def format_uuid7(unix_ms: int, random_bits: int) -> str:
    """Spell a UUIDv7.

    Args:
        unix_ms: Milliseconds since the epoch; the low 48 bits are used.
        random_bits: 74 bits.
    """
    time = f"{unix_ms & 0xFFFFFFFFFFFF:012x}"
    high, low = random_bits >> _RANDOM_B_BITS, _VARIANT | (random_bits & _RANDOM_B)
    digits = f"{(high << 64) | low:019x}"
    return f"{time[:8]}-{time[8:]}-7{digits[:3]}-{digits[3:7]}-{digits[7:]}"


UUID7_IDS = Uuid7Ids()
