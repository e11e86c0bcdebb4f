"""Event ids: UUIDv7, so that they sort by time of creation."""

from __future__ import annotations

import os
import random
import time
from typing import Protocol

_VERSION_7 = 0x7000
_VARIANT = 0x8000_0000_0000_0000
_RANDOM_B_BITS = 62


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

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._seed()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._seed)

    def _seed(self) -> None:
        self._bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311

    def new_id(self) -> str:
        """A fresh UUIDv7 in its usual spelling."""
        return format_uuid7(time.time_ns() // 1_000_000, self._bits(74))


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
    low = _VARIANT | (random_bits & ((1 << _RANDOM_B_BITS) - 1))
    digits = (
        f"{((unix_ms & 0xFFFFFFFFFFFF) << 16) | _VERSION_7 | (random_bits >> _RANDOM_B_BITS):016x}{low:016x}"
    )
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


UUID7_IDS = Uuid7Ids()
