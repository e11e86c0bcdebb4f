"""The arrows of the service map that don't lead to the next column: they go round beneath everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flowtrail_collector.console._map_nodes import Place

__all__ = ["Arrow", "Lanes"]


@dataclass(frozen=True, slots=True)
class Arrow:
    """What leads from one place to another.

    Attributes:
        start: Where it begins.
        end: Where it leads.
        above: What stands on it, in a few words.
        below: What stands beneath it.
        href: Where a click on it leads.
        says: What it is, in words.
        level: How much it needs attention, as in `Note`.
        rest: Nothing went over it lately.
        lit: What is looked for goes over it.
    """

    start: Place
    end: Place
    above: str = ""
    below: str = ""
    href: str = ""
    says: str = ""
    level: str = ""
    rest: bool = False
    lit: bool = False

    @property
    def is_labelled(self) -> bool:
        """Whether it needs room for words."""
        return bool(self.above or self.below)


class Lanes:
    """Each in a lane of its own; the widest are the deepest.

    Args:
        columns: The column of each place.
        arrows: All of them.
    """

    def __init__(self, columns: Mapping[Place, int], arrows: Iterable[Arrow]) -> None:
        round_about = [arrow for arrow in arrows if columns[arrow.end] != columns[arrow.start] + 1]

        def reach(arrow: Arrow) -> tuple[int, Place, Place]:
            return (abs(columns[arrow.start] - columns[arrow.end]), arrow.start, arrow.end)

        self.depths = {arrow: depth for depth, arrow in enumerate(sorted(round_about, key=reach), 1)}
        self.down = self._numbers(lambda arrow: columns[arrow.start])
        self.up = self._numbers(lambda arrow: columns[arrow.end])
        self.leaving = Counter(columns[arrow.start] for arrow in self.depths)
        self.coming = Counter(columns[arrow.end] for arrow in self.depths)

    def _numbers(self, column_of: Callable[[Arrow], int]) -> dict[Arrow, int]:
        """From 1, in the order of depth, beside the same column."""
        count: Counter[int] = Counter()
        found = {}
        for arrow in self.depths:
            count[column_of(arrow)] += 1
            found[arrow] = count[column_of(arrow)]
        return found
