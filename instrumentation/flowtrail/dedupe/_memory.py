"""Deduplication within one process."""

from __future__ import annotations

import threading
from collections import OrderedDict

from flowtrail import _fork
from flowtrail.dedupe._port import By, Identified, check_by, event_key


class MemoryDedupe:
    """Remembers the last events of this process: catches redelivery after a rebalance, not after a restart.

    Args:
        max_events: How many events are remembered, over all consumers; the oldest are forgotten first.
        by: `id` or `sequence`; see `event_key`.
    """

    def __init__(self, max_events: int = 100_000, *, by: By = "id") -> None:
        check_by(by)
        self._by = by
        self._max_events = max_events
        self._handled: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        _fork.free(self._lock)

    def key(self, event: Identified) -> str:
        """See `Dedupe.key`."""
        return event_key(event, self._by)

    def is_handled(self, consumer: str, key: str) -> bool:
        """See `Dedupe.is_handled`."""
        return (consumer, key) in self._handled

    def mark_handled(self, consumer: str, key: str) -> None:
        """See `Dedupe.mark_handled`."""
        with self._lock:
            self._handled[consumer, key] = None
            while len(self._handled) > self._max_events:
                self._handled.popitem(last=False)
