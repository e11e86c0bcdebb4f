"""Since when things are as they are: what their slices only know of the present.

It is kept in memory, and begins anew with the collector: what was so when it first looked has no beginning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Growth", "Lasting", "States"]

T = TypeVar("T", bound=Hashable)
S = TypeVar("S", bound=Hashable)
_STEP_MS = 60_000


class Lasting(NamedTuple, Generic[T, S]):
    """Something in its state; times are ms since the epoch.

    Attributes:
        name: What.
        state: How it is.
        since_ms: Since when; None if it was so when it was first looked at.
        seen_ms: When it was first looked at.
    """

    name: T
    state: S
    since_ms: int | None
    seen_ms: int


class States(Generic[T, S]):
    """Since when each of several things is in its state. Holds no more than what was there last.

    Args:
        may_be_old: What is there for the first time may have been so for long, always; not only at the first look.
        begins_anew: In another state something begins anew; otherwise it goes on for as long as it is there at all.
    """

    def __init__(self, *, may_be_old: bool = False, begins_anew: bool = True) -> None:
        self._begins_anew = begins_anew
        self._known: dict[T, Lasting[T, S]] = {}
        self._may_be_old = may_be_old
        self._looked = False

    def look(self, present: Mapping[T, S], now_ms: int) -> None:
        """Take in how everything is now; what isn't among it has ended."""
        began_ms = now_ms if self._looked and not self._may_be_old else None
        self._looked = True
        known = self._known
        found: dict[T, Lasting[T, S]] = {}
        for name, state in present.items():
            before = known.get(name)
            if before is None:
                found[name] = Lasting(name, state, began_ms, now_ms)
            elif before.state == state or not self._begins_anew:
                found[name] = before._replace(state=state)
            else:
                found[name] = Lasting(name, state, now_ms, before.seen_ms)
        self._known = found

    def state(self, name: T) -> S | None:
        """How something was when it was last looked at."""
        found = self._known.get(name)
        return None if found is None else found.state

    def all(self) -> list[Lasting[T, S]]:
        """Everything that is there."""
        return list(self._known.values())


class Growth(Generic[T]):
    """By how much counts grew within a span. Remembers only those that grew, and each of them once a minute.

    Args:
        span_ms: How far back.
    """

    def __init__(self, span_ms: int) -> None:
        self._span_ms = span_ms
        self._last: dict[T, int] = {}
        self._grew: dict[T, deque[tuple[int, int]]] = {}
        self._looked = False

    def look(self, counts: Mapping[T, int], now_ms: int) -> None:
        """Take in all counts as they are now. One that is less than before has begun anew."""
        for name, count in counts.items():
            # What wasn't there before counts from 0, unless nobody has looked before.
            more = count - self._last.get(name, 0 if self._looked else count)
            if more > 0:
                self._add(name, more, now_ms)
        self._looked = True
        self._last = dict(counts)
        for name in [name for name, grew in self._grew.items() if self._forget(grew, now_ms)]:
            del self._grew[name]

    def grown(self) -> dict[T, tuple[int, int]]:
        """By how much, and when first, of what grew within the span before the last look."""
        return {name: (sum(more for _, more in grew), grew[0][0]) for name, grew in self._grew.items()}

    def _add(self, name: T, more: int, now_ms: int) -> None:
        grew = self._grew.setdefault(name, deque())
        if grew and now_ms - grew[-1][0] < _STEP_MS:
            begin_ms, count = grew[-1]
            grew[-1] = (begin_ms, count + more)
        else:
            grew.append((now_ms, more))

    def _forget(self, grew: deque[tuple[int, int]], now_ms: int) -> bool:
        while grew and grew[0][0] < now_ms - self._span_ms:
            grew.popleft()
        return not grew
