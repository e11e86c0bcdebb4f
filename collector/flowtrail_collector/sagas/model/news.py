"""What an instance is told of the children that one of its steps waits for.

Only those count that have begun in this instance, and in this round: one that began before belongs to the round, or
the instance, before, whenever it ends.
"""

from __future__ import annotations

from typing import NamedTuple

from flowtrail_collector.sagas.model.flows import CHILD, Children
from flowtrail_collector.sagas.model.seen import Seen

__all__ = ["News", "begun_ms", "completed_ms", "news_of"]


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


def news_of(children: Children, seen: Seen, begin: int | None) -> list[News]:
    """All of it, in the order of time, of the children that have begun since a moment; None: of all."""
    every = [News(at, False, child) for at, child in seen.told((children.begun,), CHILD)]
    every += [News(at, True, child) for at, child in seen.told((children.completed,), CHILD)]
    every += [News(at, True, child, True) for at, child in seen.told((children.failed,), CHILD)]
    known: set[str] = set()
    found = []
    for news in sorted(every):
        if begin is not None and news.at_ms < begin:
            continue
        if not news.ended:
            known.add(news.child)
        if news.child in known:
            found.append(news)
    return found


def begun_ms(children: Children, seen: Seen, begin: int | None) -> list[int]:
    """When each of them began for the first time, ascending."""
    return _first([news for news in news_of(children, seen, begin) if not news.ended])


def completed_ms(children: Children, seen: Seen, begin: int | None) -> list[int]:
    """When each of them ended well for the first time, ascending."""
    return _first([news for news in news_of(children, seen, begin) if news.ended and not news.failed])


def _first(every: list[News]) -> list[int]:
    found: dict[str, int] = {}
    for news in every:
        found.setdefault(news.child, news.at_ms)
    return list(found.values())
