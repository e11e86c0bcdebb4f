"""Troubles from their beginning to half an hour after their end, whatever is told of them in between."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from dataclasses import replace
from typing import NamedTuple

from flowtrail_collector.oncall.model import SPAN_MS, Change, Kind, earlier

__all__ = ["LASTING", "Trouble", "Troubles"]

LASTING = frozenset({Kind.BROKER, Kind.COLLECTOR, Kind.GROUP, Kind.STUCK, Kind.UNREADABLE})
"""What goes on until it ends; the others are counts of what happened, and have no end."""
_AGAIN_MS = 5 * 60_000
"""What comes back within this time had not really ended."""


class Trouble(NamedTuple):
    """Something wrong.

    Attributes:
        change: As it was told last, with when it began.
        noticed_ms: When it was told first, ms since the epoch.
        ended_ms: When it was found to be over, ms since the epoch; None if it goes on.
    """

    change: Change
    noticed_ms: int
    ended_ms: int | None = None

    def told(self) -> Change:
        """It as a change that may have ended."""
        return replace(self.change, ended_ms=self.ended_ms)


class Troubles:
    """What is wrong, and what has been within the span. The age of a trouble never goes down.

    Args:
        known: What an earlier collector knew of.
    """

    def __init__(self, known: Iterable[Trouble] = ()) -> None:
        self._known = {each.change.key: each for each in known}

    def look(self, present: Collection[Change], kinds: Set[Kind], now_ms: int) -> bool:
        """Take in all that is wrong now.

        Args:
            present: All of it.
            kinds: Those that were looked for. What isn't there of another one is as it was.
            now_ms: When that was, ms since the epoch.

        Returns:
            Whether anything began, ended, was forgotten, or turned out to be older.
        """
        before, found = self._known, dict(self._known)
        for change in present:
            found[change.key] = _with(before.get(change.key), change, now_ms)
        gone = before.keys() - {change.key for change in present}
        for key in gone:
            each = before[key]
            if each.ended_ms is None and each.change.kind in kinds:
                found[key] = each._replace(ended_ms=now_ms)
            if _is_over(found[key], now_ms):
                del found[key]
        self._known = found
        return _marks(found) != _marks(before)

    def all(self) -> list[Trouble]:
        """What goes on, and what ended within the span."""
        return list(self._known.values())

    def shown(self, now_ms: int) -> tuple[list[Change], list[Change]]:
        """What somebody on call hears of: what goes on and is new, and what ended; both within the span."""
        going = [
            each.change for each in self._known.values() if each.ended_ms is None and _is_new(each, now_ms)
        ]
        ended = [each.told() for each in self._known.values() if each.ended_ms is not None]
        return going, ended

    def lasting(self, now_ms: int) -> int:
        """How many groups have needed attention for longer than the span."""
        return sum(
            each.ended_ms is None and each.change.kind is Kind.GROUP and not _is_new(each, now_ms)
            for each in self._known.values()
        )


def _with(known: Trouble | None, change: Change, now_ms: int) -> Trouble:
    if known is None or (known.ended_ms is not None and now_ms - known.ended_ms > _AGAIN_MS):
        return Trouble(change, now_ms)
    # What was so before anybody looked may turn out to be of some moment: then it is that one, or when it was noticed.
    if known.change.since_ms is None and change.since_ms is not None:
        since_ms: int | None = min(change.since_ms, known.noticed_ms)
    elif change.since_ms is None:
        since_ms = known.change.since_ms
    else:
        since_ms = earlier(known.change.since_ms, change.since_ms)
    return Trouble(replace(change, since_ms=since_ms), known.noticed_ms)


def _is_new(trouble: Trouble, now_ms: int) -> bool:
    if trouble.change.kind is Kind.STUCK or trouble.change.kind not in LASTING:
        return not trouble.change.quiet
    return trouble.noticed_ms >= now_ms - SPAN_MS


def _is_over(trouble: Trouble, now_ms: int) -> bool:
    if trouble.ended_ms is None:
        return False
    # What was only counted has no end: it is no longer told. So has what was no news when it ended.
    counted = trouble.change.kind not in LASTING
    return counted or trouble.change.quiet or trouble.ended_ms < now_ms - SPAN_MS


def _marks(troubles: dict[tuple[Kind, tuple[str, ...]], Trouble]) -> set[tuple[object, ...]]:
    return {(key, each.change.since_ms, each.noticed_ms, each.ended_ms) for key, each in troubles.items()}
