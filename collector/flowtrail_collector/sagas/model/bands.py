"""Which open instances will probably miss a deadline, told by two of their columns instead of their events.

For each group of instances that wait for the same steps, the time that they have been waiting is divided into
bands. Within one, either all will miss a deadline, or those whose own time is nearly over. So the store can count
them, however many they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from flowtrail_collector.sagas.model.forecast import NEEDED, Outlook
from flowtrail_collector.sagas.model.route import Stage, Standing, Waiting

__all__ = ["Band", "bands_of"]

_PARTS = 8
_NOW_MS = 1 << 50  # any moment will do; what is told are spans


class Band(NamedTuple):
    """Instances that have been waiting for at least `from_ms` and less than `to_ms` (None: however long).

    Attributes:
        from_ms: Milliseconds.
        to_ms: Milliseconds.
        left_ms: Only those whose flow's own time is over in less than so many milliseconds; None: all.
    """

    from_ms: int
    to_ms: int | None
    left_ms: int | None


def bands_of(outlook: Outlook, waiting: Sequence[str]) -> list[Band]:
    """The bands of instances that wait for these steps and will probably miss a deadline.

    Where several steps are waited for, how long is known of the longest only. The time counts for those that come
    first in the flow; the others are taken to have just begun.

    Args:
        outlook: Of their flow.
        waiting: Names of the steps.
    """
    stages = [stage for stage in outlook.route.stages if not set(waiting).isdisjoint(stage.members)]
    if not stages or outlook.known < NEEDED:
        return []
    first = {stage.name for stage in stages if set(stage.after) == set(stages[0].after)}
    edges = {0}
    for name in first:
        spans = outlook.lasted(name)
        edges.update(spans[len(spans) * part // _PARTS] for part in range(1, _PARTS) if spans)
        edges.update(spans[-1:])
        marks = (outlook.route.limits[name], outlook.turning_point(name))
        edges.update(mark for mark in marks if mark is not None)
    found: list[Band] = []
    cuts: list[int | None] = [*sorted(edges), None]
    for from_ms, to_ms in pairwise(cuts):
        band = _band(outlook, _standing(outlook, stages, first, from_ms or 0), from_ms or 0, to_ms)
        if band is None:
            continue
        if found and found[-1].to_ms == band.from_ms and found[-1].left_ms == band.left_ms:
            band = band._replace(from_ms=found.pop().from_ms)
        found.append(band)
    return found


def _band(outlook: Outlook, standing: Standing, from_ms: int, to_ms: int | None) -> Band | None:
    if outlook.late_steps(standing, _NOW_MS):
        return Band(from_ms, to_ms, None)
    if outlook.flow.within_ms is None or outlook.completed < NEEDED:
        return None
    ends = outlook.ends(standing, _NOW_MS)
    # Half of the comparable ones, and one more, would have needed longer.
    place = (len(ends) - 1) // 2 + (len(ends) - 1) % 2
    left_ms = ends[len(ends) - place] - _NOW_MS if place > 0 else outlook.flow.within_ms
    return Band(from_ms, to_ms, left_ms)


def _standing(outlook: Outlook, stages: Sequence[Stage], first: set[str], waited_ms: int) -> Standing:
    """Where an instance stands that waits for these stages, for the first ones since `waited_ms`."""
    waiting: list[Waiting] = []
    for stage in stages:
        since_ms = _NOW_MS - (waited_ms if stage.name in first else 0)
        limit_ms = outlook.route.limits[stage.name]
        due_ms = None if limit_ms is None else since_ms + limit_ms
        waiting.append(Waiting(stage.name, since_ms, since_ms, stage.name, due_ms))
    done: dict[str, int] = {}
    ahead = {stage.name for stage in stages}
    for stage in outlook.route.stages:
        if stage.name in ahead:
            continue
        if not ahead.isdisjoint(stage.after):
            ahead.add(stage.name)
        elif not stage.optional:
            done[stage.name] = _NOW_MS - waited_ms
    return Standing(_NOW_MS - waited_ms, done, {}, waiting, ())
