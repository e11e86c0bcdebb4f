"""What a group's entries waited earlier, to tell whether they wait longer and longer."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

__all__ = ["GROWTH", "Waits"]

GROWTH = 0.1
"""A wait that grows by more than this share of the time that passes is one of a group that falls behind.

A group that stands still gains a second per second, one that keeps pace gains none, whatever the traffic: so a burst
that is being worked off, or lag that only wavers, is no alarm.
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long each entry of a group's columns had waited at one time; -1 where that wasn't known."""

    at: float
    layout: int
    seconds: array[float]
