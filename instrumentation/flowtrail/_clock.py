"""Time as a port, so that tests can own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where flowtrail reads the time."""

    def time_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch (UTC)."""
        ...

    def monotonic_ns(self) -> int:
        """A clock that never goes back, nanoseconds since some fixed moment."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    # The builtins themselves, not methods around them: they are read several times per message.
    time_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


class FakeClock:
    """A clock that moves only when told, for tests.

    Args:
        start_ns: First value of both clocks, nanoseconds since the epoch (UTC).
    """

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now_ns = start_ns

    def time_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch (UTC)."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """The same value; a fake clock never goes back by itself."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by so many seconds."""
        self._now_ns += round(seconds * 1_000_000_000)


SYSTEM_CLOCK = SystemClock()


def now_ms() -> int:
    """The machine's wall clock, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def remaining(deadline: float) -> float:
    """Seconds until a moment of `time.monotonic()`, not below 0."""
    return max(0.0, deadline - time.monotonic())
