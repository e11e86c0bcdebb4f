"""The hand-over of real record timestamps from a tail's thread to the lag poller's."""

from __future__ import annotations

from collections import deque

__all__ = ["TimestampLog"]

_MAX_WAITING = 100_000


class TimestampLog:
    """A bounded queue, a `RecordTimestamps` on the tail's side.

    When the poller doesn't keep up the oldest reports are dropped: waits are then interpolated.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, int, int, int]] = deque(maxlen=_MAX_WAITING)

    def add(self, topic: str, partition: int, offset: int, timestamp_ms: int) -> None:
        """Report one record; appending to a deque needs no lock."""
        self._waiting.append((topic, partition, offset, timestamp_ms))

    def take(self) -> list[tuple[str, int, int, int]]:
        """Everything reported so far, as (topic, partition, offset, timestamp in ms)."""
        taken = []
        waiting = self._waiting
        while waiting:
            taken.append(waiting.popleft())
        return taken
