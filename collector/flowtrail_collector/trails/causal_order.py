"""Causal order: causes before effects, then by time."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from typing import TypeVar

_Start = TypeVar("_Start", int, tuple[int, str, int, int])


def causal_order(starts: Mapping[str, _Start], causes: Mapping[str, Collection[str]]) -> list[str]:
    """Sort ids so that nothing comes before what led to it.

    Among those that could come next, the earliest does, where something that claims to have begun before its
    causes (clocks of two machines disagree) counts as having begun with the last of them. The result depends
    only on the content of the arguments, not on their order. A circle of causes, which only wrong or forged
    ids can make, is broken at its earliest member.

    Args:
        starts: Start time by id, or a time and what decides between equal times.
        causes: Ids that come before an id; those without a start are ignored.
    """
    open_causes = {key: {cause for cause in causes.get(key, ()) if cause in starts} - {key} for key in starts}
    effects: dict[str, list[str]] = {key: [] for key in starts}
    for key, before in open_causes.items():
        for cause in before:
            effects[cause].append(key)
    adjusted = dict(starts)
    ready = [(starts[key], key) for key, before in open_causes.items() if not before]
    heapq.heapify(ready)
    by_start = sorted(starts, key=lambda key: (starts[key], key))
    next_by_start = 0
    done: set[str] = set()
    result: list[str] = []
    while len(result) < len(starts):
        if ready:
            key = heapq.heappop(ready)[1]
        else:
            while by_start[next_by_start] in done:
                next_by_start += 1
            key = by_start[next_by_start]
        if key in done:
            continue
        done.add(key)
        result.append(key)
        for effect in effects[key]:
            adjusted[effect] = max(adjusted[effect], adjusted[key])
            open_causes[effect].discard(key)
            if not open_causes[effect] and effect not in done:
                heapq.heappush(ready, (adjusted[effect], effect))
    return result
