"""How the children of an instance stand, by what it was told of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from flowtrail_collector.sagas.model.definitions import BEGAN, CHILD, Children

__all__ = ["Brood", "brood_of"]

_FAR_MS = 2**63


class Brood(NamedTuple):
    """The children that an instance was told of.

    Attributes:
        begun: Which of them began, in that order.
        left: Those that haven't ended well since they began for the last time.
        all_ms: When none was left for the first time; None if one always was.
    """

    begun: tuple[str, ...]
    left: frozenset[str]
    all_ms: int | None


def brood_of(children: Children, marks: Iterable[tuple[Any, ...]], begin: int | None = None) -> Brood:
    """How they stand.

    Args:
        children: Which they are.
        marks: What the instance was told of them, and anything else that happened.
        begin: Only those count that began from this moment on.
    """
    told = [mark for mark in marks if len(mark) > 3 and mark[1] in (children.begun, children.completed)]
    last: dict[str, int] = {}
    ends: dict[str, list[tuple[int, int]]] = {}
    left: set[str] = set()
    all_ms: int | None = None
    for at, news in groupby(sorted(told), itemgetter(0)):
        for _, word, _, values in news:
            said = dict(values)
            child = said[CHILD.name]
            if word == children.completed:
                ends.setdefault(child, []).append(_span(at, said.get(BEGAN)))
            elif begin is None or at >= begin:
                last[child] = at
                left.add(child)
            if child in left and any(since <= last[child] <= until for since, until in ends.get(child, ())):
                left.discard(child)
        if last and not left and all_ms is None:
            all_ms = at
    return Brood(tuple(last), frozenset(left), all_ms)


def _span(ended_ms: int, began: str | None) -> tuple[int, int]:
    """From when to when a start is that of an instance that ended, and no later one's."""
    return (0, _FAR_MS) if began is None else (int(began), ended_ms)  # the version before didn't say it
