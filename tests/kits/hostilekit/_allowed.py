"""What a figure may be: mostly one value, sometimes one of several, or anything within bounds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pagekit import Series

__all__ = ["Allowed", "Figures", "Span", "between", "either", "exactly", "merged", "worst_of"]

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Allowed:
    """The values that a series may have; None stands for its absence."""

    values: frozenset[float | None] = frozenset()
    spans: tuple[Span, ...] = ()

    def __contains__(self, value: float | None) -> bool:
        if value in self.values:
            return True
        return value is not None and any(low <= value <= high for low, high in self.spans)

    def __or__(self, other: "Allowed") -> "Allowed":
        return Allowed(self.values | other.values, tuple(dict.fromkeys(self.spans + other.spans)))

    @property
    def bounds(self) -> Span:
        """The least and the greatest value, absence aside."""
        known = [value for value in self.values if value is not None]
        lows, highs = [low for low, _ in self.spans], [high for _, high in self.spans]
        return min(known + lows, default=math.inf), max(known + highs, default=-math.inf)

    def __repr__(self) -> str:
        told = [str(value) for value in sorted(self.values, key=lambda v: (v is None, v or 0))]
        return " or ".join(told + [f"[{low:.3f}, {high:.3f}]" for low, high in self.spans])


Figures = dict[Series, Allowed]
ABSENT = Allowed(frozenset({None}))


@lru_cache(maxsize=10_000)
def exactly(value: float | None) -> Allowed:
    """This value alone."""
    return Allowed(frozenset({value}))


def either(values: Iterable[float | None]) -> Allowed:
    """One of these."""
    return Allowed(frozenset(values))


def between(low: float, high: float, *, absent: bool = False) -> Allowed:
    """Anything from `low` to `high`."""
    return Allowed(frozenset({None}) if absent else frozenset(), ((low, high),))


def merged(variants: Iterable[Figures]) -> Figures:
    """What may be where any of several things may be true."""
    found: Figures = {}
    told = list(variants)
    if len(told) == 1:
        return told[0]
    for series in dict.fromkeys(series for figures in told for series in figures):
        may = [figures.get(series, ABSENT) for figures in told]
        for each in may[1:]:
            may[0] |= each
        found[series] = may[0]
    return found


def worst_of(columns: Iterable[frozenset[int | None]]) -> frozenset[int | None]:
    """The most urgent of several statuses, each one of a set; "ok" beside an unknown one is unknown."""
    found: set[tuple[int, bool]] = {(-1, False)}
    for column in columns:
        found = {
            (max(most, -1 if status is None else status), unknown or status is None)
            for most, unknown in found
            for status in column
        }
    return frozenset(None if most < 0 or (unknown and most == 0) else most for most, unknown in found)
