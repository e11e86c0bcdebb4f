"""Takes note of readers as spans come in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from flowtrail_collector.readers.model import ReaderKey, seen_in
from flowtrail_collector.readers.ports import Readers
from flowtrail_collector.spans.model import Span

__all__ = ["ReaderNotes"]

_FRESH_MS = 60_000
_MAX_REMEMBERED = 20_000


class ReaderNotes:
    """Notes readers before the spans that tell of them are acknowledged; a reader that goes on, once a minute.

    Args:
        readers: Where they are kept.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(self, readers: Readers, *, time_seconds: Callable[[], float] = time.time) -> None:
        self._readers = readers
        self._time_seconds = time_seconds
        self._noted: dict[ReaderKey, int] = {}

    def note(self, spans: Sequence[Span]) -> None:
        """Note who read what; called by one thread at a time.

        Raises:
            StoreError: It couldn't be noted; the spans have to come again.
        """
        seen = seen_in(spans, int(self._time_seconds() * 1000))
        noted = self._noted
        due = {key: at for key, at in seen.items() if key not in noted or at - noted[key] >= _FRESH_MS}
        if not due:
            return
        self._readers.note(due)
        if len(noted) + len(due) > _MAX_REMEMBERED:
            noted.clear()
        noted.update(due)
