"""What an instance is told of the children that one of its steps waits for.

Only those count that have begun in this instance, and in this round: one that began before belongs to the round, or
the instance, before, whenever it ends. One that began again under its key counts as it stands then.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

from flowtrail_collector.sagas.model.flows import CHILD, Children
from flowtrail_collector.sagas.model.seen import Seen

__all__ = ["Brood", "News", "broods", "latest", "news_of"]


class News(NamedTuple):
    """Something that one of them did.

    Attributes:
        at_ms: When.
        ended: It has ended; otherwise it has begun.
        child: Which one.
        failed: It ended otherwise than well.
    """

    at_ms: int
    ended: bool
    child: str
    failed: bool = False


class Brood(NamedTuple):
    """How the children of a step stood at a moment.

    Attributes:
        at_ms: The moment.
        begun: How many had begun.
        arrived: How many of those had ended well since they began for the last time.
    """

    at_ms: int
    begun: int
    arrived: int


def news_of(children: Children, seen: Seen, begin: int | None) -> list[News]:
    """All of it, in the order of time, of the children that have begun since a moment; None: of all."""
    words = (children.begun, children.completed, children.failed)
    every = []
    for mark in seen.marks():
        if mark[1] in words and len(mark) > 3 and (begin is None or mark[0] >= begin):
            child = dict(mark[3])[CHILD.name]
            every.append(News(mark[0], mark[1] != children.begun, child, mark[1] == children.failed))
    begun: set[str] = set()
    found = []
    for news in sorted(every):
        if not news.ended:
            begun.add(news.child)
        if news.child in begun:
            found.append(news)
    return found


def latest(children: Children, seen: Seen, begin: int | None, until: int | None = None) -> Mapping[str, News]:
    """The last of each child, before a moment if one is given, in the order in which they began for the first time."""
    every = news_of(children, seen, begin)
    return {news.child: news for news in every if until is None or news.at_ms < until}


def broods(children: Children, seen: Seen, begin: int | None) -> list[Brood]:
    """How all of them stood after each moment at which one did something, in the order of time."""
    begun: set[str] = set()
    arrived: set[str] = set()
    found = []
    for at, together in groupby(news_of(children, seen, begin), key=lambda news: news.at_ms):
        for news in together:
            begun.add(news.child)
            if news.ended and not news.failed:
                arrived.add(news.child)
            else:
                arrived.discard(news.child)
        found.append(Brood(at, len(begun), len(arrived)))
    return found
