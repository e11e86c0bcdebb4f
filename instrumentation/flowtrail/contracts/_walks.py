"""How long to follow all ways through a contract: there may be 2 to the power of its types."""

from __future__ import annotations

from collections.abc import Hashable

MAX_STEPS = 10_000
MAX_DEPTH = 100


class Walk:
    """Follows every way to a place, so that each is named by its path, until that gets too much.

    From then on each place is visited once: what is wrong with it is still found, by the first of its paths.

    Args:
        deepest: How many places within each other are followed; None follows all.
    """

    def __init__(self, deepest: int | None = None) -> None:
        self._deepest = deepest
        self._steps = 0
        self._met: set[Hashable] = set()

    def enters(self, place: Hashable, around: frozenset[Hashable]) -> bool:
        """Whether to go on at a place; never into one that this way has come through."""
        self._steps += 1
        if self._deepest is not None and len(around) > self._deepest:
            return False
        if place in around or (self._steps > MAX_STEPS and place in self._met):
            return False
        self._met.add(place)
        return True
