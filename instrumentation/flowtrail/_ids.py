"""Event ids: UUIDv7, so that they sort by time of creation."""

from __future__ import annotations

import os
import random
from itertools import count
from time import time_ns
from typing import Protocol

_VARIANT = 0x8000_0000_0000_0000
_RANDOM_B_BITS = 62
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

    __slots__ = ("_block", "_counter", "_random", "_stamp")

    def __init__(self) -> None:
        self._restart()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._restart)

    def _restart(self) -> None:
        self._counter = count().__next__
        self._stamp = (0, "")
        self._block = -1
        self._random = ""

    def new_id(self) -> str:
        """A fresh UUIDv7 in its usual spelling."""
        now_ms = time_ns() // 1_000_000
        known_ms, stamp = self._stamp
        if now_ms != known_ms:
            stamp = format_uuid7(now_ms, 0)[:15]
            self._stamp = now_ms, stamp
        number = self._counter()
        if number >> 16 != self._block:
            drawn = format_uuid7(0, int.from_bytes(os.urandom(10), "big") >> 6)
            self._random, self._block = drawn[15:32], number >> 16
        return f"{stamp}{self._random}{number & 0xFFFF:04x}"


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
