"""A past for the collector that pages are looked at with: some hours of samples, with gaps in them."""

from __future__ import annotations

import math

from flowtrail_collector.history.model.blocks import Name
from flowtrail_collector.history.model.packing import Packed
from flowtrail_collector.history.model.windows import HOUR, MINUTE
from flowtrail_collector.history.ports import Figures
from flowtrail_collector.history.sampler import Sampler
from flowtrail_collector.history.sources import (
    DEAD_LETTERS,
    EDGES,
    KINDS,
    LAG,
    MESSAGES,
    OUTCOMES,
    SECONDS,
    STARTED,
    STEPS,
)
from flowtrail_collector.history.sql import SqlSamples
from flowtrail_collector.store.sql import Database

__all__ = ["NoSamples", "Told", "sample_history"]

_FLOW = "order-fulfilment"
_GROUPS = (
    "inventory",
    "billing",
    "fulfillment",
    "customers",
    "a-group-with-a-name-of-some-length",
    "archive",
)
_STEPS = ("reserve-stock", "charge", "confirm", "ship")
_EDGES = (
    ("orders", "orders", "inventory"),
    ("inventory", "inventory", "billing"),
    ("billing", "payments", "orders"),
)


class Told:
    """A source that tells what it is told to.

    Args:
        of: One of `sources.KINDS`.
    """

    def __init__(self, of: str) -> None:
        self.of, self.kind = of, KINDS[of]
        self.told: Figures | None = None

    def figures(self, now: float) -> Figures | None:
        """See `Source.figures`."""
        return self.told


class NoSamples(SqlSamples):
    """A store in which nothing was ever sampled, and no database."""

    def __init__(self) -> None:
        pass

    def read(self, of: str, start: int, end: int) -> list[Packed]:
        """See `Samples.read`."""
        return []


def sample_history(database: Database, now: float, hours: int = 3) -> None:
    """Write some hours of samples up to the present; of twenty minutes of them nothing is known."""
    sources, clock = {of: Told(of) for of in KINDS}, [now - hours * HOUR]
    sampler = Sampler(list(sources.values()), SqlSamples(database), time_seconds=lambda: clock[0])
    for minute in range(hours * HOUR // MINUTE):
        clock[0] += MINUTE
        if not 60 <= minute < 80:
            for of, source in sources.items():
                source.told = _figures(of, minute)
            sampler.sample()


def _figures(of: str, minute: int) -> Figures:
    wave = [round(40 * (1 + math.sin(minute / (9 + 4 * number)))) for number in range(len(_GROUPS))]
    values: dict[Name, int] = {}
    if of == LAG:
        for group, lag in zip(_GROUPS, wave, strict=True):
            values[group, MESSAGES], values[group, SECONDS] = lag, lag * 1_700
        return Figures(values, whole=False)
    if of == DEAD_LETTERS:
        words = '["billing","StockReserved","ValueError","total_cents is negative: *"]'
        return Figures({("0123456789abcdef", words): minute // 40}, whole=True)
    if of == OUTCOMES:
        values = {
            (_FLOW, STARTED): 6 * minute,
            (_FLOW, "completed"): 5 * minute,
            (_FLOW, "timed_out"): minute // 3,
        }
    elif of == STEPS:
        bounds = ("0.1", "0.5", "1", "2.5", "60")
        values = {
            (_FLOW, step, bound): minute * (5 - at)
            for number, step in enumerate(_STEPS)
            for at, bound in enumerate(bounds[number % 3 :])
        }
    elif of == EDGES:
        values = {edge: minute * 90 // (number + 1) for number, edge in enumerate(_EDGES)}
    return Figures(values, whole=True)
