"""What is known of how long a share of all took, from how many fell into each bucket of a histogram."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["at_most"]


def at_most(percents: Sequence[int], bounds: Sequence[float], counts: Sequence[int]) -> list[float] | None:
    """What some percentages of all observations don't exceed: the narrowest bounds for which that is certain.

    Where within its bucket an observation lies isn't known, so nothing is said of it: with all in one bucket, any
    percentage of them is within that bucket's bound, and that is all there is to say.

    Args:
        percents: Above 0, at most 100.
        bounds: Upper ends of the buckets, ascending; what is equal to one belongs to its bucket.
        counts: Observations in each bucket, and one more: those beyond the last bound.

    Returns:
        A bound for each percentage, infinite where too many are beyond the last one; None without observations.
    """
    reached = list(accumulate(counts))
    total = reached[-1] if reached else 0
    if not total:
        return None
    # Whole numbers: a share as a float may be an observation off.
    places = [bisect_left(reached, -(-percent * total // 100)) for percent in percents]
    return [bounds[place] if place < len(bounds) else math.inf for place in places]
