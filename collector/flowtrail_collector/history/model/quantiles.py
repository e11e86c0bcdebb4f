"""Percentiles of durations from how many fell into each bucket of a histogram."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["quantile"]


def quantile(share: float, bounds: Sequence[float], counts: Sequence[int]) -> float | None:
    """The value that a share of all observations doesn't exceed; None if there are none.

    Within a bucket observations count as spread evenly, as in Prometheus' `histogram_quantile`.

    Args:
        share: Between 0 and 1.
        bounds: Upper ends of the buckets, ascending; the first bucket begins at 0.
        counts: Observations in each bucket, and one more: those beyond the last bound. Of those it is known
            that they are longer, so the last bound is what is said of them.
    """
    reached = list(accumulate(counts))
    total = reached[-1] if reached else 0
    if not total:
        return None
    rank = share * total
    place = min(bisect_left(reached, rank), len(counts) - 1)
    while not counts[place]:  # rank 0: the first bucket with something in it
        place += 1
    if place >= len(bounds):
        return bounds[-1]
    low = bounds[place - 1] if place else 0.0
    before = reached[place] - counts[place]
    return low + (bounds[place] - low) * max(0.0, rank - before) / counts[place]
