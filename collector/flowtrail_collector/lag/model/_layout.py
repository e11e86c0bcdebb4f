"""How the entries of a group's columns stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

__all__ = ["TopicSlice", "carrier_of", "picker_of", "slices_of"]


@dataclass(frozen=True, slots=True)
class TopicSlice:
    """Where a topic's partitions stand in a group's columns: [start, stop)."""

    topic: str
    start: int
    stop: int


def picker_of(positions: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """A function that picks these positions of a column, in C where it can."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda column: tuple(column[i] for i in positions)


def carrier_of(came_from: Sequence[int]) -> Callable[[Sequence[Any], Any], list[Any]]:
    """A function that takes a column over from an earlier layout (-1: a new entry, which gets the default)."""
    return lambda column, new: [column[i] if i >= 0 else new for i in came_from]


def slices_of(pairs: Sequence[tuple[str, int]]) -> list[TopicSlice]:
    """Where each topic's pairs stand."""
    slices, start = [], 0
    for i in range(1, len(pairs) + 1):
        if i == len(pairs) or pairs[i][0] != pairs[start][0]:
            slices.append(TopicSlice(pairs[start][0], start, i))
            start = i
    return slices
