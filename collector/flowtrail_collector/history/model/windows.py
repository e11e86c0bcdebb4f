"""The spans of time that can be looked at, and how finely samples are kept for them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DAY", "HOUR", "MINUTE", "QUARTER", "SPARK", "WINDOWS", "Stretch", "Window"]

MINUTE, QUARTER, HOUR, DAY = 60, 900, 3_600, 86_400
"""Seconds. Samples are kept by the minute in blocks of an hour, later by the quarter of an hour in blocks of a day."""

_WRITTEN_SECONDS = 5
"""After a minute's end, until its sample can be there."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Slots on the clock: `count` of `step` seconds each from `start` on (seconds since the epoch)."""

    start: int
    step: int
    count: int

    @property
    def end(self) -> int:
        """Where the last one ends."""
        return self.start + self.step * self.count


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time up to the present.

    Attributes:
        name: What it is asked for by.
        words: The same in a sentence.
        seconds: How long it is.
        step: Length of a slot; as many fit into it exactly.
    """

    name: str
    words: str
    seconds: int
    step: int

    def until(self, now: float) -> Stretch:
        """Its slots, the last of which is the one that the last whole minute is in: what is later isn't sampled yet."""
        minute = (int(now) - _WRITTEN_SECONDS) // MINUTE - 1
        last = minute * MINUTE // self.step
        count = self.seconds // self.step
        return Stretch((last - count + 1) * self.step, self.step, count)


WINDOWS = {
    window.name: window
    for window in (
        Window("1h", "the last hour", HOUR, MINUTE),
        Window("6h", "the last 6 hours", 6 * HOUR, 5 * MINUTE),
        Window("24h", "the last 24 hours", DAY, QUARTER),
        Window("7d", "the last 7 days", 7 * DAY, HOUR),
    )
}
"""By name, the shortest first."""
SPARK = Window("6h", "the last 6 hours", 6 * HOUR, QUARTER)
"""What a line beside a list's row shows."""
