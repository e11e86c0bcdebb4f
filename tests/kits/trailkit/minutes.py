"""Samples of a collector's history, taken minute by minute by a clock that a test sets."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrail_collector.history.model.blocks import bucketed
from flowtrail_collector.history.model.windows import MINUTE
from flowtrail_collector.history.ports import Figures
from flowtrail_collector.history.sampler import Sampler
from flowtrail_collector.history.sources import KINDS, LAG, MESSAGES, OUTCOMES
from flowtrail_collector.history.sql import SqlSamples
from trailkit.past import Told

__all__ = ["START", "Clock", "Minutes", "lag", "outcomes"]

START = 1_767_225_600
"""A midnight, seconds since the epoch."""


class Clock:
    """The wall clock of a test."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


def lag(**groups: int) -> Figures:
    """How many messages wait for groups."""
    return Figures({(group, MESSAGES): value for group, value in groups.items()}, whole=False)


def outcomes(**flows: int) -> Figures:
    """How many instances of flows completed."""
    return Figures({(flow, "completed"): value for flow, value in flows.items()}, whole=True)


class Minutes:
    """A sampler of lag and outcomes.

    Args:
        samples: Where it writes.
        clock: Moved on by `after`.
    """

    def __init__(self, samples: SqlSamples, clock: Clock) -> None:
        self.samples, self.clock = samples, clock
        self.lag, self.outcomes = Told(LAG), Told(OUTCOMES)
        self.restart()

    def restart(self) -> None:
        """Begin anew with what was written."""
        self.sampler = Sampler([self.lag, self.outcomes], self.samples, time_seconds=self.clock)
        self.sampler.begin()

    def after(self, lag: Figures | None = None, outcomes: Figures | None = None, *, minutes: int = 1) -> bool:
        """Take a sample of these figures some minutes later."""
        self.clock.now += minutes * MINUTE
        self.lag.told, self.outcomes.told = lag, outcomes
        return self.sampler.sample()

    def values(self, of: str, name: tuple[str, ...], minutes: int) -> Sequence[int | None]:
        """Values of the minutes before the present."""
        start = int(self.clock.now // MINUTE - minutes) * MINUTE
        blocks = self.samples.read(of, start, start + minutes * MINUTE)
        return bucketed(blocks, KINDS[of], [name], start=start, step=MINUTE, count=minutes).columns[name]
