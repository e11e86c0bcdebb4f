"""What a group's entries waited earlier, to tell whether they wait longer and longer."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

__all__ = ["Waits", "falls_behind"]


@dataclass(frozen=True, slots=True)
class Waits:
    """How long each entry of a group's columns had waited at one time; -1 where that wasn't known."""

    at: float
    layout: int
    seconds: array[float]


def falls_behind(waited: float | None, earlier: Waits, i: int, now: float) -> bool:
    """Whether the wait has grown by more than a tenth of the time that passed.

    A group that stands still gains a second per second, one that keeps pace gains none, whatever the traffic:
    so a burst that is being worked off, or lag that only wavers, is no alarm.
    """
    before = earlier.seconds[i]
    return waited is not None and before >= 0.0 and waited - before > 0.1 * (now - earlier.at)
