"""Which names get furthest within a stretch of time: a gauge's highest value, a counter's sum.

How far each name gets is kept beside the values of a block. Only blocks that say something of other times as well are
looked into, and only for the names that may be among the first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping

from flowtrail_collector.history.model.blocks import Kind, Name
from flowtrail_collector.history.model.packing import Packed
from flowtrail_collector.history.model.windows import Stretch

__all__ = ["Ranking"]


class Ranking:
    """How far names get within a stretch of time.

    Args:
        blocks: Samples of it.
        kind: What they say.
        stretch: The slots that count.
    """

    def __init__(self, blocks: Iterable[Packed], kind: Kind, stretch: Stretch) -> None:
        self._kind = kind
        self._edges: list[tuple[Packed, int, int]] = []
        self._inside: dict[Name, int] = {}
        for block in blocks:
            first = max(0, (stretch.start - block.start) // block.step)
            end = max(0, (stretch.end - block.start) // block.step)
            if any(block.covered[:first]) or any(block.covered[end:]):
                self._edges.append((block, first, end))
            else:
                self._put(self._inside, block.sizes)
        self._most = dict(self._inside)
        for block, _, _ in self._edges:
            self._put(self._most, block.sizes)
        for name in [name for name in self._most if name not in self._inside]:
            if not any(block.is_known(name, first, end) for block, first, end in self._edges):
                del self._most[name]

    @property
    def sizes(self) -> Mapping[Name, int]:
        """By name, how far it gets at most: it has a value within the stretch, what it reaches may be beside it."""
        return self._most

    def largest(
        self, most: int, wanted: Callable[[Name], bool] = lambda name: True
    ) -> tuple[list[Name], int]:
        """The names that get furthest, in this order, none of the others further; and how many others there are."""
        sizes = self._most
        ranked = sorted(filter(wanted, sizes), key=lambda name: (-sizes[name], name))
        if not self._edges or most < 1:
            return ranked[:most], len(ranked[most:])
        found: list[tuple[int, Name]] = []
        for name in ranked:
            if len(found) >= most and sizes[name] <= -found[most - 1][0]:
                break
            insort(found, (-self._size(name), name))
        return [name for _, name in found[:most]], max(0, len(ranked) - most)

    def _size(self, name: Name) -> int:
        known = [self._inside[name]] if name in self._inside else []
        for block, first, end in self._edges:
            known += [value for value in (block.column(name) or ())[first:end] if value is not None]
        return max(known) if self._kind is Kind.GAUGE else sum(known)

    def _put(self, into: dict[Name, int], sizes: Iterable[tuple[Name, int]]) -> None:
        if not into:
            into.update(sizes)
        elif self._kind is Kind.GAUGE:
            for name, size in sizes:
                known = into.get(name)
                if known is None or size > known:
                    into[name] = size
        else:
            for name, size in sizes:
                into[name] = into.get(name, 0) + size
