"""Event ids: UUIDv7, so that they sort by time of creation."""

from __future__ import annotations

import os
import random
import time
from typing import Protocol

_VARIANT = 0x8000_0000_0000_0000
_RANDOM_B_BITS = 62
_KEEP = (0xFFF << 64) | ((1 << _RANDOM_B_BITS) - 1)
_RANDOM_B = (1 << _RANDOM_B_BITS) - 1


class Ids(Protocol):
    """Where flowtrail gets new ids."""

    def new_id(self) -> str:
        """A fresh id for an event or a flow."""
        ...


class Uuid7Ids:
    """UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 74 random bits.

    The random bits come from a generator seeded by the operating system and seeded anew in a forked child:
    ids must be unique, not secret.
    """

    __slots__ = ("_bits", "_stamp")

    def __init__(self) -> None:
        self._stamp = (0, "")
        self._seed()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._seed)

    def _seed(self) -> None:
        self._bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311

    def new_id(self) -> str:
        """A fresh UUIDv7 in its usual spelling."""
        # Like `format_uuid7`, but the part that says the time is spelled once per millisecond.
        now_ms = time.time_ns() // 1_000_000
        known_ms, prefix = self._stamp
        if now_ms != known_ms:
            prefix = format_uuid7(now_ms, 0)[:15]
            self._stamp = now_ms, prefix
        digits = f"{self._bits(76) & _KEEP | _VARIANT:019x}"
        return f"{prefix}{digits[:3]}-{digits[3:7]}-{digits[7:]}"


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
