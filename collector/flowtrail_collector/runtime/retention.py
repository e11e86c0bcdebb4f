"""Keeps the store from growing for ever: by age, and by size."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Forgetter", "Pruner", "RetentionKeeper", "SpanPruner"]

logger = logging.getLogger("flowtrail_collector")

_PIECE = 5_000
_PAGES = 500
_BREATH_SECONDS = 0.02
_EVERY_SECONDS = 60.0
# Too big: everything older than this share of the oldest event's age goes, again and again until it fits.
_SHRINK = 0.95
_ALWAYS_KEPT_SECONDS = 60.0


class Pruner(Protocol):
    """Removes the oldest of what is kept, a bounded piece at a time so that others get their turn."""

    def prune_events(self, before_ms: int, limit: int) -> int:
        """Forget events recorded before a time; those that were read together go together, when all of them are old.

        What has still to be looked through for edges stays.

        Returns:
            How many went; `limit` or more means there may be more.
        """
        ...

    def prune_sagas(self, before_ms: int, limit: int) -> int:
        """Forget instances whose newest event is older: those that ended, and those that never started."""
        ...

    def oldest_event_ms(self) -> int | None:
        """When the events were recorded that go first, None if there are none."""
        ...

    def used_bytes(self) -> int:
        """Space that what is kept takes up, without what lies free in files. May be an estimate."""
        ...

    def give_back(self, limit: int) -> bool:
        """Give the system back some of the space that lies free, if it is much; whether there is more."""
        ...


class SpanPruner(Protocol):
    """Removes the oldest spans."""

    def prune(self, *, older_than_seconds: float, keep_at_most: int, sparing: bool = True) -> int:
        """Forget spans that were received longer ago, and those beyond a number; how many went.

        Args:
            older_than_seconds: Age beyond which spans go.
            keep_at_most: Number of spans beyond which the oldest go.
            sparing: Leave those out of the first that something else says to keep.
        """
        ...


class Forgetter(Protocol):
    """Removes what is to go before its time."""

    def forget(self, stop: threading.Event) -> int:
        """Forget what is due, in portions, until `stop` is set; how many instances went."""
        ...


class RetentionKeeper:
    """A `Part` named `retention`.

    Args:
        pruner: Deletes events and sagas, whichever they are.
        spans: Deletes spans. By age they are looked after by their own queue.
        events_seconds: How long events are kept, by their records' timestamps.
        sagas_seconds: How long instances are kept after their newest event, once they have ended.
        max_bytes: Space beyond which the oldest events, ended sagas and spans go; None for no bound.
        by_age: Deletes by age, if some things stay longer than others.
        forgetter: Deletes before that; None for nothing.
        time_seconds: Wall clock, seconds since the epoch.
    """

    name = "retention"
    problem: str | None = None

    def __init__(
        self,
        pruner: Pruner,
        spans: SpanPruner,
        *,
        events_seconds: float,
        sagas_seconds: float,
        max_bytes: int | None = None,
        by_age: Pruner | None = None,
        forgetter: Forgetter | None = None,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._pruner = pruner
        self._by_age = by_age or pruner
        self._forgetter = forgetter
        self._spans = spans
        self._events_seconds = events_seconds
        self._sagas_seconds = sagas_seconds
        self._max_bytes = max_bytes
        self._time_seconds = time_seconds

    def run(self, stop: threading.Event) -> None:
        """Look once a minute until `stop` is set."""
        while not stop.is_set():
            self.prune(stop)
            stop.wait(_EVERY_SECONDS)

    def prune(self, stop: threading.Event | None = None) -> int:
        """Forget what is due.

        Returns:
            How many events and instances went.
        """
        stop = stop or threading.Event()
        now_ms = int(self._time_seconds() * 1000)
        gone = self._forgetter.forget(stop) if self._forgetter is not None else 0
        events_before_ms = now_ms - int(self._events_seconds * 1000)
        sagas_before_ms = now_ms - int(self._sagas_seconds * 1000)
        gone += self._prune(self._by_age, events_before_ms, sagas_before_ms, stop)
        gone += self._shrink(now_ms, stop)
        while not stop.is_set() and self._pruner.give_back(_PAGES):
            stop.wait(_BREATH_SECONDS)
        return gone

    def _prune(
        self, pruner: Pruner, events_before_ms: int, sagas_before_ms: int, stop: threading.Event
    ) -> int:
        total = 0
        for prune, before_ms in (
            (pruner.prune_events, events_before_ms),
            (pruner.prune_sagas, sagas_before_ms),
        ):
            gone = _PIECE
            while gone >= _PIECE and not stop.is_set():
                gone = prune(before_ms, _PIECE)
                total += gone
        return total

    def _shrink(self, now_ms: int, stop: threading.Event) -> int:
        total = 0
        while (
            self._max_bytes is not None and not stop.is_set() and self._pruner.used_bytes() > self._max_bytes
        ):
            oldest_ms = self._pruner.oldest_event_ms()
            age_seconds = 0.0 if oldest_ms is None else (now_ms - oldest_ms) / 1000 * _SHRINK
            if age_seconds <= _ALWAYS_KEPT_SECONDS:
                logger.warning(
                    "the store is larger than --store-max-size, and nothing in it is old enough to delete"
                )
                break
            before_ms = now_ms - int(age_seconds * 1000)
            gone = self._prune(self._pruner, before_ms, before_ms, stop)
            gone += self._spans.prune(older_than_seconds=age_seconds, keep_at_most=2**62, sparing=False)
            total += gone
            if not gone:
                break
        return total
